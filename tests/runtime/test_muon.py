"""Muon beside torch's own, which takes matrices only, and beside the singular value decomposition."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.runtime import Settings
from archc.runtime.muon import Form, Muon, form_of, orthogonalised
from archc.runtime.optimise import GuardedOptimizer, build_optimizer

TORCHS: Any = getattr(torch.optim, "Muon", None)  # since torch 2.9
WHOLE = Form()


def gradient(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def after_steps(optimizer: torch.optim.Optimizer, weight: nn.Parameter, steps: int = 4) -> Tensor:
    for step in range(steps):
        weight.grad = gradient(*weight.shape, seed=step)
        optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] / (step + 1)
        optimizer.step()
    return weight.detach()


def ours(start: Tensor, form: Form = WHOLE, **arguments: Any) -> Tensor:
    weight = nn.Parameter(start.clone())
    return after_steps(Muon([{"params": [weight], "form": form}], **arguments), weight)


@pytest.mark.skipif(TORCHS is None, reason="this torch has no Muon")
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)], ids=str)
def test_the_step_of_a_matrix_is_torchs(shape: tuple[int, int], *, nesterov: bool) -> None:
    """With ten times the rate, and a tenth of the decay, which is multiplied by the rate."""
    start = gradient(*shape, seed=9)
    weight = nn.Parameter(start.clone())
    arguments: dict[str, Any] = {"momentum": 0.9, "nesterov": nesterov}
    theirs = after_steps(TORCHS([weight], lr=0.02, weight_decay=0.3, **arguments), weight)
    torch.testing.assert_close(ours(start, lr=0.002, weight_decay=3.0, **arguments), theirs, rtol=1e-5, atol=1e-6)
    assert not torch.equal(theirs, start)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=str)
def test_a_convolutions_weight_is_a_matrix_in_either_order_of_memory(order: torch.memory_format) -> None:
    start = gradient(6, 4, 3, 3, seed=9)
    as_matrix = ours(start.flatten(1)).unflatten(1, (4, 3, 3))
    as_weight = ours(start.contiguous(memory_format=order))
    torch.testing.assert_close(as_weight, as_matrix, rtol=0, atol=1e-4)  # in bf16, steps of 0.02 / 6 and less
    assert as_weight.is_contiguous(memory_format=order)


@pytest.mark.parametrize("shape", [(7,), (1, 1, 7), (7, 1, 1), ()], ids=str)
def test_what_is_no_matrix_is_adamws(shape: tuple[int, ...]) -> None:
    start = gradient(*shape, seed=9)
    weight = nn.Parameter(start.clone())
    arguments: dict[str, Any] = {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.3}
    theirs = after_steps(torch.optim.AdamW([weight], **arguments), weight)
    assert torch.equal(ours(start, **arguments), theirs)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (12, 12)], ids=str)
def test_the_singular_vectors_stay_and_the_values_come_near_one(shape: tuple[int, int]) -> None:
    left, values, right = torch.linalg.svd(gradient(*shape), full_matrices=False)
    matrix = left * values.clamp(min=values[0] / 20) @ right
    found = left.T @ orthogonalised(matrix[None])[0].float() @ right.T
    assert 0.6 < found.diagonal().min() < found.diagonal().max() < 1.3
    assert (found - found.diagonal().diag()).abs().max() < 0.05


def first_step(shape: tuple[int, ...], form: Form = WHOLE) -> Tensor:
    weight = nn.Parameter(gradient(*shape, seed=9))
    start = weight.detach().clone()
    optimizer = Muon([{"params": [weight], "form": form}], lr=0.003, weight_decay=0)
    return after_steps(optimizer, weight, steps=1) - start


@pytest.mark.parametrize("shape", [(10, 300), (300, 10), (32, 16, 3, 3), (16, 1, 3, 3)], ids=str)
def test_the_size_of_a_step_is_that_of_new_weights(shape: tuple[int, ...]) -> None:
    size = 10 * 0.003 / math.prod(shape[1:]) ** 0.5
    assert 0.75 * size < first_step(shape).square().mean().sqrt() < 1.15 * size


@pytest.mark.parametrize(("kernel", "terms"), [(2, 24), (4, 4 * 24), (1, 24)])
def test_the_fan_in_of_a_transposed_convolution_is_what_an_output_sums(kernel: int, terms: int) -> None:
    """Counted: all weights and inputs are 1."""
    layer = nn.ConvTranspose2d(24, 6, kernel, stride=2, bias=False)
    nn.init.ones_(layer.weight)
    assert layer(torch.ones(1, 24, 9, 9)).max() == terms
    form = form_of(layer, "weight")
    assert form == Form(1, terms)
    step = first_step(tuple(layer.weight.shape), form)
    assert 0.75 < step.square().mean().sqrt() / (10 * 0.003 / terms**0.5) < 1.15


@pytest.mark.parametrize("shape", [(24, 8), (24, 2, 3, 3)], ids=str)
def test_matrices_that_share_a_tensor_take_the_steps_of_their_own(shape: tuple[int, ...]) -> None:
    """An attention's queries, keys and values; the groups of a convolution."""
    start = gradient(*shape, seed=9)
    own = [nn.Parameter(part.clone()) for part in start.chunk(3)]
    optimizer = Muon(own)
    for step in range(4):
        for weight, part in zip(own, gradient(*shape, seed=step).chunk(3), strict=True):
            weight.grad = part.clone()
        optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] / (step + 1)
        optimizer.step()
    torch.testing.assert_close(ours(start, Form(3)), torch.cat([*own]).detach(), rtol=0, atol=1e-5)
    assert not torch.allclose(ours(start), ours(start, Form(3)), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("layer", "forms"),
    [
        (nn.Linear(3, 4), {"weight": Form()}),
        (nn.Linear(3, 1), {}),
        (nn.Conv1d(4, 4, 3), {"weight": Form()}),
        (nn.Conv2d(8, 8, 3, groups=2), {"weight": Form(2)}),
        (nn.Conv2d(8, 8, 3, groups=8), {}),  # depthwise: a row for each channel
        (nn.ConvTranspose2d(8, 6, 3, stride=2, groups=2), {"weight": Form(2, 9.0)}),
        (nn.MultiheadAttention(8, 2), {"in_proj_weight": Form(3)}),
        (nn.MultiheadAttention(8, 2, kdim=4), {f"{name}_proj_weight": Form() for name in "qkv"}),
        (nn.LSTM(3, 4, proj_size=2), {"weight_ih_l0": Form(4), "weight_hh_l0": Form(4), "weight_hr_l0": Form()}),
        (nn.GRUCell(3, 4), {"weight_ih": Form(3), "weight_hh": Form(3)}),
        (nn.Embedding(9, 4), {}),
        (nn.LayerNorm([3, 4, 4]), {}),
    ],
    ids=str,
)  # fmt: skip
def test_the_matrices_of_layers(layer: nn.Module, forms: dict[str, Form]) -> None:
    names = [name for name, _ in layer.named_parameters(recurse=False)]
    assert {name: form for name in names if (form := form_of(layer, name))} == forms


