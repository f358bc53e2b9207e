"""Where pixels go, for whole batches: crops, flips, rotations, resized crops and rectangles with given parameters.

Every function takes one parameter per image and gives what torchvision's function of that name gives image by image.
Random numbers are drawn in `augment`; these are pure, and run on the device of their images.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from archc.runtime.machine import exact_type


def beside(values: Tensor, images: Tensor) -> Tensor:
    """The values on the device of the images, which is not waited for: a GPU would else stand still in every batch.

    >>> beside(torch.tensor([1]), torch.zeros(1)).device
    device(type='cpu')
    """
    return values.to(images.device, non_blocking=True)


def crop(images: Tensor, top: Tensor, left: Tensor, *, size: tuple[int, int], padding: int, fill: int = 0) -> Tensor:
    """Cuts a window of `size` out of each of the images [B, C, H, W], after `padding` rows and columns of `fill`.

    >>> images = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2)
    >>> crop(images, torch.tensor([0]), torch.tensor([1]), size=(2, 2), padding=1).tolist()
    [[[[0, 0], [0, 1]]]]
    """
    count, channels = images.shape[:2]
    padded = F.pad(images, (padding,) * 4, value=fill).permute(0, 2, 3, 1).contiguous()
    height, width = padded.shape[1:3]
    device = images.device
    first = (torch.arange(count, device=device) * height + top)[:, None] + torch.arange(size[0], device=device)
    starts = first * width + left[:, None]
    # A row of a window is one run of bytes: copied whole it takes a seventh of the time of indexing each pixel.
    runs = padded.flatten().unfold(0, size[1] * channels, channels)
    return runs.index_select(0, starts.flatten()).reshape(count, *size, channels).permute(0, 3, 1, 2)


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """Exchanges left and right in the images that are chosen (a truth value for each, on the CPU).

    >>> flip(torch.tensor([1, 2]).reshape(1, 1, 1, 2), torch.tensor([True])).flatten().tolist()
    [2, 1]
    """
    pixels, rows, places = images.permute(0, 2, 3, 1), chosen.nonzero()[:, 0], torch.arange(len(images))
    places[rows] = len(images) + torch.arange(len(rows))
    turned = pixels.index_select(0, beside(rows, images)).flip(2)
    both = torch.cat([pixels, turned])  # whole images are copied: five times as fast as torch.where on bytes
    return both.index_select(0, beside(places, images)).permute(0, 3, 1, 2)


def rotate(images: Tensor, degrees: Tensor, *, fill: int = 0) -> Tensor:
    """Turns each image counter-clockwise about its middle by its own angle; the nearest pixel is taken.

    >>> rotate(torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).reshape(1, 1, 2, 2), torch.tensor([90.0])).tolist()
    [[[[2, 4], [1, 3]]]]
    """
    height, width = images.shape[2:]
    angle = beside(torch.deg2rad(-degrees.double()).float(), images)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    device = images.device
    y = torch.arange(height, device=device, dtype=torch.float32)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=device, dtype=torch.float32)[None, :] - (width - 1) / 2
    grid = torch.stack([(cosine * x + sine * y) / (width / 2), (cosine * y - sine * x) / (height / 2)], dim=-1)
    moved = F.grid_sample(images.float() - fill, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return (moved + fill).round_().to(images.dtype)


def resized_crop(images: Tensor, boxes: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Brings the box (top, left, height, width) of each image to `size`: bilinear with antialias, as torch and PIL do.

    Two products with sparse-looking matrices, one for the rows and one for the columns, do it for the whole batch.

    >>> images = torch.tensor([[0, 2], [4, 6]], dtype=torch.uint8).reshape(1, 1, 2, 2)
    >>> resized_crop(images, torch.tensor([[0, 0, 2, 2]]), size=(1, 1)).item()
    3
    """
    top, left, height, width = beside(boxes, images).T
    rows = _weights(top, height, taken=images.shape[2], given=size[0])
    columns = _weights(left, width, taken=images.shape[3], given=size[1])
    moved = rows[:, None] @ images.float() @ columns[:, None].transpose(-2, -1)
    return moved.round_().clamp_(0, 255).to(images.dtype)


def nearest_crop(images: Tensor, boxes: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Like `resized_crop`, but takes the nearest pixel: for the class numbers of a mask.

    >>> nearest_crop(torch.tensor([5, 7]).reshape(1, 1, 1, 2), torch.tensor([[0, 1, 1, 1]]), size=(1, 2)).tolist()
    [[[[7, 7]]]]
    """
    top, left, height, width = beside(boxes, images).T
    rows, columns = _nearest(top, height, size[0]), _nearest(left, width, size[1])
    image = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def inside(boxes: Tensor, *, size: tuple[int, int]) -> Tensor:
    """True inside the box (top, left, height, width) of each image: [B, 1, H, W].

    >>> inside(torch.tensor([[0, 1, 1, 1]]), size=(2, 2)).int().tolist()
    [[[[0, 1], [0, 0]]]]
    """
    top, left, height, width = boxes[:, :, None].unbind(1)
    y, x = torch.arange(size[0], device=boxes.device), torch.arange(size[1], device=boxes.device)
    rows, columns = (y >= top) & (y < top + height), (x >= left) & (x < left + width)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _weights(start: Tensor, length: Tensor, *, taken: int, given: int) -> Tensor:
    """How much each of the `taken` pixels counts in each of the `given` ones: [B, given, taken], rows sum to 1."""
    exact = exact_type(start.device)
    step = (length.to(exact) / given)[:, None, None]
    middle = (torch.arange(given, device=start.device, dtype=exact)[None, :, None] + 0.5) * step
    place = torch.arange(taken, device=start.device)[None, None, :] - start[:, None, None]
    weight = (1 - (place + 0.5 - middle).abs() / step.clamp(min=1)).clamp(min=0)
    weight = torch.where((place >= 0) & (place < length[:, None, None]), weight, 0.0)
    return (weight / weight.sum(-1, keepdim=True)).float()


def _nearest(start: Tensor, length: Tensor, given: int) -> Tensor:
    share = (torch.arange(given, device=start.device) + 0.5) / given
    return start[:, None] + (share * length[:, None]).floor().long().clamp(max=length[:, None] - 1)


def box_of_area(area: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """The two sides, in whole pixels, of rectangles with this area and first side / second side.

    >>> box_of_area(torch.tensor([8.0]), torch.tensor([2.0]))
    (tensor([4.]), tensor([2.]))
    """
    return (area * ratio).sqrt().round(), (area / ratio).sqrt().round()


def middle_box(size: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """The largest box (top, left, height, width) in the middle whose width / height lies within the range.

    >>> middle_box((10, 20), (0.75, 1.0))
    (0, 5, 10, 10)
    """
    height, width = size
    if width / height < ratio[0]:
        taken = (min(height, round(width / ratio[0])), width)
    elif width / height > ratio[1]:
        taken = (height, min(width, round(height * ratio[1])))
    else:
        taken = size
    return (height - taken[0]) // 2, (width - taken[1]) // 2, *taken


def share_box(share: float, *, x: int, y: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box (top, bottom, left, right) about (x, y) with 1 - `share` of the area, cut off at the edges.

    >>> share_box(0.75, x=1, y=1, size=(4, 4))
    (0, 2, 0, 2)
    """
    half = 0.5 * math.sqrt(1 - share)
    tall, wide = int(half * size[0]), int(half * size[1])
    return max(y - tall, 0), min(y + tall, size[0]), max(x - wide, 0), min(x + wide, size[1])
