"""Everything that changes while a run trains: the loop owns it, a checkpoint holds it as tensors and numbers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from archc.runtime.checkpoint import Opened, refuse_foreign, separate
from archc.runtime.data.resident import shuffled
from archc.runtime.errors import EnvironmentProblem
from archc.runtime.measures import Totals
from archc.runtime.objective import Objective
from archc.runtime.optimise import GuardedOptimizer

OTHER_NUMBERS = 0x617263  # one seed for two generators would tie the augmentation to the order of the images
OPTIMIZER, RANDOM = "optimizer/", "random/"
COUNTS = ("epoch", "taken", "step", "images")


class RunningMean:
    """The exponential running mean of a module's weights, from those after the first step on.

    A batch norm's statistics are averaged too, as those of the weights themselves do not fit averaged weights; other
    buffers are copied. torch's AveragedModel does the like, but waits for a GPU at every step.

    >>> layer = nn.Linear(1, 1)
    >>> mean = RunningMean(layer, 0.75)
    >>> for step, value in enumerate((1.0, 5.0)):
    ...     _ = nn.init.constant_(layer.weight, value)
    ...     mean.update(layer, first=step == 0)
    >>> mean.module.weight.item()
    2.0
    """

    __slots__ = ("averaged", "memory", "module")

    def __init__(self, module: nn.Module, memory: float) -> None:
        self.module, self.memory = copy.deepcopy(module), memory
        norms = (layer for layer in self.module.modules() if isinstance(layer, nn.modules.batchnorm._NormBase))
        wanted = {*self.module.parameters(), *(buffer for layer in norms for buffer in layer.buffers(recurse=False))}
        whole = {tensor for tensor in wanted if not (tensor.is_floating_point() or tensor.is_complex())}
        self.averaged = [tensor in wanted - whole for tensor in _tensors(self.module)]

    @torch.no_grad()
    def update(self, module: nn.Module, *, first: bool) -> None:
        """Takes the module's weights into the mean, at the first step in place of it."""
        blended, copied = list[tuple[Tensor, Tensor]](), list[tuple[Tensor, Tensor]]()
        for averaged, *pair in zip(self.averaged, _tensors(self.module), _tensors(module), strict=True):
            (blended if averaged and not first else copied).append((pair[0], pair[1]))
        if blended:
            torch._foreach_lerp_(*_columns(blended), 1 - self.memory)
        if copied:
            torch._foreach_copy_(*_columns(copied))


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [one for one, _ in pairs], [other for _, other in pairs]


