"""A run: its folder, what each epoch measured, and how both are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import safetensors.torch
from torch import nn

from archc.runtime.checkpoint import load_weights, tensors_of, write_checkpoint
from archc.runtime.disk import append_line
from archc.runtime.settings import Settings

if TYPE_CHECKING:
    from archc.runtime.state import TrainState


class EpochRecord(NamedTuple):
    """What one epoch measured: a line of `metrics.jsonl`."""

    epoch: int
    """The first epoch is 1."""
    loss: float
    """Mean training loss while the weights changed."""
    train_accuracy: float
    """Part of the training images that were right while the weights changed."""
    test_loss: float
    test_accuracy: float
    images_per_second: float
    """Training images divided by the time of the training part."""
    train_seconds: float
    seconds: float
    """Time of training and test; the checkpoint is written afterwards."""
    learning_rate: float
    """Rate of the epoch's last step."""
    train_mean_iou: float | None = None
    """Mean over classes of intersection / union, while the weights changed; of a segmentation set."""
    test_mean_iou: float | None = None
    test_top5: float | None = None
    """Part of the test images whose class is among the five best; where there are 10 classes or more."""

    def as_dict(self) -> dict[str, float]:
        """What was measured, by name; what does not apply is left out."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @property
    def measure(self) -> tuple[str, float]:
        """The measure that counts, `mean IoU` for a segmentation set, else `accuracy`, and its value in the test."""
        return ("accuracy", self.test_accuracy) if self.test_mean_iou is None else ("mean IoU", self.test_mean_iou)


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """A run on disk: its folder and what has been measured so far. In a notebook it shows its curves.

    >>> Run(Path("runs/try"), nn.Identity(), Settings(epochs=3))
    <Run runs/try: 0 of 3 epochs>
    """

    folder: Path
    module: nn.Module
    settings: Settings
    metrics: list[EpochRecord] = field(default_factory=list)
    key: str = ""
    """The checksum of `run.json`, which ties the checkpoints to the folder."""
    kept: str = ""
    """The moment that the checkpoint `last` holds, for people."""
    go_on: str = ""
    """What to type to go on with the run, for people."""

    def __repr__(self) -> str:
        best = self.best
        measured = (
            "" if best is None else f", best test {best.measure[0]} {best.measure[1]:.4f} after epoch {best.epoch}"
        )
        return f"<Run {self.folder}: {len(self.metrics)} of {self.settings.epochs} epochs{measured}>"

    def _repr_png_(self) -> bytes | None:
        from archc.runtime.history import CURVES  # which imports this file

        try:
            return (self.folder / CURVES).read_bytes()
        except OSError:  # a notebook then shows the text
            return None

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or so many without a better one that the run stops early."""
        return over(self.metrics, self.settings)

    @property
    def best(self) -> EpochRecord | None:
        """The epoch with the highest measure, of several the first; None before the first epoch ends."""
        return best_of(self.metrics)

    def left_behind(self) -> str:
        """Which checkpoint a run that stops now leaves, for people."""
        return f"the checkpoint of {self.kept} is kept in {self.folder / 'last'}"

    def model(self, which: str = "best") -> nn.Module:
        """The trained module in eval mode, with the weights of the `best` or the `last` checkpoint."""
        load_weights(self.module, self.folder, which)
        return self.module.eval()

    def keep(self, record: EpochRecord, state: TrainState) -> bool:
        """Writes the checkpoints of an epoch that ended, with the weights it tested, then its line of metrics.

        Says whether `last` was written, which the settings may ask for less often.
        `best` comes first: a run that is killed in between goes on from the `last` before, and does the epoch again.
        """
        metrics = [*self.metrics, record]
        weights = safetensors.torch.save(tensors_of(state.tested))
        if best_of(metrics) is record:
            write_checkpoint(self.folder / "best", {"weights": weights}, epoch=record.epoch, step=state.step)
        due = record.epoch % self.settings.checkpoint.epochs == 0 or over(metrics, self.settings)
        if due:
            self._keep_last(state, metrics, weights)
            self.kept = f"epoch {record.epoch}"
        append_line(self.folder / "metrics.jsonl", metrics_text([record]).rstrip())
        self.metrics.append(record)
        return due

    def keep_last(self, state: TrainState) -> None:
        """Writes the checkpoint `last` within an epoch, or before the first one."""
        self._keep_last(state, self.metrics, safetensors.torch.save(tensors_of(state.tested)))
        self.kept = f"step {state.step:,}"

    def _keep_last(self, state: TrainState, metrics: Sequence[EpochRecord], weights: bytes) -> None:
        write_checkpoint(
            self.folder / "last",
            {"weights": weights, "state": safetensors.torch.save(state.tensors())},
            epoch=len(metrics),
            step=state.step,
            progress={"run": self.key, "metrics": [each.as_dict() for each in metrics], **state.numbers()},
            beside=self.folder / "best",
            keep_previous=True,
        )


def best_of(metrics: Sequence[EpochRecord]) -> EpochRecord | None:
    """The record with the highest measure, of several the first; None of none."""
    return max(metrics, key=lambda record: record.measure[1], default=None)


def over(metrics: Sequence[EpochRecord], settings: Settings) -> bool:
    """Whether a run that measured this has ended: all epochs, or too many without a better one."""
    best = best_of(metrics)
    if best is None:
        return False
    return len(metrics) >= settings.epochs or 0 < settings.patience <= len(metrics) - best.epoch


def metrics_text(metrics: Sequence[EpochRecord]) -> str:
    """The records as `metrics.jsonl` holds them, a line each."""
    return "".join(json.dumps(record.as_dict()) + "\n" for record in metrics)
