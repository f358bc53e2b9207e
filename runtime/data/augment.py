"""Augmentation of whole batches on their device: parameters drawn from one generator, applied by pure functions.

Random numbers are drawn on the CPU, so that one seed gives one run on every device, and the state of the generator
is all that resuming needs. Each step has the distribution of torchvision's transform of a single image.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from archc.runtime.data import color, geometry
from archc.runtime.data.dataset import UNLABELLED, Data
from archc.runtime.data.resize import nearest, resize
from archc.runtime.data.steps import Step, Value
from archc.runtime.errors import SettingsError

ATTEMPTS = 10  # torchvision draws a rectangle this often before it gives up
MIXING = ("mixup", "cutmix")
FIXED = ("permute",)
OUTLINES = ("crop", "resized_crop")


def check_mixing(steps: tuple[Step, ...], data: Data, *, loss: str = "cross_entropy") -> None:
    """Refuses steps that mix labels, with `SettingsError`, for the loss `nll` and for a set that labels each pixel."""
    mixing = next((step.name for step in steps if step.name in MIXING), None)
    if mixing and loss == "nll":
        raise SettingsError(f"augment: {mixing} mixes labels, which takes loss cross_entropy, and the loss is nll")
    if mixing and data.segmentation:
        raise SettingsError(
            f"augment: {mixing} mixes labels of whole images, and data set {data.name!r} labels each pixel"
        )


class Augment:
    """The steps of a recipe, ready for batches of images of one network's input size.

    >>> from archc.runtime.data.steps import read_steps
    >>> augment = Augment(read_steps("crop, flip"), size=(8, 8))
    >>> images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    >>> augment.random(images, torch.Generator().manual_seed(1)).shape
    torch.Size([4, 3, 8, 8])
    """

    def __init__(self, steps: tuple[Step, ...], *, size: tuple[int, int]) -> None:
        self.size = size
        self.fixed_steps = tuple(step for step in steps if step.name in FIXED)
        self.random_steps = tuple(step for step in steps if step.name not in (*FIXED, *MIXING))
        self.mixing_steps = tuple(step for step in steps if step.name in MIXING)
        self._outline = next((step for step in steps if step.name in OUTLINES), None)
        held = self.held_size
        if held is not None and (held[0] < size[0] or held[1] < size[1]):
            raise SettingsError(
                f"augment: crop.resize is {held[0]}, and images of {size[0]}x{size[1]} are cut out of it;"
                " it must be at least as large, or 0"
            )

    @property
    def held_size(self) -> tuple[int, int] | None:
        """The size (height, width) that images are brought to before the steps; None: as they are in the set."""
        if self._outline is None:
            return self.size
        if self._outline.name == "resized_crop":
            return None
        side = _whole(self._outline, "resize")
        return (side, side) if side else self.size

    def fixed(self, images: Tensor) -> Tensor:
        """What is done to every image in the same way, of the training and the test part: one order of the pixels."""
        for step in self.fixed_steps:
            images = permute(images, seed=_whole(step, "seed"))
        return images

    def middle(self, images: Tensor) -> Tensor:
        """The part of each image that evaluation sees: its middle where training crops, else the whole image."""
        if self._outline is None or self._outline.name != "crop":
            return resize(images, self.size)
        top, left = ((images.shape[axis + 2] - self.size[axis]) // 2 for axis in (0, 1))
        return images[:, :, top : top + self.size[0], left : left + self.size[1]]

    def middle_of_masks(self, masks: Tensor) -> Tensor:
        """Likewise for masks [B, 1, H, W], each pixel one that was there."""
        return self.middle(masks) if tuple(masks.shape[2:]) == self.held_size else nearest(masks, self.size)

    def random(self, images: Tensor, generator: Generator) -> Tensor:
        """The random steps on uint8 images [B, C, H, W], in the order of the recipe."""
        return self._random(images, generator, masks=None)[0]

    def random_pair(self, images: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Likewise for images and their masks [B, H, W], moved together; what comes in from outside is unlabelled."""
        images, moved = self._random(images, generator, masks=masks[:, None])
        assert moved is not None
        return images, moved[:, 0]

    def mix(self, images: Tensor, labels: Tensor, *, classes: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """The mixing steps on float images: labels become probabilities [B, classes]; without such steps nothing."""
        if not self.mixing_steps:
            return images, labels
        step = self.mixing_steps[0]
        if len(self.mixing_steps) > 1:  # both: one of them, drawn for each batch
            step = self.mixing_steps[int(torch.randint(len(self.mixing_steps), (1,), generator=generator))]
        targets = F.one_hot(labels, classes).to(images.dtype)
        share = draw_share(_number(step, "alpha"), generator)
        return (mixup if step.name == "mixup" else cutmix)(images, targets, share, generator)

    def _random(self, images: Tensor, generator: Generator, *, masks: Tensor | None) -> tuple[Tensor, Tensor | None]:
        for step in self.random_steps:
            images, masks = self._apply(step, images, masks, generator)
        if tuple(images.shape[2:]) != self.size:
            images, masks = resize(images, self.size), None if masks is None else nearest(masks, self.size)
        return images, masks

    def _apply(
        self, step: Step, images: Tensor, masks: Tensor | None, generator: Generator
    ) -> tuple[Tensor, Tensor | None]:
        count = len(images)
        taken = (images.shape[2], images.shape[3])
        match step.name:
            case "crop":
                padding = _whole(step, "padding")
                ends = (taken[axis] + 2 * padding - self.size[axis] + 1 for axis in (0, 1))
                corners = torch.stack([draw_whole(end, count, generator) for end in ends])
                top, left = geometry.beside(corners, images)
                images = geometry.crop(images, top, left, size=self.size, padding=padding)
                if masks is not None:
                    masks = geometry.crop(masks, top, left, size=self.size, padding=padding, fill=UNLABELLED)
            case "resized_crop":
                scale, ratio = _range(step, "scale"), _range(step, "ratio")
                boxes = draw_boxes(count, taken, scale=scale, ratio=ratio, generator=generator)
                images = geometry.resized_crop(images, boxes, size=self.size)
                masks = None if masks is None else geometry.nearest_crop(masks, boxes, size=self.size)
            case "flip":
                chosen = torch.rand(count, generator=generator) < _number(step, "probability")
                images = geometry.flip(images, chosen)
                masks = None if masks is None else geometry.flip(masks, chosen)
            case "rotate":
                largest = _number(step, "degrees")
                degrees = draw_between(-largest, largest, (count,), generator)
                images = geometry.rotate(images, degrees)
                masks = None if masks is None else geometry.rotate(masks, degrees, fill=UNLABELLED)
            case "color":
                images = change_colors(images, step, generator)
            case "erase":
                boxes = draw_erased(
                    count,
                    taken,
                    probability=_number(step, "probability"),
                    scale=_range(step, "scale"),
                    ratio=_range(step, "ratio"),
                    generator=generator,
                )
                erased = geometry.inside(geometry.beside(boxes, images), size=taken)
                images = images.masked_fill(erased, _whole(step, "value"))
            case name:
                raise AssertionError(f"the table has a step {name!r} that nothing applies")
        return images, masks


def permute(images: Tensor, *, seed: int) -> Tensor:
    """The pixels of every image in one random order that only the seed and the size decide; channels stay together.

    >>> images = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2)
    >>> permute(images, seed=0).flatten().tolist()
    [0, 1, 3, 2]
    """
    pixels = images.shape[2] * images.shape[3]
    order = geometry.beside(torch.randperm(pixels, generator=Generator().manual_seed(seed)), images)
    return images.flatten(2).index_select(2, order).reshape(images.shape)


def change_colors(images: Tensor, step: Step, generator: Generator) -> Tensor:
    """Brightness, contrast, saturation and hue, each image with its own factors, the order drawn once for the batch."""
    functions = (color.brightness, color.contrast, color.saturation, color.hue)
    names = ("brightness", "contrast", "saturation", "hue")
    for number in torch.randperm(len(names), generator=generator).tolist():
        width = _number(step, names[number])
        if width:
            low, high = (-width, width) if names[number] == "hue" else (max(0.0, 1 - width), 1 + width)
            images = functions[number](images, draw_between(low, high, (len(images),), generator))
    return images


def mixup(images: Tensor, targets: Tensor, share: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Each image times `share` plus the image before it times the rest; targets [B, classes] likewise.

    >>> mixup(torch.tensor([0.0, 8.0]), torch.eye(2), 0.75, torch.Generator())
    (tensor([2., 6.]), tensor([[0.7500, 0.2500],
            [0.2500, 0.7500]]))
    """
    return _mixed(images, share), _mixed(targets, share)


def cutmix(images: Tensor, targets: Tensor, share: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """A box of each image replaced by that of the image before it; targets [B, classes] by its share of the area."""
    height, width = images.shape[2:]
    x = int(torch.randint(width, (1,), generator=generator))
    y = int(torch.randint(height, (1,), generator=generator))
    top, bottom, left, right = geometry.share_box(share, x=x, y=y, size=(height, width))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    return mixed, _mixed(targets, 1 - (bottom - top) * (right - left) / (height * width))


def draw_share(alpha: float, generator: Generator) -> float:
    """A number from Beta(alpha, alpha): the quotient of a gamma variate and the sum of two."""
    one, other = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    return one / (one + other) if one + other > 0 else float(torch.randint(2, (1,), generator=generator))


def draw_whole(end: int, count: int, generator: Generator) -> Tensor:
    """Whole numbers from 0 to end - 1, each equally likely."""
    return torch.randint(end, (count,), generator=generator)


def draw_between(low: float, high: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Numbers between two bounds, each equally likely."""
    return torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low


def draw_boxes(
    count: int, size: tuple[int, int], *, scale: tuple[float, float], ratio: tuple[float, float], generator: Generator
) -> Tensor:
    """Boxes (top, left, height, width) of random area and width / height; the middle where none of ten fits."""
    width, height = _sides(count, size, scale=scale, ratio=ratio, generator=generator)
    fits = (width > 0) & (width <= size[1]) & (height > 0) & (height <= size[0])
    height, width, found = _first(height, fits), _first(width, fits), fits.any(1)
    place = torch.rand(2, count, generator=generator, dtype=torch.float64)
    top = (place[0] * (size[0] - height + 1)).floor()
    left = (place[1] * (size[1] - width + 1)).floor()
    boxes = torch.stack([top, left, height, width], dim=1).long()
    return torch.where(found[:, None], boxes, torch.tensor(geometry.middle_box(size, ratio)))


def draw_erased(
    count: int,
    size: tuple[int, int],
    *,
    probability: float,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: Generator,
) -> Tensor:
    """Boxes (top, left, height, width) to erase, of random area and height / width; height 0 where nothing is."""
    chosen = torch.rand(count, generator=generator) < probability
    height, width = _sides(count, size, scale=scale, ratio=ratio, generator=generator)
    fits = (height < size[0]) & (width < size[1])
    height, width = _first(height, fits), _first(width, fits)
    place = torch.rand(2, count, generator=generator, dtype=torch.float64)
    top = (place[0] * (size[0] - height + 1)).floor()
    left = (place[1] * (size[1] - width + 1)).floor()
    boxes = torch.stack([top, left, height, width], dim=1).long()
    return torch.where((chosen & fits.any(1))[:, None], boxes, 0)


def _sides(
    count: int, size: tuple[int, int], *, scale: tuple[float, float], ratio: tuple[float, float], generator: Generator
) -> tuple[Tensor, Tensor]:
    """Ten pairs of sides for each image, first / second being the ratio."""
    area = size[0] * size[1] * draw_between(*scale, (count, ATTEMPTS), generator)
    return geometry.box_of_area(
        area, draw_between(math.log(ratio[0]), math.log(ratio[1]), (count, ATTEMPTS), generator).exp()
    )


def _first(values: Tensor, fits: Tensor) -> Tensor:
    return values.gather(1, fits.int().argmax(1, keepdim=True))[:, 0].double()


def _mixed(values: Tensor, share: float) -> Tensor:
    return values.roll(1, 0) * (1 - share) + values * share


def _number(step: Step, name: str) -> float:
    value: Value = step.values[name]
    assert not isinstance(value, tuple)
    return value


def _whole(step: Step, name: str) -> int:
    return int(_number(step, name))


def _range(step: Step, name: str) -> tuple[float, float]:
    value: Value = step.values[name]
    assert isinstance(value, tuple)
    return value
