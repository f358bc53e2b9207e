"""Optimizer, schedule and first weights: three tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi, prod, sqrt

import torch
from torch import Tensor, nn

from archc.runtime.settings import Settings

START_FACTOR = 1 / 25  # one-cycle begins at this part of the highest rate, as in torch's OneCycleLR

USUAL_DEVIATION = 0.02
LARGEST_SCALE = 10.0

CONVOLUTIONS_AND_LINEARS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear,
)  # fmt: skip


def initialise(module: nn.Module, init: str) -> None:
    """Draws new weights for every convolution and linear layer: Xavier-uniform, biases as torch's default.

    Other layers keep theirs, and `init="module"` keeps all. Random numbers come from torch's global generator.
    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    >>> layer = nn.Linear(3, 3)
    >>> initialise(layer, "xavier")
    >>> bool(layer.weight.abs().max() <= 1)   # sqrt(6 / (3 + 3))
    True
    """
    if init == "module":
        return
    for layer in module.modules():
        # exact types: the subclass inside nn.MultiheadAttention has its own initialisation, which is Xavier's too
        if type(layer) in CONVOLUTIONS_AND_LINEARS:
            layer.reset_parameters()  # type: ignore[operator]  # each of these types has it
            nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]  # and a weight


def build_optimizer(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer of the settings over the parameters that train, fused; biases and norms do not decay.

    Each group has a `scale`, by which its learning rate is multiplied.
    """
    scaled = settings.lr_scaling == "fan" and settings.optimizer != "sgd"  # a step of sgd is as long as the gradient
    grouped: dict[tuple[float, float], list[Tensor]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim >= 2 else 0.0
            scale = fan_scale(parameter.shape) if scaled else 1.0
            grouped.setdefault((decay, scale), []).append(parameter)
    groups = [{"params": some, "weight_decay": decay, "scale": scale} for (decay, scale), some in grouped.items()]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, fused=True)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.lr, fused=True)


def fan_scale(shape: Sequence[int]) -> float:
    """Xavier's deviation of a weight of this shape [out, in, ...], relative to 0.02; 1 for biases and norms.

    Adam moves every weight by about the learning rate, so the rate must follow the size of the weights.
    Source: Yang and others, "Tensor Programs V" (2022), for Adam's rate falling with the width; Xavier's
    deviation is the milder rule, which also knows small networks.

    >>> round(fan_scale((4096, 9216)), 2), round(fan_scale((16, 6, 5, 5)), 2), fan_scale((64,))
    (0.61, 3.02, 1.0)
    """
    if len(shape) < 2:
        return 1.0
    fan_sum = (shape[0] + shape[1]) * prod(shape[2:])
    return min(sqrt(2 / fan_sum) / USUAL_DEVIATION, LARGEST_SCALE)


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """The learning rate of step 0 to steps - 1: a pure function, so that a run can go on from any step.

    >>> [round(learning_rate(step, 11, Settings(lr=1.0)), 2) for step in (0, 3, 10)]
    [0.04, 1.0, 0.0]
    """
    return settings.lr * SCHEDULES[settings.schedule](step / max(steps - 1, 1), settings.warmup)


def _one_cycle(progress: float, warmup: float) -> float:
    if progress < warmup:
        return START_FACTOR + (1 - START_FACTOR) * _rise(progress / warmup)
    return _rise((1 - progress) / (1 - warmup))


def _rise(part: float) -> float:
    return (1 - cos(pi * part)) / 2


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "one_cycle": _one_cycle,
    "cosine": lambda progress, warmup: _rise(1 - progress),
    "constant": lambda progress, warmup: 1.0,
}


class GuardedOptimizer:
    """An optimizer that clips, and that takes no more step once a loss or gradient was not finite.

    Both happen inside the fused step (its `grad_scale` and `found_inf`, made for torch's GradScaler), so nothing is
    read from the device and the weights are never touched by a bad gradient. `bad` is 1 from then on, on the device.

    >>> layer = nn.Linear(1, 1)
    >>> guarded = GuardedOptimizer(layer, Settings())
    >>> before = layer.weight.item()
    >>> loss = layer(torch.tensor([[float("nan")]])).sum()
    >>> loss.backward(); guarded.step(loss.detach(), lr=1.0)
    >>> layer.weight.item() == before, guarded.bad.item()
    (True, 1.0)
    """

    def __init__(self, module: nn.Module, settings: Settings) -> None:
        self.optimizer = build_optimizer(module, settings)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.clip = settings.clip
        self.bad = torch.zeros((), device=self.parameters[0].device)

    def step(self, loss: Tensor, *, lr: float) -> None:
        """One step with this learning rate, then the gradients are dropped."""
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        self.bad = torch.maximum(self.bad, (~torch.isfinite(norm + loss)).float())
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["scale"]
        setattr(self.optimizer, "found_inf", self.bad)  # noqa: B010  # torch sets it so, and declares it nowhere
        setattr(self.optimizer, "grad_scale", (norm / self.clip).clamp(min=1.0) if self.clip else None)  # noqa: B010
        self.optimizer.step()
        self.optimizer.zero_grad()
