"""Convolutions as products of matrices: the same numbers as torch's own, and chosen only where they may be faster."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.runtime import RunInterrupted, Settings, fit
from archc.runtime.im2col import Im2col
from archc.runtime.watch import Silent
from tests.runtime.resuming import StopAt
from tests.runtime.toys import same, state_of, toy_data, toy_net

NATIVE, PRODUCT = float("inf"), 0.0
GEOMETRIES = [
    {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "bias": bias}
    for kernel, stride, padding, dilation, bias in itertools.product(
        (1, 3, (3, 2)), (1, 2, (2, 1)), (0, 1, (2, 0)), (1, 2), (True, False)
    )
]


def passes(layer: nn.Conv2d, images: Tensor, weights_per_place: float) -> tuple[bool, list[Tensor]]:
    """Whether the layer was computed as a product; its output and every gradient."""
    layer.zero_grad()
    images = images.detach().requires_grad_()
    with Im2col(weights_per_place) as im2col:
        output = layer(images)
    (output * torch.arange(output.numel()).view(output.shape)).sum().backward()
    gradients = [images.grad, *(parameter.grad for parameter in layer.parameters())]
    return im2col.met, [output.detach(), *(gradient.clone() for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: "-".join(map(str, geometry.values())))
def test_output_and_gradients_are_those_of_torch(geometry: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, **geometry).double()
    images = torch.randn(2, 3, 5, 7, dtype=torch.double)
    for order in (torch.contiguous_format, torch.channels_last):
        ordered = images.contiguous(memory_format=order)
        torch_met, right = passes(layer.to(memory_format=order), ordered, NATIVE)
        met, found = passes(layer, ordered, PRODUCT)
        assert (torch_met, met) == (False, True)
        assert len(found) == 3 + (layer.bias is not None)
        for one, other in zip(found, right, strict=True):
            torch.testing.assert_close(one, other)


def test_what_follows_may_work_in_place() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True))
    images, gradients = torch.randn(2, 2, 4, 4), []
    for way in (NATIVE, PRODUCT):
        net.zero_grad()
        with Im2col(way):
            net(images).square().sum().backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    torch.testing.assert_close(*gradients)


def test_in_bf16_it_is_as_exact_as_torch() -> None:
    """Both against fp64; what reaches a pixel from several windows is added up in fp32 and rounded twice."""
    torch.manual_seed(0)
    layer, images = nn.Conv2d(64, 64, 3, padding=1), torch.randn(8, 64, 4, 4)
    _, exact = passes(layer.double(), images.double(), NATIVE)
    layer.float()
    errors = []
    for way in (NATIVE, PRODUCT):
        with torch.autocast("cpu", torch.bfloat16):
            _, found = passes(layer, images, way)
        errors.append([(one - other).norm() / other.norm() for one, other in zip(found, exact, strict=True)])
    for own, torchs in zip(errors[1], errors[0], strict=True):
        assert own < 1.5 * torchs < 0.02


def test_autocast_gives_its_number_type_and_the_weights_keep_theirs() -> None:
    layer = nn.Conv2d(2, 2, 3)
    with torch.autocast("cpu", torch.bfloat16), Im2col(PRODUCT):
        output = layer(torch.rand(1, 2, 4, 4))
    output.sum().backward()
    assert output.dtype is torch.bfloat16
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype is torch.float32


@pytest.mark.parametrize(("places", "met"), [(4, True), (5, False)])
def test_the_bound_is_weights_for_each_place(places: int, met: bool) -> None:
    layer = nn.Conv2d(4, 8, 1)  # 32 weights
    with Im2col(weights_per_place=8) as im2col:
        layer(torch.rand(1, 4, 1, places))
    assert im2col.met is met


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, padding="same"), nn.ConvTranspose2d(4, 4, 3)]
)
def test_other_convolutions_are_left_alone(layer: nn.Module) -> None:
    images = torch.rand(1, 4, 5, 5)
    with Im2col(PRODUCT) as im2col:
        found = layer(images)
    assert not im2col.met
    assert torch.equal(found, layer(images))


@pytest.mark.parametrize("shape", [(1, 4, 2, 2), (1, 3, 5, 5)])
def test_torch_says_what_is_wrong(shape: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match=r"size|channels"), Im2col(PRODUCT):
        nn.Conv2d(4, 4, 3)(torch.rand(shape))


def wide() -> nn.Module:
    """Convolutions on 4x4 images, one of which has 13,824 weights for each place."""
    return nn.Sequential(
        nn.Conv2d(1, 128, 3, padding=1), nn.Conv2d(128, 192, 3, padding=1), nn.Flatten(), nn.Linear(3072, 2)
    )


class Begin(Silent):
    """Notes what a run says as it begins."""

    facts: Mapping[str, Any]

    def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
        self.facts = facts


def begun(net: nn.Module, out: Path, **settings: Any) -> tuple[bool, str]:
    """Whether a run computes with products, and what it says of the machine."""
    watch = Begin()
    fit(net, toy_data(), settings=Settings(**{"device": "cpu", "epochs": 1, **settings}), out=out, watch=watch)
    return watch.facts["chosen"]["im2col"], watch.facts["machine"]


@pytest.mark.parametrize(
    ("settings", "im2col"),
    [
        ({"precision": "bf16"}, True),
        ({"precision": "bf16", "layout": "contiguous"}, False),
        ({"precision": "bf16", "im2col": False}, False),
        ({"precision": "fp32"}, False),
        ({"precision": "fp32", "im2col": True}, True),
    ],
)
def test_by_rule_it_is_for_bf16_and_channels_last(tmp_path: Path, settings: dict[str, Any], im2col: bool) -> None:
    chosen, machine = begun(wide(), tmp_path / "run", **settings)
    assert chosen is im2col
    assert (", im2col" in machine) is im2col


def test_a_network_without_such_convolutions_does_without(tmp_path: Path) -> None:
    chosen, machine = begun(toy_net(), tmp_path / "run", precision="bf16")
    assert (chosen, machine) == (False, "cpu, bf16, channels last (too short a run to try others)")


def test_a_run_computes_what_it_chose_and_goes_on_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pass of the training and the test, also after a stop: the run is bit for bit the one without a stop."""
    shapes = list[tuple[int, ...]]()
    product = Im2col._product

    def noted(self: Im2col, input: Tensor, weight: Tensor, *rest: Any) -> Tensor | None:
        found = product(self, input, weight, *rest)
        if found is not None:
            shapes.append(tuple(weight.shape))
        return found

    monkeypatch.setattr(Im2col, "_product", noted)
    states = []
    for stop in (False, True):
        torch.manual_seed(5)
        net, shapes[:] = wide(), []
        settings = Settings(device="cpu", epochs=2, batch_size=8, precision="bf16")
        if stop:
            with pytest.raises(RunInterrupted):
                fit(net, toy_data(), settings=settings, out=tmp_path / "stopped", watch=StopAt(3))
            fit(net, toy_data(), resume=tmp_path / "stopped", watch=Silent())
        else:
            fit(net, toy_data(), settings=settings, out=tmp_path / "whole", watch=Silent())
            assert shapes == [(192, 128, 3, 3)] * (2 + 2 * (5 + 1))  # the first look, steps and tests
        states.append(state_of(net))
    assert same(*states)