class Tokens(nn.Module):
    """A language model's shared weights, and values of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head, self.hidden = nn.Embedding(9, 4), nn.Linear(4, 9), nn.Linear(4, 4)
        self.head.weight = self.embedding.weight
        self.positions = nn.Parameter(torch.zeros(6, 4))


def test_adamw_takes_what_is_no_matrix_of_a_layer() -> None:
    net = Tokens()
    groups = build_optimizer(net, Settings(optimizer="muon")).param_groups
    forms = {weight: group["form"] for group in groups for weight in group["params"]}
    assert len(forms) == len(list(net.parameters()))
    assert [name for name, weight in net.named_parameters() if forms[weight]] == ["hidden.weight"]


def test_nothing_is_read_from_the_device() -> None:
    """A tensor on the meta device has no values to read, so all of the step could be queued without waiting."""
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(2, 8, 3, groups=2), nn.Flatten(), nn.Linear(8, 4))
        guarded = GuardedOptimizer(net, Settings(optimizer="muon"))
        for _ in range(2):
            loss = net(torch.ones(3, 2, 3, 3)).sum()
            loss.backward()
            guarded.step(loss.detach(), lr=0.1)
        with pytest.raises(RuntimeError, match="meta"):
            guarded.bad.item()


def test_without_a_gradient_nothing_moves() -> None:
    weight = nn.Parameter(torch.ones(3, 3))
    weight.grad = torch.zeros(3, 3)
    Muon([weight], weight_decay=0).step()
    assert torch.equal(weight, torch.ones(3, 3))


def test_a_step_may_measure_the_loss_again() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([weight])

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = weight.square().sum()
        found.backward()
        return found

    assert optimizer.step(loss).item() == 4
    assert weight.sum() < 4
