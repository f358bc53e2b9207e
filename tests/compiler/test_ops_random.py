"""Random arguments for every operator, against torch; `python -m tests.campaigns.ops` runs more of them."""

import os
from collections import Counter
from functools import cache

import pytest

from archc.compiler.ops import OPS
from tests.compiler.agreement import NO_TEXT, ONLY, ONLY_ARCHC, campaign

CASES = int(os.environ.get("ARCHC_CASES", "200"))  # for each operator
SEED = 1


@cache
def found(name: str) -> Counter[str]:
    return campaign(name, CASES, SEED)


@pytest.mark.parametrize("name", OPS)
def test_archc_accepts_what_torch_accepts_and_gives_its_sizes(name: str) -> None:
    assert found(name).total() == CASES
    assert found(name)["both accept"] >= CASES // 20, "hardly any of the uses fits: they test little"


@pytest.mark.skipif(CASES < 200, reason="too few cases to meet every refusal")
def test_every_refusal_that_is_only_archcs_is_still_needed() -> None:
    """Each entry of the list meets a use that torch accepts, or one that torch has no text for."""
    total = sum((found(name) for name in OPS), Counter[str]())
    needless = [words for words in ONLY_ARCHC if not total[ONLY + words] and not total[NO_TEXT + words]]
    assert not needless
