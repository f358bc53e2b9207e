"""A set that does not fit the device: workers read, resize and pin batches ahead of the loop; and the choice."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from archc.runtime.data.augment import Augment
from archc.runtime.data.resident import Finish, ResidentImages, show_bytes
from archc.runtime.data.resize import nearest, resize
from archc.runtime.errors import RunStopped

MOST_WORKERS = 8
PATIENCE = 120.0  # seconds without a batch after which a worker counts as hanging


class StreamedImages:
    """A labelled set in memory or on the disk, of which only batches come to the device; used as `ResidentImages` is.

    `plan` says which rows come next: workers then prepare them ahead, in this order. Rows that were not planned are
    read at once. A worker that dies or hangs raises `RunStopped`.

    >>> images, labels = torch.zeros(6, 1, 4, 4, dtype=torch.uint8), torch.arange(6)
    >>> finish = Finish(shape=(1, 4, 4), mean=torch.zeros(1), deviation=torch.ones(1), device=torch.device("cpu"))
    >>> streamed = StreamedImages(images, labels, finish=finish, workers=0)
    >>> [labels.tolist() for _, labels in streamed.in_order(4)]
    [[0, 1, 2, 3], [4, 5]]
    """

    def __init__(self, images: Tensor, labels: Tensor, *, finish: Finish, workers: int | None = None) -> None:
        self.finish = finish
        self.rows = _Rows(images, labels, finish.augment.held_size)
        self.workers = min(MOST_WORKERS, os.cpu_count() or 1) if workers is None else workers
        self.placement = (
            f"streamed by {self.workers} worker{'s' * (self.workers != 1)} ({show_bytes(images.nbytes)} of images"
            f" do not fit {finish.device})"
        )
        self._planned: list[Tensor] = []
        self._ahead: Iterator[tuple[Tensor, Tensor]] = iter(())

    def __len__(self) -> int:
        return len(self.rows)

    def plan(self, rows: Sequence[Tensor]) -> None:
        """Starts the workers on these batches; what was planned before is dropped."""
        self._planned = list(rows)
        self._ahead = self._loaded(rows)

    def batch(self, rows: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """The images and labels of these rows, ready for the network; with a generator, augmented."""
        if self._planned and self._planned[0] is rows:
            self._planned.pop(0)
            images, labels = next(self._ahead)
        else:
            images, labels = self.rows.__getitems__(rows.tolist())
        return self._finished(images, labels, generator)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, in the order of the set."""
        for images, labels in self._loaded(torch.arange(len(self)).split(batch_size)):
            yield self._finished(images, labels, None)

    def _finished(self, images: Tensor, labels: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        device = self.finish.device
        return self.finish(images.to(device, non_blocking=True), labels.to(device, non_blocking=True), generator)

    def _loaded(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            self.rows,
            batch_sampler=[part.tolist() for part in rows],
            num_workers=self.workers,
            collate_fn=_unchanged,
            pin_memory=self.finish.device.type == "cuda",
            timeout=PATIENCE if self.workers else 0,
            generator=Generator(),  # the loader draws a seed for its workers; not from the numbers of the run
        )
        try:
            yield from loader
        except RuntimeError as error:
            if "DataLoader" not in str(error):
                raise
            reason = str(error).strip().splitlines()[0]
            raise RunStopped(f"a worker that reads the images died or hangs ({reason})") from error


class _Rows(Dataset[tuple[Tensor, Tensor]]):
    """Batches of uint8 images and labels by their rows, at the size that augmentation begins with."""

    def __init__(self, images: Tensor, labels: Tensor, size: tuple[int, int] | None) -> None:
        self.images, self.labels, self.size = images, labels, size

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        numbers = torch.tensor(rows)
        images, labels = self.images.index_select(0, numbers), self.labels.index_select(0, numbers)
        if self.size is not None:
            images = resize(images, self.size)
            labels = nearest(labels[:, None], self.size)[:, 0] if labels.ndim == 3 else labels
        return images, labels


def _unchanged(batch: Any) -> Any:
    """A batch comes whole from `__getitems__`; the loader would stack single samples."""
    return batch


ImageSet = ResidentImages | StreamedImages
"""What the loop takes its batches from."""


def image_set(
    images: Tensor,
    labels: Tensor,
    *,
    shape: tuple[int, int, int],
    mean: Tensor,
    deviation: Tensor,
    device: torch.device,
    budget: int,
    memory_format: torch.memory_format = torch.contiguous_format,
    augment: Augment | None = None,
) -> ImageSet:
    """The set held on the device where it takes at most `budget` bytes, else streamed; `placement` says which.

    >>> images, labels = torch.zeros(6, 1, 4, 4, dtype=torch.uint8), torch.arange(6)
    >>> held = image_set(images, labels, shape=(1, 4, 4), mean=torch.zeros(1), deviation=torch.ones(1),
    ...                  device=torch.device("cpu"), budget=96)
    >>> held.placement
    'held on cpu (96 bytes)'
    """
    if images.nbytes > budget:
        finish = Finish(
            shape=shape, mean=mean, deviation=deviation, device=device, memory_format=memory_format, augment=augment
        )
        return StreamedImages(images, labels, finish=finish)
    return ResidentImages(
        images,
        labels,
        shape=shape,
        mean=mean,
        deviation=deviation,
        device=device,
        budget=budget,
        memory_format=memory_format,
        augment=augment,
    )
