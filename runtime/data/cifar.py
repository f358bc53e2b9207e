"""CIFAR-10 and CIFAR-100, from the binary version or from the Python version, whose pickles are read as data.

Nothing is unpickled: the opcodes of a pickle are walked over one by one, and what follows the names of the wanted
entries, one long string of pixels and a list of small numbers, is copied. No opcode is ever carried out.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from archc.runtime.data.dataset import Data
from archc.runtime.data.files import damaged, missing, read_bytes, read_files
from archc.runtime.errors import EnvironmentProblem

PIXELS = 3 * 32 * 32
NUMBERS = ("BININT1", "BININT2", "BININT", "INT", "LONG", "LONG1")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class CifarSet(NamedTuple):
    """The files of a set in both versions, and the names of its entries."""

    title: str
    python: str
    train: tuple[str, ...]
    test: str
    labels: str
    binary: str
    names: str  # the entry of the Python version's file of names


SETS = {
    "cifar10": CifarSet(
        "CIFAR-10", "cifar-10-batches-py", tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "labels",
        "cifar-10-batches-bin", "label_names",
    ),
    "cifar100": CifarSet(
        "CIFAR-100", "cifar-100-python", ("train",), "test", "fine_labels", "cifar-100-binary", "fine_label_names"
    ),
}  # fmt: skip


def read_cifar(name: str, root: Path) -> Data:
    """CIFAR-10 or CIFAR-100 (its 100 fine classes) from `root`, whichever version is there.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009).
    """
    row = SETS[name]
    binary = not (root / row.python).is_dir() and (root / row.binary).is_dir()
    folder = root / (row.binary if binary else row.python)
    suffix = ".bin" if binary else ""
    files = [f"{file}{suffix}" for file in (*row.train, row.test)]
    absent = [file for file in files if not (folder / file).is_file()]
    if absent:
        raise missing(name, folder, absent, beneath=row.python)
    read = _binary if binary else _pickled
    *train, test = (read(name, folder / file, row) for file in files)
    return Data(
        name=name,
        train_images=torch.cat([images for images, _ in train]),
        train_labels=torch.cat([labels for _, labels in train]),
        test_images=test[0],
        test_labels=test[1],
        classes=CIFAR10 if name == "cifar10" else _classes(name, folder, row, binary=binary),
        note=f"{row.title} from {folder}, its own test part",
    )


def entries(content: bytes, wanted: tuple[str, ...]) -> dict[str, list[int] | list[str]]:
    """What follows the `wanted` names in a pickle, numbers or strings, up to the next wanted name; nothing is executed.

    >>> import pickle
    >>> entries(pickle.dumps({"labels": [3, 300], "names": ["a"]}, protocol=2), ("labels", "names"))
    {'labels': [3, 300], 'names': ['a']}
    """
    numbers: dict[str, list[int]] = {}
    strings: dict[str, list[str]] = {}
    key = None
    for opcode, argument, _ in pickletools.genops(content):
        if isinstance(argument, str | bytes):
            text = argument if isinstance(argument, str) else argument.decode("latin-1")
            if text in wanted:
                key = text
            elif key is not None and opcode.name != "GLOBAL":
                strings.setdefault(key, []).append(text)
        elif key is not None and opcode.name in NUMBERS and isinstance(argument, int):
            numbers.setdefault(key, []).append(argument)
    found: dict[str, list[int] | list[str]] = {}
    for name in wanted:
        if name in strings:
            found[name] = strings[name]
        elif name in numbers:
            found[name] = numbers[name]
    return found


def _pickled(name: str, path: Path, row: CifarSet) -> tuple[Tensor, Tensor]:
    wanted = ("data", "labels", "fine_labels", "coarse_labels", "filenames", "batch_label")
    try:
        found = entries(read_bytes(name, path), wanted)
    except (ValueError, LookupError, UnicodeError, OverflowError) as error:
        raise damaged(name, path, f"it is no file of the Python version: {error}") from error
    pixels = max((text for text in found.get("data", ()) if isinstance(text, str)), key=len, default="")
    labels = [number for number in found.get(row.labels, ()) if isinstance(number, int)]
    return _checked(name, path, pixels.encode("latin-1", errors="replace"), labels)


def _binary(name: str, path: Path, row: CifarSet) -> tuple[Tensor, Tensor]:
    content, label_bytes = read_bytes(name, path), 1 if row.labels == "labels" else 2
    if not content or len(content) % (label_bytes + PIXELS):
        raise damaged(name, path, f"{len(content):,} bytes are no whole number of images")
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(-1, label_bytes + PIXELS)
    return records[:, label_bytes:].reshape(-1, 3, 32, 32).contiguous(), records[:, label_bytes - 1].long()


def _checked(name: str, path: Path, pixels: bytes, labels: list[int]) -> tuple[Tensor, Tensor]:
    if not pixels or len(pixels) != len(labels) * PIXELS:
        raise damaged(name, path, f"it has {len(labels):,} labels and {len(pixels):,} bytes of pixels")
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(-1, 3, 32, 32)
    if not all(0 <= label <= 255 for label in labels):
        raise damaged(name, path, "a label is no number of a class")
    return images, torch.tensor(labels)


def _classes(name: str, folder: Path, row: CifarSet, *, binary: bool) -> tuple[str, ...]:
    file = f"{row.names}.txt" if binary else "meta"
    content = read_files(name, folder, [file], beneath=row.python)[file]
    if binary:
        return tuple(content.decode("utf-8", errors="replace").split())
    try:
        names = entries(content, (row.names, "coarse_label_names")).get(row.names, [])
    except (ValueError, LookupError, UnicodeError, OverflowError) as error:
        raise damaged(name, folder / file, f"it is no file of the Python version: {error}") from error
    if not names:
        raise EnvironmentProblem(f"data set {name!r}: {folder / file} names no classes; fetch the set again")
    return tuple(map(str, names))
