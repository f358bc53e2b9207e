"""A folder of images as a set: sizes from the headers, content by threads, broken pictures counted, a cache."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low
from typing import TypeVar

import torch
from torch import Tensor

from archc.runtime.data import cache
from archc.runtime.data.dataset import UNLABELLED, Data
from archc.runtime.data.decode import BrokenImage, Header, read_header, read_image, read_mask
from archc.runtime.data.listing import Entry, Listing, list_folder
from archc.runtime.disk import explained
from archc.runtime.errors import EnvironmentProblem, SettingsError

T = TypeVar("T")
R = TypeVar("R")

LARGEST_SIDE = 256
"""Images of different sizes are brought to a square of their median shorter side, but no larger than this."""
MOST_BROKEN = 0.05
"""The part of the images that may be broken, and is then left out; more stop the reading."""
FORMAT = 2  # of the cache: another number makes every cache be written anew


def read_folder(folder: Path, *, seed: int = 0) -> Data:
    """The images of a folder as one set; broken ones are left out and counted, and what cannot be right is refused.

    Where there is no test part, a fifth of each class is held out, chosen by `seed`. From a thousand images on the
    decoded images are kept in the user's cache folder. Raises `EnvironmentProblem`.
    """
    if not folder.is_dir():
        raise SettingsError(
            f"{folder} is a file, and a data set is a folder of images; archc opens no archives, so unpack one first"
        )
    with explained(folder):
        listing = list_folder(folder.resolve(), seed=seed)
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
    if listing.unread:
        left += f"; {len(listing.unread):,} other files not read ({listing.unread[0].name} is one)"
    return Data(
        name=_readable(folder.resolve().name) or "images",
        train_images=parts[0][0],
        train_labels=parts[1][0],
        test_images=parts[0][1],
        test_labels=parts[1][1],
        classes=tuple(map(_readable, classes)),
        note=_readable(f"images from {folder}, {listing.split}{size}{halves}{left}"),
    )


def _readable(text: str) -> str:
    """The text without what a terminal would obey or cannot show: names of files may hold anything.

    >>> _readable("a\\x1b[31m\\udcff")
    'a\\\\x1b[31m\\\\udcff'
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _part(tensor: Tensor, kept: Tensor, cut: int) -> tuple[Tensor, Tensor]:
    """Both parts, without copying where every image is kept: a set may be larger than the memory."""
    parts = tensor[:cut], tensor[cut:]
    return parts if bool(kept.all()) else (parts[0][kept[:cut]], parts[1][kept[cut:]])


def _labels(folder: Path, listing: Listing, tensors: dict[str, Tensor]) -> tuple[Tensor, tuple[str, ...], bool]:
    entries = [*listing.train, *listing.test]
    masks = tensors.get("masks")
    if masks is None:
        return torch.tensor([entry.label for entry in entries]), listing.classes, False
    held = torch.stack([torch.bincount(mask.flatten(), minlength=256) for mask in masks]) > 0
    held &= tensors["kept"].bool()[:, None]  # that of a broken image was not read
    numbers = held.any(0).nonzero().flatten().tolist()
    binary = numbers == [0, 255]
    if binary:
        masks = (masks == UNLABELLED).to(torch.uint8)
        numbers = [0, 1]
    numbers = [number for number in numbers if number != UNLABELLED]
    count = max(numbers, default=0) + 1
    names = folder / "classes.txt"
    if not names.is_file():
        if numbers and (len(numbers) == 1 or 2 * len(numbers) < count):
            found = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
            raise EnvironmentProblem(
                f"data set {str(folder)!r}: its masks hold {found}, and classes are numbered 0, 1, 2, ..., 255 being"
                f" no class; number them anew, or name every class from 0 to {max(count - 1, 1)} in {names}"
            )
        return masks, tuple(map(str, range(count))), binary
    with explained(names):
        classes = tuple(
            line.strip() for line in names.read_text("utf-8", errors="replace").splitlines() if line.strip()
        )
    if len(classes) < count:
        first = entries[int(held[:, UNLABELLED if binary else count - 1].int().argmax())].mask
        raise EnvironmentProblem(
            f"data set {str(folder)!r}: the mask {first} holds class {count - 1}, but {names} names"
            f" {len(classes)} classes, 0 to {len(classes) - 1}; 255 is for pixels without a class"
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
