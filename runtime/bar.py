"""The progress bar of a run, drawn with rich. Imported only when there is a terminal to draw on."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from archc.runtime.run import EpochRecord
from archc.runtime.watch import Progress as EpochProgress
from archc.runtime.watch import epoch_line

SECONDS_BETWEEN_LOOKS = 0.5  # each look waits for the device once


class Bar:
    """One line that moves: epoch, loss, accuracy, images/s and the time left of the run; above it a line per epoch."""

    def __init__(self, stream: TextIO) -> None:
        self.console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            auto_refresh=False,  # no thread of its own: it would take turns with the training
            transient=True,
        )
        self.task: TaskID | None = None
        self.next_look = 0.0
        self.epoch = 0
        self.epoch_began = self.run_began = time.perf_counter()

    def run_begins(self, text: str) -> None:
        """Prints the text and starts the bar."""
        self.console.print(text)
        self.epoch_began = self.run_began = time.perf_counter()
        self.progress.start()

    def step(self, progress: EpochProgress) -> None:
        """Moves the bar, at most about every half second."""
        now = time.perf_counter()
        if progress.epoch != self.epoch:
            self.epoch, self.epoch_began = progress.epoch, now
            self.next_look = now + SECONDS_BETWEEN_LOOKS
        if now < self.next_look:
            return
        loss, accuracy = progress.read()
        now = time.perf_counter()
        part = (progress.epoch - 1 + progress.images / progress.of) / progress.epochs
        left = (now - self.run_began) * (1 - part) / part
        rate = progress.images / max(now - self.epoch_began, 1e-9)
        numbers = f"loss {loss:.4f}  accuracy {accuracy:.3f}  {rate:,.0f} images/s  {clock(left)} left"
        if self.task is None:
            self.task = self.progress.add_task("", total=1.0, epoch="", numbers="")
        epoch = f"{progress.epoch}/{progress.epochs}"
        self.progress.update(self.task, completed=part, epoch=epoch, numbers=numbers, refresh=True)
        self.next_look = now + SECONDS_BETWEEN_LOOKS

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Prints the epoch's line above the bar."""
        self.console.print(epoch_line(record, epochs))

    def run_ends(self, text: str) -> None:
        """Takes the bar away and prints the text."""
        self.progress.stop()
        if text:
            self.console.print(text)


def clock(seconds: float) -> str:
    """A time as people read it from a bar.

    >>> clock(75), clock(3661)
    ('1:15', '1:01:01')
    """
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
