"""Decoded images kept in the user's cache folder, so that a folder of pictures is decoded once.

A cache is one safetensors file, written aside and renamed, and mapped into memory when it is read: a set may be larger
than the memory. It carries a key of everything that decided its content; a file of another key is written anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import safetensors
import torch
from safetensors import safe_open
from torch import Tensor

from archc.runtime.disk import explained
from archc.runtime.errors import EnvironmentProblem

FROM = 1000
"""Images from which on a folder is cached; fewer are decoded in about a second."""
SPARE = 1 << 28
"""Bytes of the disk that a cache leaves free."""
SHARE_OF_MEMORY = 0.5

Shapes = dict[str, tuple[int, ...]]
Fill = Callable[[dict[str, Tensor]], None]


def cache_folder() -> Path | None:
    """Where caches lie: `$XDG_CACHE_HOME/archc`, else `~/.cache/archc`; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(base or Path.home() / ".cache") / "archc"
    except RuntimeError:
        return None


def cached(path: Path | None, key: str, make_shapes: Callable[[], Shapes], fill: Fill) -> dict[str, Tensor]:
    """The uint8 tensors that `fill` writes, from the file `path` where it was made with the same key.

    `make_shapes` is only called where they are not there. Without a path, or where the disk has no room for them, they
    are made in memory; where that has no room either, `EnvironmentProblem` says how much is needed.
    """
    if path is not None and (found := _read(path, key)) is not None:
        return found
    shapes = make_shapes()
    needed = sum(_count(shape) for shape in shapes.values())
    if path is not None and _has_room(path, needed):
        _write(path, key, shapes, fill)
        if (found := _read(path, key)) is not None:
            return found
    memory = _memory()
    if needed > SHARE_OF_MEMORY * memory:
        raise EnvironmentProblem(
            f"the decoded images take {needed:,} bytes: more than half of the memory ({memory:,} bytes), and"
            f" {'there is no cache folder' if path is None else f'the disk of {path.parent} has no room for them'};"
            " set XDG_CACHE_HOME to a folder with room"
        )
    tensors = {name: torch.empty(shape, dtype=torch.uint8) for name, shape in shapes.items()}
    fill(tensors)
    return tensors


def key_of(*facts: object) -> str:
    """A key that changes when any of the facts does.

    >>> key_of("a", 1)[:8], key_of("a", 2)[:8]
    ('2657442b', '0383dfec')
    """
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors of a cache with that key; None where it is missing, cut off, damaged or of another key."""
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (OSError, safetensors.SafetensorError):
        return None


def _write(path: Path, key: str, shapes: Shapes, fill: Fill) -> None:
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    header: dict[str, object] = {"__metadata__": {"key": key}}
    start = 0
    for name, shape in shapes.items():
        header[name] = {"dtype": "U8", "shape": list(shape), "data_offsets": [start, start + _count(shape)]}
        start += _count(shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with explained(path, needed=start):
            with open(aside, "wb") as file:
                file.write(len(text).to_bytes(8, "little") + text)
                _reserve(file.fileno(), 8 + len(text) + start)
            whole = torch.from_file(str(aside), shared=True, size=8 + len(text) + start, dtype=torch.uint8)
            place, tensors = 8 + len(text), {}
            for name, shape in shapes.items():
                tensors[name] = whole[place : place + _count(shape)].view(shape)
                place += _count(shape)
            fill(tensors)
            del tensors, whole
            with open(aside, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(aside, path)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def _reserve(file: int, size: int) -> None:
    """Takes the bytes from the disk now: a full disk is an error here, and would be a dead process while filling."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS
        os.ftruncate(file, size)


def _has_room(path: Path, needed: int) -> bool:
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > needed + SPARE
    except OSError:
        return False


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 8 << 30


def _count(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
