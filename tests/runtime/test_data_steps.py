"""Batched augmentation: each step gives what torchvision gives image by image, and draws as torchvision draws."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms import ColorJitter, RandomErasing, RandomResizedCrop, v2
from torchvision.transforms import functional as TF

from archc.runtime import SettingsError
from archc.runtime.data import augment as draws
from archc.runtime.data import color, geometry
from archc.runtime.data.augment import Augment
from archc.runtime.data.dataset import UNLABELLED
from archc.runtime.data.steps import STEPS, describe_steps, read_steps

COUNT = 4000  # draws for a comparison of two distributions
SIZE = (24, 31)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(count: int = 6, channels: int = 3, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.randint(0, 256, (count, channels, *size), generator=seeded(7), dtype=torch.uint8)


def alike(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two samples come from one distribution: Kolmogorov and Smirnov's distance at the level 1e-4."""
    places = torch.cat([ours, theirs]).double().unique()
    low = torch.searchsorted(ours.double().sort().values, places, right=True) / len(ours)
    high = torch.searchsorted(theirs.double().sort().values, places, right=True) / len(theirs)
    limit = math.sqrt(-math.log(1e-4 / 2) / 2) * math.sqrt((len(ours) + len(theirs)) / (len(ours) * len(theirs)))
    return float((low - high).abs().max()) < limit


def test_the_comparison_of_distributions_can_fail() -> None:
    one, other = torch.rand(COUNT, generator=seeded(1)), torch.rand(COUNT, generator=seeded(2))
    assert alike(one, other)
    assert not alike(one, other + 0.06)
    assert not alike(one, (other - 0.5) * 1.2 + 0.5)


def test_crop_is_torchvisions() -> None:
    images = pictures()
    top, left = torch.tensor([0, 8, 3, 2, 0, 5]), torch.tensor([0, 8, 5, 1, 7, 4])
    ours = geometry.crop(images, top, left, size=SIZE, padding=4)
    for number, image in enumerate(images):
        theirs = TF.crop(TF.pad(image, [4]), int(top[number]), int(left[number]), *SIZE)
        assert torch.equal(ours[number], theirs)


@pytest.mark.parametrize("channels", [1, 3])
def test_flip_is_torchvisions(channels: int) -> None:
    images = pictures(channels=channels)
    chosen = torch.tensor([True, False, True, True, False, False])
    wanted = [TF.hflip(image) if yes else image for image, yes in zip(images, chosen, strict=True)]
    assert torch.equal(geometry.flip(images, chosen), torch.stack(wanted))


@pytest.mark.parametrize("size", [SIZE, (16, 16)])
def test_rotation_is_torchvisions(size: tuple[int, int]) -> None:
    images, degrees = pictures(size=size), torch.tensor([0.0, 13.7, -13.7, 77.7, -171.3, 180.0])
    ours = geometry.rotate(images, degrees)
    for number, image in enumerate(images):
        theirs = TF.rotate(image, float(degrees[number]))
        assert float((ours[number] != theirs).any(0).float().mean()) < 0.005  # ties between two pixels


def test_resized_crop_is_torchvisions_up_to_one_grey_level() -> None:
    images = pictures()
    boxes = torch.tensor([[0, 0, 24, 31], [3, 5, 9, 7], [23, 30, 1, 1], [0, 0, 24, 3], [1, 1, 20, 20], [5, 0, 2, 31]])
    ours = geometry.resized_crop(images, boxes, size=(12, 14))
    for number, (image, box) in enumerate(zip(images, boxes.tolist(), strict=True)):
        theirs = TF.resized_crop(image, *box, size=[12, 14], antialias=True)
        assert int((ours[number].int() - theirs.int()).abs().max()) <= 1


def test_nearest_crop_takes_the_pixels_that_the_image_shows() -> None:
    masks = pictures(2, channels=1)
    boxes = torch.tensor([[4, 6, 12, 14], [0, 0, 6, 7]])
    ours = geometry.nearest_crop(masks, boxes, size=(12, 14))
    assert torch.equal(ours[0], masks[0, :, 4:16, 6:20])
    assert torch.equal(ours[1, :, ::2, ::2], masks[1, :, :6, :7])