@dataclass(slots=True, eq=False)
class TrainState:
    """A run between two of its steps."""

    module: nn.Module
    optimizer: GuardedOptimizer
    mean: RunningMean | None
    """The running mean of the weights, where the settings ask for one."""
    objective: Objective
    totals: Totals
    """What the training images of this epoch measured so far."""
    order: Generator
    """Of the order of the images."""
    order_began: Tensor
    """The state of `order` before it drew this epoch's batches."""
    chance: Generator
    """Of the augmentation."""
    device: torch.device
    epoch: int = 1
    """The epoch that is under way, or comes next."""
    taken: int = 0
    """Steps of this epoch that were taken."""
    step: int = 0
    """Steps of the whole run that were taken."""
    seconds: float = 0.0
    """What the steps of this epoch took before the run was stopped."""

    @property
    def tested(self) -> nn.Module:
        """The module whose weights are tested and kept: the running mean, or the one that trains."""
        return self.module if self.mean is None else self.mean.module

    def batches(self, images: int, batch_size: int) -> list[Tensor]:
        """The rows of every batch of this epoch; the same ones again after the state was restored within the epoch."""
        self.order_began = self.order.get_state()
        return shuffled(images, batch_size, generator=self.order, device=self.device)

    def stepped(self) -> None:
        """The optimizer has taken a step."""
        self.step, self.taken = self.step + 1, self.taken + 1
        if self.mean is not None:
            self.mean.update(self.module, first=self.step == 1)

    def next_epoch(self) -> None:
        """An epoch is over: the next one begins with nothing taken and nothing measured."""
        self.epoch, self.taken, self.seconds = self.epoch + 1, 0, 0.0
        self.totals = Totals(self.objective, self.device)

    def tensors(self) -> dict[str, Tensor]:
        """All of it but the tested weights, by names that say what it is; on the CPU."""
        found = self._fixed()
        for number, held in self.optimizer.optimizer.state_dict()["state"].items():
            found |= {f"{OPTIMIZER}{number}/{name}": value for name, value in held.items() if isinstance(value, Tensor)}
        randoms = {name: generator.get_state() for name, generator in self._generators().items()}
        if self.taken:
            randoms["order"] = self.order_began
        return separate(found | {RANDOM + name: state for name, state in randoms.items()})

    def numbers(self) -> dict[str, Any]:
        """What of it is no tensor, as JSON has it."""
        held = {
            str(number): {name: value for name, value in values.items() if not isinstance(value, Tensor)}
            for number, values in self.optimizer.optimizer.state_dict()["state"].items()
        }
        return {
            "epoch": self.epoch,
            "taken": self.taken,
            "step": self.step,
            "images": self.totals.images,
            "seconds": self.seconds,
            "optimizer": {number: values for number, values in held.items() if values},
        }

    def restore(self, folder: Path, opened: Opened) -> None:
        """Brings the state back to what an opened checkpoint holds, all or nothing.

        What belongs to another network or other settings raises `EnvironmentProblem` before anything changes.
        """
        weights, state = opened.tensors["weights"], opened.tensors["state"]
        files = {role: folder / part.file for role, part in opened.checkpoint.parts.items()}
        fixed = self._fixed()
        refuse_foreign(files["weights"], found=weights, wanted=self.tested.state_dict())
        rest = {name: tensor for name, tensor in state.items() if not name.startswith((OPTIMIZER, RANDOM))}
        refuse_foreign(files["state"], found=rest, wanted=fixed)
        generators = self._generators()
        try:
            progress = opened.checkpoint.progress
            counts = {name: progress[name] for name in COUNTS}
            seconds = float(progress["seconds"])
            if any(type(count) is not int or count < 0 for count in counts.values()):
                raise ValueError(counts)
            held = self._optimizer_state(state, progress["optimizer"])
            for name in ("order", "chance", "torch"):  # that of a GPU is missing where the run began without one
                Generator().set_state(state[RANDOM + name])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise EnvironmentProblem(f"{files['state']} does not fit the settings of the run: {error!r}") from error
        with torch.no_grad():
            self.tested.load_state_dict(weights, strict=True)
            for name, tensor in fixed.items():
                tensor.copy_(rest[name])
        for number, values in held.items():
            self.optimizer.optimizer.state[self.optimizer.parameters[number]] = values
        for name, generator in generators.items():
            if RANDOM + name in state:
                generator.set_state(state[RANDOM + name])
        self.epoch, self.taken, self.step, self.totals.images = (counts[name] for name in COUNTS)
        self.seconds = seconds

    def _fixed(self) -> dict[str, Tensor]:
        """The tensors themselves that have one name and shape from the first step to the last."""
        kept = self.module.state_dict()
        found = {**self.optimizer.guard, "totals/sums": self.totals.sums}
        if self.totals.cells is not None:
            found["totals/cells"] = self.totals.cells
        found |= {f"buffer/{name}": buffer for name, buffer in self.module.named_buffers() if name not in kept}
        if self.mean is not None:
            found |= {f"module/{name}": tensor for name, tensor in kept.items()}
        return found

    def _generators(self) -> dict[str, Generator]:
        found = {"order": self.order, "chance": self.chance, "torch": torch.default_generator}
        if self.device.type == "cuda":
            found["cuda"] = torch.cuda.default_generators[self.device.index or 0]
        return found

    def _optimizer_state(self, state: Mapping[str, Tensor], numbers: Any) -> dict[int, dict[str, Any]]:
        """What the optimizer holds for each parameter, every tensor laid out in memory as its parameter is.

        A fused step walks through the memory of both at once, and would otherwise pair the wrong numbers.
        """
        parameters = self.optimizer.parameters
        held: dict[int, dict[str, Any]] = {int(number): dict(values) for number, values in numbers.items()}
        for name, tensor in state.items():
            if name.startswith(OPTIMIZER):
                number, _, key = name.removeprefix(OPTIMIZER).partition("/")
                parameter = parameters[int(number)]
                if tensor.shape not in ((), parameter.shape):
                    raise ValueError(f"{name} is {list(tensor.shape)}, its parameter {list(parameter.shape)}")
                if key != "step" and tensor.shape == parameter.shape:
                    value = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
                else:
                    value = tensor.to(parameter.device) if self.optimizer.fused else tensor
                held.setdefault(int(number), {})[key] = value
        if not all(0 <= number < len(parameters) for number in held):
            raise ValueError(f"there are {len(parameters)} parameters")
        return held


def new_state(module: nn.Module, objective: Objective, device: torch.device) -> TrainState:
    """The state of a run before its first step; the module is on the device."""
    settings = objective.settings
    order = Generator().manual_seed(settings.seed)
    return TrainState(
        module,
        GuardedOptimizer(module, settings),
        RunningMean(module, settings.ema) if settings.ema else None,
        objective,
        Totals(objective, device),
        order,
        order.get_state(),
        Generator().manual_seed(settings.seed ^ OTHER_NUMBERS),
        device,
    )
