"""Images that live on the device as uint8, and leave it augmented, resized and normalised in whole batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from archc.runtime.data.augment import Augment
from archc.runtime.data.resize import CHUNK, nearest, resize, resize_all

__all__ = ["Finish", "ResidentImages", "normalisation", "resize", "show_bytes", "shuffled"]


MOST_COUNTED = 2 << 30
"""Bytes of images whose levels are counted for the normalisation."""


class Finish:
    """The last steps of every batch on its device: augmentation, the network's size, normalisation, memory order."""

    def __init__(
        self,
        *,
        shape: tuple[int, int, int],
        mean: Tensor,
        deviation: Tensor,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
        augment: Augment | None = None,
    ) -> None:
        self.channels, self.size, self.memory_format = shape[0], (shape[1], shape[2]), memory_format
        self.device, self.augment = device, augment or Augment((), size=self.size)
        # Lines of pixels, channels last: a factor for each value is four times as fast as one for each channel.
        pixels = shape[1] * shape[2]
        self.scale = (1 / deviation).to(device).repeat(pixels)
        self.shift = (-mean / deviation).to(device).repeat(pixels)

    def __call__(
        self, images: Tensor, labels: Tensor, generator: Generator | None, *, permuted: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Float images for the network from uint8 images [B, C, H, W] on the device; masks [B, H, W] go with them.

        With a generator the random steps are taken, without one the middle of the image is.
        """
        masks = labels[:, None] if labels.ndim == 3 else None
        if generator is None or not self.augment.random_steps:
            images = self.augment.middle(images)
            masks = None if masks is None else self.augment.middle_of_masks(masks)
        elif masks is None:
            images = self.augment.random(images, generator)
        else:
            images, moved = self.augment.random_pair(images, masks[:, 0], generator)
            masks = moved[:, None]
        if not permuted:
            images = self.augment.fixed(images)
            masks = None if masks is None else self.augment.fixed(masks)
        images = self._normalised(images).expand(-1, self.channels, -1, -1)  # grey to colour: one shown three times
        return images.contiguous(memory_format=self.memory_format), labels if masks is None else masks[:, 0].long()

    def _normalised(self, images: Tensor) -> Tensor:
        pixels = torch.empty(images.shape, device=images.device, memory_format=self.memory_format).copy_(images)
        lines = pixels.permute(0, 2, 3, 1)
        if lines.is_contiguous():
            lines.view(len(lines), -1).mul_(self.scale).add_(self.shift)
            return pixels
        scale, shift = (factors[: images.shape[1], None, None] for factors in (self.scale, self.shift))
        return pixels.mul_(scale).add_(shift)


class ResidentImages:
    """A labelled set held on a device; `batch` gives normalised float images [B, C, H, W] and labels [B].

    The images are kept at the network's size when that takes at most `budget` bytes, else resized batch by batch.

    >>> images = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
    >>> held = ResidentImages(images, torch.tensor([0, 1]), shape=(1, 2, 2), mean=torch.tensor([128.0]),
    ...                       deviation=torch.tensor([128.0]), device=torch.device("cpu"), budget=1 << 20)
    >>> held.batch(torch.tensor([1]))[0].flatten().tolist()
    [0.9921875, 0.9921875, 0.9921875, 0.9921875]
    """

    def __init__(
        self,
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
    ) -> None:
        self.finish = Finish(
            shape=shape, mean=mean, deviation=deviation, device=device, memory_format=memory_format, augment=augment
        )
        augment = self.finish.augment
        labels = labels.to(device)
        images = images.to(device)
        size = augment.held_size
        self.resized_once = size is not None and len(images) * images.shape[1] * size[0] * size[1] <= budget
        self.permuted = self.resized_once and not augment.random_steps
        if self.resized_once and size is not None:
            images = resize_all(images, size)
            labels = nearest(labels[:, None], size)[:, 0] if labels.ndim == 3 else labels
        if self.permuted:
            images = augment.fixed(images)
            labels = augment.fixed(labels[:, None])[:, 0] if labels.ndim == 3 else labels
        self.labels = labels
        self.pixels = images.permute(0, 2, 3, 1).contiguous()  # [N, H, W, C]: rows of windows are runs of bytes
        self.placement = f"held on {device} ({show_bytes(self.pixels.nbytes)})"

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """The images and labels of these rows, ready for the network; with a generator, augmented."""
        images = self.pixels.index_select(0, rows).permute(0, 3, 1, 2)
        labels = self.labels.index_select(0, rows)
        size = self.finish.augment.held_size
        if not self.resized_once and size is not None:
            images = resize(images, size)
            labels = nearest(labels[:, None], size)[:, 0] if labels.ndim == 3 else labels
        return self.finish(images, labels, generator, permuted=self.permuted)

    def plan(self, rows: Sequence[Tensor]) -> None:
        """Says which batches come next; here they all are on the device already."""

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, in the order of the set."""
        for rows in torch.arange(len(self), device=self.labels.device).split(batch_size):
            yield self.batch(rows)


def shuffled(count: int, batch_size: int, *, generator: torch.Generator, device: torch.device) -> list[Tensor]:
    """The rows 0 to count - 1 in random order, cut in batches; a single left-over row joins the batch before.

    The order is drawn on the CPU, so that one seed gives one order on every device.
    A batch of one image would have no variance for a batch norm to divide by.

    >>> [len(rows) for rows in shuffled(9, 4, generator=torch.Generator(), device=torch.device("cpu"))]
    [4, 5]
    """
    batches = list(torch.randperm(count, generator=generator).to(device).split(batch_size))
    if len(batches) > 1 and batch_size > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def show_bytes(count: int) -> str:
    """A number of bytes in the unit that people would take.

    >>> show_bytes(96), show_bytes(3 << 20), show_bytes(5 << 30)
    ('96 bytes', '3.0 MiB', '5.0 GiB')
    """
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def normalisation(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of uint8 images [N, C, H, W], exact (from a histogram).

    Of a set of several gigabytes evenly spaced images are counted.
    A channel of one single value gets the deviation 1.

    >>> normalisation(torch.tensor([0, 2], dtype=torch.uint8).reshape(2, 1, 1, 1))
    (tensor([1.]), tensor([1.]))
    """
    levels = torch.arange(256, dtype=torch.float64)
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for part in images[:: max(1, images.nbytes // MOST_COUNTED)].split(CHUNK):
        counts += torch.stack([torch.bincount(part[:, c].flatten(), minlength=256) for c in range(images.shape[1])])
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ levels
    deviation = (share @ levels.square() - mean.square()).clamp(min=0).sqrt()
    return mean.float(), torch.where(deviation > 0, deviation, 1.0).float()
