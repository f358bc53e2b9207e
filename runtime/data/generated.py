"""Two sets that are made, not read: shapes on noise, to tell apart (`synthetic`) or to find by pixels (`shapes`)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from archc.runtime.data.dataset import Data

KINDS = ("disc", "square", "triangle", "cross", "ring", "bar")
SOUGHT = ("disc", "square", "triangle")  # those of the segmentation set
SEED = 20_260_101
CHUNK = 500  # images drawn at once


def make_synthetic(*, training: int = 3000, test: int = 600, size: int = 32, seed: int = SEED) -> Data:
    """Colour images of one shape each on noise; the class is the shape. The same seed gives the same bytes.

    >>> data = make_synthetic(training=12, test=6)
    >>> data.train_images.shape, data.train_labels[:6].tolist()
    (torch.Size([12, 3, 32, 32]), [0, 1, 2, 3, 4, 5])
    """
    generator = Generator().manual_seed(seed)
    parts = []
    for count in (training, test):
        labels = torch.arange(count) % len(KINDS)
        images = torch.cat([_picture(part[:, None], KINDS, size, generator)[0] for part in labels.split(CHUNK)])
        parts.append((images, labels))
    return Data(
        name="synthetic", train_images=parts[0][0], train_labels=parts[0][1], test_images=parts[1][0],
        test_labels=parts[1][1], classes=KINDS,
        note=f"made from seed {seed}: one shape on noise, the class is the shape",
    )  # fmt: skip


def make_shapes(*, training: int = 600, test: int = 150, size: int = 64, seed: int = SEED) -> Data:
    """Colour images of three shapes each on noise, with the class of every pixel (0 is the ground).

    >>> data = make_shapes(training=4, test=2)
    >>> data.train_labels.shape, data.train_labels.dtype, data.classes
    (torch.Size([4, 64, 64]), torch.uint8, ('ground', 'disc', 'square', 'triangle'))
    """
    generator = Generator().manual_seed(seed)
    parts = []
    for count in (training, test):
        kinds = torch.randint(len(SOUGHT), (count, 3), generator=generator)
        drawn = [_picture(part, SOUGHT, size, generator) for part in kinds.split(CHUNK)]
        parts.append((torch.cat([images for images, _ in drawn]), torch.cat([masks for _, masks in drawn])))
    return Data(
        name="shapes", train_images=parts[0][0], train_labels=parts[0][1], test_images=parts[1][0],
        test_labels=parts[1][1], classes=("ground", *SOUGHT),
        note=f"made from seed {seed}: three shapes on noise, each pixel labelled",
    )  # fmt: skip


def _picture(kinds: Tensor, names: tuple[str, ...], size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Images [N, 3, size, size] with the shapes `kinds` [N, K], later ones on top, and their masks [N, size, size]."""
    count, shapes = kinds.shape
    images = 70 + 40 * torch.rand((count, 3, 1, 1), generator=generator)
    images = images + 24 * torch.randn((count, 3, size, size), generator=generator)
    masks = torch.zeros((count, size, size), dtype=torch.uint8)
    axis = (torch.arange(size) + 0.5) / size
    for number in range(shapes):
        draw = torch.rand((7, count, 1, 1), generator=generator)
        radius = (0.2 + 0.12 * draw[0]) / math.sqrt(shapes)
        x = axis[None, None, :] - (radius + (1 - 2 * radius) * draw[1])
        y = axis[None, :, None] - (radius + (1 - 2 * radius) * draw[2])
        angle = 2 * math.pi * draw[3]
        u, v = (angle.cos() * x + angle.sin() * y) / radius, (angle.cos() * y - angle.sin() * x) / radius
        inside = torch.stack([_inside(name, u, v) for name in names])
        chosen = inside.gather(0, kinds[None, :, number, None, None].expand(1, -1, size, size))[0]
        color = (150 + 105 * draw[4:7, :, 0, 0]).T[:, :, None, None]
        texture = 12 * torch.randn((count, 3, size, size), generator=generator)
        images = torch.where(chosen[:, None], color + texture, images)
        masks = torch.where(chosen, (kinds[:, number, None, None] + 1).to(torch.uint8), masks)
    return images.round().clamp(0, 255).to(torch.uint8), masks


def _inside(name: str, u: Tensor, v: Tensor) -> Tensor:
    """Where a shape of radius 1 is, in its own coordinates."""
    far, wide = u.square() + v.square(), torch.maximum(u.abs(), v.abs())
    match name:
        case "disc":
            return far < 0.72
        case "square":
            return wide < 0.72
        case "triangle":
            return (v > -0.5) & (v < 1 - math.sqrt(3) * u.abs())
        case "cross":
            return (wide < 0.95) & (torch.minimum(u.abs(), v.abs()) < 0.26)
        case "ring":
            return (far < 0.95) & (far > 0.4)
        case "bar":
            return (u.abs() < 0.98) & (v.abs() < 0.27)
        case _:
            raise AssertionError(f"there is no shape {name!r}")
