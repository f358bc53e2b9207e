"""A grid of labelled samples as a picture, drawn with Pillow alone."""

from __future__ import annotations

import colorsys
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from archc.runtime.data.augment import Augment
from archc.runtime.data.dataset import UNLABELLED, Data
from archc.runtime.data.lettering import Lettering
from archc.runtime.data.resize import nearest, resize
from archc.runtime.data.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

# Pixels: the least side of an image, the space around it, the height of a line below it, the side of its mark.
CELL, MARGIN, LINE, MARK = 144, 9, 22, 14
WIDEST = 280  # pixels to which long captions widen a cell
PAPER, INK = (255, 255, 255), (20, 20, 20)
RIGHT, WRONG = (0, 90, 160), (190, 70, 0)  # blue and orange: also for colour-blind readers
# Okabe and Ito's colours, which colour-blind readers tell apart: those of the first classes.
FIRST_COLORS = (
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
)  # fmt: skip


def sample_grid(
    data: Data, *, samples: int, part: str = "train", steps: tuple[Step, ...] = (), seed: int = 0
) -> tuple[bytes, int]:
    """A PNG of random samples of a set, its classes in turn, and how many they are; masks stand beside their images.

    With `steps` the samples are augmented, at the size of the set's own images. The seed decides which are shown.

    >>> from archc.runtime.data import load
    >>> png, shown = sample_grid(load("digits"), samples=5)
    >>> png[1:4], shown
    (b'PNG', 5)
    """
    generator = torch.Generator().manual_seed(seed)
    images, labels = (data.train_images, data.train_labels) if part == "train" else (data.test_images, data.test_labels)
    rows = sample_rows(labels, samples, generator)
    images, labels = images[rows], labels[rows]
    augment = Augment(steps, size=(images.shape[2], images.shape[3]))
    if augment.held_size is not None:
        images = resize(images, augment.held_size)
    if data.segmentation:
        labels = labels if augment.held_size is None else nearest(labels[:, None], augment.held_size)[:, 0]
        images, masks = augment.random_pair(images, labels, generator)
        pairs = torch.stack([_colored(augment.fixed(images)), _mask_colors(augment.fixed(masks[:, None])[:, 0])], dim=1)
        pictures, captions = pairs.flatten(0, 1), [text for _ in rows for text in ("image", "mask")]
        legend = data.classes
    else:
        pictures = augment.fixed(augment.random(images, generator))
        targets: Tensor | None = None
        if augment.mixing_steps:
            floats, targets = augment.mix(pictures.float(), labels, classes=data.num_classes, generator=generator)
            pictures = floats.round().clamp(0, 255).to(torch.uint8)
        captions = [_caption(data.classes, labels, targets, number) for number in range(len(rows))]
        pictures, legend = _colored(pictures), ()
    return draw_grid(pictures, captions, together=2 if legend else 1, legend=legend), len(rows)


def prediction_grid(data: Data, probabilities: Tensor) -> tuple[bytes, str]:
    """A PNG of all test images with what a network makes of them, right and wrong marked, and how much is right.

    `probabilities` are theirs, [N, classes], or [N, classes, H, W] of a segmentation set, whose images stand beside the
    true and the predicted classes of their pixels, with the part of the pixels that are right.
    """
    images, labels, predicted = _colored(data.test_images), data.test_labels, probabilities.argmax(1)
    if data.segmentation:
        guess = _masks_found(predicted, images.shape[2:])
        counted = (labels != UNLABELLED) & (guess != UNLABELLED)
        shares = ((guess == labels) & counted).sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)
        pictures = torch.stack([images, _mask_colors(labels), _mask_colors(guess)], dim=1).flatten(0, 1)
        captions = [text for share in shares.tolist() for text in ("image", "true", f"found {share:.1%}")]
        picture = draw_grid(pictures, captions, together=3, legend=data.classes)
        return picture, f"{float(shares.mean()):.1%} of their pixels right"
    right = (predicted == labels).tolist()
    chances = probabilities.max(1).values.tolist()
    captions = []
    for truth, guessed, chance, good in zip(labels.tolist(), predicted.tolist(), chances, right, strict=True):
        words = f"{data.classes[guessed]}  {chance:.0%}"
        captions.append(words if good else f"{words}\nis {data.classes[truth]}")
    return draw_grid(images, captions, right=right), f"{sum(right)} of them right"


def found_grid(images: Tensor, predicted: Tensor, *, names: Sequence[str], classes: Sequence[str]) -> bytes:
    """A PNG of named images [N, C, H, W], each beside the classes found in its pixels.

    `predicted` is [N, h, w], where h and w may be smaller than H and W: the border is then left white.
    """
    found = _mask_colors(_masks_found(predicted, images.shape[2:]))
    pictures = torch.stack([_colored(images), found], dim=1).flatten(0, 1)
    captions = [text for name in names for text in (name, "found")]
    return draw_grid(pictures, captions, together=2, legend=classes)


