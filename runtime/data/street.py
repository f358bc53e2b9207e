"""SVHN and STL-10: MATLAB files read by scipy, and plain bytes."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import Tensor

from archc.runtime.data.dataset import Data
from archc.runtime.data.files import damaged, read_files
from archc.runtime.errors import EnvironmentProblem

STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SIDE = 96


def read_svhn(root: Path) -> Data:
    """SVHN's cropped digits from ROOT/train_32x32.mat and ROOT/test_32x32.mat; the digit 0 is class 0.

    Source: Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning" (2011).
    """
    folder = root / "svhn" if (root / "svhn").is_dir() else root
    names = ["train_32x32.mat", "test_32x32.mat"]
    files = read_files("svhn", folder, names, beneath="svhn")
    train, test = (_matlab(folder / name, files[name]) for name in names)
    return Data(
        name="svhn", train_images=train[0], train_labels=train[1], test_images=test[0], test_labels=test[1],
        classes=tuple(map(str, range(10))), note=f"SVHN, cropped digits, from {folder}, its own test part",
    )  # fmt: skip


def _matlab(path: Path, content: bytes) -> tuple[Tensor, Tensor]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise EnvironmentProblem(
            "data set 'svhn' is read by scipy, which is not installed: pip install scipy"
        ) from error
    try:
        found = loadmat(io.BytesIO(content), variable_names=["X", "y"])
        images, labels = found["X"], found["y"].reshape(-1)
        fitting = images.dtype == "uint8" and images.shape[:3] == (32, 32, 3) and images.shape[3] == len(labels)
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise damaged("svhn", path, f"scipy cannot read it: {error}") from error
    if not fitting:
        raise damaged("svhn", path, f"X is {images.dtype} {list(images.shape)}, y has {len(labels):,} numbers")
    pixels = torch.from_numpy(images).permute(3, 2, 0, 1).contiguous()
    numbers = torch.from_numpy(labels.astype("int64"))
    return pixels, torch.where(numbers == 10, 0, numbers)


def read_stl10(root: Path) -> Data:
    """STL-10's labelled images from ROOT/stl10_binary.

    Source: Coates, Lee and Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning" (2011).
    """
    folder = root / "stl10_binary"
    names = ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"]
    files = read_files("stl10", folder, names, beneath="stl10_binary")
    parts: list[tuple[Tensor, Tensor]] = []
    for images, labels in (names[:2], names[2:]):
        count = len(files[labels])
        if not count or len(files[images]) != count * 3 * SIDE * SIDE:
            raise damaged("stl10", folder / images, f"{len(files[images]):,} bytes for {count:,} labels")
        pixels = torch.frombuffer(bytearray(files[images]), dtype=torch.uint8).reshape(count, 3, SIDE, SIDE)
        numbers = torch.frombuffer(bytearray(files[labels]), dtype=torch.uint8).long() - 1
        parts.append((pixels.transpose(-2, -1).contiguous(), numbers))  # the file goes down the columns
    (train_images, train_labels), (test_images, test_labels) = parts
    return Data(
        name="stl10", train_images=train_images, train_labels=train_labels, test_images=test_images,
        test_labels=test_labels, classes=STL10, note=f"STL-10, labelled images, from {folder}, its own test part",
    )  # fmt: skip