FACTORS = [0.0, 0.37, 1.0, 1.61, 2.5, 0.9]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (color.brightness, TF.adjust_brightness),
        (color.contrast, TF.adjust_contrast),
        (color.saturation, TF.adjust_saturation),
    ],
)
def test_colors_are_torchvisions(ours: Any, theirs: Any, channels: int) -> None:
    images = pictures(channels=channels)
    wanted = torch.stack([theirs(image, factor) for image, factor in zip(images, FACTORS, strict=True)])
    found = ours(images, torch.tensor(FACTORS, dtype=torch.float64))
    assert int((found.int() - wanted.int()).abs().max()) <= 1
    assert float((found != wanted).float().mean()) < 1e-3  # the mean grey is summed in another order


@pytest.mark.parametrize("channels", [1, 3])
def test_hue_is_torchvisions(channels: int) -> None:
    turns = [-0.5, -0.21, 0.0, 0.13, 0.5, 0.37]
    images = pictures(channels=channels)
    images[0, :, :5] = images[0, :1, :5]  # some grey, which has no hue
    wanted = torch.stack([TF.adjust_hue(image, turn) for image, turn in zip(images, turns, strict=True)])
    ours = color.hue(images, torch.tensor(turns))
    assert int((ours.int() - wanted.int()).abs().max()) <= 1
    assert float((ours != wanted).float().mean()) < 1e-3


def boxes_like_torchvision(draw: Callable[[], tuple[Any, ...]]) -> Tensor:
    torch.manual_seed(3)
    return torch.tensor([draw()[:4] for _ in range(COUNT)])


@pytest.mark.parametrize(("scale", "ratio"), [((0.08, 1.0), (0.75, 4 / 3)), ((0.9, 1.0), (3.0, 4.0))])
def test_resized_crops_are_drawn_as_in_torchvision(scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    ours = draws.draw_boxes(COUNT, SIZE, scale=scale, ratio=ratio, generator=seeded())
    image = pictures(1)[0]
    with torch.random.fork_rng():
        theirs = boxes_like_torchvision(lambda: RandomResizedCrop.get_params(image, list(scale), list(ratio)))
    assert all(alike(ours[:, column], theirs[:, column]) for column in range(4))
    assert alike(ours[:, 2] / ours[:, 3], theirs[:, 2] / theirs[:, 3])


def test_rectangles_to_erase_are_drawn_as_in_torchvision() -> None:
    ours = draws.draw_erased(
        COUNT, SIZE, probability=1, scale=(0.02, 0.9), ratio=(0.3, 3.3), generator=seeded()
    )  # fmt: skip
    ours = ours[ours[:, 2] > 0]
    image = pictures(1)[0]
    with torch.random.fork_rng():
        theirs = boxes_like_torchvision(lambda: RandomErasing.get_params(image, (0.02, 0.9), (0.3, 3.3), [0.0]))
    theirs = theirs[theirs[:, 2] < SIZE[0]]
    assert all(alike(ours[:, column], theirs[:, column]) for column in range(4))


def test_erasing_happens_as_often_as_asked_and_fills_the_box() -> None:
    images = torch.full((COUNT, 1, 8, 8), 9, dtype=torch.uint8)
    steps = read_steps({"erase": {"probability": 0.3, "value": 200}})
    erased = Augment(steps, size=(8, 8)).random(images, seeded())
    changed = (erased == 200).flatten(1).any(1)
    assert abs(float(changed.float().mean()) - 0.3) < 4 * math.sqrt(0.3 * 0.7 / COUNT)
    assert set(erased.unique().tolist()) == {9, 200}


def test_crops_and_flips_are_uniform() -> None:
    images = torch.arange(1, 26, dtype=torch.uint8).reshape(1, 1, 5, 5).expand(COUNT, -1, -1, -1)
    seen = Augment(read_steps({"crop": {"padding": 1}}), size=(5, 5)).random(images, seeded())
    middle = seen[:, 0, 2, 2].bincount(minlength=26)  # the pixel in the middle says which of nine windows it is
    counts = middle[middle > 0].double()
    assert len(counts) == 9
    assert float((counts - COUNT / 9).square().sum() / (COUNT / 9)) < 31.8  # chi squared, 8 degrees, level 1e-4
    flipped = Augment(read_steps({"flip": 0.25}), size=(5, 5)).random(images, seeded())[:, 0, 0, 0] == 5
    assert abs(float(flipped.float().mean()) - 0.25) < 4 * math.sqrt(0.25 * 0.75 / COUNT)


def test_angles_are_uniform_to_both_sides() -> None:
    ours = draws.draw_between(-30, 30, (COUNT,), seeded())
    with torch.random.fork_rng():
        torch.manual_seed(3)
        theirs = torch.tensor([v2.RandomRotation(30).make_params([])["angle"] for _ in range(COUNT)])
    assert alike(ours, theirs)


def test_colors_are_drawn_as_in_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Tensor] = {}
    for name in ("brightness", "contrast", "saturation", "hue"):

        def keep(images: Tensor, factor: Tensor, name: str = name) -> Tensor:
            drawn[name] = factor
            return images

        monkeypatch.setattr(color, name, keep)
    values = {"brightness": 0.4, "contrast": 1.5, "saturation": 0.2, "hue": 0.1}
    Augment(read_steps({"color": values}), size=(1, 1)).random(pictures(COUNT, size=(1, 1)), seeded())
    with torch.random.fork_rng():
        torch.manual_seed(3)
        jitter = ColorJitter(**values)
        theirs = [
            ColorJitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)[1:]
            for _ in range(COUNT)
        ]
    for name, column in zip(values, zip(*theirs, strict=True), strict=True):
        assert alike(drawn[name], torch.tensor(column)), name


