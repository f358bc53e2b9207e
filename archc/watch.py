"""Waiting for files to change, by looking at them: works on every file system, and for files that come and go."""

import os
import time
from collections.abc import Collection

INTERVAL = 0.2  # seconds between two looks
PATIENCE = 2.0  # seconds in which a file that an editor replaces comes back

Look = dict[str, tuple[int, int, int] | None]


def look(paths: Collection[str]) -> Look:
    """Return what tells the states of files apart: time, size and identity, nothing for a file that is not there."""
    found: Look = {}
    for path in sorted(paths):
        try:
            status = os.stat(path)
        except OSError:
            found[path] = None
        else:
            found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def wait_for_change(before: Look, *, interval: float = INTERVAL, patience: float = PATIENCE) -> list[str]:
    """Wait until files differ from `before` and have settled; return the paths of those that do, in order.

    A file that is gone is waited for: editors remove a file and write it anew. It counts as changed when it stays away
    for `patience` seconds.
    """
    since = time.monotonic()
    previous = before
    while True:
        time.sleep(interval)
        now = look(before)
        changed = [path for path in before if now[path] != before[path]]
        gone = any(now[path] is None for path in changed)
        if not changed or now != previous:
            since = time.monotonic()
        elif not gone or time.monotonic() - since >= patience:
            return changed
        previous = now
