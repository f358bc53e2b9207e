"""First weights follow torchvision's distributions; `python -m tests.campaigns.initial` compares more networks."""

import pytest
import torch

from tests.campaigns.initial import compared, differs, spread


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_the_first_weights_are_torchvision_s(name: str) -> None:
    assert compared(name, seeds=2) == {}


def test_other_distributions_are_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(10_000, generator=generator)
    uniform = (2 * torch.rand(10_000, generator=generator) - 1) * 3**0.5  # the same mean and deviation
    again = torch.randn(10_000, generator=generator)
    assert differs(spread(again), spread(normal)) == ""
    assert differs(spread(uniform), spread(normal)) == "shape"
    assert differs(spread(1.2 * again), spread(normal)) == "deviation"
    assert differs(spread(again + 0.2), spread(normal)) == "mean"
    assert differs(spread(torch.zeros(100)), spread(normal)) == "one is constant"
    assert differs(spread(torch.zeros(100)), spread(torch.ones(100))) == "another constant"
    assert differs(spread(torch.ones(100)), spread(torch.ones(100))) == ""
