"""Images that live on the device as uint8, and leave it resized and normalised in whole batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 1024
"""Images resized at once: enough to keep the device busy, few enough that their floats fit."""


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes uint8 images [N, C, H, W] to `size` (height, width): bilinear with antialias, as PIL does.

    >>> resize(torch.full((2, 1, 8, 8), 7, dtype=torch.uint8), (28, 28)).shape
    torch.Size([2, 1, 28, 28])
    """
    if tuple(images.shape[2:]) == size:
        return images
    if images.device.type == "cpu":
        return F.interpolate(images, size=size, mode="bilinear", antialias=True)
    floats = F.interpolate(images.float(), size=size, mode="bilinear", antialias=True)  # no uint8 kernel on GPUs
    return floats.round_().clamp_(0, 255).to(torch.uint8)


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
    ) -> None:
        self.channels, self.size, self.memory_format = shape[0], (shape[1], shape[2]), memory_format
        self.labels = labels.to(device)
        images = images.to(device)
        self.resized_once = len(images) * images.shape[1] * shape[1] * shape[2] <= budget
        if self.resized_once:
            images = torch.cat([resize(part, self.size) for part in images.split(CHUNK)])
        self.images = images
        self.scale = (1 / deviation).to(device).reshape(1, -1, 1, 1)
        self.shift = (-mean / deviation).to(device).reshape(1, -1, 1, 1)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The images and labels of these rows, ready for the network."""
        images = resize(self.images[rows], self.size).float()
        images = torch.addcmul(self.shift, images, self.scale)
        images = images.expand(-1, self.channels, -1, -1)  # grey to colour: one channel shown three times
        return images.contiguous(memory_format=self.memory_format), self.labels[rows]

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


def normalisation(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of uint8 images [N, C, H, W], exact (from a histogram).

    A channel of one single value gets the deviation 1.

    >>> normalisation(torch.tensor([0, 2], dtype=torch.uint8).reshape(2, 1, 1, 1))
    (tensor([1.]), tensor([1.]))
    """
    levels = torch.arange(256, dtype=torch.float64)
    counts = torch.stack([torch.bincount(images[:, c].flatten(), minlength=256) for c in range(images.shape[1])])
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ levels
    deviation = (share @ levels.square() - mean.square()).clamp(min=0).sqrt()
    return mean.float(), torch.where(deviation > 0, deviation, 1.0).float()
