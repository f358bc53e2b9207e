"""Optimizer, schedule and first weights: three tables."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, prod, sqrt

import torch
from torch import Tensor, nn

from archc.runtime.methods import SCALED, Constant, Cosine, OneCycle, Polynomial, StepWise
from archc.runtime.muon import Form, Muon, form_of, is_matrix
from archc.runtime.settings import Settings

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "muon": Muon,
}
FUSED = ("sgd", "adam", "adamw")  # the step of the others is a few operations over all weights at once
FUSED_DEVICES = ("cpu", "cuda")
"""Where a fused step heeds `grad_scale` and `found_inf`: torch's Adam on Apple's GPUs does not."""

USUAL_DEVIATION = 0.02
LARGEST_SCALE = 10.0

FIRST_SCALE = 2.0**16
STEPS_TO_GROW = 2000

CONVOLUTIONS_AND_LINEARS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear,
)  # fmt: skip
NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def initialise(module: nn.Module, init: str) -> None:
    """Draws new weights for every convolution and linear layer: Xavier-uniform, biases as torch's default.

    Other layers and frozen ones keep theirs, and `init="module"` keeps all. Random numbers come from torch's global
    generator.
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
        if type(layer) in CONVOLUTIONS_AND_LINEARS and layer.weight.requires_grad:
            layer.reset_parameters()  # type: ignore[operator]  # each of these types has it
            nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]  # and a weight


