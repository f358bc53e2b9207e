"""The folder of a run as a run begins and as it goes on: made, locked, and checked against what it held."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import torch
from torch import nn

from archc.runtime.checkpoint import Opened, holds_checkpoint, open_checkpoint, step_back
from archc.runtime.disk import explained, write_whole
from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.history import CSV, CURVES
from archc.runtime.lock import LOCK, locked
from archc.runtime.run import EpochRecord, Run, metrics_text, over
from archc.runtime.settings import Settings
from archc.runtime.state import TrainState

ABOUT, SETTINGS, METRICS = "run.json", "settings.json", "metrics.jsonl"
OWN_NAMES = (ABOUT, SETTINGS, METRICS, "last", "best", LOCK, CSV, CURVES)
LARGEST_ABOUT = 4 << 20


class Reopened(NamedTuple):
    """A run that goes on: what its folder holds, whole and locked."""

    folder: Path
    settings: Settings
    about: dict[str, Any]
    """What `run.json` says."""
    key: str
    """The checksum of `run.json`, which holds those of the other files."""
    metrics: list[EpochRecord]
    """The epochs that were complete."""
    opened: Opened | None
    """The checkpoint to go on from; None: the run was stopped before it wrote one, and begins again."""
    text: str
    """Where it goes on, for people."""
    warnings: tuple[str, ...]
    """What was lost, and what became of it."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return over(self.metrics, self.settings)

    def restore(self, state: TrainState) -> None:
        """Brings a new state to the checkpoint's; without one it stays as it is."""
        if self.opened is not None:
            state.restore(self.folder / "last", self.opened)

    def run(self, module: nn.Module) -> Run:
        """The run, with a module to go on with."""
        kept = "" if self.opened is None else f"step {self.opened.checkpoint.step:,}"
        go_on = _go_on(self.folder, self.about)
        return Run(self.folder, module, self.settings, self.metrics, key=self.key, kept=kept, go_on=go_on)


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


def refuse_taken(folder: Path) -> None:
    """Raises `SettingsError` where a run cannot have this folder, because it is a file or holds anything."""
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder} is a file; a run needs a folder that is new or empty")
        if folder.is_dir() and any(entry.name != LOCK for entry in folder.iterdir()):
            go_on = f" (--resume {shlex.quote(str(folder))} goes on with it)" if (folder / ABOUT).is_file() else ""
            raise SettingsError(
                f"{folder} exists and is not empty; a run never writes over it: choose another folder{go_on}"
            )


@contextmanager
def open_run(
    out: Path | str | None,
    module: nn.Module,
    settings: Settings,
    *,
    name: str,
    files: Mapping[str, str],
    facts: Mapping[str, object],
) -> Iterator[Run]:
    """Makes the folder of a run and writes settings, files and facts; inside, no other run may use the folder.

    Without `out` it is a new one under `runs/` that begins with `name`; one that holds anything is refused. The names
    in `files` are relative, with `/`, and may not leave the folder (`SettingsError`). `run.json` comes last: with it
    the folder is complete, and it holds the checksums of the others.
    """
    for file in files:
        if not _inside(file) or PurePosixPath(file).parts[0] in OWN_NAMES:
            raise SettingsError(f"a file of a run has a relative name that is not one of the run's own, found {file!r}")
    contents = {SETTINGS: _json(settings.as_dict()), **{file: text.encode() for file, text in files.items()}}
    about = {
        "format": 1,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        **facts,
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
    }
    try:
        whole = _json(about)
    except TypeError as error:
        raise SettingsError(f"the facts of a run must be writable as JSON: {error}") from error
    folder = new_run_folder(Path("runs"), name) if out is None else Path(out)
    refuse_taken(folder)
    with explained(folder):
        made = out is None or not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        refuse_taken(folder)  # of two runs that start at once in one folder, one comes too late
        try:
            for file, content in contents.items():
                with explained(folder / file):
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                write_whole(folder / file, content)
            write_whole(folder / ABOUT, whole)
        except BaseException:
            _clear(folder, whole=made)  # it held nothing before, and is no run yet
            raise
        yield Run(folder, module, settings, key=hashlib.sha256(whole).hexdigest(), go_on=_go_on(folder, about))


@contextmanager
def reopen(folder: Path) -> Iterator[Reopened]:
    """The run of a folder, to go on with; inside, no other run may use the folder.

    Its files must be as they were written, all settings included. `metrics.jsonl` is brought to what the checkpoint
    says. Raises `SettingsError` where the folder holds no run or is in use, `EnvironmentProblem` where it is damaged.
    """
    if not (folder / ABOUT).is_file():
        raise SettingsError(f"{folder} holds no run to go on with: it has no {ABOUT}")
    with locked(folder):
        yield _reopened(folder)


