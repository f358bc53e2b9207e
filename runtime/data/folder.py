"""Any folder of images: a folder per class, or images with masks; its own test part, or a seeded split.

FOLDER/CLASS/*.jpg                     FOLDER/images/a.jpg   FOLDER/masks/a.png
FOLDER/train/CLASS/*.jpg, test/...     FOLDER/train/images/..., FOLDER/train/masks/..., test/...
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from archc.runtime.data import cache
from archc.runtime.data.dataset import UNLABELLED, Data
from archc.runtime.data.decode import SUFFIXES, BrokenImage, Header, read_header, read_image, read_mask
from archc.runtime.disk import explained
from archc.runtime.errors import EnvironmentProblem, SettingsError

T = TypeVar("T")
R = TypeVar("R")

TRAIN, TESTS = "train", ("test", "val", "valid", "validation")
IMAGES, MASKS = "images", "masks"
TESTED = 5  # where there is no test part, one image in so many of each class is one
LARGEST_SIDE = 256
"""Images of different sizes are brought to a square of their median shorter side, but no larger than this."""
MOST_BROKEN = 0.05
"""The part of the images that may be broken, and is then left out; more stop the reading."""
FORMAT = 1  # of the cache: another number makes every cache be written anew


class Entry(NamedTuple):
    """An image with the number of its class, or with its mask."""

    path: Path
    label: int
    mask: Path | None = None


class Listing(NamedTuple):
    """The files of a set, those of the training part first."""

    train: list[Entry]
    test: list[Entry]
    classes: tuple[str, ...]
    split: str


def read_folder(folder: Path, *, seed: int = 0) -> Data:
    """The images of a folder as one set; broken ones are left out and counted, and what cannot be right is refused.

    Where there is no test part, a fifth of each class is held out, chosen by `seed`. From a thousand images on the
    decoded images are kept in the user's cache folder. Raises `EnvironmentProblem`.
    """
    if not folder.is_dir():
        raise SettingsError(
            f"{folder} is a file; unpack it, archc opens no archives, and give the folder of the images"
        )
    with explained(folder):
        listing = _list(folder.resolve(), seed)
    entries = [*listing.train, *listing.test]
    path = None
    if len(entries) >= cache.FROM and (place := cache.cache_folder()) is not None:
        path = place / f"{folder.resolve().name}-{cache.key_of(str(folder.resolve()))[:16]}.safetensors"
    plan = _Plan(entries)
    tensors = cache.cached(path, _key(folder, entries), plan.shapes, plan.fill)
    return _data(folder, listing, tensors)


def _data(folder: Path, listing: Listing, tensors: dict[str, Tensor]) -> Data:
    kept, images = tensors["kept"].bool(), tensors["images"]
    entries = [*listing.train, *listing.test]
    broken = [entry.path for entry, good in zip(entries, kept.tolist(), strict=True) if not good]
    if len(broken) > MOST_BROKEN * len(entries):
        names = ", ".join(str(path.relative_to(folder.resolve())) for path in broken[:3])
        why = _why(broken[0])
        raise EnvironmentProblem(
            f"data set {str(folder)!r}: {len(broken):,} of {len(entries):,} images are broken, among them {names};"
            f" the first: {why}"
        )
    labels, classes, binary = _labels(folder, listing, tensors)
    cut = len(listing.train)
    parts = [_part(tensor, kept, cut) for tensor in (images, labels)]
    size = f"; images of different sizes brought to {images.shape[3]}x{images.shape[2]}" if tensors["mixed"][0] else ""
    left = f"; {len(broken)} broken left out ({broken[0].name} is one: {_why(broken[0])})" if broken else ""
    halves = "; masks hold 0 and 255, taken as classes 0 and 1" if binary else ""
    return Data(
        name=folder.resolve().name or "images",
        train_images=parts[0][0],
        train_labels=parts[1][0],
        test_images=parts[0][1],
        test_labels=parts[1][1],
        classes=classes,
        note=f"images from {folder}, {listing.split}{size}{halves}{left}",
    )


def _part(tensor: Tensor, kept: Tensor, cut: int) -> tuple[Tensor, Tensor]:
    """Both parts, without copying where every image is kept: a set may be larger than the memory."""
    parts = tensor[:cut], tensor[cut:]
    return parts if bool(kept.all()) else (parts[0][kept[:cut]], parts[1][kept[cut:]])


def _labels(folder: Path, listing: Listing, tensors: dict[str, Tensor]) -> tuple[Tensor, tuple[str, ...], bool]:
    entries = [*listing.train, *listing.test]
    masks = tensors.get("masks")
    if masks is None:
        return torch.tensor([entry.label for entry in entries]), listing.classes, False
    found = torch.stack([torch.bincount(mask.flatten(), minlength=256) for mask in masks]).sum(0).nonzero().flatten()
    numbers = found.tolist()
    binary = numbers == [0, 255]
    if binary:
        masks = (masks == UNLABELLED).to(torch.uint8)
    count = 2 if binary else max([number for number in numbers if number != UNLABELLED], default=0) + 1
    names = folder / "classes.txt"
    if not names.is_file():
        return masks, tuple(map(str, range(count))), binary
    with explained(names):
        classes = tuple(
            line.strip() for line in names.read_text("utf-8", errors="replace").splitlines() if line.strip()
        )
    if len(classes) < count:
        raise EnvironmentProblem(
            f"data set {str(folder)!r}: a mask holds class {count - 1}, but {names} names {len(classes)} classes,"
            f" 0 to {len(classes) - 1}; 255 is for pixels without a class"
        )
    return masks, classes, binary


class _Plan:
    """How the tensors of a folder are made: their shapes from the headers of all images, their content by threads."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.headers: list[Header | None] = []
        self.channels, self.size, self.mixed = 3, (1, 1), False

    def shapes(self) -> cache.Shapes:
        self.headers = list(_in_threads(_header, self.entries))
        good = [header for header in self.headers if header is not None]
        if not good:
            first = self.entries[0].path
            raise EnvironmentProblem(f"no image can be read, and {first} is the first of them: {_why(first)}")
        self.channels = 1 if all(header.grey for header in good) else 3
        sizes = {header.size for header in good}
        self.mixed = len(sizes) > 1
        side = min(LARGEST_SIDE, median_low([min(header.size) for header in good]))
        self.size = (side, side) if self.mixed else good[0].size
        count = len(self.entries)
        shapes: cache.Shapes = {"images": (count, self.channels, *self.size), "kept": (count,), "mixed": (1,)}
        if self.entries[0].mask is not None:
            shapes["masks"] = (count, *self.size)
        return shapes

    def fill(self, tensors: dict[str, Tensor]) -> None:
        images, masks, kept = tensors["images"], tensors.get("masks"), tensors["kept"]
        tensors["mixed"][0] = self.mixed

        def read(number: int) -> None:
            entry, header = self.entries[number], self.headers[number]
            kept[number] = 0
            if header is None:
                return
            try:
                images[number] = read_image(entry.path, channels=self.channels, size=self.size)
            except BrokenImage:
                return
            if masks is not None and entry.mask is not None:
                try:
                    masks[number] = read_mask(entry.mask, size=self.size, expected=header.size)
                except BrokenImage as error:  # a wrong mask teaches something wrong: nothing is left out silently
                    raise EnvironmentProblem(f"{entry.mask}: {error}") from error
            kept[number] = 1

        for _ in _in_threads(read, range(len(self.entries))):
            pass


