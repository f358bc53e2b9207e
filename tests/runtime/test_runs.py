"""What the folders of runs say, whole or damaged, without torch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc.runtime import SettingsError
from archc.runtime.lock import locked
from archc.runtime.runs import find_runs, read_run
from tests.checkout import ROOT

ABOUT: dict[str, Any] = {
    "started": "2026-01-02T03:04:05Z", "machine": "cuda (NVIDIA X), bf16, channels last", "parameters": 12,
    "arch": {"name": "LeNet"}, "data": {"name": "mnist", "image_size": [1, 28, 28]},
}  # fmt: skip


def line(epoch: int, accuracy: float, **more: float) -> str:
    measured = {"loss": 1.0, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": accuracy}
    return json.dumps({"epoch": epoch, **measured, "images_per_second": 10.0 * epoch, "seconds": 2.0, **more})


def made(folder: Path, *lines: str, epochs: int = 3, **settings: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(ABOUT))
    (folder / "settings.json").write_text(json.dumps({"epochs": epochs, **settings}))
    if lines:
        (folder / "metrics.jsonl").write_text("".join(f"{each}\n" for each in lines))
    return folder


def test_a_finished_run(tmp_path: Path) -> None:
    report = read_run(made(tmp_path / "a", line(1, 0.5), line(2, 0.75), line(3, 0.7)))
    assert (report.name, report.state, report.network, report.data) == ("a", "finished", "LeNet", "mnist")
    assert (report.size, report.asked, report.parameters) == ((1, 28, 28), 3, 12)
    assert report.device == "cuda (NVIDIA X)"
    assert (report.best["epoch"], report.last["epoch"]) == (2, 3)
    assert (report.images_per_second, report.seconds) == (20.0, 6.0)


@pytest.mark.parametrize(
    ("lines", "settings", "state"),
    [
        ([], {}, "stopped"),
        ([line(1, 0.5)], {}, "stopped"),
        ([line(1, 0.5), line(2, 0.4)], {"patience": 1}, "finished"),
        ([line(1, 0.5), line(2, 0.6)], {"patience": 1}, "stopped"),
        ([line(1, 0.9, test_mean_iou=0.1), line(2, 0.8, test_mean_iou=0.2)], {"patience": 1}, "stopped"),
        ([line(1, 0.5), line(2, 0.6), line(3, 0.6)[:20]], {}, "stopped"),
    ],
)
def test_the_state(tmp_path: Path, lines: list[str], settings: dict[str, Any], state: str) -> None:
    report = read_run(made(tmp_path / "a", *lines, **settings))
    assert (report.state, report.fault) == (state, "")


def test_a_run_that_trains_now_is_running(tmp_path: Path) -> None:
    folder = made(tmp_path / "a", line(1, 0.5))
    with locked(folder):
        assert read_run(folder).state == "running"
        program = (
            f"from pathlib import Path; from archc.runtime.runs import *; print(read_run(Path({str(folder)!r})).state)"
        )
        found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        assert found.stdout == "running\n"
    assert read_run(folder).state == "stopped"


def written(name: str, text: str | bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda run: (run / "run.json").unlink(), "run.json is not there"),
        (lambda run: become_pipe(run / "run.json"), "run.json is not there"),
        (lambda run: become_pipe(run / "settings.json"), "settings.json is not there"),
        (lambda run: become_pipe(run / "metrics.jsonl"), "metrics.jsonl is not there"),
        (written("run.json", ""), "run.json is damaged"),
        (written("run.json", "[" * 100_000), "run.json is damaged"),
        (written("run.json", "[]"), "no mapping"),
        (written("run.json", b"\xff"), "cannot be read"),
        (written("run.json", b" " * (17 << 20)), "17,825,792 bytes"),
        (written("run.json", "{}"), "not that of a run"),
        (written("run.json", json.dumps({**ABOUT, "data": []})), "not that of a run"),
        (written("run.json", json.dumps({**ABOUT, "parameters": float("inf")})), "not that of a run"),
        (written("settings.json", '{"epochs": "many"}'), "not that of a run"),
        (written("metrics.jsonl", f"{{}}\n{line(2, 0.5)}\n"), "metrics.jsonl is damaged at line 1"),
        (written("metrics.jsonl", f"{line(2, 0.5)}\n{line(2, 0.5)}\n"), "metrics.jsonl is damaged at line 1"),
        (written("metrics.jsonl", "[" * 99_999 + "\n{}\n"), "metrics.jsonl is damaged at line 1"),
    ],
)
def test_damage_is_told_and_nothing_is_raised(tmp_path: Path, change: Callable[[Path], object], fault: str) -> None:
    folder = made(tmp_path / "a", line(1, 0.5))
    change(folder)
    report = read_run(folder)
    assert report.state == "damaged"
    assert fault in report.fault
    assert report.best == {}
    assert (report.images_per_second, report.seconds) == (None, None)


def test_runs_are_found_below_and_not_inside_each_other(tmp_path: Path) -> None:
    for name in ("b", "a/x", "b/inner", "a/y/z"):
        made(tmp_path / name)
    (tmp_path / "a" / "notes").mkdir()
    assert [str(found.relative_to(tmp_path)) for found in find_runs(tmp_path)] == ["a/x", "a/y/z", "b"]
    assert find_runs(tmp_path / "b") == [tmp_path / "b"]
    with pytest.raises(SettingsError, match="there is no folder"):
        find_runs(tmp_path / "c")


def test_the_list_needs_no_torch(tmp_path: Path) -> None:
    made(tmp_path / "runs" / "a", line(1, 0.5))
    program = "import sys\nsys.modules['torch'] = None\nfrom archc.cli import main\nmain(prog_name='archc')"
    for arguments in (["runs"], ["compare", "runs"]):
        found = subprocess.run(
            [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert found.returncode == 0, found.stderr
        assert "mnist" in found.stdout
