"""Data sets: what they hold, how they are cut, resized and normalised, and what is said when one is missing."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from archc.runtime import EnvironmentProblem
from archc.runtime.data import Data, load
from archc.runtime.data.resident import ResidentImages, normalisation, resize, shuffled
from tests.runtime.toys import toy_data

CPU = torch.device("cpu")


def test_digits_are_scaled_to_bytes_exactly() -> None:
    data = load("digits")
    everything = torch.cat([data.train_images, data.test_images]).double().flatten(1) / 15
    original = torch.from_numpy(load_digits().data)
    assert torch.equal(everything.sort(0).values, original.sort(0).values)
    assert (data.channels, data.num_classes, data.train_images.dtype) == (1, 10, torch.uint8)


def test_digits_split_is_stratified_and_fixed() -> None:
    data, again = load("digits"), load("digits")
    test, whole = data.test_labels.bincount(), torch.from_numpy(np.bincount(load_digits().target))
    assert torch.equal(test, whole // 5)
    assert torch.equal(data.train_labels.bincount() + test, whole)
    assert torch.equal(data.test_images, again.test_images)
    assert data.test_labels[:12].tolist() == [5, 0, 9, 8, 7, 1, 2, 6, 3, 4, 0, 2]


def test_no_digit_is_in_both_parts() -> None:
    data = load("digits")
    train = {bytes(image.numpy().tobytes()) for image in data.train_images}
    assert not train & {bytes(image.numpy().tobytes()) for image in data.test_images}


def test_resize_gives_what_pil_gives() -> None:
    image = torch.randint(0, 256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for size in [(40, 56), (12, 9)]:
        ours = resize(image, size)
        assert (ours.shape, ours.dtype) == ((2, 1, *size), torch.uint8)
        theirs = Image.fromarray(image[1, 0].numpy()).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        assert np.array_equal(ours[1, 0].numpy(), np.asarray(theirs))


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_resident_images_are_resized_normalised_and_grey_becomes_colour(budget: int) -> None:
    data = toy_data()
    mean, deviation = normalisation(data.train_images)
    held = ResidentImages(
        data.train_images, data.train_labels, shape=(3, 8, 8), mean=mean, deviation=deviation, device=CPU, budget=budget
    )
    assert held.resized_once == (budget > 0)
    images, labels = held.batch(torch.tensor([5, 0]))
    wanted = (resize(data.train_images[[5, 0]], (8, 8)).float() - mean) / deviation
    torch.testing.assert_close(images, wanted.expand(2, 3, 8, 8))
    assert labels.tolist() == [1, 0]
    assert torch.equal(torch.cat([part[1] for part in held.in_order(7)]), data.train_labels)


def test_normalisation_is_that_of_all_training_pixels() -> None:
    images = toy_data(channels=3).train_images
    mean, deviation = normalisation(images)
    torch.testing.assert_close(mean, images.float().mean((0, 2, 3)))
    torch.testing.assert_close(deviation, images.float().std((0, 2, 3), correction=0))


@pytest.mark.parametrize(
    ("count", "size", "batches"), [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (1, 4, [1])]
)
def test_every_image_is_seen_once_and_none_alone(count: int, size: int, batches: list[int]) -> None:
    rows = shuffled(count, size, generator=torch.Generator().manual_seed(3), device=CPU)
    assert [len(part) for part in rows] == batches
    assert sorted(torch.cat(rows).tolist()) == list(range(count))


def test_missing_mnist_says_what_where_and_how(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").touch()
    with pytest.raises(EnvironmentProblem) as caught:
        load("mnist", tmp_path)
    assert str(caught.value) == (
        f"data set 'mnist': {raw} lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte."
        " Give the folder that holds MNIST/raw/ with --data-root DIR, or fetch the set once:"
        " archc data fetch mnist --data-root DIR"
    )


def test_damaged_mnist_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(b"\x00\x00\x08\x03" + b"\x00" * 9)
    with pytest.raises(EnvironmentProblem, match="train-images-idx3-ubyte is damaged"):
        load("mnist", tmp_path)


@pytest.mark.skipif("ARCHC_DATA" not in os.environ, reason="ARCHC_DATA names no folder with MNIST")
def test_real_mnist() -> None:
    data = load("mnist", os.environ["ARCHC_DATA"])
    assert (data.train_images.shape, data.test_images.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_mnist_without_a_root_says_what_to_type() -> None:
    with pytest.raises(EnvironmentProblem, match="--data-root DIR"):
        load("mnist")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), "images must be uint8 of shape"),
        (torch.zeros(0, 1, 4, 4, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64), "there are no images"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0]), r"labels must be int64 of shape \[2\]"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 2]), "the label of image 1 is 2, but the 2"),
    ],
)
def test_broken_sets_are_refused(images: torch.Tensor, labels: torch.Tensor, message: str) -> None:
    with pytest.raises(EnvironmentProblem, match=message):
        Data(
            name="broken", train_images=images, train_labels=labels, test_images=images, test_labels=labels,
            classes=("a", "b"), note="",
        )  # fmt: skip
