"""The history of a run for people and their tools: `history.csv`, TensorBoard events, and curves at the end.

All of it is made from the run's records, which `metrics.jsonl` keeps: what is lost here can be made again, so trouble
in writing it is said in one sentence and never ends a run.
"""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from archc.runtime.disk import write_whole
from archc.runtime.run import EpochRecord, Run
from archc.runtime.watch import Progress, Watch

CSV, CURVES = "history.csv", "curves.png"

TAGS = {
    "loss": "loss/train",
    "test_loss": "loss/test",
    "train_accuracy": "accuracy/train",
    "test_accuracy": "accuracy/test",
    "test_top5": "accuracy/test_top5",
    "train_mean_iou": "mean_iou/train",
    "test_mean_iou": "mean_iou/test",
    "learning_rate": "run/learning_rate",
    "images_per_second": "run/images_per_second",
}
"""What TensorBoard shows of a record, and under which name; names with one beginning stand together there."""


class History:
    """A watch that keeps the history of a run and hands everything on to another watch.

    `title` stands above the curves. A run that goes on where it stopped has records already: its history is written
    anew, and TensorBoard drops what it showed of later epochs.
    """

    def __init__(self, run: Run, watch: Watch, *, title: str) -> None:
        self.run, self.watch, self.title = run, watch, title
        self.trouble = ""
        self._events: Events | None = None

    def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
        """Writes the epochs that a resumed run has already."""
        self.watch.run_begins(text, facts)
        if self.run.metrics:
            self._attempt(CSV, self._write)

    def step(self, progress: Progress) -> None:
        """Keeps nothing."""
        self.watch.step(progress)

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        """Adds a line and the events of the epoch."""
        self._attempt(CSV, self._write)
        self._attempt("TensorBoard's events", lambda: self._show(record))
        self.watch.epoch_ends(record, epochs)

    def run_ends(self, text: str, facts: Mapping[str, object]) -> None:
        """Draws the curves, of whatever epochs there are."""
        if self._events is not None:
            self._attempt("TensorBoard's events", self._events.close)
        if self.run.metrics:
            self._attempt(CURVES, self._draw)
        if self.trouble and facts:
            facts = {**facts, "trouble": self.trouble}
        self.watch.run_ends("\n".join(filter(None, (text, self.trouble))), facts)

    def _attempt(self, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:  # a picture less is no reason to lose a run, whatever a library raises
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            self.trouble = self.trouble or f"{what} could not be written ({reason}); the run itself is whole"

    def _write(self) -> None:
        write_whole(self.run.folder / CSV, csv_lines(self.run.metrics).encode())

    def _show(self, record: EpochRecord) -> None:
        if self._events is None:
            self._events = Events(self.run.folder, first=record.epoch)
        self._events.add(record)

    def _draw(self) -> None:
        from archc.runtime.curves import draw_run

        write_whole(self.run.folder / CURVES, draw_run([each.as_dict() for each in self.run.metrics], self.title))


class Events:
    """TensorBoard's events in a folder, from the epoch `first` on; what is there of it and later ones is then hidden.

    Written at once, by the library's inner writer: the outer one writes from a thread, where a full disk is nobody's.
    """

    def __init__(self, folder: Path, *, first: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        name = f".{os.getpid()}-{first}"  # the library's own names differ from second to second only
        self.writer = EventsWriter(str(folder / "events"), name)
        if first > 1:
            began = SessionLog(status=SessionLog.START)
            self.writer.write_event(Event(step=first, wall_time=time.time(), session_log=began))

    def add(self, record: EpochRecord) -> None:
        """Adds the measures of an epoch."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        measured = record.as_dict()
        values = [Summary.Value(tag=tag, simple_value=measured[name]) for name, tag in TAGS.items() if name in measured]
        self.writer.write_event(Event(step=record.epoch, wall_time=time.time(), summary=Summary(value=values)))
        self.writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self.writer.close()


def csv_lines(records: Sequence[EpochRecord]) -> str:
    """The records as CSV with a header; a measure that was not taken is an empty cell.

    >>> csv_lines([])
    ''
    """
    if not records:
        return ""
    text = io.StringIO()
    table = csv.DictWriter(text, records[0]._fields, lineterminator="\n")
    table.writeheader()
    table.writerows(record._asdict() for record in records)
    return text.getvalue()
