"""Which files of a folder are its images: a folder per class, or images with masks; its own test part, or a split.

FOLDER/CLASS/*.jpg                     FOLDER/images/a.jpg   FOLDER/masks/a.png
FOLDER/train/CLASS/*.jpg, test/...     FOLDER/train/images/..., FOLDER/train/masks/..., test/...
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from archc.runtime.data.decode import SUFFIXES
from archc.runtime.errors import EnvironmentProblem

TRAIN, TESTS = "train", ("test", "val", "valid", "validation")
IMAGES, MASKS = "images", "masks"
LAYOUT = (TRAIN, "training", *TESTS, "testing", IMAGES, MASKS, "labels", "annotations")
"""Names, in lower case, that no class has: such a folder is part of a layout, maybe of one that archc does not know."""
TESTED = 5  # where there is no test part, one image in so many of each class is one


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
    unread: list[Path]
    """Files that lie among the images and are none."""


def list_folder(folder: Path, *, seed: int) -> Listing:
    """The images of a folder by their parts; where there is no test part, the seed decides which are held out.

    Raises `EnvironmentProblem` where a layout cannot be meant.
    """
    train, test = folder / TRAIN, next((folder / name for name in TESTS if (folder / name).is_dir()), None)
    split, unread = "", list[Path]()
    if train.is_dir() and (test is not None or not _has_masks(folder)):
        beside = [name for name in _folders(folder) if name != TRAIN and (test is None or name != test.name)]
        if test is None:
            _refuse_layout(folder, beside)
        split = f"; {', '.join(beside)} not used" if beside else ""
        folder = train
    else:
        test = None
    classes = () if _has_masks(folder) else _class_names(folder)
    parts = [_pairs(part, unread) if not classes else _images(part, classes, unread) for part in (folder, test) if part]
    if len(classes) == 1:
        below = folder / classes[0]
        hint = f"is {below} the folder that is meant?" if _folders(below) else "add a folder of another one"
        raise EnvironmentProblem(
            f"{folder} holds one class, {classes[0]!r}, and a network learns to tell two or more apart; {hint}"
        )
    if test is not None:
        return Listing(parts[0], parts[1], classes, f"its own part {test.name} for testing{split}", unread)
    (entries,) = parts
    held = _held_out([entry.label for entry in entries], seed)
    if not any(held):
        raise EnvironmentProblem(
            f"{folder} holds one image{' of each class' if classes else ''}, and one of two or more is held out for"
            " testing; add images, or a part of its own for testing: FOLDER/train/ and FOLDER/test/"
        )
    return Listing(
        [entry for entry, out in zip(entries, held, strict=True) if not out],
        [entry for entry, out in zip(entries, held, strict=True) if out],
        classes,
        f"{'every class split, ' if classes else ''}one in {TESTED} held out for testing by seed {seed}{split}",
        unread,
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


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _class_names(folder: Path) -> tuple[str, ...]:
    names = _folders(folder)
    if not names:
        count = sum(entry.name.lower().endswith(SUFFIXES) for entry in os.scandir(folder))
        raise EnvironmentProblem(
            f"{folder} holds {f'{count:,} images and ' if count else ''}no folder of a class; images lie in"
            " FOLDER/CLASS/ or FOLDER/train/CLASS/, or, with a mask for each, in FOLDER/images/ and FOLDER/masks/"
        )
    _refuse_layout(folder, names)
    return tuple(names)


def _refuse_layout(folder: Path, names: Sequence[str]) -> None:
    """Refuses folders that nobody means as classes: a network would learn to tell images from their masks."""
    for name in names:
        if name.lower() in LAYOUT:
            raise EnvironmentProblem(
                f"{folder / name} is no class by its name, and not where archc looks for it: FOLDER/train/ with"
                f" FOLDER/test/ (or {', '.join(TESTS[1:])}), FOLDER/images/ with FOLDER/masks/, all in lower case;"
                " rename it"
            )


def _images(folder: Path, classes: tuple[str, ...], unread: list[Path]) -> list[Entry]:
    unknown = [name for name in _class_names(folder) if name not in classes]
    if unknown:
        raise EnvironmentProblem(
            f"{folder / unknown[0]}: there is no class {unknown[0]!r} in the training part, whose classes are"
            f" {', '.join(classes[:10])}{' ...' if len(classes) > 10 else ''}"
        )
    entries, empty = [], []
    for number, name in enumerate(classes):
        found = _pictures(folder / name, unread) if (folder / name).is_dir() else []
        if not found and (folder.name not in TESTS or (folder / name).is_dir()):
            empty.append(name)
        entries += [Entry(path, number) for path in found]
    looked = f"(looked for {' '.join(SUFFIXES)})"
    if not entries:
        others = f"; {unread[0].name} is none" if unread else ""
        raise EnvironmentProblem(f"there is no image in {folder}/{'|'.join(classes[:3])}/ {looked}{others}")
    if empty:
        others = ", ".join(path.name for path in unread if path.is_relative_to(folder / empty[0]))
        raise EnvironmentProblem(
            f"{folder / empty[0]} holds no image of class {empty[0]!r} {looked}"
            f"{f', but {others[:80]}' if others else ''}; fill the folder or delete it"
        )
    return entries


def _pairs(folder: Path, unread: list[Path]) -> list[Entry]:
    masks = {path.relative_to(folder / MASKS).with_suffix(""): path for path in _pictures(folder / MASKS, unread)}
    images = _pictures(folder / IMAGES, unread)
    if not images:
        raise EnvironmentProblem(f"{folder / IMAGES} holds no image (looked for {' '.join(SUFFIXES)})")
    entries = []
    for path in images:
        stem = path.relative_to(folder / IMAGES).with_suffix("")
        if stem not in masks:
            there = ", ".join(str(mask.relative_to(folder / MASKS)) for mask in list(masks.values())[:3])
            raise EnvironmentProblem(
                f"{path} has no mask: {folder / MASKS / stem}.png is not there; a mask has the name of its image, and"
                f" {MASKS}/ holds {f'{there}, ...' if there else 'none'}"
            )
        entries.append(Entry(path, 0, masks[stem]))
    return entries


def _pictures(folder: Path, unread: list[Path]) -> list[Path]:
    """The pictures in a folder and those below it, in order of their names; links to folders are not followed.

    Files beside them that are none are added to `unread`.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if not name.startswith(".") and _is_file(path):
                (found if name.lower().endswith(SUFFIXES) else unread).append(path)
    return sorted(found)


def _is_file(path: Path) -> bool:
    """Whether a path is a file; a pipe or a device of that name is never opened."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # a dead link or a forbidden file is a broken image, and is named
