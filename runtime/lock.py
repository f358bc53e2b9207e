"""The lock of a run's folder: of two processes that would write there, the second is refused."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from archc.runtime.disk import explained
from archc.runtime.errors import SettingsError

LOCK = ".lock"
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

_mine: set[tuple[int, int]] = set()
"""The locks of this process, by device and inode: the system refuses other processes only."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, no other run may use the folder; where one does, `SettingsError` names its process.

    The system drops the lock when the process ends in whatever way, and its children do not have it: a killed run
    leaves nothing in the way. Where the file system knows no locks, nothing is refused.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)), locked(Path(folder)):
    ...     pass
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: ... is in use by a run of this process; let it end
    """
    path = folder / LOCK
    with suppress(OSError):
        if _identity(os.stat(path)) in _mine:  # before opening: to close a file gives up the process's lock of it
            raise SettingsError(f"{folder} is in use by a run of this process; let it end")
    with explained(path):
        file = open(path, "a+b", buffering=0)  # noqa: SIM115  # held until the run ends
    with file:
        try:
            _take(file)
        except OSError as error:
            if error.errno in TAKEN:
                raise SettingsError(f"{folder} is in use by {_owner(file)}; let it end, or stop it") from error
        identity = _identity(os.fstat(file.fileno()))
        _mine.add(identity)
        try:
            with suppress(OSError):  # the number is for people; a full disk is no reason to stop here
                file.truncate(0)
                file.write(str(os.getpid()).encode())
            yield
        finally:
            _mine.discard(identity)


def in_use(folder: Path) -> bool:
    """Whether a run uses the folder now; where that cannot be asked, it says no.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
    ...     in_use(Path(folder))
    True
    """
    path = folder / LOCK
    try:
        found = os.stat(path)
        if _identity(found) in _mine:
            return True
        if not stat.S_ISREG(found.st_mode) or sys.platform == "win32":
            return False
        with open(path, "rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given up at once, when the file is closed
    except OSError as error:
        return error.errno in TAKEN
    return False


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        file.seek(1 << 30)  # a byte far behind the number, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _owner(file: IO[bytes]) -> str:
    with suppress(OSError, ValueError):
        file.seek(0)
        return f"process {int(file.read(20))}"
    return "another process"
