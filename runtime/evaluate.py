"""The test of a network: one pass over a part of the data, in order, with nothing random."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from archc.runtime.data.stream import ImageSet
from archc.runtime.machine import Machine
from archc.runtime.measures import Measures, Totals
from archc.runtime.objective import Objective

Forward = Callable[[Tensor], object]
"""The module, or what `torch.compile` made of it."""


def evaluate(
    forward: Forward, images: ImageSet, *, objective: Objective, machine: Machine, confusion: bool = False
) -> Measures:
    """The measures of a module that is in eval mode, over a whole set; the device is read once.

    With `confusion` the measures tell which class was taken for which. The settings' `test_batch_size` changes nothing
    but the time.
    """
    settings = objective.settings
    totals = Totals(objective, machine.device, full=True, confusion=confusion)
    with torch.inference_mode():
        for batch, labels in images.in_order(settings.test_batch_size or 2 * settings.batch_size):
            with autocast(machine):
                output = forward(batch)
            totals.add(objective.score(output, labels))
    return totals.read()


def autocast(machine: Machine) -> torch.autocast:
    """The context in which convolutions and matrix products compute in the machine's number type."""
    return torch.autocast(machine.device.type, machine.autocast, enabled=machine.autocast is not None)