def test_the_order_of_the_colors_is_drawn_too() -> None:
    images = pictures(1).expand(1, -1, -1, -1)
    step = read_steps({"color": {"brightness": 0.5, "contrast": 0.5}})
    seen = set()
    for seed in range(20):
        generator = seeded(seed)
        augment = Augment(step, size=SIZE)
        assert torch.equal(augment.random(images, generator), augment.random(images, seeded(seed)))
        seen.add(tuple(torch.randperm(4, generator=seeded(seed)).tolist()))
    assert len(seen) > 5


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    generator = seeded()
    ours = torch.tensor([draws.draw_share(alpha, generator) for _ in range(COUNT)])
    with torch.random.fork_rng():
        torch.manual_seed(3)
        theirs = torch.distributions.Beta(alpha, alpha).sample((COUNT,))
    assert alike(ours, theirs)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_is_torchvisions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = pictures(4).float(), torch.tensor([0, 2, 1, 2])
    transform: Any = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[name](num_classes=3)
    generator = seeded(5)
    monkeypatch.setattr(draws, "draw_share", lambda alpha, generator: 0.6)
    mixed, targets = Augment(read_steps(name), size=SIZE).mix(images, labels, classes=3, generator=generator)
    params: dict[str, Any] = {"labels": labels, "batch_size": 4, "lam": 0.6}
    if name == "cutmix":
        again = seeded(5)
        x, y = (int(torch.randint(side, (1,), generator=again)) for side in (SIZE[1], SIZE[0]))
        top, bottom, left, right = geometry.share_box(0.6, x=x, y=y, size=SIZE)
        assert abs((bottom - top) * (right - left) / (SIZE[0] * SIZE[1]) - 0.4) < 0.4
        params |= {"box": (left, top, right, bottom)}
        params |= {"lam_adjusted": 1 - (bottom - top) * (right - left) / (SIZE[0] * SIZE[1])}
    torch.testing.assert_close(mixed, transform.transform(images, params))
    torch.testing.assert_close(targets, transform.transform(labels, params))
    torch.testing.assert_close(targets.sum(1), torch.ones(4))


def test_without_mixing_labels_stay_numbers() -> None:
    images, labels = pictures(2).float(), torch.tensor([0, 1])
    same = Augment(read_steps("crop"), size=SIZE).mix(images, labels, classes=2, generator=seeded())
    assert same[0] is images
    assert same[1] is labels


def test_a_permutation_is_fixed_and_loses_no_pixel() -> None:
    images = pictures(3)
    ours = draws.permute(images, seed=4)
    assert torch.equal(ours, Augment(read_steps({"permute": 4}), size=SIZE).fixed(images))
    assert not torch.equal(ours, images)
    assert not torch.equal(ours, draws.permute(images, seed=5))
    whole = images.flatten(2).transpose(1, 2)[0].tolist()
    assert sorted(ours.flatten(2).transpose(1, 2)[0].tolist()) == sorted(whole)
    assert torch.equal(draws.permute(images[1:2], seed=4), ours[1:2])


EVERYTHING = "crop, flip, rotate, color, erase"