def draw_grid(
    images: Tensor,
    captions: Sequence[str],
    *,
    right: Sequence[bool] = (),
    together: int = 1,
    legend: Sequence[str] = (),
) -> bytes:
    """A PNG with uint8 images [N, 3, H, W] in a grid, each with a caption of one or more lines below it.

    `right` marks each by a colour and a sign, a tick or a cross; so many pictures as `together` says stay in one row.

    >>> draw_grid(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), ["a", "b", "c"])[:4]
    b'\\x89PNG'
    """
    from PIL import Image, ImageDraw

    count, _, height, width = images.shape
    scale = max(1, math.ceil(CELL / max(height, width)))
    lettering = Lettering()
    beside = MARK + 6 if right else 0
    texts = [lettering.readable(caption).split("\n") for caption in captions]
    longest = max((lettering.length(words) for lines in texts for words in lines), default=0) + beside
    wide = max(width * scale, CELL, min(math.ceil(longest), WIDEST)) + 2 * MARGIN
    lines = max(map(len, texts))
    tall = height * scale + 2 * MARGIN + lines * LINE
    columns = together * best_columns(math.ceil(count / together), together)
    rows = math.ceil(count / columns)
    entries = _legend(legend, lettering, columns * wide)
    below = LINE * (entries[-1][1] + 1) + 2 * MARGIN if entries else 0
    sheet = Image.new("RGB", (columns * wide, rows * tall + below), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, words in enumerate(texts):
        left, top = number % columns * wide, number // columns * tall
        tile = _picture(images[number]).resize((width * scale, height * scale), Image.Resampling.NEAREST)
        sheet.paste(tile, (left + (wide - tile.width) // 2, top + MARGIN))
        ink = INK if not right else RIGHT if right[number] else WRONG
        for line, whole in enumerate(words):
            text = lettering.shortened(whole, wide - MARGIN - beside)
            place = left + (wide - lettering.length(text)) / 2
            base = top + tall - (lines - line) * LINE
            if right and line == 0:
                place += beside / 2
                _mark(draw, int(place) - beside, base + 3, right[number], ink)
            draw.text((place, base), text, ink, lettering.font(text))
    for number, (left, line, name) in enumerate(entries):
        top = rows * tall + MARGIN + line * LINE
        draw.rectangle((left, top + 3, left + MARK, top + 3 + MARK), class_color(number))
        draw.text((left + MARK + 6, top), name, INK, lettering.font(name))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def best_columns(cells: int, together: int = 1) -> int:
    """Columns for so many cells, each `together` times as wide as high: a wide sheet with few empty places.

    >>> [best_columns(cells) for cells in (1, 3, 7, 20, 40)], best_columns(6, 3)
    ([1, 3, 4, 5, 8], 2)
    """
    wanted = math.sqrt(cells * 1.6 / together)
    choice = range(max(1, round(0.75 * wanted)), max(1, round(1.5 * wanted)) + 1)
    return min(cells, min(choice, key=lambda columns: (-cells % columns / columns > 0.25, abs(columns - wanted))))


def class_color(number: int) -> tuple[int, int, int]:
    """The colour of a class: after the first ones hues a golden section apart, so that no two near numbers look alike.

    >>> class_color(1), len({class_color(number) for number in range(255)})
    ((230, 159, 0), 255)
    """
    if number < len(FIRST_COLORS):
        return FIRST_COLORS[number]
    strength, light = (0.55, 0.95)[number % 2], (0.95, 0.65)[number // 2 % 2]
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, strength, light)
    return round(255 * red), round(255 * green), round(255 * blue)


def _legend(names: Sequence[str], lettering: Lettering, width: int) -> list[tuple[int, int, str]]:
    """Where each name of a legend begins, in pixels and lines, and how much of it has room."""
    entries, left, line = list[tuple[int, int, str]](), MARGIN, 0
    for name in map(lettering.readable, names):
        text = lettering.shortened(name, width - 2 * MARGIN - MARK - 6)
        room = MARK + 6 + math.ceil(lettering.length(text))
        if left > MARGIN and left + room > width - MARGIN:
            left, line = MARGIN, line + 1
        entries.append((left, line, text))
        left += room + 20
    return entries


def _mark(draw: ImageDraw, x: int, y: int, right: bool, ink: tuple[int, int, int]) -> None:
    """A tick or a cross: no sign of a font, which may not have it."""
    low, middle, high = 1, MARK // 3, MARK - 1
    strokes = [[(0, MARK // 2), (middle, high), (high, low)]] if right else [
        [(low, low), (high, high)], [(low, high), (high, low)],
    ]  # fmt: skip
    for stroke in strokes:
        draw.line([(x + across, y + down) for across, down in stroke], ink, width=3)


def _picture(image: Tensor) -> Image:
    from PIL import Image

    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def sample_rows(labels: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """Random rows, one of each class in turn; of a segmentation set any."""
    order = torch.randperm(len(labels), generator=generator)
    if labels.ndim == 3:
        return order[:samples]
    seen: dict[int, int] = {}
    keys = []
    for label in labels[order].tolist():
        seen[label] = seen.get(label, -1) + 1
        keys.append((seen[label], label))
    ranked = sorted(range(len(order)), key=keys.__getitem__)
    return order[torch.tensor(ranked[:samples])]


def _colored(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1)


def _masks_found(predicted: Tensor, size: Sequence[int]) -> Tensor:
    """Classes of pixels [N, h, w] as masks of this size; where the network says nothing, at the border, is no class."""
    top, left = ((whole - part) // 2 for whole, part in zip(size, predicted.shape[1:], strict=True))
    masks = torch.full((len(predicted), *size), UNLABELLED, dtype=torch.uint8)
    masks[:, top : top + predicted.shape[1], left : left + predicted.shape[2]] = predicted.byte()
    return masks


def _mask_colors(masks: Tensor) -> Tensor:
    """Masks [N, H, W] as colours; what belongs to no class is white."""
    palette = torch.full((256, 3), 255, dtype=torch.uint8)
    palette[:UNLABELLED] = torch.tensor([class_color(number) for number in range(UNLABELLED)])
    return palette[masks.long()].permute(0, 3, 1, 2)


def _caption(classes: Sequence[str], labels: Tensor, targets: Tensor | None, number: int) -> str:
    if targets is None:
        return classes[int(labels[number])]
    shares = [(round(100 * float(share)), classes[label]) for label, share in enumerate(targets[number])]
    return " + ".join(f"{share}% {name}" for share, name in sorted(shares, reverse=True) if share)
