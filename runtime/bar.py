"""The progress bar of a run, drawn with rich. Imported only when there is a terminal to draw on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from archc.runtime.watch import Progress as EpochProgress
from archc.runtime.watch import epoch_line

if TYPE_CHECKING:
    from archc.runtime.run import EpochRecord

WIDTH = 20  # columns of the bar itself, where the terminal has room
DROPPED = (2, 0, 1, 3)
"""What a narrow terminal goes without, in this order: images/s, loss, accuracy, the time left."""
SECONDS_BETWEEN_LOOKS = 0.5  # each look waits for the device once


class Bar:
    """One line that moves: epoch, loss, accuracy, images/s and the time left of the run; above it a line per epoch.

    A terminal that goes away is no reason to stop a run.
    """

    def __init__(self, stream: TextIO) -> None:
        self.console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
        self.bar = BarColumn(bar_width=WIDTH)
        self.progress = Progress(
            TextColumn("{task.fields[epoch]}"),
            self.bar,
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            auto_refresh=False,  # no thread of its own: it would take turns with the training
            transient=True,
        )
        self.task: TaskID | None = None
        self.gone = False
        self.epoch = self.images = 0  # the epoch that is shown, and its images when its clock began
        self.before = 0.0  # part of the run that was done when its clock began: it may have been resumed
        self.next_look = self.epoch_began = self.run_began = time.perf_counter()

    def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
        """Prints the text and starts the bar."""
        self._draw(lambda: self.console.print(text))
        self._draw(self.progress.start)

    def step(self, progress: EpochProgress) -> None:
        """Moves the bar, at most about every half second."""
        now = time.perf_counter()
        if progress.epoch == self.epoch and now < self.next_look:
            return
        part = (progress.epoch - 1 + progress.images / progress.of) / progress.epochs
        if not self.epoch:
            self.before, self.run_began = part, now
        if progress.epoch != self.epoch:  # the first step of an epoch warms up: its speed says nothing
            self.epoch, self.images, self.epoch_began = progress.epoch, progress.images, now
            return
        found = progress.read()
        counted = f"accuracy {found.accuracy:.3f}" if found.mean_iou is None else f"mean IoU {found.mean_iou:.3f}"
        now = time.perf_counter()
        left = (now - self.run_began) * (1 - part) / (part - self.before)
        rate = (progress.images - self.images) / max(now - self.epoch_began, 1e-9)
        numbers = [f"loss {found.loss:.4f}", counted, f"{rate:,.0f} images/s", f"{clock(left)} left"]
        self._draw(lambda: self._move(part, f"epoch {progress.epoch}/{progress.epochs}", numbers))
        self.next_look = now + SECONDS_BETWEEN_LOOKS

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Prints the epoch's line above the bar."""
        self._draw(lambda: self.console.print(epoch_line(record, epochs)))

    def run_ends(self, text: str, facts: Mapping[str, object]) -> None:
        """Takes the bar away and prints the text."""
        self._draw(self.progress.stop)
        if text:
            self._draw(lambda: self.console.print(text))

    def _move(self, part: float, epoch: str, numbers: list[str]) -> None:
        shown = fitting(numbers, self.console.width - len(epoch) - 3)
        room = self.console.width - len(epoch) - len(shown) - 2  # a terminal may become narrower at any time
        self.bar.bar_width = max(1, min(WIDTH, room))
        if self.task is None:
            self.task = self.progress.add_task("", total=1.0, epoch="", numbers="")
        self.progress.update(self.task, completed=part, epoch=epoch, numbers=shown, refresh=True)

    def _draw(self, action: Callable[[], None]) -> None:
        """Does it, unless the terminal has gone; rich would keep, and repeat, what it could not write."""
        if not self.gone:
            try:
                action()
            except (OSError, ValueError):
                self.gone = True


def fitting(numbers: Sequence[str], room: int) -> str:
    """Those of four numbers that have room side by side: images/s is left out first, then loss, accuracy, time.

    >>> numbers = ["loss 0.5000", "accuracy 0.900", "1,234 images/s", "1:15 left"]
    >>> fitting(numbers, 60), fitting(numbers, 30)
    ('loss 0.5000  accuracy 0.900  1,234 images/s  1:15 left', 'accuracy 0.900  1:15 left')
    """
    shown = dict(enumerate(numbers))
    for number in DROPPED:
        if len("  ".join(shown.values())) > room:
            del shown[number]
    return "  ".join(shown.values())


def clock(seconds: float) -> str:
    """A time as people read it from a bar.

    >>> clock(75), clock(3661)
    ('1:15', '1:01:01')
    """
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
