"""Who watches a run: plain lines, a progress bar, lines of JSON, or nobody. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO

from archc.runtime.errors import RunInterrupted, RunStopped, SettingsError

if TYPE_CHECKING:
    from archc.runtime.measures import Measures
    from archc.runtime.run import EpochRecord


class Progress(NamedTuple):
    """The state of an epoch after a step, given to `Watch.step` after every one of them."""

    epoch: int
    epochs: int
    images: int
    """Training images seen in this epoch."""
    of: int
    """Training images in an epoch."""
    read: Callable[[], Measures]
    """Loss and accuracy of this epoch so far, of a segmentation set also mean IoU. It waits for the device: call it at
    most every half second."""


class Watch(Protocol):
    """What a run tells whoever watches it; `text` is for people, `facts` for programs, writable as JSON."""

    def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
        """Once, before the first step: the settings and why, the data, the machine; a line each."""

    def step(self, progress: Progress) -> None:
        """After every step."""

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """After the test of every epoch, of `epochs` in all."""

    def run_ends(self, text: str, facts: Mapping[str, object]) -> None:
        """Once after `run_begins`, also when the run then fails; both are empty in that case."""


class Silent:
    """Watches nothing."""

    def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
        """Says nothing."""

    def step(self, progress: Progress) -> None:
        """Says nothing."""

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Says nothing."""

    def run_ends(self, text: str, facts: Mapping[str, object]) -> None:
        """Says nothing."""


class Lines:
    """Writes plain lines, one per epoch, to a stream; None is one that was closed before Python began.

    >>> import sys
    >>> from archc.runtime import EpochRecord
    >>> record = EpochRecord(epoch=1, loss=0.5, train_accuracy=0.9, test_loss=0.4, test_accuracy=0.95,
    ...                      images_per_second=1234, train_seconds=1, seconds=1.5, learning_rate=0.1)
    >>> Lines(sys.stdout).epoch_ends(record, 10)
    epoch  1/10  loss 0.5000  train accuracy 0.9000  test accuracy 0.9500  1,234 images/s  1.5 s
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
        """Writes the text."""
        _write(self.stream, text)

    def step(self, progress: Progress) -> None:
        """Says nothing."""

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Writes the epoch's line."""
        _write(self.stream, epoch_line(record, epochs))

    def run_ends(self, text: str, facts: Mapping[str, object]) -> None:
        """Writes the text, if there is any."""
        if text:
            _write(self.stream, text)


class JsonLines:
    """Writes one JSON object per line and event, for programs: `begin`, `epoch`, `end`; docs/training.md has the keys.

    `json_lines` adds how a run ended that did not reach its end.

    >>> import sys
    >>> JsonLines(sys.stdout).run_begins("", {"run": "runs/try"})
    {"event": "begin", "run": "runs/try"}
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
        """Writes the facts."""
        self.say("begin", facts)

    def step(self, progress: Progress) -> None:
        """Says nothing."""

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Writes the record, as in `metrics.jsonl`, with the number of epochs."""
        self.say("epoch", {"epochs": epochs, **record.as_dict()})

    def run_ends(self, text: str, facts: Mapping[str, object]) -> None:
        """Writes the facts, if there are any."""
        if facts:
            self.say("end", facts)

    def say(self, event: str, facts: Mapping[str, object]) -> None:
        """Writes one line."""
        _write(self.stream, json.dumps({"event": event, **facts}))


@contextmanager
def json_lines(stream: TextIO | None) -> Iterator[JsonLines]:
    """Lines of JSON for what is done inside; whatever ends it early is the last line, and goes on as an exception.

    `stopped` by a signal or the run's own guard (the last checkpoint is kept), or `failed`.

    >>> import sys
    >>> with json_lines(sys.stdout) as watch:
    ...     raise SettingsError("epochs must be at least 1")
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: epochs must be at least 1
    """
    watch = JsonLines(stream)
    try:
        yield watch
    except BaseException as error:
        stopped = isinstance(error, RunStopped | RunInterrupted | KeyboardInterrupt)
        message = str(error) or type(error).__name__
        watch.say("stopped" if stopped else "failed", {"message": message})
        raise


def _write(stream: TextIO | None, text: str) -> None:
    """Writes lines; where the stream is closed or gone they are lost, which is no reason to stop a run."""
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    with suppress(OSError, ValueError):
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()


def epoch_line(record: EpochRecord, epochs: int) -> str:
    """The line of an epoch, its columns aligned over a run."""
    iou = "" if record.test_mean_iou is None else f"  mean IoU {record.test_mean_iou:.4f}"
    return (
        f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}  loss {record.loss:.4f}"
        f"  train accuracy {record.train_accuracy:.4f}  test accuracy {record.test_accuracy:.4f}{iou}"
        f"  {record.images_per_second:,.0f} images/s  {record.seconds:.1f} s"
    )


def chosen_watch(stream: TextIO | None, *, quiet: bool = False, watch: Watch | None = None) -> Watch:
    """The watch that is given, nobody for `quiet`, else the one for the stream; both at once are a `SettingsError`.

    >>> import io
    >>> type(chosen_watch(io.StringIO(), quiet=True)).__name__
    'Silent'
    """
    if quiet and watch is not None:
        raise SettingsError("quiet means that nobody watches: give quiet or watch, not both")
    return Silent() if quiet else watch or watch_for(stream)


def watch_for(stream: TextIO | None) -> Watch:
    """A progress bar where `stream` is a terminal, plain lines elsewhere.

    >>> import io
    >>> type(watch_for(io.StringIO())).__name__
    'Lines'
    """
    with suppress(ValueError):  # a closed stream
        if stream is not None and stream.isatty():
            from archc.runtime.bar import Bar

            return Bar(stream)
    return Lines(stream)
