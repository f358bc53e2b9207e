"""The test of a network: one pass over a part of the data, in order, with nothing random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from archc.runtime.data.stream import ImageSet
from archc.runtime.im2col import Im2col
from archc.runtime.machine import Machine
from archc.runtime.measures import Measures, Totals
from archc.runtime.objective import Objective, named_results
from archc.runtime.settings import Settings

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
            with computing(machine):
                scores = shown(forward, batch, settings)
            totals.add(objective.score(scores, labels))
    return totals.read()


def shown(forward: Forward, images: Tensor, settings: Settings) -> Tensor:
    """The main result of a network that is tested on images [B, C, H, W], or the mean with that of the mirrored ones.

    >>> net, settings = (lambda images: images[:, :, 0, 0]), Settings(test_mirrored=True)
    >>> shown(net, torch.tensor([[[[1.0, 2.0, 4.0]]]]), settings)
    tensor([[2.5000]])
    """
    own = next(iter(named_results(forward(images)).values()))
    if not settings.test_mirrored:
        return own
    mirrored = next(iter(named_results(forward(images.flip(3))).values()))
    mean = (own + (mirrored.flip(3) if mirrored.ndim == 4 else mirrored)) / 2  # four axes: scores of pixels
    return mean.log_softmax(1) if settings.loss == "nll" else mean


@contextmanager
def computing(machine: Machine) -> Iterator[None]:
    """The context in which convolutions and matrix products compute in the machine's number type and way."""
    number_type = torch.autocast(machine.device.type, machine.autocast, enabled=machine.autocast is not None)
    with number_type, Im2col() if machine.im2col else nullcontext():
        yield
