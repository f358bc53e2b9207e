"""Muon beside torch's own, which takes matrices only, and beside the singular value decomposition."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.runtime.muon import Muon, orthogonalised

TORCHS: Any = getattr(torch.optim, "Muon", None)  # since torch 2.9


def gradient(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def after_steps(optimizer: torch.optim.Optimizer, weight: nn.Parameter, steps: int = 4) -> Tensor:
    for step in range(steps):
        weight.grad = gradient(*weight.shape, seed=step)
        optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] / (step + 1)
        optimizer.step()
    return weight.detach()


def ours(start: Tensor, **arguments: Any) -> Tensor:
    weight = nn.Parameter(start.clone())
    return after_steps(Muon([weight], **arguments), weight)


@pytest.mark.skipif(TORCHS is None, reason="this torch has no Muon")
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)], ids=str)
def test_the_step_of_a_matrix_is_torchs(shape: tuple[int, int], *, nesterov: bool) -> None:
    """With ten times the rate, and a tenth of the decay, which is multiplied by the rate."""
    start = gradient(*shape, seed=9)
    weight = nn.Parameter(start.clone())
    arguments = {"momentum": 0.9, "nesterov": nesterov}
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
    found = left.T @ orthogonalised(left * values.clamp(min=values[0] / 20) @ right).float() @ right.T
    assert 0.6 < found.diagonal().min() < found.diagonal().max() < 1.3
    assert (found - found.diagonal().diag()).abs().max() < 0.05


@pytest.mark.parametrize("shape", [(10, 300), (300, 10), (32, 16, 3, 3), (16, 1, 3, 3)], ids=str)
def test_the_size_of_a_step_is_that_of_new_weights(shape: tuple[int, ...]) -> None:
    start = gradient(*shape, seed=9)
    weight = nn.Parameter(start.clone())
    step = after_steps(Muon([weight], lr=0.003, weight_decay=0), weight, steps=1) - start
    size = 10 * 0.003 / math.prod(shape[1:]) ** 0.5
    assert 0.75 * size < step.square().mean().sqrt() < 1.15 * size


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
