"""Conditions on inputs against trying every size in torch; `python -m tests.campaigns.networks` tries more networks."""

import os
from random import Random

import pytest
import torch

import archc
from archc.dsl.diagnostics import ArchError
from archc.files import open_text
from archc.network import network
from tests.campaigns.network_parts import Maker
from tests.campaigns.networks import DISAGREEMENT, EXACT, IMPOSSIBLE, NOT_FOLLOWED, campaign
from tests.campaigns.random_networks import BEGINNINGS, ENDINGS, PARTS

NETWORKS = int(os.environ.get("ARCHC_NETWORKS", "40"))
SEED = 2


def test_what_archc_accepts_runs_and_what_it_refuses_does_not() -> None:
    lines: list[str] = []
    found = campaign(NETWORKS, SEED, lines.append)
    assert found.total() == NETWORKS
    assert not found[DISAGREEMENT], "\n".join(lines)
    assert found[EXACT] >= NETWORKS // 2, found
    assert found[IMPOSSIBLE] >= NETWORKS // 20, found
    assert found[NOT_FOLLOWED] <= NETWORKS // 20, lines


@pytest.mark.parametrize("part", list(dict.fromkeys((*BEGINNINGS, *PARTS, *ENDINGS))), ids=lambda part: part.__name__)
def test_every_part_of_a_random_network_is_accepted_by_archc_and_torch(part: object) -> None:
    """So that each of them has a chance to disagree."""
    accepted = 0
    for seed in range(20):
        maker = Maker(Random(seed))
        made = part(maker, 4, 2)  # type: ignore[operator]
        text = "\n".join([*maker.blocks, f"arch Net {{\ninput x: [4, 60, 60]\n{made.text}\n}}"])
        try:
            (output,) = network(open_text(text), {}).outputs.values()
        except ArchError:
            continue
        assert tuple(made.run(torch.empty(1, 4, 60, 60, device="meta")).shape[1:]) == output, text
        accepted += 1
    assert accepted > 4


STRIDE_AGAINST_POOL = """
arch Net {{
    input image: [4, {size}, {size}]
    add {{ conv(4, 3, stride=2, padding=1); max_pool(2) }}
}}
"""


def test_a_stride_2_conv_against_max_pool_2_on_odd_sizes_is_found() -> None:
    checked = network(open_text(STRIDE_AGAINST_POOL.format(size="H")), {})
    assert [str(one) for one in checked.checked.shaped.conditions] == ["H must be a multiple of 2, at least 2"]
    module = archc.loads(STRIDE_AGAINST_POOL.format(size="H"))
    for n in range(1, 40):
        if n % 2 == 0:
            assert module(torch.zeros(1, 4, n, n)).shape == (1, 4, n // 2, n // 2)
        else:
            with pytest.raises(AssertionError, match="H must be a multiple of 2"):
                module(torch.zeros(1, 4, n, n))
    with pytest.raises(ArchError, match="branch 1 is 4x113x113, branch 2 is 4x112x112"):
        archc.loads(STRIDE_AGAINST_POOL.format(size=225))