def _in_threads(function: Callable[[T], R], values: Iterable[T]) -> Iterator[R]:
    """The results in order; Pillow decodes without holding Python's lock, so threads are enough."""
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damaged metadata; a picture that is too large is refused
            yield from pool.map(function, values)
    finally:
        pool.shutdown(cancel_futures=True)


def _header(entry: Entry) -> Header | None:
    try:
        return read_header(entry.path)
    except BrokenImage:
        return None


def _why(path: Path) -> str:
    """Why an image is broken, as found when it is read again."""
    try:
        header = read_header(path)
        read_image(path, channels=3, size=header.size)
    except BrokenImage as error:
        return str(error)
    return "it has changed while it was read"


def _list(folder: Path, seed: int) -> Listing:
    train, test = folder / TRAIN, next((folder / name for name in TESTS if (folder / name).is_dir()), None)
    if train.is_dir() and test is not None:
        classes = () if _has_masks(train) else _class_names(train)
        parts = [_pairs(part) if not classes else _images(part, classes) for part in (train, test)]
        return Listing(parts[0], parts[1], classes, f"its own part {test.name} for testing")
    if train.is_dir() and not _has_masks(folder):
        folder = train
    classes = () if _has_masks(folder) else _class_names(folder)
    entries = _pairs(folder) if not classes else _images(folder, classes)
    held = _held_out([entry.label for entry in entries], seed)
    return Listing(
        [entry for entry, out in zip(entries, held, strict=True) if not out],
        [entry for entry, out in zip(entries, held, strict=True) if out],
        classes,
        f"every class split, one in {TESTED} held out for testing by seed {seed}",
    )