def build_optimizer(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer of the settings over the parameters that train; biases and norms do not decay unless asked.

    Each group has a `scale`, by which its learning rate is multiplied, and of Muon the `form` of its weights.
    """
    name = settings.optimizer.name
    scaled = settings.lr_scaling == "fan" and name in SCALED
    users: dict[Tensor, list[tuple[nn.Module, str]]] = {}
    for layer in module.modules():
        for own, weight in layer.named_parameters(recurse=False, remove_duplicate=False):
            users.setdefault(weight, []).append((layer, own))
    grouped: dict[tuple[float, float, Form | None], list[Tensor]] = {}
    for parameter, layers in users.items():
        if parameter.requires_grad:
            multiplies = all(is_weight(layer, parameter) for layer, _ in layers)
            decay = settings.weight_decay if multiplies or settings.decay_all else 0.0
            scale = fan_scale(parameter.shape) if multiplies and scaled else 1.0
            forms = [form_of(layer, own) for layer, own in layers] if name == "muon" else [None]
            form = None if None in forms else forms[0]  # what an embedding shares is no matrix
            grouped.setdefault((decay, scale, form), []).append(parameter)
    groups = [
        {"params": some, "weight_decay": decay, "scale": scale, "form": form}
        for (decay, scale, form), some in grouped.items()
    ]
    arguments = settings.optimizer.model_dump(exclude={"name"})
    if name in FUSED and all(map(_may_fuse, users)):
        arguments["fused"] = True
    return OPTIMIZERS[name](groups, lr=settings.lr, **arguments)  # type: ignore[call-arg]  # each class has its own


def is_weight(layer: nn.Module, parameter: Tensor) -> bool:
    """Whether a layer's parameter is a weight: no bias, nothing of a norm, and of a network's own parameters no vector.

    Such are a class token [1, 1, C], positions [1, N, C] and a layer scale [C, 1, 1].

    >>> norm, linear, token = nn.LayerNorm([3, 8, 8]), nn.Linear(8, 1), torch.zeros(1, 1, 8)
    >>> is_weight(norm, norm.weight), is_weight(linear, linear.weight), is_weight(nn.Module(), token)
    (False, True, False)
    """
    if isinstance(layer, NORMS) or parameter.ndim < 2:
        return False
    return isinstance(layer, CONVOLUTIONS_AND_LINEARS) or is_matrix(parameter.shape)


def _may_fuse(parameter: Tensor) -> bool:
    return parameter.is_floating_point() and parameter.device.type in FUSED_DEVICES  # complex numbers are not


def fan_scale(shape: Sequence[int]) -> float:
    """Xavier's deviation of a weight of this shape [out, in, ...], relative to 0.02.

    Adam moves every weight by about the learning rate, so the rate must follow the size of the weights.
    Source: Yang and others, "Tensor Programs V" (2022), for Adam's rate falling with the width; Xavier's
    deviation is the milder rule, which also knows small networks.

    >>> round(fan_scale((4096, 9216)), 2), round(fan_scale((16, 6, 5, 5)), 2)
    (0.61, 3.02)
    """
    fan_sum = (shape[0] + shape[1]) * prod(shape[2:])
    return min(sqrt(2 / fan_sum) / USUAL_DEVIATION, LARGEST_SCALE)


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """The learning rate of step 0 to steps - 1: a pure function, so that a run can go on from any step.

    >>> [round(learning_rate(step, 11, Settings(lr=1.0)), 2) for step in (0, 3, 10)]
    [0.04, 1.0, 0.0]
    >>> [learning_rate(step, 10, Settings(lr=1.0, schedule={"name": "constant", "warmup": 0.3})) for step in range(4)]
    [0.25, 0.5, 0.75, 1.0]
    """
    schedule = settings.schedule
    if isinstance(schedule, OneCycle):
        return settings.lr * _one_cycle(step / max(steps - 1, 1), schedule)
    climb = round(schedule.warmup * steps)
    if step < climb:
        return settings.lr * (step + 1) / (climb + 1)
    left = 1 - (step - climb) / max(steps - 1 - climb, 1)
    match schedule:
        case Constant():
            return settings.lr
        case Cosine():
            return settings.lr * _rise(left)
        case Polynomial():
            return settings.lr * float(left**schedule.power)
        case StepWise():
            epoch = step * settings.epochs // steps
            return settings.lr * schedule.gamma ** (epoch // schedule.step_size)


def _one_cycle(progress: float, schedule: OneCycle) -> float:
    """As torch's OneCycleLR, whose peak is up to one step earlier and which cycles the momentum too; the end is 0."""
    if progress < schedule.warmup:
        start = 1 / schedule.div_factor
        return start + (1 - start) * _rise(progress / schedule.warmup)
    return _rise((1 - progress) / (1 - schedule.warmup))


def _rise(part: float) -> float:
    return (1 - cos(pi * part)) / 2


class GuardedOptimizer:
    """An optimizer that clips, and that takes no more step once a loss or gradient was not finite.

    Nothing is read from the device. Fused optimizers do both inside their step (its `grad_scale` and `found_inf`, made
    for torch's GradScaler); around the step of the others the weights are kept and put back. `bad` is 1 from the first
    bad loss or gradient on, on the device.

    With precision fp16 the loss is multiplied by a scale before its gradient is taken, as small gradients would round
    to 0. A gradient that is then too large for the type is no bad one: the step is left out and the scale halved, until
    it is 1 (an optimizer that is not fused then reads one number per step from the device, as torch's GradScaler does).

    >>> layer = nn.Linear(1, 1)
    >>> guarded = GuardedOptimizer(layer, Settings())
    >>> before = layer.weight.item()
    >>> loss = layer(torch.tensor([[float("nan")]])).sum()
    >>> guarded.scaled(loss).backward(); guarded.step(loss.detach(), lr=1.0)
    >>> layer.weight.item() == before, guarded.bad.item()
    (True, 1.0)
    """

    def __init__(self, module: nn.Module, settings: Settings) -> None:
        self.optimizer = build_optimizer(module, settings)
        self.parameters: list[Tensor] = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.clip = settings.clip
        self.fused: bool = self.optimizer.defaults.get("fused") is True
        device = self.parameters[0].device
        self.bad = torch.zeros((), device=device)
        self.scale = LossScale(device) if settings.precision == "fp16" else None

    @property
    def guard(self) -> dict[str, Tensor]:
        """What a run that goes on needs besides the optimizer's own state: tensors that every step changes in place."""
        scale = {} if self.scale is None else {"scale": self.scale.factor, "good_steps": self.scale.good_steps}
        return {"bad": self.bad, **scale}

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss whose gradient `step` expects."""
        return loss if self.scale is None else loss * self.scale.factor

    def step(self, loss: Tensor, *, lr: float, share: Tensor | None = None) -> None:
        """One step with this learning rate, by the gradient divided by `share`; then the gradients are dropped."""
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        total = norm + loss
        skip, shorten = torch.ne(total - total, 0), share  # infinite or NaN: a number less itself is 0
        if self.scale is None:
            torch.maximum(self.bad, skip, out=self.bad)
            skipped = self.bad
        else:
            shorten = self.scale.factor.clone() if share is None else self.scale.factor * share
            bad = ~torch.isfinite(loss) | (skip & self.scale.smallest)
            self.scale.update(skip)
            torch.maximum(self.bad, bad, out=self.bad)
            skipped = torch.maximum(self.bad, skip)
        if self.clip:
            excess = ((norm if shorten is None else norm / shorten) / self.clip).clamp(min=1.0)
            shorten = excess if shorten is None else shorten * excess
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["scale"]
        if self.fused:
            setattr(self.optimizer, "found_inf", skipped)  # noqa: B010  # torch sets it so, and declares it nowhere
            setattr(self.optimizer, "grad_scale", shorten)  # noqa: B010
            self.optimizer.step()
        elif self.scale is None or not skipped.item():
            self._step_unless_bad(shorten)
        self.optimizer.zero_grad()

    @torch.no_grad()
    def _step_unless_bad(self, shorten: Tensor | None) -> None:
        if shorten is not None:
            torch._foreach_div_([p.grad for p in self.parameters if p.grad is not None], shorten)
        before = [p.clone() for p in self.parameters]
        self.optimizer.step()
        for parameter, old in zip(self.parameters, before, strict=True):
            torch.where(self.bad > 0, old, parameter, out=parameter)


class LossScale:
    """The factor of the loss in fp16, on the device: halved by each overflow, doubled after 2,000 steps without one.

    Source: Micikevicius and others, "Mixed Precision Training" (2017), and the defaults of torch's GradScaler.

    >>> scale = LossScale(torch.device("cpu"))
    >>> scale.update(torch.tensor(True))
    >>> scale.factor.item()   # 2 ** 16 / 2
    32768.0
    """

    __slots__ = ("factor", "good_steps")

    def __init__(self, device: torch.device) -> None:
        self.factor = torch.full((), FIRST_SCALE, device=device)
        self.good_steps = torch.zeros((), device=device)

    @property
    def smallest(self) -> Tensor:
        """Whether it can become no smaller, so that an overflow is the network's own."""
        return self.factor <= 1

    def update(self, overflow: Tensor) -> None:
        """Takes note of a step's overflow, or of none."""
        self.good_steps.add_(1).mul_(~overflow)
        grown = torch.where(self.good_steps >= STEPS_TO_GROW, 2 * self.factor, self.factor)
        self.factor.copy_(torch.where(overflow, (self.factor / 2).clamp(min=1), grown))
        self.good_steps.mul_(self.good_steps < STEPS_TO_GROW)
