"""Muon, also for convolutions, with AdamW for what is no matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
TIMES_ADAMS = 10.0
"""The rate of matrices for one of AdamW: with lr 0.001 a step changes weights as they begin by about 1 %."""


class Muon(torch.optim.AdamW):
    """Takes steps in all directions of a weight at once: its mean gradient with every singular value brought to 1.

    A weight [out, in, ...] counts as the matrix [out, fan-in], and the root mean square of its step is 10 * `lr` over
    the root of its fan-in, about the size that weights begin with: one rate fits layers of any width, and one for
    AdamW fits both. Biases, norms and whatever else has a single row or column (class tokens, layer scales) are
    AdamW's. torch's Muon (2.9 and newer) takes matrices only.

    Source: Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024).

    >>> layer = torch.nn.Conv2d(3, 8, 3, bias=False)
    >>> optimizer = Muon(layer.parameters(), lr=0.01, weight_decay=0)
    >>> before = layer.weight.detach().clone()
    >>> layer(torch.ones(1, 3, 3, 3)).square().sum().backward()
    >>> optimizer.step()
    >>> bool((layer.weight - before).abs().mean() > 0)
    True
    """

    def __init__(
        self, params: Iterable[Any], *, momentum: float = 0.95, nesterov: bool = True, **of_adamw: Any
    ) -> None:
        super().__init__(params, **of_adamw)
        self.momentum, self.nesterov = momentum, nesterov

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the gradients of matrices are gone after it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and is_matrix(weight.shape):
                    self._step_of(weight, weight.grad, lr=group["lr"], decay=group["weight_decay"])
                    weight.grad = None  # AdamW passes over it
        super().step()
        return loss

    def _step_of(self, weight: Tensor, gradient: Tensor, *, lr: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        mean = state["momentum"].lerp_(gradient, 1 - self.momentum)
        ahead = gradient.lerp(mean, self.momentum) if self.nesterov else mean
        matrix = ahead.flatten(1)
        step = orthogonalised(matrix).to(weight.dtype).reshape(weight.shape)
        rows, columns = matrix.shape
        weight.mul_(1 - lr * decay).add_(step, alpha=-lr * TIMES_ADAMS * sqrt(max(1, rows / columns)))


def is_matrix(shape: Sequence[int]) -> bool:
    """Whether a parameter of this shape has several rows and columns.

    >>> is_matrix((8, 3, 3, 3)), is_matrix((1, 1, 64)), is_matrix((64, 1, 1)), is_matrix((64,))
    (True, False, False, False)
    """
    return len(shape) > 1 and min(shape[0], prod(shape[1:])) > 1


def orthogonalised(matrix: Tensor) -> Tensor:
    """The matrix with singular values of about 1 (0.7 to 1.2) in place of its own, in bf16.

    A Newton-Schulz iteration of five steps whose polynomial is steep at 0, so that small singular values grow fast.
    Source: Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024).

    >>> values = torch.linalg.svdvals(orthogonalised(torch.diag(torch.tensor([5.0, 1.0, 0.2]))).float())
    >>> bool((values > 0.6).all() and (values < 1.3).all())
    True
    """
    a, b, c = COEFFICIENTS
    wide = matrix.bfloat16()
    tall = wide.shape[0] > wide.shape[1]
    wide = wide.T if tall else wide
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if tall else wide
