"""Trial steps: the real network's forward and backward pass on the run's first batch, with nothing changed by them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator, nn
from torch.nn.modules.dropout import _DropoutNd

from archc.runtime.data.resident import shuffled
from archc.runtime.data.stream import ImageSet
from archc.runtime.evaluate import Forward, computing
from archc.runtime.freeze import train_mode
from archc.runtime.guards import forked
from archc.runtime.machine import Machine
from archc.runtime.objective import Objective


@contextmanager
def untouched(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, the module works on copies; afterwards it and all random numbers are bit for bit as they were.

    >>> norm = nn.BatchNorm1d(1)
    >>> with untouched(norm, torch.device("cpu")):
    ...     _ = norm(torch.rand(4, 1))
    >>> norm.running_mean.item(), norm.num_batches_tracked.item()
    (0.0, 0)
    """
    parameters = [(parameter, parameter.data, parameter.grad) for parameter in module.parameters()]
    buffers = [(layer, name, buffer) for layer in module.modules() for name, buffer in layer._buffers.items()]
    contents = {id(buffer): (buffer, buffer.data) for _, _, buffer in buffers if buffer is not None}
    modes = [(layer, layer.training) for layer in module.modules()]
    numbers = random.getstate()
    try:
        for tensor, data in [(parameter, data) for parameter, data, _ in parameters] + list(contents.values()):
            tensor.data = data.clone()
        for parameter, _, _ in parameters:
            parameter.grad = None
        with forked(device):
            yield
    finally:
        random.setstate(numbers)
        for layer, mode in modes:
            layer.training = mode
        for layer, name, buffer in buffers:
            layer._buffers[name] = buffer
        for buffer, data in contents.values():
            buffer.data = data
        for parameter, data, grad in parameters:
            parameter.data, parameter.grad = data, grad


class Trials:
    """Passes of a module over the first batch of a run, which take no step; use them within `untouched`."""

    def __init__(
        self,
        module: nn.Module,
        train: ImageSet,
        *,
        objective: Objective,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        settings = objective.settings
        chance = Generator().manual_seed(settings.seed)
        rows = shuffled(len(train), settings.batch_size, generator=chance, device=device)[0]
        images, self.labels = train.batch(rows, chance)
        self.images, self.targets = train.finish.augment.mix(
            images, self.labels, classes=objective.classes, generator=chance
        )
        self.module, self.objective, self.device, self.clock = module, objective, device, clock

    def seconds(self, way: Machine, forward: Forward | None = None) -> float:
        """The time of one forward and backward pass, of the module or of what was compiled from it."""
        self._lay_out(way)
        train_mode(self.module)
        with forked(self.device):  # each trial drops out the same
            began = self._now()
            self._loss(way, forward or self.module).backward()
            took = self._now() - began
        self.module.zero_grad()
        return took

    def loss(self, way: Machine) -> float:
        """The loss of the batch without dropout, whose random choices differ between number types."""
        self._lay_out(way)
        train_mode(self.module)
        for layer in self.module.modules():
            if isinstance(layer, _DropoutNd):
                layer.eval()
        with torch.no_grad(), forked(self.device):
            return self._loss(way, self.module).item()

    def _lay_out(self, way: Machine) -> None:
        self.module.to(memory_format=way.memory_format)
        self.images = self.images.contiguous(memory_format=way.memory_format)

    def _loss(self, way: Machine, forward: Forward) -> torch.Tensor:
        with computing(way):
            output = forward(self.images)
        return self.objective.score(output, self.labels, targets=self.targets, training=True).loss

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return self.clock()
