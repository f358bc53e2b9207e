"""Muon, also for convolutions and attention, with AdamW for what is no matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod, sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
TIMES_ADAMS = 10.0
"""The rate of matrices for one of AdamW: with lr 0.001 a step changes weights as they begin by about 1 %."""


class Form(NamedTuple):
    """How a weight [out, in, ...] is a matrix, or several that only share a tensor."""

    parts: int = 1
    """Matrices along the first axis: queries, keys and values of an attention, or the groups of a convolution."""
    fan_in: float | None = None
    """How many products an output is the sum of; None: the length of a row."""


class Muon(torch.optim.AdamW):
    """Takes steps in all directions of a weight at once: its mean gradient with every singular value brought to 1.

    A weight [out, in, ...] counts as the matrix [out, fan-in], and the root mean square of its step is 10 * `lr` over
    the root of its fan-in, about the size that weights begin with: one rate fits layers of any width, and one for
    AdamW fits both. A group of parameters may say in another `form` how each is a matrix, or with None that it is
    AdamW's; so is what has a single row or column. torch's Muon (2.9 and newer) takes matrices only.

    Source: Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024).

    >>> weight = torch.nn.Parameter(torch.zeros(3, 3))
    >>> weight.grad = torch.diag(torch.tensor([500.0, 100.0, 20.0]))
    >>> Muon([weight], lr=0.1, weight_decay=0).step()   # a step as long in every direction, however large the gradient
    >>> values = torch.linalg.svdvals(weight.detach())
    >>> bool((values > 0.6).all() and (values < 1.3).all())
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
            form = group.get("form", Form())
            for weight in group["params"]:
                if weight.grad is not None and form is not None and is_matrix(weight.shape, form.parts):
                    self._step_of(weight, weight.grad, form, lr=group["lr"], decay=group["weight_decay"])
                    weight.grad = None  # AdamW passes over it
        super().step()
        return loss

    def _step_of(self, weight: Tensor, gradient: Tensor, form: Form, *, lr: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        mean = state["momentum"].lerp_(gradient, 1 - self.momentum)
        ahead = gradient.lerp(mean, self.momentum) if self.nesterov else mean
        matrices = ahead.flatten(1).unflatten(0, (form.parts, -1))
        step = orthogonalised(matrices).to(weight.dtype).reshape(weight.shape)
        rows, columns = matrices.shape[1:]
        longer = sqrt(max(rows, columns) / (form.fan_in or columns))
        weight.mul_(1 - lr * decay).add_(step, alpha=-lr * TIMES_ADAMS * longer)


def form_of(layer: nn.Module, name: str) -> Form | None:
    """The form of a layer's parameter of that name; None where it is no matrix that multiplies the layer's input.

    Biases, norms and embeddings are none, nor are the parameters of a layer that torch does not have: they may be
    anything. A transposed convolution's weight is [in, out, kernel]; kernels larger than the stride overlap.

    >>> form_of(nn.Conv2d(8, 8, 3, groups=4), "weight"), form_of(nn.ConvTranspose2d(8, 4, 2, stride=2), "weight")
    (Form(parts=4, fan_in=None), Form(parts=1, fan_in=8.0))
    >>> form_of(nn.Embedding(8, 4), "weight")
    """
    form = None
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        overlapping = prod(max(1.0, side / step) for side, step in zip(layer.kernel_size, layer.stride, strict=True))
        form = Form(layer.groups, layer.in_channels // layer.groups * overlapping)
    elif isinstance(layer, nn.modules.conv._ConvNd):
        form = Form(layer.groups)
    elif isinstance(layer, nn.Linear):
        form = Form()
    elif isinstance(layer, nn.MultiheadAttention):
        form = Form(3 if name == "in_proj_weight" else 1)
    elif isinstance(layer, nn.RNNBase | nn.RNNCellBase):  # a matrix for each gate, but not for each projection
        form = Form(max(1, len(getattr(layer, name)) // layer.hidden_size))
    return form if form is not None and is_matrix(getattr(layer, name).shape, form.parts) else None


def is_matrix(shape: Sequence[int], parts: int = 1) -> bool:
    """Whether a parameter of this shape has several rows and columns, in each of its parts.

    >>> is_matrix((8, 3, 3, 3)), is_matrix((1, 1, 64)), is_matrix((64, 1, 1)), is_matrix((64,))
    (True, False, False, False)
    """
    return len(shape) > 1 and min(shape[0] // parts, prod(shape[1:])) > 1


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices [number, rows, columns] with singular values of about 1 (0.7 to 1.2) in place of their own, in bf16.

    A Newton-Schulz iteration of five steps whose polynomial is steep at 0, so that small singular values grow fast.
    Source: Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024).

    >>> values = torch.linalg.svdvals(orthogonalised(torch.diag(torch.tensor([5.0, 1.0, 0.2]))[None]).float())
    >>> bool((values > 0.6).all() and (values < 1.3).all())
    True
    """
    a, b, c = COEFFICIENTS
    wide = matrices.bfloat16()
    tall = wide.shape[1] > wide.shape[2]
    wide = wide.mT if tall else wide
    wide = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.mT if tall else wide