def _held_out(labels: Sequence[int], seed: int) -> list[bool]:
    """One in five of each class, at least one of two; which, the seed decides."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.tensor(labels)
    for label in sorted(set(labels)):
        rows = (numbers == label).nonzero().flatten()
        order = rows[torch.randperm(len(rows), generator=generator)]
        held[order[: max(len(rows) // TESTED, int(len(rows) > 1))]] = True
    return [bool(out) for out in held]


def _has_masks(folder: Path) -> bool:
    return (folder / IMAGES).is_dir() and (folder / MASKS).is_dir()


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith(".")))
    if not names:
        raise EnvironmentProblem(
            f"{folder} holds no folder of a class; images lie in FOLDER/CLASS/ or FOLDER/train/CLASS/,"
            " or, with a mask for each, in FOLDER/images/ and FOLDER/masks/"
        )
    return names


def _images(folder: Path, classes: tuple[str, ...]) -> list[Entry]:
    unknown = [name for name in _class_names(folder) if name not in classes]
    if unknown:
        raise EnvironmentProblem(
            f"{folder / unknown[0]}: there is no class {unknown[0]!r} in the training part, whose classes are"
            f" {', '.join(classes[:10])}{' ...' if len(classes) > 10 else ''}"
        )
    entries = []
    for number, name in enumerate(classes):
        found = _pictures(folder / name) if (folder / name).is_dir() else []
        if not found and (folder.name not in TESTS or (folder / name).is_dir()):
            raise EnvironmentProblem(
                f"{folder / name} holds no image of class {name!r} (looked for {' '.join(SUFFIXES)});"
                " fill the folder or delete it"
            )
        entries += [Entry(path, number) for path in found]
    return entries


def _pairs(folder: Path) -> list[Entry]:
    masks = {path.relative_to(folder / MASKS).with_suffix(""): path for path in _pictures(folder / MASKS)}
    images = _pictures(folder / IMAGES)
    if not images:
        raise EnvironmentProblem(f"{folder / IMAGES} holds no image (looked for {' '.join(SUFFIXES)})")
    entries = []
    for path in images:
        stem = path.relative_to(folder / IMAGES).with_suffix("")
        if stem not in masks:
            raise EnvironmentProblem(f"{path} has no mask: {folder / MASKS / stem}.png is not there")
        entries.append(Entry(path, 0, masks[stem]))
    return entries


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and those below it, in order of their names; links to folders are not followed."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if name.lower().endswith(SUFFIXES) and not name.startswith(".") and _is_file(path):
                found.append(path)
    return sorted(found)


def _is_file(path: Path) -> bool:
    """Whether a path is a file; a pipe or a device of that name is never opened."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # a dead link or a forbidden file is a broken image, and is named


def _key(folder: Path, entries: Sequence[Entry]) -> str:
    facts = []
    for entry in entries:
        for path in (entry.path, entry.mask):
            if path is not None:
                try:
                    about = path.stat()
                except OSError:
                    facts.append([str(path), 0, 0])
                else:
                    facts.append([str(path), about.st_size, about.st_mtime_ns])
    return cache.key_of(FORMAT, LARGEST_SIDE, str(folder.resolve()), facts)
