"""MNIST and its kin in IDX files, as torchvision lays them out: ROOT/MNIST/raw/train-images-idx3-ubyte and so on."""

from __future__ import annotations

import string
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from archc.runtime.data.dataset import Data
from archc.runtime.data.files import damaged, read_files

IMAGES, LABELS = b"\x00\x00\x08\x03", b"\x00\x00\x08\x01"
SIDE = 28

DIGITS = tuple(string.digits)
_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_MERGED = "cijklmopsuvwxyz"  # capital and small look alike, so they are one class
BY_CLASS = tuple(string.digits + _LETTERS)
BALANCED = tuple(name for name in BY_CLASS if name not in _MERGED)


class IdxSet(NamedTuple):
    """Where the four files of a set lie, its classes, and how its numbers and pixels become ours."""

    title: str
    folder: str
    classes: tuple[str, ...]
    prefix: str = ""
    test: str = "t10k"
    first: int = 0  # the number of the first class in the files
    turned: bool = False  # whether rows and columns are exchanged in the files


def _emnist(split: str, classes: tuple[str, ...], first: int = 0) -> IdxSet:
    return IdxSet(f"EMNIST, split {split}", "EMNIST", classes, f"emnist-{split}-", "test", first, turned=True)


SETS = {
    "mnist": IdxSet("MNIST", "MNIST", DIGITS),
    "fashion-mnist": IdxSet(
        "Fashion-MNIST",
        "FashionMNIST",
        ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "kmnist": IdxSet("KMNIST", "KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    "emnist": _emnist("balanced", BALANCED),
    "emnist-letters": _emnist("letters", tuple(string.ascii_lowercase), first=1),
    "emnist-digits": _emnist("digits", DIGITS),
    "emnist-mnist": _emnist("mnist", DIGITS),
    "emnist-byclass": _emnist("byclass", BY_CLASS),
    "emnist-bymerge": _emnist("bymerge", BALANCED),
}


def read_idx(name: str, root: Path) -> Data:
    """The set of that name from `root`; files that are missing or damaged raise `EnvironmentProblem`.

    Sources: LeCun, Cortes and Burges (MNIST, 1998); Xiao, Rasul and Vollgraf (Fashion-MNIST, 2017); Clanuwat et al.
    (KMNIST, 2018); Cohen et al. (EMNIST, 2017), whose images are turned upright here.
    """
    row = SETS[name]
    folder = root / row.folder / "raw"
    names = [
        f"{row.prefix}{part}-{kind}-ubyte" for part in ("train", row.test) for kind in ("images-idx3", "labels-idx1")
    ]
    files = read_files(name, folder, names, beneath=f"{row.folder}/raw")
    parts = []
    for images, labels in (names[:2], names[2:]):
        pixels = _images(name, folder / images, files[images])
        numbers = _labels(name, folder / labels, files[labels])
        if len(pixels) != len(numbers):
            raise damaged(name, folder / labels, f"it has {len(numbers):,} labels for {len(pixels):,} images")
        parts.append((pixels.transpose(-2, -1).contiguous() if row.turned else pixels, numbers - row.first))
    (train_images, train_labels), (test_images, test_labels) = parts
    return Data(
        name=name,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        classes=row.classes,
        note=f"{row.title} from {folder}, its own test part",
    )


def _images(name: str, path: Path, content: bytes) -> Tensor:
    sizes = [int.from_bytes(content[start : start + 4], "big") for start in (4, 8, 12)]
    if content[:4] != IMAGES or sizes[1:] != [SIDE, SIDE] or len(content) != 16 + sizes[0] * SIDE * SIDE:
        raise damaged(name, path, f"no IDX file of {SIDE}x{SIDE} images with {len(content):,} bytes begins like this")
    return _bytes(content, 16).reshape(sizes[0], 1, SIDE, SIDE)


def _labels(name: str, path: Path, content: bytes) -> Tensor:
    if content[:4] != LABELS or len(content) != 8 + int.from_bytes(content[4:8], "big"):
        raise damaged(name, path, f"no IDX file of labels with {len(content):,} bytes begins like this")
    return _bytes(content, 8).long()


def _bytes(content: bytes, start: int) -> Tensor:
    rest = bytearray(content[start:])
    return torch.frombuffer(rest, dtype=torch.uint8) if rest else torch.empty(0, dtype=torch.uint8)
