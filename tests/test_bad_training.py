"""All that can be wrong with a run: one clear message, the right exit status, nothing half-written, and a last good
checkpoint that goes on."""

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from torch import Tensor

import archc
from archc.cli import main
from archc.runtime import disk, load_weights
from tests.runtime.toys import same, state_of
from tests.test_hostile_runs import SETS, stored

NET = "arch Net(in_channels = 1, num_classes = 10) { input x: [in_channels, 8, 8]; flatten; linear(num_classes) }"
QUICK = ("--epochs", "2", "--set", "precision=fp32", "--set", "layout=contiguous")
DIVERGES = ("--set", "optimizer=sgd", "--set", "lr=1e30", "--set", "clip=0", "--set", "schedule=constant")


def train(*arguments: str) -> Result:
    """Train the small network in the current folder."""
    Path("net.arch").write_text(NET)
    return CliRunner().invoke(main, ["train", "net.arch", *QUICK, "--out", "run", *arguments])


def pictures(*, broken: int = 0, empty: str = "") -> None:
    """A folder of images, of which some cannot be decoded, and maybe a class without any."""
    for name in ("cat", "dog"):
        folder = Path("photos", name)
        folder.mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), 20 * number).save(folder / f"{number}.png")
    for number in range(broken):
        Path("photos/cat", f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    if empty:
        Path("photos", empty).mkdir()


class Case(NamedTuple):
    """What is done before, the arguments, the exit status, and what the message says."""

    status: int
    message: str
    arguments: tuple[str, ...] = ()
    before: Callable[[], object] = lambda: None


CASES = {
    "an unknown key": Case(2, "--set optimiser: no setting is called 'optimiser'", ("--set", "optimiser=sgd")),
    "a wrong type": Case(2, "--set lr: lr must be a number above 0, found 'fast'", ("--set", "lr=fast")),
    "a wrong key in a recipe": Case(
        2, "my.yaml:2:1: no setting is called 'epoch'; did you mean 'epochs'?", ("--recipe", "my.yaml"),
        lambda: Path("my.yaml").write_text("lr: 0.1\nepoch: 3\n"),
    ),
    "an unknown parameter": Case(2, "arch `Net` has no parameter `widht`", ("-p", "widht=3")),
    "an unknown data set": Case(2, "did you mean 'mnist'", ("--data", "mnits")),
    "a data set, and no place given": Case(3, "archc data fetch mnist --data-root DIR", ("--data", "mnist")),
    "a data set that is not there": Case(3, "data set 'mnist'", ("--data", "mnist", "--data-root", ".")),
    "a folder that is not there": Case(3, "there is no folder './photos'", ("--data", "./photos")),
    "broken images": Case(3, f"cat{os.sep}0.png", ("--data", "photos"), lambda: pictures(broken=3)),
    "an empty class": Case(
        3, "bird holds no image of class 'bird'", ("--data", "photos"), lambda: pictures(empty="bird")
    ),
    "an empty folder": Case(3, "photos holds no folder of a class", ("--data", "photos"), lambda: os.mkdir("photos")),
    "a label out of range": Case(
        3, "is 255, but the 10 classes are numbered 0 to 9", ("--data", "mnist", "--data-root", "."),
        lambda: stored(Path(), SETS["a label out of range"]),
    ),
    "another number of channels": Case(2, "3", ("--data", "synthetic", "-p", "in_channels=1")),
    "another number of classes": Case(2, "needs 10 scores", ("-p", "num_classes=7")),
    "a device that is not there": Case(3, "device 'cuda:63' is not there", ("--set", "device=cuda:63")),
    "a folder that is a file": Case(2, "run is a file", (), lambda: Path("run").write_text("mine")),
    "a folder in a file": Case(3, "Not a directory", ("--out", "net.arch/run")),
    "a loss that is not finite": Case(4, "is not finite", DIVERGES),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said_once_and_nothing_is_left_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    monkeypatch.chdir(tmp_path)
    case.before()
    before = sorted(tmp_path.rglob("*"))
    result = train(*case.arguments)
    assert result.exit_code == case.status, result.output
    assert result.stdout == ""
    assert case.message in result.stderr
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith(("error: ", "error[E"))
    assert "Traceback" not in result.stderr
    if case.status == 4:
        assert all(weight.isfinite().all() for weight in last_weights(Path("run")).values())
        assert not list(Path("run").rglob("*.part"))
    else:
        assert sorted(path for path in tmp_path.rglob("*") if path.name != "net.arch") == before


def test_a_run_that_exists_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert train().exit_code == 0
    before = contents(Path("run"))
    again = train()
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr.startswith("error: run exists and is not empty; a run never writes over it")
    assert contents(Path("run")) == before


def test_a_few_broken_images_are_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(broken=1)
    result = train("--data", "photos")
    assert result.exit_code == 0, result.output
    assert "0.png" in result.stderr


# ---- a disk that is full


class FullDisk:
    """The module `os`; after so many uses nothing more can be forced to the disk."""

    def __init__(self, after: int) -> None:
        self.after, self.uses = after, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, file: int) -> None:
        self.uses += 1
        if self.uses > self.after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)


def test_a_disk_that_is_full_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = FullDisk(10**6)
    monkeypatch.setattr(disk, "os", whole)
    assert train("--epochs", "1", "--out", "whole").exit_code == 0
    wanted = last_weights(Path("whole"))
    assert whole.uses > 10
    histories = 4  # the last files are history.csv and curves.png, each with its name: a run is whole without them
    for after in range(whole.uses):
        run = f"run{after}"
        monkeypatch.setattr(disk, "os", FullDisk(after))
        result = train("--epochs", "1", "--out", run)
        if after >= whole.uses - histories:
            assert result.exit_code == 0, result.output
            assert "No space left on device" in result.stderr
            assert "the run itself is whole" in result.stderr
        else:
            assert result.exit_code == 3, result.output
            (error,) = (line for line in result.stderr.splitlines() if line.startswith("error"))
            assert error.startswith(f"error: {run}{os.sep}")
            assert "No space left on device" in error
        monkeypatch.setattr(disk, "os", os)
        assert not list(Path(run).rglob("*.part"))
        if not Path(run).exists():
            continue
        again = CliRunner().invoke(main, ["train", "--resume", run])
        assert again.exit_code == 0, again.output
        assert same(last_weights(Path(run)), wanted)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no ulimit")
def test_a_limit_of_the_system(tmp_path: Path) -> None:
    """The kernel itself refuses the bytes of the first checkpoint; the run begins again where there is room."""
    (tmp_path / "net.arch").write_text(NET)
    command = shlex.join([sys.executable, "-m", "archc", "train", "net.arch", "--out", "run", *QUICK])
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 4; {command}"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"error: run{os.sep}last")
    assert "File too large" in done.stderr
    assert not list((tmp_path / "run").rglob("*.part"))
    assert len(archc.train(resume=tmp_path / "run", quiet=True).metrics) == 2


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file of a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def last_weights(run: Path) -> dict[str, Tensor]:
    """The weights of the last checkpoint."""
    module = archc.load("net.arch")
    load_weights(module, run, "last")
    return state_of(module)
