"""What a network is trained for: the loss of its output. One object, shared by the loop and by every evaluation."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from archc.runtime.data.dataset import UNLABELLED
from archc.runtime.errors import SettingsError
from archc.runtime.recipe_errors import near
from archc.runtime.settings import Settings

USUAL_WEIGHTS: Mapping[str, float] = {"aux_logits1": 0.3, "aux_logits2": 0.3, "aux_logits": 0.4, "aux": 0.5}
"""What an auxiliary result of this name weighs: GoogLeNet (Szegedy and others, 2014, section 5), and torchvision's
reference scripts for Inception v3 (0.4) and for segmentation (0.5)."""
OTHER_WEIGHT = 0.3


class Scored(NamedTuple):
    """A batch as the objective sees it."""

    loss: Tensor
    """What is minimised: the loss of the main result, plus the weighted ones of the auxiliary results."""
    main_loss: Tensor
    """The loss of the main result, detached."""
    scores: Tensor
    """The main result [B, classes] or [B, classes, H, W], detached."""
    labels: Tensor
    """The labels [B], or the masks [B, H, W] cut to the size of the scores."""
    counted: int | Tensor
    """How many labels the loss is the mean of: images, or labelled pixels (on the device)."""


class Objective:
    """The loss of the settings for a number of classes; with `segmentation`, for every pixel.

    >>> import torch
    >>> objective = Objective(Settings(), classes=2, segmentation=False)
    >>> scored = objective.score(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    >>> scored.loss.item()   # log 2
    0.6931471824645996
    """

    __slots__ = ("classes", "segmentation", "settings")

    def __init__(self, settings: Settings, *, classes: int, segmentation: bool) -> None:
        self.settings, self.classes, self.segmentation = settings, classes, segmentation

    def score(self, output: object, labels: Tensor, *, targets: Tensor | None = None, training: bool = False) -> Scored:
        """The loss of a network's output, a tensor or several by name with the main one first.

        `targets` are probabilities [B, classes] in place of the labels, where images were mixed. While training, labels
        are smoothed and auxiliary results count. An output that does not fit raises `SettingsError`.
        """
        results = named_results(output)
        (_, scores), *others = results.items()
        fitting = self._fitting("", scores, labels)
        mixed = None if self.segmentation else targets
        main_loss = loss = self._loss(scores, fitting if mixed is None else mixed, training=training)
        for name, result in others if training else ():
            if weight := self.weight_of(name):
                its = self._fitting(name, result, labels)
                loss = loss + weight * self._loss(result, its if mixed is None else mixed, training=True)
        counted = (fitting != UNLABELLED).sum() if self.segmentation else len(fitting)
        return Scored(loss, main_loss.detach(), scores.detach(), fitting, counted)

    def weight_of(self, name: str) -> float:
        """What an auxiliary result of that name weighs in the loss.

        >>> objective = Objective(Settings(aux_weights={"early": 0.1}), classes=2, segmentation=False)
        >>> objective.weight_of("early"), objective.weight_of("aux_logits"), objective.weight_of("late")
        (0.1, 0.4, 0.3)
        """
        given = (weight for pattern, weight in self.settings.aux_weights.items() if fnmatch.fnmatchcase(name, pattern))
        return next(given, USUAL_WEIGHTS.get(name, OTHER_WEIGHT))

    def describe(self, output: object, labels: Tensor) -> str:
        """What people should know about the results that the network has while it trains; empty where there is nothing.

        A key of `aux_weights` that is no auxiliary result, or an output that no weight changes, raises `SettingsError`.
        """
        (_, main), *others = named_results(output).items()
        names = [name for name, _ in others]
        for pattern in self.settings.aux_weights:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                listed = f"the auxiliary ones are {', '.join(names)}" if names else "the network has only its main one"
                raise SettingsError(f"aux_weights: no result is called {pattern!r}{near(pattern, names)}; {listed}")
        if not self.score(output, labels, training=True).loss.requires_grad:
            raise SettingsError("the network's output depends on no weight that trains")
        listed = ", ".join(f"{name} weighs {self.weight_of(name):g}" for name in names)
        parts = [f"auxiliary results: {listed}"] if names else []
        if self.segmentation and main.shape[2:] != labels.shape[1:]:
            sizes = ("x".join(map(str, shape)) for shape in (main.shape[2:], labels.shape[1:]))
            parts.append("masks are cut to their middle {} of {}, the network's output".format(*sizes))
        return "; ".join(parts)

    def _loss(self, scores: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """Cross-entropy of scores, or the negative log-likelihood of log-probabilities; the mean over labels."""
        scores = scores.float()
        smoothing = self.settings.label_smoothing if training else 0.0
        nll = self.settings.loss == "nll"
        if not self.segmentation:
            if targets.ndim == 2:  # probabilities; the network may have scores for more classes than the set has
                targets = F.pad(targets, (0, scores.shape[1] - targets.shape[1]))
            return F.nll_loss(scores, targets) if nll else F.cross_entropy(scores, targets, label_smoothing=smoothing)
        if nll:
            total = F.nll_loss(scores, targets, ignore_index=UNLABELLED, reduction="sum")
        else:
            total = F.cross_entropy(
                scores, targets, ignore_index=UNLABELLED, reduction="sum", label_smoothing=smoothing
            )
        return total / (targets != UNLABELLED).sum().clamp(min=1)  # a batch without a label adds nothing

    def _fitting(self, name: str, scores: Tensor, labels: Tensor) -> Tensor:
        """The labels that a result has scores for, one per class; a result that is none raises `SettingsError`."""
        who = f"the network's result {name!r}" if name else "the network"
        advice = f" (aux_weights.{name}=0 leaves it out)" if name else ""
        per = "pixel" if self.segmentation else "image"
        if (
            scores.ndim != (4 if self.segmentation else 2)
            or len(scores) != len(labels)
            or scores.shape[1] < self.classes
        ):
            raise SettingsError(
                f"training needs one score per class, that is {self.classes} numbers per {per};"
                f" {who} leaves {list(scores.shape[1:])}{advice}"
            )
        if not self.segmentation:
            return labels
        if name and (fault := misfit_of_size(tuple(scores.shape[2:]), tuple(labels.shape[1:]))):
            raise SettingsError(f"{who}: {fault}{advice}")
        return middle_of(labels, scores.shape[2:])


def named_results(output: object) -> dict[str, Tensor]:
    """The results of a network by name, the main one first: of a tensor, a (named) tuple, a list or a mapping.

    >>> import torch
    >>> list(named_results((torch.zeros(1), None, torch.ones(1))))
    ['0', '2']
    """
    if isinstance(output, Tensor):
        return {"output": output}
    if isinstance(output, Mapping):
        named = dict(output)
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        named = dict(zip(output._fields, output, strict=True))
    elif isinstance(output, tuple | list):
        named = {str(number): result for number, result in enumerate(output)}
    else:
        named = {"": output}
    results = {str(name): result for name, result in named.items() if result is not None}  # torchvision's unused ones
    wrong = next((result for result in results.values() if not isinstance(result, Tensor)), None)
    if wrong is not None or not results:
        raise SettingsError(
            "training needs a network that leaves a tensor, or several, the main one first;"
            f" this one leaves a {type(output).__name__}" + ("" if wrong is output else f" of {type(wrong).__name__}")
        )
    return results


def middle_of(masks: Tensor, size: tuple[int, ...]) -> Tensor:
    """The middle of masks [B, H, W] that an output of this size is about: convolutions without padding lose a border.

    An output of another kind, larger or at most half as large, raises `SettingsError`.

    >>> import torch
    >>> middle_of(torch.arange(6).expand(1, 6, 6), (6, 4))[0, 0].tolist()
    [1, 2, 3, 4]
    """
    whole = tuple(masks.shape[1:])
    if tuple(size) == whole:
        return masks
    fault = misfit_of_size(tuple(size), whole)
    if fault:
        raise SettingsError(fault)
    top, left = ((side - part) // 2 for side, part in zip(whole, size, strict=True))
    return masks[:, top : top + size[0], left : left + size[1]]


def misfit_of_size(size: tuple[int, ...], whole: tuple[int, ...]) -> str:
    """Why an output of this size says nothing about the pixels of an image, or nothing.

    >>> misfit_of_size((388, 388), (572, 572)), misfit_of_size((8, 8), (64, 64))[:60]
    ('', "the network's output is 8x8 for images of 64x64, and has one")
    """
    said = f"the network's output is {size[0]}x{size[1]} for images of {whole[0]}x{whole[1]}"
    if any(part > side for part, side in zip(size, whole, strict=True)):
        return f"{said}, and a mask has no pixels beyond the image's"
    if any(2 * part <= side + 1 for part, side in zip(size, whole, strict=True)):
        return (
            f"{said}, and has one score for several pixels: end the network with an interpolation to the image's size"
            " (an output may miss a border, but less than half of the image)"
        )
    return ""
