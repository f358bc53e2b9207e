"""Colours of whole batches of uint8 images, with one factor per image; torchvision's arithmetic, image by image."""

from __future__ import annotations

import torch
from torch import Tensor

from archc.runtime.data.geometry import beside


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Every value times the factor of its image.

    >>> brightness(torch.tensor([100, 200], dtype=torch.uint8).reshape(1, 1, 1, 2), torch.tensor([1.5])).tolist()
    [[[[150, 255]]]]
    """
    return _blend(images, torch.zeros_like(images), factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """The distance of every value from the mean grey of its image times the factor.

    >>> contrast(torch.tensor([100, 200], dtype=torch.uint8).reshape(1, 1, 1, 2), torch.tensor([0.0])).tolist()
    [[[[150, 150]]]]
    """
    return _blend(images, _grey(images).float().mean((1, 2, 3), keepdim=True), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """The distance of every colour from its grey times the factor; grey images stay as they are.

    >>> saturation(torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(1, 3, 1, 1), torch.tensor([0.0])).flatten()
    tensor([76, 76, 76], dtype=torch.uint8)
    """
    return _blend(images, _grey(images), factor) if images.shape[1] == 3 else images


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Every hue turned by a part of the circle from -0.5 to 0.5; grey images stay as they are.

    >>> hue(torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(1, 3, 1, 1), torch.tensor([1 / 3])).flatten()
    tensor([  0, 255,   0], dtype=torch.uint8)
    """
    if images.shape[1] != 3:
        return images
    angle, depth, value = _hsv(images.float() / 255)
    angle = (angle + beside(turn.float(), images)[:, None, None]) % 1.0
    return (_rgb(angle, depth, value) * (255 + 1 - 1e-3)).to(torch.uint8)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    rest = beside((1 - factor.double()).float(), images)[:, None, None, None]  # rounded once, as torchvision does
    return (beside(factor.float(), images)[:, None, None, None] * images + rest * other).clamp(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images
    red, green, blue = images.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(torch.uint8)[:, None]


def _hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value, each from 0 to 1."""
    red, green, blue = images.unbind(1)
    most, least = images.amax(1), images.amin(1)
    grey = most == least
    spread = torch.where(grey, 1.0, most - least)
    r, g, b = ((most - part) / spread for part in (red, green, blue))
    angle = torch.where(most == red, b - g, torch.where(most == green, 2.0 + r - b, 4.0 + g - r))
    return torch.fmod(angle / 6.0 + 1.0, 1.0), (most - least) / torch.where(grey, 1.0, most), most


def _rgb(angle: Tensor, depth: Tensor, value: Tensor) -> Tensor:
    """The colours of hue, saturation and value: [B, 3, H, W]."""
    sector = torch.floor(angle * 6.0)
    rest = angle * 6.0 - sector
    low = (value * (1 - depth)).clamp(0, 1)
    down = (value * (1 - depth * rest)).clamp(0, 1)
    up = (value * (1 - depth * (1 - rest))).clamp(0, 1)
    choices = torch.stack([value, down, low, low, up, value]), torch.stack([up, value, value, down, low, low])
    last = torch.stack([low, low, up, value, value, down])
    number = (sector.long() % 6)[None]
    return torch.stack([part.gather(0, number)[0] for part in (*choices, last)], dim=1)
