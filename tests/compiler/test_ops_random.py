"""Random arguments for every operator, against torch; `python -m tests.campaigns.ops` runs more of them."""

import os

import pytest

from archc.compiler.ops import OPS
from tests.compiler.agreement import campaign

CASES = int(os.environ.get("ARCHC_CASES", "50"))  # for each operator
SEED = 1


@pytest.mark.parametrize("name", OPS)
def test_archc_accepts_what_torch_accepts_and_gives_its_sizes(name: str) -> None:
    found = campaign(name, CASES, SEED)
    assert found.total() == CASES
    assert found["both accept"] >= CASES // 20, "hardly any of the uses fits: they test little"
