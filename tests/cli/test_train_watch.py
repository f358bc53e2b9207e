"""`archc train` in processes of their own: real signals, terminals, closed streams, `--json` and `--quiet`."""

import contextlib
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from click.testing import CliRunner, Result

import archc
from archc.cli import main
from archc.runtime import load_weights
from tests.checkout import ROOT
from tests.patience import PATIENCE

ARCHC = [sys.executable, "-m", "archc", "train"]
QUICK = ["--set", "device=cpu", "--set", "precision=fp32"]


def environment(**changed: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "TERM")}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **changed}


@contextlib.contextmanager
def started(command: list[str], folder: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed when the test has done with it."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(stream: IO[str] | None, part: str) -> None:
    assert stream is not None
    for line in stream:
        if part in line:
            return
    raise AssertionError(f"the process ended without {part!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_saves_and_stops(number: signal.Signals, tmp_path: Path) -> None:
    command = [*ARCHC, "d2l/lenet", "--epochs", "1000", "--json", "--out", "run", *QUICK]
    with started(command, tmp_path) as process:
        wait_for_line(process.stdout, '"epoch": 2')
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    stopped = json.loads(out.splitlines()[-1])
    assert stopped["event"] == "stopped"
    assert stopped["message"].startswith(number.name)
    assert err == f"error: {stopped['message']}\n"
    kept = archc.load("d2l/lenet")
    assert load_weights(kept, tmp_path / "run", "last").epoch >= 2
    assert all(weight.isfinite().all() for weight in kept.parameters())


SLOW = """
import sys, time
import torch
from archc.runtime import fit

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.steps = torch.nn.Linear(64, 10), 0

    def forward(self, x):
        self.steps += self.training
        if self.steps == 40:   # in the second epoch
            print("asleep", flush=True)
            time.sleep(600)
        return self.layer(x.flatten(1))

fit(Slow(), "digits", epochs=3, device="cpu", precision="fp32", layout="contiguous", out="run", quiet=True)
"""


def test_a_second_signal_stops_at_once_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    with started([sys.executable, "-c", SLOW], tmp_path) as process:
        wait_for_line(process.stdout, "asleep")
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)  # the step is to be finished
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode in (-signal.SIGINT, 130)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert [path.name for path in (tmp_path / "run").rglob("*.part")] == []
    kept = torch.nn.ModuleDict({"layer": torch.nn.Linear(64, 10)})
    assert load_weights(kept, tmp_path / "run", "last").epoch == 1


def on_terminal(folder: Path, *, columns: int, **changed: str) -> tuple[int, str]:
    """The exit status, and all that a terminal of so many columns got, of a short run."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [*ARCHC, "d2l/lenet", "--epochs", "3", "--out", "run", *QUICK, "--set", "batch_size=16"]
    variables = environment(TERM="xterm-256color", **changed)
    process = subprocess.Popen(command, cwd=folder, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so that the other side has closed
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)
    return process.wait(PATIENCE), shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [20, 120])
def test_the_bar_on_terminals(columns: int, tmp_path: Path) -> None:
    status, shown = on_terminal(tmp_path, columns=columns)
    assert status == 0, shown
    assert "Traceback" not in shown
    assert "epoch 3/3  loss" in shown
    assert "\x1b[?25h" in shown  # the cursor is there again
    assert shown.rstrip().endswith('model = archc.load("run")')
    moves = [line for line in shown.split("\x1b[2K") if "━" in line]
    assert moves
    if columns == 120:
        assert "left" in shown
        assert "images/s" in moves[-1]


def test_no_color_means_none(tmp_path: Path) -> None:
    status, shown = on_terminal(tmp_path, columns=100, NO_COLOR="1")
    assert status == 0
    assert not re.search(r"\x1b\[[0-9;]*[349][0-9](;|m)", shown)


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_streams_that_are_closed_from_the_start(option: list[str], tmp_path: Path) -> None:
    words = " ".join([*ARCHC, "d2l/lenet", "--epochs", "1", "--out", "run", *QUICK, *option, ">&- 2>&-"])
    subprocess.run(["sh", "-c", words], cwd=tmp_path, env=environment(), timeout=PATIENCE, check=True)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_reader_that_goes_away_does_not_stop_the_run(tmp_path: Path) -> None:
    words = " ".join([*ARCHC, "d2l/lenet", "--epochs", "3", "--out", "run", "--json", *QUICK, "| head -n 1"])
    done = subprocess.run(
        ["sh", "-c", words], cwd=tmp_path, env=environment(), timeout=PATIENCE, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["event"] == "begin"
    assert done.stderr == b""
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


def test_quiet_says_only_how_to_load_the_run_and_json_says_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*more: str) -> Result:
        return CliRunner().invoke(main, ["train", "d2l/lenet", "--epochs", "1", *QUICK, *more])

    monkeypatch.chdir(tmp_path)
    quiet = train("--quiet", "--out", "quiet")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, 'model = archc.load("quiet")\n', "")
    every = train("--json", "--out", "json")
    assert (every.exit_code, every.stderr) == (0, "")
    assert [json.loads(line)["event"] for line in every.stdout.splitlines()] == ["begin", "epoch", "end"]
    both = train("--json", "--quiet", "--out", "both")
    assert (both.exit_code, both.stdout) == (2, "")
    assert both.stderr == "error: --quiet says nothing and --json says everything; give one of them\n"
    taken = train("--json", "--out", "json")
    assert taken.exit_code == 2
    assert json.loads(taken.stdout)["event"] == "failed"
    assert "json exists and is not empty" in taken.stderr