def _reopened(folder: Path) -> Reopened:
    about, key = _about(folder)
    with explained(folder / SETTINGS):
        text = (folder / SETTINGS).read_text(encoding="utf-8")
    try:
        settings = Settings(**json.loads(text))
    except SettingsError as error:
        raise EnvironmentProblem(f"{folder / SETTINGS} is of another version of archc: {error}") from error
    before = _lines(folder / METRICS)
    last = folder / "last"
    if not holds_checkpoint(last):
        if before:
            raise EnvironmentProblem(
                f"{folder} has lost its checkpoints, and {METRICS} tells of {len(before)} epochs;"
                f" `--recipe {folder / 'recipe.yaml'}` trains the same again in a new folder"
            )
        return Reopened(folder, settings, about, key, [], None, f"{folder} has no checkpoint yet and begins again", ())
    opened = open_checkpoint(last, ("weights", "state"))
    checkpoint = opened.checkpoint
    if checkpoint.progress.get("run") != key:
        raise EnvironmentProblem(f"{folder / ABOUT} was changed since the run began, or {last} belongs to another run")
    metrics = _records(last, checkpoint.progress.get("metrics"), checkpoint.epoch)
    if opened.lost:
        step_back(last)
    if metrics_text(metrics) != "".join(before):
        write_whole(folder / METRICS, metrics_text(metrics).encode())
    text = f"{folder} goes on after step {checkpoint.step:,} ({checkpoint.epoch} of {settings.epochs} epochs are done)"
    warnings = _best_lost(folder, metrics)
    if opened.lost:
        warnings.insert(0, f"{opened.lost}; the checkpoint before it is whole, and what came after it is done again")
    if (began := about.get("torch")) != torch.__version__:
        warnings.append(f"the run began with torch {began}, and this is {torch.__version__}: the last bits may differ")
    return Reopened(folder, settings, about, key, metrics, opened, text, tuple(warnings))


def _about(folder: Path) -> tuple[dict[str, Any], str]:
    """What `run.json` says, and its checksum; the files it names must be as it says."""
    path = folder / ABOUT
    with explained(path), path.open("rb") as file:
        content = file.read(LARGEST_ABOUT + 1)
    try:
        about = json.loads(content)
        sums = {str(name): str(digest) for name, digest in about["files"].items()}
        intact = SETTINGS in sums and all(map(_inside, sums)) and isinstance(about["data"], dict)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise EnvironmentProblem(f"{path} is damaged, or of another version of archc")
    for name, digest in sums.items():
        if not (folder / name).is_file():
            raise EnvironmentProblem(f"the run {folder} has lost {folder / name}")
        with explained(folder / name), open(folder / name, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            raise EnvironmentProblem(
                f"{folder / name} was changed since the run began, and a run goes on as it began: put it back as it"
                " was, or train anew in another folder"
            )
    return about, hashlib.sha256(content).hexdigest()


def _records(last: Path, found: object, epochs: int) -> list[EpochRecord]:
    try:
        records = [EpochRecord(**record) for record in found]  # type: ignore[attr-defined]  # caught below
        numbers = [value for record in records for value in record.as_dict().values()]
        whole = all(type(value) in (int, float) for value in numbers)
    except TypeError:
        whole = False
    if not whole or [record.epoch for record in records] != list(range(1, epochs + 1)):
        raise EnvironmentProblem(f"{last} is damaged, or of another version of archc: its metrics cannot be read")
    return records


def _lines(path: Path) -> list[str]:
    """The lines of a text, also a half one at the end; none where there is no such file."""
    if not path.is_file():
        return []
    with explained(path):
        return path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def _best_lost(folder: Path, metrics: Sequence[EpochRecord]) -> list[str]:
    """What is wrong with the best weights, if anything is."""
    try:
        if metrics:
            open_checkpoint(folder / "best", ("weights",))
    except EnvironmentProblem as error:
        return [f"{error}; the next epoch that is better than all before takes its place"]
    return []


def _clear(folder: Path, *, whole: bool) -> None:
    """Removes what a folder holds, as far as that goes, and with `whole` the folder itself."""
    for entry in [folder] if whole else list(folder.glob("*")):  # where the folder is gone there is nothing
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(OSError):
                entry.unlink()


def _inside(name: str) -> bool:
    """Whether a name with `/` is one of a file below a folder, on every system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not (name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _go_on(folder: Path, about: Mapping[str, object]) -> str:
    return (
        f"`archc train --resume {shlex.quote(str(folder))}`" if "arch" in about else f"fit(..., resume={str(folder)!r})"
    )
