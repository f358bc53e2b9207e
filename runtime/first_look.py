"""A look at a network before it trains: one batch shows whether its output fits the loss."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from archc.runtime.data.stream import ImageSet
from archc.runtime.errors import SettingsError
from archc.runtime.freeze import train_mode
from archc.runtime.guards import forked
from archc.runtime.im2col import Im2col
from archc.runtime.objective import Objective
from archc.runtime.settings import Settings

CLOSE = 1e-3


class Look(NamedTuple):
    """Warnings and facts for the first lines of a run."""

    warnings: tuple[str, ...]
    results: str
    """A word on what the network leaves while it trains: auxiliary results, an output smaller than the masks."""
    im2col: bool
    """Whether it has convolutions that `im2col` computes."""


def look(
    module: nn.Module, images: ImageSet, *, settings: Settings, objective: Objective, im2col: bool, smallest: int
) -> Look:
    """Runs the first test batch once; the module's state does not change.

    Where the `smallest` batch of the training has one image, a batch norm that cannot take it raises `SettingsError`.
    """
    training = module.training
    module.eval()
    batch, labels = next(iter(images.in_order(settings.test_batch_size or 2 * settings.batch_size)))
    with Im2col() if im2col else nullcontext() as products:
        # In fp32: the sum of probabilities that bf16 has rounded is not 1. Not in inference mode: what a module
        # computes at its first call and keeps, such as a table of positions, could not be trained with.
        with torch.no_grad():
            scores = objective.score(module(batch), labels).scores
        rows = [0, -1][:smallest]
        results = _described(module, batch[rows], labels[rows], objective)
    module.train(training)
    many = (
        f"batch_size is {settings.batch_size:,}, and there are {smallest:,} training images: an epoch is one step"
        if smallest < settings.batch_size
        else ""
    )
    warnings = tuple(filter(None, (misfit(scores, settings.loss), many)))
    return Look(warnings, results, products is not None and products.met)


def _described(module: nn.Module, batch: Tensor, labels: Tensor, objective: Objective) -> str:
    """What the objective says of a network that trains, shown few images; a copy runs, so nothing changes."""
    try:
        copied = copy.deepcopy(module)
    except RuntimeError:  # torch copies no tensor that a module has computed and kept; the first step then shows it all
        return ""
    with forked(batch.device):
        train_mode(copied)
        try:
            return objective.describe(copied(batch), labels)
        except ValueError as error:
            if len(batch) > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise SettingsError(
                "a batch norm has one value per channel where a batch is one image: batch_size must be at least 2, and"
                " there must be as many training images"
            ) from error


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
