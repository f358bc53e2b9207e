"""What the folder of a run says of it, read without torch: a run that is damaged is a report with a fault."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.lock import in_use

LARGEST = 16 << 20
"""Bytes of a file of a run that is read: a million epochs have no more."""
MOST_FOLDERS = 10_000
NEEDED = ("epoch", "loss", "train_accuracy", "test_loss", "test_accuracy", "images_per_second", "seconds")


class Report(NamedTuple):
    """A run as its folder tells it; what is not known is empty."""

    folder: Path
    state: str
    """`running`, `finished`, `stopped` (fewer epochs than were asked for), or `damaged`."""
    network: str = ""
    data: str = ""
    size: tuple[int, ...] = ()
    """Channels, height and width of the images as the network takes them."""
    asked: int = 0
    """Epochs that were asked for."""
    records: tuple[Mapping[str, float], ...] = ()
    """The lines of `metrics.jsonl`."""
    started: str = ""
    machine: str = ""
    parameters: int | None = None
    fault: str = ""
    """What is wrong with the folder of a damaged run."""

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @property
    def device(self) -> str:
        """The device, without how it was used."""
        return self.machine.partition(",")[0]

    @property
    def best(self) -> Mapping[str, float]:
        """The record of the epoch with the best test; empty where there is none."""
        return max(self.records, key=measure_of, default={})

    @property
    def last(self) -> Mapping[str, float]:
        """The record of the last epoch; empty where there is none."""
        return self.records[-1] if self.records else {}

    @property
    def images_per_second(self) -> float | None:
        """The median over the epochs; None before the first one ends."""
        return statistics.median(record["images_per_second"] for record in self.records) if self.records else None

    @property
    def seconds(self) -> float | None:
        """The time of all epochs, training and test."""
        return sum(record["seconds"] for record in self.records) if self.records else None


def measure_of(record: Mapping[str, float]) -> float:
    """What decides which epoch is the best: mean IoU for a segmentation set, else accuracy, in the test."""
    return record.get("test_mean_iou", record["test_accuracy"])


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, damaged or not.

    >>> is_run(Path("."))
    False
    """
    return any(os.path.lexists(folder / name) for name in ("run.json", "metrics.jsonl"))


def find_runs(folder: Path) -> list[Path]:
    """The runs in a folder and in those below it, in the order of their names; a run itself is one.

    Links are not followed. A folder that is not there raises `SettingsError`.
    """
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {str(folder)!r}")
    found = []
    for seen, (place, folders, _) in enumerate(os.walk(folder)):
        if seen > MOST_FOLDERS:
            raise SettingsError(f"{folder} holds more than {MOST_FOLDERS:,} folders; name the one with the runs")
        if is_run(Path(place)):
            found.append(Path(place))
            folders.clear()
        folders.sort()
    return found


def read_run(folder: Path) -> Report:
    """The report of a run; of one that cannot be read it says why, and nothing is raised.

    >>> read_run(Path("nowhere")).fault
    'nowhere/run.json is not there'
    """
    try:
        about, settings = read_json(folder / "run.json"), read_json(folder / "settings.json")
        data, arch = about["data"], about.get("arch") or {}
        records = _records(folder / "metrics.jsonl")
        asked, patience = int(settings["epochs"]), int(settings.get("patience", 0))
        report = Report(
            folder,
            "stopped",
            str(arch.get("name", "")),
            str(data["name"]),
            tuple(int(size) for size in data["image_size"]),
            asked,
            records,
            str(about["started"]),
            str(about["machine"]),
            int(about["parameters"]),
        )
    except EnvironmentProblem as error:
        return Report(folder, "damaged", fault=str(error))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        return Report(
            folder, "damaged", fault=f"{folder / 'run.json'} is not that of a run ({type(error).__name__}: {error})"
        )
    if in_use(folder):
        return report._replace(state="running")
    early = patience and records and len(records) - report.best["epoch"] >= patience
    return report._replace(state="finished") if early or len(records) >= asked else report


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file of a run; a file that is missing or damaged raises `EnvironmentProblem`."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise EnvironmentProblem(f"{path} is damaged ({error})") from None
    if not isinstance(value, dict):
        raise EnvironmentProblem(f"{path} is damaged (no mapping)")
    return value


def _records(path: Path) -> tuple[Mapping[str, float], ...]:
    """The records of a run; a line that was not written whole can only be the last, and is left out."""
    if not path.exists():
        return ()
    records: list[Mapping[str, float]] = []
    lines = read_text(path).splitlines()
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not all(isinstance(record[name], int | float) for name in NEEDED) or record["epoch"] != number:
                raise ValueError("no record of that epoch")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number == len(lines):
                break
            raise EnvironmentProblem(f"{path} is damaged at line {number} ({error})") from None
        records.append({name: value for name, value in record.items() if isinstance(value, int | float)})
    return tuple(records)


def read_text(path: Path) -> str:
    """The text of a file of a run; one that is missing, no file or too large raises `EnvironmentProblem`."""
    try:
        return _read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise EnvironmentProblem(f"{path} cannot be read ({error})") from None


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():  # a pipe would be read for ever
        raise EnvironmentProblem(f"{path} is not there")
    try:
        if path.stat().st_size > LARGEST:
            raise EnvironmentProblem(f"{path} is damaged ({path.stat().st_size:,} bytes)")
        return path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be read ({error.strerror or error})") from None


def refuse_changed_files(folder: Path) -> None:
    """Raises `EnvironmentProblem` where a file that says what the weights of a run mean is not as it was written.

    `run.json` has the checksums of the others, and the checkpoint `last` that of `run.json`. Where the checkpoint is
    lost `run.json` is believed; a file that is missing is named by whoever needs it.
    """
    path = folder / "run.json"
    try:
        kept = read_json(folder / "last" / "manifest.json")["checkpoint"]["progress"]["run"]
    except (EnvironmentProblem, KeyError, TypeError):
        kept = None
    if kept is not None and kept != _checksum(path):
        raise EnvironmentProblem(f"{path} was changed since the run began; put it back as it was")
    files = read_json(path).get("files")
    for name, checksum in files.items() if isinstance(files, dict) else ():
        file = folder / name
        if os.path.isfile(file) and checksum != _checksum(file):
            raise EnvironmentProblem(
                f"{file} was changed since the run began, and the weights are of a network trained before that; put it"
                " back as it was"
            )


def _checksum(path: Path) -> str:
    return hashlib.sha256(_read_bytes(path)).hexdigest()
