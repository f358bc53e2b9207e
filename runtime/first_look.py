"""A look at a network before it trains: one batch shows whether it compiles and whether its output fits the loss."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from archc.runtime.data.stream import ImageSet
from archc.runtime.loop import Forward, autocast, checked_scores
from archc.runtime.machine import Machine
from archc.runtime.settings import Settings

CLOSE = 1e-3


class Look(NamedTuple):
    """What to call in place of the module, a word on compiling for the first lines, and warnings."""

    forward: Forward
    compiled: str
    warnings: tuple[str, ...]


def look(module: nn.Module, images: ImageSet, *, settings: Settings, classes: int, machine: Machine) -> Look:
    """Runs the first test batch once, compiled if the settings ask for it; the module's state does not change."""
    training = module.training
    module.eval()
    batch, labels = next(iter(images.in_order(settings.test_batch_size or 2 * settings.batch_size)))

    with torch.inference_mode():  # in fp32: the sum of probabilities that bf16 has rounded is not 1
        scores = checked_scores(module(batch), count=len(labels), classes=classes)
    forward: Forward = module
    compiled = ""
    if settings.compile:
        forward, compiled = torch.compile(module), ", compiled"
        try:
            with torch.inference_mode(), autocast(machine):
                forward(batch)
        except Exception as error:  # whatever a compiler may raise, the module itself has just run
            reason = str(error).strip().partition("\n")[0]
            forward, compiled = module, f", not compiled ({type(error).__name__}: {reason})"
    module.train(training)
    warning = misfit(scores, settings.loss)
    return Look(forward, compiled, (warning,) if warning else ())


def misfit(scores: Tensor, loss: str) -> str:
    """What is wrong when a network's output [B, classes] does not fit its loss, or nothing.

    >>> misfit(torch.tensor([[0.2, 0.8]]), "cross_entropy")[:40]
    'the network ends with a softmax, and los'
    >>> misfit(torch.tensor([[0.2, 0.8]]).log(), "nll")
    ''
    """
    if loss == "cross_entropy" and (scores >= 0).all() and _is_one(scores.sum(1)):
        return (
            "the network ends with a softmax, and loss cross_entropy takes another one: it learns slowly and badly;"
            " leave the softmax out, or end with a log-softmax"
        )
    if loss == "nll" and not _is_one(scores.exp().sum(1)):
        return (
            "loss nll takes log-probabilities, and the network's output is none: end it with a log-softmax, or take"
            " loss cross_entropy"
        )
    return ""


def _is_one(sums: Tensor) -> bool:
    return bool((sums - 1).abs().max() < CLOSE)
