"""How good a network is on a part of the data: sums on the device, read once, and what they mean."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from archc.runtime.data.dataset import UNLABELLED
from archc.runtime.machine import exact_type
from archc.runtime.objective import Objective, Scored

TOP5_FROM = 10  # with fewer classes half of them are among five


class Measures(NamedTuple):
    """How good a network is on a part of the data."""

    loss: float
    """Mean over images, or over labelled pixels, of the main result's loss."""
    accuracy: float
    """Part of the images, or of the labelled pixels, whose highest score is that of their class."""
    top5: float | None = None
    """Part of the images whose class is among the five highest scores; where there are 10 classes or more."""
    mean_iou: float | None = None
    """Mean over classes of intersection / union; of a segmentation set."""
    confusion: Tensor | None = None
    """Counts int64 [classes, classes + 1]: row the true class, column the predicted one, last column none of them."""


class Totals:
    """What was measured so far over a part of the data, summed on the device; `read` alone waits for it.

    `sums` and `cells` hold all of it. With `full`, also what only a test reports: the five best classes, and with
    `confusion` which class was taken for which.

    >>> from archc.runtime.settings import Settings
    >>> objective = Objective(Settings(), classes=2, segmentation=False)
    >>> totals = Totals(objective, torch.device("cpu"))
    >>> totals.add(objective.score(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 1])))
    >>> totals.read().accuracy
    0.5
    """

    __slots__ = ("cells", "images", "objective", "sums")

    def __init__(
        self, objective: Objective, device: torch.device, *, full: bool = False, confusion: bool = False
    ) -> None:
        classes, pixels = objective.classes, objective.segmentation
        several = 1 if pixels else 3 if full and classes >= TOP5_FROM else 2
        self.objective = objective
        self.images = 0
        self.sums = torch.zeros(several, device=device, dtype=exact_type(device))
        """Loss; of whole images the right answers; with top-5 those among the five best."""
        self.cells: Tensor | None = None
        """The confusion matrix, row by row."""
        if pixels or confusion:
            self.cells = torch.zeros(classes * (classes + 1), device=device, dtype=torch.int64)

    def add(self, scored: Scored) -> None:
        """Adds a batch."""
        labels, scores = scored.labels, scored.scores
        predicted = scores.max(1).indices  # of maps several times as fast on the CPU as argmax
        self.sums[0].add_(scored.main_loss * scored.counted)
        if len(self.sums) > 1:
            self.sums[1].add_((predicted == labels).sum())
        if len(self.sums) > 2:
            self.sums[2].add_((scores.topk(5).indices == labels[:, None]).sum())
        self.images += len(labels)
        if self.cells is not None:
            classes = self.objective.classes
            labelled = labels != UNLABELLED if self.objective.segmentation else torch.ones_like(labels)
            cells = labels.clamp(max=classes - 1) * (classes + 1) + predicted.clamp(max=classes)
            self.cells.scatter_add_(0, cells.flatten(), labelled.flatten().long())

    def read(self) -> Measures:
        """The measures so far; this reads the device, and so waits for it."""
        confusion = None if self.cells is None else self.cells.cpu().reshape(self.objective.classes, -1)
        if not self.objective.segmentation:
            loss, right, *top5 = (value / self.images for value in self.sums.tolist())
            return Measures(loss, right, top5[0] if top5 else None, confusion=confusion)
        assert confusion is not None
        labelled = max(int(confusion.sum()), 1)
        right = int(confusion.diagonal().sum())
        return Measures(
            self.sums.item() / labelled, right / labelled, mean_iou=mean_iou(confusion), confusion=confusion
        )


def mean_iou(confusion: Tensor) -> float:
    """Mean over classes of intersection / union, from counts [classes, classes or more] of true (rows) and predicted.

    A class that is neither there nor predicted is left out. Source: Long, Shelhamer and Darrell, "Fully Convolutional
    Networks for Semantic Segmentation" (2015), section 5; leaving out as mmsegmentation does.

    >>> mean_iou(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))   # (3 / 4 + 2 / 3) / 2
    0.7083333333333333
    """
    counts = confusion.double()
    classes = len(counts)
    both = counts.diagonal()
    either = counts.sum(1) + counts.sum(0)[:classes] - both
    there = either > 0
    return float((both[there] / either[there]).mean()) if there.any() else 0.0
