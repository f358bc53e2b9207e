"""Reading the files of a known data set: which are missing, how to get them, and what is said of a damaged one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archc.runtime.disk import explained
from archc.runtime.errors import EnvironmentProblem

LARGEST = 4 << 30
"""Bytes of one file of a known set; the largest real one (STL-10's unlabelled part) is not read."""


def missing(name: str, folder: Path, absent: Sequence[str], *, beneath: str) -> EnvironmentProblem:
    """What is said when files of a set are not there.

    >>> str(missing("mnist", Path("MNIST/raw"), ["train-images-idx3-ubyte"], beneath="MNIST/raw"))
    "data set 'mnist': there is no folder MNIST/raw. Give the folder that holds MNIST/raw/ with --data-root DIR, or ..."
    """
    root = Path(str(folder).removesuffix(beneath))
    for above in (root.parent, root.parent.parent):  # the set's own folder was given in place of the one that holds it
        if all((above / beneath / file).is_file() for file in absent):
            return EnvironmentProblem(f"data set {name!r} lies in {above / beneath}: give --data-root {above}")
    lacks = f"{folder} lacks {', '.join(absent)}" if folder.is_dir() else f"there is no folder {folder}"
    return EnvironmentProblem(
        f"data set {name!r}: {lacks}. Give the folder that holds {beneath}/ with"
        f" --data-root DIR, or fetch the set once: archc data fetch {name} --data-root DIR"
    )


def damaged(name: str, path: Path, reason: str) -> EnvironmentProblem:
    """What is said when a file of a set is not what it should be."""
    return EnvironmentProblem(
        f"data set {name!r}: {path} is damaged ({reason}); delete it and fetch the set again:"
        f" archc data fetch {name} --data-root DIR"
    )


def read_files(name: str, folder: Path, names: Sequence[str], *, beneath: str) -> dict[str, bytes]:
    """The content of files by their names; those that are missing are all named at once."""
    absent = [file for file in names if not (folder / file).is_file()]
    if absent:
        raise missing(name, folder, absent, beneath=beneath)
    return {file: read_bytes(name, folder / file) for file in names}


def read_bytes(name: str, path: Path) -> bytes:
    """The content of a file of a set, refused where it is larger than any file of a known set."""
    with explained(path):
        if path.stat().st_size > LARGEST:
            raise damaged(name, path, f"it has {path.stat().st_size:,} bytes")
        return path.read_bytes()
