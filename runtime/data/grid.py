"""A grid of labelled samples as a picture, drawn with Pillow alone."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from archc.runtime.data.augment import Augment
from archc.runtime.data.dataset import UNLABELLED, Data
from archc.runtime.data.resize import nearest, resize
from archc.runtime.data.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

CELL, MARGIN, LINE = 96, 6, 16  # pixels: the least side of an image, the space around it, the height of its caption
SHORTENED = 14  # letters of a caption that fit below an image of that side
PAPER, INK = (255, 255, 255), (20, 20, 20)
MOST_BESIDE = 6  # letters of a class beside which its probability has room
RIGHT, WRONG = (0, 90, 160), (190, 70, 0)  # blue and orange: also for colour-blind readers
# Okabe and Ito's colours, which colour-blind readers tell apart; a class further on takes one of them again.
CLASS_COLORS = (
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
        top, left = ((whole - part) // 2 for whole, part in zip(images.shape[2:], predicted.shape[1:], strict=True))
        guess = torch.full_like(labels, UNLABELLED)  # where the network says nothing, at the border
        guess[:, top : top + predicted.shape[1], left : left + predicted.shape[2]] = predicted.byte()
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
        name = data.classes[guessed]
        words = name if len(name) > MOST_BESIDE else f"{name}  {chance:.0%}"
        captions.append(f"{words}\n{'' if good else f'is {data.classes[truth]}'}")
    return draw_grid(images, captions, right=right), f"{sum(right)} of them right"


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
    from PIL import Image, ImageDraw, ImageFont

    count, _, height, width = images.shape
    scale = max(1, math.ceil(CELL / max(height, width)))
    lines = 1 + max(caption.count("\n") for caption in captions)
    wide, tall = max(width * scale, CELL) + 2 * MARGIN, height * scale + 2 * MARGIN + lines * LINE
    columns = max(1, min(count, math.ceil(math.sqrt(count * 1.6))))
    columns = together * math.ceil(columns / together)
    sheet = Image.new(
        "RGB", (columns * wide, math.ceil(count / columns) * tall + (LINE + 2 * MARGIN if legend else 0)), PAPER
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    letters = SHORTENED * wide // (CELL + 2 * MARGIN)
    for number, caption in enumerate(captions):
        left, top = number % columns * wide, number // columns * tall
        tile = _picture(images[number]).resize((width * scale, height * scale), Image.Resampling.NEAREST)
        sheet.paste(tile, (left + (wide - tile.width) // 2, top + MARGIN))
        ink = INK
        if right:
            ink = RIGHT if right[number] else WRONG
            _mark(draw, left + MARGIN, top + tall - lines * LINE + 1, right[number], ink)
        for line, words in enumerate(caption.split("\n")):
            text = words if len(words) <= letters else words[: letters - 1] + "…"
            draw.text((left + wide // 2, top + tall - (lines - line) * LINE), text, ink, font, anchor="ma")
    place = MARGIN
    for number, name in enumerate(legend):
        base = sheet.height - LINE - MARGIN
        draw.rectangle((place, base, place + 10, base + 10), CLASS_COLORS[number % len(CLASS_COLORS)])
        draw.text((place + 14, base - 2), name, INK, font)
        place += 24 + int(draw.textlength(name, font))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def _mark(draw: ImageDraw, x: int, y: int, right: bool, ink: tuple[int, int, int]) -> None:
    """A tick or a cross, 10 pixels wide: the font has neither."""
    strokes = [[(0, 6), (3, 9), (9, 1)]] if right else [[(1, 1), (9, 9)], [(1, 9), (9, 1)]]
    for stroke in strokes:
        draw.line([(x + across, y + down) for across, down in stroke], ink, width=2)


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


def _mask_colors(masks: Tensor) -> Tensor:
    """Masks [N, H, W] as colours; what belongs to no class is white."""
    palette = torch.full((256, 3), 255, dtype=torch.uint8)
    palette[:255] = torch.tensor([CLASS_COLORS[number % len(CLASS_COLORS)] for number in range(255)])
    return palette[masks.long()].permute(0, 3, 1, 2)


def _caption(classes: Sequence[str], labels: Tensor, targets: Tensor | None, number: int) -> str:
    if targets is None:
        return classes[int(labels[number])]
    shares = [(round(100 * float(share)), classes[label]) for label, share in enumerate(targets[number])]
    return " + ".join(f"{share}% {name}" for share, name in sorted(shares, reverse=True) if share)
