"""Who watches a run: plain lines, a progress bar, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol, TextIO

from archc.runtime.run import EpochRecord


class Progress(NamedTuple):
    """The state of an epoch after a step, given to `Watch.step` after every one of them."""

    epoch: int
    epochs: int
    images: int
    """Training images seen in this epoch."""
    of: int
    """Training images in an epoch."""
    read: Callable[[], tuple[float, float]]
    """Mean loss and accuracy of this epoch so far. It waits for the device: call it at most every half second."""


class Watch(Protocol):
    """What a run tells whoever watches it."""

    def run_begins(self, text: str) -> None:
        """Once, before the first step: the settings and why, the data, the machine; a line each."""

    def step(self, progress: Progress) -> None:
        """After every step."""

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """After the test of every epoch, of `epochs` in all."""

    def run_ends(self, text: str) -> None:
        """Once, also when the run fails; the text is then empty."""


class Silent:
    """Watches nothing."""

    def run_begins(self, text: str) -> None:
        """Says nothing."""

    def step(self, progress: Progress) -> None:
        """Says nothing."""

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Says nothing."""

    def run_ends(self, text: str) -> None:
        """Says nothing."""


class Lines:
    """Writes plain lines, one per epoch, to a stream; a stream that is closed or gone is no reason to stop a run.

    >>> import sys
    >>> record = EpochRecord(epoch=1, loss=0.5, train_accuracy=0.9, test_loss=0.4, test_accuracy=0.95,
    ...                      images_per_second=1234, train_seconds=1, seconds=1.5, learning_rate=0.1)
    >>> Lines(sys.stdout).epoch_ends(record, 10)
    epoch  1/10  loss 0.5000  train accuracy 0.9000  test accuracy 0.9500  1,234 images/s  1.5 s
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def run_begins(self, text: str) -> None:
        """Writes the text."""
        self._say(text)

    def step(self, progress: Progress) -> None:
        """Says nothing."""

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Writes the epoch's line."""
        self._say(epoch_line(record, epochs))

    def run_ends(self, text: str) -> None:
        """Writes the text, if there is any."""
        if text:
            self._say(text)

    def _say(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        with suppress(OSError, ValueError):
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self.stream.flush()


def epoch_line(record: EpochRecord, epochs: int) -> str:
    """The line of an epoch, its columns aligned over a run."""
    return (
        f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}  loss {record.loss:.4f}"
        f"  train accuracy {record.train_accuracy:.4f}  test accuracy {record.test_accuracy:.4f}"
        f"  {record.images_per_second:,.0f} images/s  {record.seconds:.1f} s"
    )


def watch_for(stream: TextIO) -> Watch:
    """A progress bar where `stream` is a terminal, plain lines elsewhere.

    >>> import io
    >>> type(watch_for(io.StringIO())).__name__
    'Lines'
    """
    with suppress(ValueError):  # a closed stream
        if stream.isatty():
            from archc.runtime.bar import Bar

            return Bar(stream)
    return Lines(stream)
