"""The folder of a run: what was asked, what happened, and the weights."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from torch import nn

from archc.runtime.checkpoint import load_weights, write_checkpoint
from archc.runtime.disk import append_line, explained, write_whole
from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.settings import Settings

OWN_NAMES = ("run.json", "settings.json", "metrics.jsonl", "last", "best")


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


@dataclass(slots=True, eq=False)
class Run:
    """A run on disk: its folder and what has been measured so far."""

    folder: Path
    module: nn.Module
    settings: Settings
    metrics: list[EpochRecord] = field(default_factory=list)

    def left_behind(self) -> str:
        """Which checkpoint a run that stops now leaves, for people."""
        if not self.metrics:
            return "it is the first one, so there is no checkpoint yet"
        return f"the checkpoint of epoch {len(self.metrics)} is kept in {self.folder / 'last'}"

    @property
    def best(self) -> EpochRecord | None:
        """The epoch with the highest test accuracy, of several the first; None before the first epoch ends."""
        return max(self.metrics, key=lambda record: record.test_accuracy, default=None)

    def model(self, which: str = "best") -> nn.Module:
        """The trained module in eval mode, with the weights of the `best` or the `last` checkpoint."""
        load_weights(self.module, self.folder, which)
        return self.module.eval()

    @property
    def best_epoch(self) -> int:
        """The number of that epoch; 0 before the first one ends."""
        return 0 if self.best is None else self.best.epoch

    def keep(self, record: EpochRecord, tested: nn.Module, *, step: int) -> None:
        """Writes the checkpoints of an epoch that ended, with the weights it tested, then its line of metrics."""
        better = self.best is None or record.test_accuracy > self.best.test_accuracy
        last, best = self.folder / "last", self.folder / "best"
        write_checkpoint(tested, (last, best) if better else (last,), epoch=record.epoch, step=step)
        append_line(self.folder / "metrics.jsonl", json.dumps(record._asdict()))
        self.metrics.append(record)

    def keep_last(self, tested: nn.Module, *, step: int) -> None:
        """Writes the checkpoint `last` in the middle of an epoch."""
        write_checkpoint(tested, (self.folder / "last",), epoch=len(self.metrics), step=step)


def new_run_folder(root: Path, name: str) -> Path:
    """Makes and returns the first folder `name-1`, `name-2`, ... under `root` that did not exist."""
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            folder = root / f"{name}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder


def open_run(
    folder: Path, module: nn.Module, settings: Settings, *, files: Mapping[str, str], facts: Mapping[str, object]
) -> Run:
    """Makes the folder of a run and writes settings, files and facts; a folder that holds anything is refused.

    The names in `files` are relative, with `/`, and may not leave the folder (`SettingsError`).
    """
    for name in files:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name or parts[0] in OWN_NAMES:
            raise SettingsError(f"a file of a run has a relative name that is not one of the run's own, found {name!r}")
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder} is a file; a run needs a folder that is new or empty")
        if folder.is_dir() and any(folder.iterdir()):
            raise SettingsError(f"{folder} exists and is not empty; a run never writes over it: choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, object] = {
        "format": 1,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        **facts,
    }
    try:
        text = json.dumps(about, indent=2) + "\n"
    except TypeError as error:
        raise SettingsError(f"the facts of a run must be writable as JSON: {error}") from error
    try:
        with explained(folder / "run.json"), open(folder / "run.json", "x", encoding="utf-8") as file:
            file.write(text)  # "x" is the claim: of two runs that start at once in one folder, one is refused
    except EnvironmentProblem as error:
        if isinstance(error.__cause__, FileExistsError):
            raise SettingsError(f"another run has just begun in {folder}: choose another folder") from error
        raise
    write_whole(folder / "settings.json", (json.dumps(settings.as_dict(), indent=2) + "\n").encode())
    for name, content in files.items():
        with explained(folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content.encode())
    return Run(folder, module, settings)