def test_one_seed_gives_one_result_and_a_kept_state_goes_on() -> None:
    augment, images = Augment(read_steps(EVERYTHING), size=SIZE), pictures()
    generator = seeded(3)
    first = augment.random(images, generator)
    state = generator.get_state()
    second = augment.random(images, generator)
    assert torch.equal(augment.random(images, seeded(3)), first)
    assert not torch.equal(first, second)
    resumed = Generator()
    resumed.set_state(state)
    assert torch.equal(augment.random(images, resumed), second)


@pytest.mark.parametrize("steps", [*(name for name in STEPS if name not in ("mixup", "cutmix", "permute")), EVERYTHING])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_step_takes_grey_and_colour_and_keeps_the_size(steps: str, channels: int) -> None:
    seen = Augment(read_steps(steps), size=(20, 18)).random(pictures(3, channels, (20, 18)), seeded())
    assert (seen.shape, seen.dtype) == ((3, channels, 20, 18), torch.uint8)


def test_crops_of_larger_images_and_their_middle() -> None:
    augment = Augment(read_steps({"crop": {"resize": 12, "padding": 0}}), size=(8, 8))
    assert augment.held_size == (12, 12)
    images = pictures(5, size=(12, 12))
    assert torch.equal(augment.middle(images), TF.center_crop(images, [8, 8]))
    seen = augment.random(images, seeded())
    windows = images.unfold(2, 8, 1).unfold(3, 8, 1).permute(0, 2, 3, 1, 4, 5).flatten(1, 2)
    for image, own in zip(seen, windows, strict=True):
        assert (own == image).flatten(1).all(1).any()


@pytest.mark.parametrize("steps", ["crop", "flip", "rotate", "resized_crop", "crop, flip, rotate"])
def test_masks_move_with_their_images(steps: str) -> None:
    """A mask that repeats the image: after the same movement it still does, but for what came in from outside."""
    images = (pictures(8, 1, (16, 16)) // 128) * 100
    images = images.repeat_interleave(4, 2).repeat_interleave(4, 3)
    masks = images[:, 0]
    moved, followed = Augment(read_steps(steps), size=(64, 64)).random_pair(images, masks, seeded())
    same = (moved[:, 0].int() - followed.int()).abs() <= 50
    known = followed != UNLABELLED
    assert float(same[known].float().mean()) > 0.97
    assert (moved[:, 0][~known] == 0).all()
    assert bool((~known).any()) == (steps not in ("flip", "resized_crop"))


def test_steps_read_from_every_form() -> None:
    wanted = read_steps({"crop": {"padding": 4}, "flip": True})
    assert read_steps("crop, flip") == read_steps(["crop", {"flip": True}]) == wanted
    assert read_steps({"crop": 4, "rotate": False, "flip": None}) == wanted
    assert read_steps(list(wanted)) == wanted
    assert read_steps(None) == read_steps(False) == read_steps({}) == ()
    assert describe_steps(read_steps({"resized_crop": [0.5, 1]})) == "resized_crop (scale [0.5, 1])"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, r"augment must name steps \(crop, .* found true"),
        (["crop", None], "an entry of the list is a step's name or a mapping, found null"),
        (["crop", 3], "an entry of the list is a step's name or a mapping, found 3"),
        ({"crop": {"pading": 4}}, r"crop has no argument 'pading'; did you mean 'padding'\?"),
        ({"crop": 1.5}, "augment: crop.padding must be a whole number from 0 to 1024, found 1.5"),
        ({"flip": 2}, "flip.probability must be a number from 0 to 1, found 2"),
        ({"flip": "yes"}, "flip.probability must be a number from 0 to 1, found 'yes'"),
        ({"rotate": float("nan")}, "rotate.degrees must be a number"),
        ({"resized_crop": [1, 0.5]}, r"resized_crop.scale must be a range \[smallest, largest\]"),
        ({"resized_crop": 0.5}, "resized_crop.scale must be a range"),
        (["flip", "flip"], "flip is there twice"),
        ("crop, resized_crop", "take one of them"),
        ("mix", r"there is no step 'mix'; did you mean 'mixup'\?"),
        ({3: True}, "there is no step '3'; there are crop"),
    ],
)
def test_wrong_steps_are_refused(value: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_steps(value)


def test_the_defaults_lie_within_their_own_limits() -> None:
    for name, kind in STEPS.items():
        given = {
            key: list(a.default) if isinstance(a.default, tuple) else a.default for key, a in kind.arguments.items()
        }
        assert read_steps({name: given}) == read_steps(name)
        assert kind.first in kind.arguments
