"""Bringing batches to a size: images bilinear with antialias, masks by the nearest pixel."""

from __future__ import annotations

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
    if images.device.type == "cuda":  # which has no kernel for bytes
        floats = F.interpolate(images.float(), size=size, mode="bilinear", antialias=True)
        return floats.round_().clamp_(0, 255).to(torch.uint8)
    resized = F.interpolate(images.cpu(), size=size, mode="bilinear", antialias=True)  # nor Apple's, before torch 2.7
    return resized.to(images.device)


def resize_all(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Likewise for a whole set, a part at a time."""
    if tuple(images.shape[2:]) == size:
        return images
    return torch.cat([resize(part, size) for part in images.split(CHUNK)])


def nearest(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes uint8 masks [N, C, H, W] to `size` (height, width); every number is one that was there.

    >>> nearest(torch.tensor([[3, 9]], dtype=torch.uint8).reshape(1, 1, 1, 2), (1, 4)).flatten().tolist()
    [3, 3, 9, 9]
    """
    if tuple(masks.shape[2:]) == size:
        return masks
    return F.interpolate(masks.float(), size=size, mode="nearest-exact").to(masks.dtype)
