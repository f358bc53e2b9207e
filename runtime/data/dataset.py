"""The one form of a labelled image set: uint8 images with labels or masks, split in training and test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archc.runtime.errors import EnvironmentProblem, SettingsError

if TYPE_CHECKING:
    from torch import Tensor


UNLABELLED = 255
"""The number of a mask's pixels that belong to no class; the loss leaves them out (`ignore_index`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """A labelled image set; images are uint8 of shape [N, C, H, W], labels int64 of shape [N].

    The labels of a segmentation set are masks, uint8 of shape [N, H, W]: the class of each pixel, 255 for none.
    A set that is empty, has another type or shape, or a label without a class raises `EnvironmentProblem`.

    >>> import torch
    >>> images, labels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1])
    >>> data = Data(name="toy", train_images=images, train_labels=labels, test_images=images, test_labels=labels,
    ...             classes=("cat", "dog"), note="two black images")
    >>> data.channels, data.num_classes
    (1, 2)
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    note: str
    """Where the set comes from and how it was split, for people."""

    def __post_init__(self) -> None:
        _check(self, part="training", images=self.train_images, labels=self.train_labels)
        _check(self, part="test", images=self.test_images, labels=self.test_labels)
        if self.train_images.shape[1] != self.test_images.shape[1]:
            raise EnvironmentProblem(
                f"data set {self.name!r}: training images have {self.train_images.shape[1]} channels,"
                f" test images {self.test_images.shape[1]}"
            )

    @property
    def channels(self) -> int:
        """Channels of every image: 1 for grey, 3 for colour."""
        return int(self.train_images.shape[1])

    @property
    def segmentation(self) -> bool:
        """Whether every pixel has a label of its own."""
        return self.train_labels.ndim == 3

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)


def _check(data: Data, *, part: str, images: Tensor, labels: Tensor) -> None:
    place = f"data set {data.name!r}, {part} part"
    if images.ndim != 4 or str(images.dtype) != "torch.uint8":
        raise EnvironmentProblem(f"{place}: images must be uint8 of shape [N, C, H, W], found {_kind(images)}")
    if labels.ndim == 3:
        masks = [len(images), *images.shape[2:]]
        if str(labels.dtype) != "torch.uint8" or list(labels.shape) != masks:
            raise EnvironmentProblem(f"{place}: masks must be uint8 of shape {masks}, found {_kind(labels)}")
    elif str(labels.dtype) != "torch.int64" or list(labels.shape) != [len(images)]:
        raise EnvironmentProblem(f"{place}: labels must be int64 of shape [{len(images)}], found {_kind(labels)}")
    if images.numel() == 0:
        raise EnvironmentProblem(f"{place}: there are no images")
    if labels.ndim == 3 and (labels == UNLABELLED).all():
        raise EnvironmentProblem(f"{place}: every pixel is {UNLABELLED}, which means no class")
    wrong = (labels < 0) | (labels >= data.num_classes)
    if labels.ndim == 3:
        wrong &= labels != UNLABELLED
    if wrong.any():
        sample = wrong.nonzero()[0].tolist()
        what = "the label of image" if labels.ndim == 1 else "a pixel of the mask of image"
        raise EnvironmentProblem(
            f"{place}: {what} {sample[0]} is {int(labels[tuple(sample)])},"
            f" but the {data.num_classes} classes are numbered 0 to {data.num_classes - 1}"
        )


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {list(tensor.shape)}"


def with_validation(data: Data, share: float, *, seed: int) -> Data:
    """The set with a part of its training images, `share` of each class, as test part: to choose settings by.

    The test images themselves stay unseen. The seed decides which images are taken; a share that leaves one of the
    parts empty raises `SettingsError`.

    >>> from archc.runtime.data import load
    >>> cut = with_validation(load("digits"), 0.1, seed=0)
    >>> len(cut.train_images), len(cut.test_images)
    (1299, 143)
    """
    import torch

    count = len(data.train_images)
    if not 0 < share < 1:
        raise SettingsError(f"validation must be a part of the training images above 0 and below 1, found {share!r}")
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(count, dtype=torch.int64) if data.segmentation else data.train_labels
    order = torch.randperm(count, generator=generator)
    order = order[labels[order].argsort(stable=True)]  # shuffled within each class
    sizes = labels.bincount(minlength=1)
    rank = torch.cat([torch.arange(int(size)) for size in sizes])
    held = order[rank < (sizes * share).round().long().repeat_interleave(sizes)]
    if len(held) in (0, count):
        raise SettingsError(
            f"validation {share:g} of {count} training images leaves {len(held)} of them for validation"
        )
    kept = torch.ones(count, dtype=torch.bool)
    kept[held] = False
    return replace(
        data,
        train_images=data.train_images[kept],
        train_labels=data.train_labels[kept],
        test_images=data.train_images[~kept],
        test_labels=data.train_labels[~kept],
        note=f"{data.note}; tested on {share:g} of its training images (validation), chosen by seed {seed}",
    )
