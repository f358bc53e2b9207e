"""Signals that ask a run to stop: the first is noted and answered after the step, a second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests() -> Iterator[Callable[[], int]]:
    """Inside, SIGINT and SIGTERM no longer interrupt; the function says which one came, or 0.

    A second signal meets the handlers that were there before. Outside the main thread, where Python allows no
    handlers, nothing is noted and nothing changes.

    >>> with stop_requests() as requested:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     requested() == signal.SIGTERM
    True
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    before = {number: signal.getsignal(number) for number in STOPPING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        restore()

    for number in STOPPING:
        signal.signal(number, note)
    try:
        yield lambda: came[0] if came else 0
    finally:
        restore()
