"""Files that are whole or absent: written aside, forced to the disk, then renamed; trouble is `EnvironmentProblem`."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archc.runtime.errors import EnvironmentProblem


def write_whole(path: Path, content: bytes | memoryview, *, sync_name: bool = True) -> None:
    """Writes a file so that, whenever the process or the machine dies, it holds the old content or the new.

    A full disk, a missing permission and the like raise `EnvironmentProblem` with the path and the bytes needed.
    Without `sync_name` the content is on the disk, and its name is after the next `sync_folder`.
    """
    aside = path.with_name(f".{path.name}.part")
    with explained(path, needed=len(content)):
        try:
            aside.unlink(missing_ok=True)  # a second name that a killed process left must not be written through
            with open(aside, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
        if sync_name:
            sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Appends one line to a file and forces it to the disk."""
    with explained(path, needed=len(line)), open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Forces the names in a folder to the disk; does nothing where a folder cannot be opened (Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def explained(path: Path, *, needed: int | None = None) -> Iterator[None]:
    """Turns an `OSError` inside into an `EnvironmentProblem` that says where and, for a full disk, how many bytes."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and needed is not None:
            reason += f": {needed:,} bytes needed{_free(path)}"
        raise EnvironmentProblem(f"{path}: {reason}") from error


def _free(path: Path) -> str:
    try:
        return f", {shutil.disk_usage(path.parent).free:,} free"
    except OSError:
        return ""
