"""A run that was killed, or whose files were damaged, ends as if nothing had been, or says what is lost."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc.runtime import EnvironmentProblem, Settings, fit
from archc.runtime.checkpoint import read_manifest
from archc.runtime.opening import reopen
from archc.runtime.run import EpochRecord, Run
from archc.runtime.watch import Silent
from tests.campaigns import checkpoints
from tests.checkout import ROOT
from tests.runtime.resuming import (
    BASE,
    SETTINGS,
    STEPS,
    Ended,
    Killed,
    assert_equal,
    flip,
    killed,
    norm_net,
    resumed,
    trained,
)
from tests.runtime.toys import same, state_of, toy_data

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return trained(tmp_path_factory.mktemp("runs") / "whole", norm_net, SETTINGS)


def part(folder: Path, role: str) -> Path:
    return folder / "last" / read_manifest(folder / "last" / "manifest.json").parts[role].file


DAMAGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda folder: None,
    "a bit of the state": lambda folder: flip(part(folder, "state")),
    "a bit of the weights": lambda folder: flip(part(folder, "weights")),
    "a bit of the manifest": lambda folder: flip(folder / "last" / "manifest.json"),
    "the end of the state": lambda folder: os.truncate(part(folder, "state"), 1000),
    "the state": lambda folder: part(folder, "state").unlink(),
    "the manifest": lambda folder: (folder / "last" / "manifest.json").unlink(),
    "a line of the metrics": lambda folder: os.truncate(folder / "metrics.jsonl", 300),
    "the metrics": lambda folder: (folder / "metrics.jsonl").unlink(),
    "the best weights": lambda folder: flip(next((folder / "best").glob("*.safetensors"))),
}


@pytest.mark.parametrize("step", [2 * STEPS, 2 * STEPS + 2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_a_killed_run_has_lost_it_ends_the_same(tmp_path: Path, whole: Ended, damage: str, step: int) -> None:
    folder = killed(tmp_path / "run", step)
    DAMAGES[damage](folder)
    if damage == "the best weights":  # those of the first epoch, the best one, are not made again
        net = norm_net()
        run = fit(net, toy_data(), watch=Silent(), resume=folder)
        assert len(run.metrics) == len(whole.measured)
        assert same(state_of(net), whole.trained)
    else:
        assert_equal(whole, resumed(folder))


@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_killed_around_a_line_of_the_metrics(
    tmp_path: Path, whole: Ended, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The checkpoint of the second epoch is written, its line is not, or half of it is, or it is."""
    folder, count = tmp_path / "run", 0

    def append(path: Path, line: str) -> None:
        nonlocal count
        count += 1
        last = count == 2
        if not (last and moment == "before"):
            with path.open("a") as file:
                file.write(line[:40] if last and moment == "within" else line + "\n")
        if last:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("archc.runtime.run.append_line", append)
        with pytest.raises(Killed):
            fit(norm_net(), toy_data(), watch=Silent(), settings=SETTINGS, out=folder)
    with reopen(folder) as kept:
        assert [record.epoch for record in kept.metrics] == [1, 2]
        assert [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert_equal(whole, resumed(folder))


@pytest.mark.parametrize("failing", range(1, 12))
def test_killed_within_a_checkpoint(
    tmp_path: Path, whole: Ended, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """At each rename from the end of the first epoch on: `best`, `last`, and that of the next step."""
    folder, calls = tmp_path / "run", 0
    rename, keep = os.replace, Run.keep

    def replace(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise Killed
        rename(source, target)

    def first(run: Run, *arguments: Any) -> bool:
        patch.setattr("os.replace", replace)
        return keep(run, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "keep", first)
        with pytest.raises(Killed):
            fit(norm_net(), toy_data(), watch=Silent(), settings=SETTINGS, out=folder)
    assert_equal(whole, resumed(folder))
    assert not list(folder.glob("*/.*.part"))


def test_a_run_without_a_checkpoint_begins_again_and_says_so(tmp_path: Path, whole: Ended) -> None:
    folder = killed(tmp_path / "run", 3)
    shutil.rmtree(folder / "last")
    with reopen(folder) as kept:
        assert (kept.opened, kept.text) == (None, f"{folder} has no checkpoint yet and begins again")
    assert_equal(whole, resumed(folder))


def test_a_checkpoint_every_other_epoch(tmp_path: Path) -> None:
    settings = Settings(**BASE, checkpoint={"epochs": 3, "minutes": 0})
    whole = trained(tmp_path / "whole", norm_net, settings)
    folder = killed(tmp_path / "run", 2 * STEPS + 1, settings)
    with reopen(folder) as kept:
        assert kept.opened is not None
        assert kept.opened.checkpoint.step == 0
        assert (folder / "metrics.jsonl").read_text() == ""
    assert_equal(whole, resumed(folder))


def test_both_checkpoints_damaged(tmp_path: Path) -> None:
    folder = killed(tmp_path / "run", 7)
    for path in (folder / "last").glob("state-*"):
        flip(path)
    with pytest.raises(EnvironmentProblem, match="is damaged: the checksum does not fit"), reopen(folder):
        pass
    shutil.rmtree(folder / "last")
    with pytest.raises(EnvironmentProblem, match=r"has lost its checkpoints, and metrics.jsonl tells of 1 epochs"):
        resumed(folder)


@pytest.mark.parametrize("failing", [1, 9, 30, 47])
def test_a_full_disk_stops_the_run_which_goes_on_from_the_last_checkpoint(
    tmp_path: Path, whole: Ended, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    folder, calls = tmp_path / "run", 0

    def fsync(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.ENOSPC, "No space left on device")

    def begin(run: Run) -> str:
        monkeypatch.setattr("os.fsync", fsync)  # the folder is complete, and the first checkpoint written
        return run.folder.name

    with monkeypatch.context() as patch:
        patch.setattr("archc.runtime.history.History.run_begins", lambda self, *rest: begin(self.run))
        with pytest.raises(EnvironmentProblem, match=r"run/.*: No space left on device"):
            fit(norm_net(), toy_data(), watch=Silent(), settings=SETTINGS, out=folder)
    assert_equal(whole, resumed(folder))


def test_a_folder_that_is_removed_stops_the_run(tmp_path: Path) -> None:
    class Remove(Silent):
        def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(EnvironmentProblem, match=r"run/last: No such file or directory"):
        fit(norm_net(), toy_data(), watch=Remove(), settings=SETTINGS, out=tmp_path / "run")


def test_killed_processes() -> None:
    """A slice of the campaign, in a process of its own: it forks, and one that has threads had better not."""
    command = [sys.executable, "-m", "tests.campaigns.kills", "--count", "2", "--seed", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("2 runs, killed ")


def test_damaged_checkpoints(tmp_path: Path) -> None:
    """A slice of the campaign."""
    seen, wrong = checkpoints.campaign(300, seed=2, folder=tmp_path)
    assert wrong == []
    assert min(seen[what] for what in ("the newest", "the one before", "none")) > 20
