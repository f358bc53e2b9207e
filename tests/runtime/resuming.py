"""Runs that are stopped or killed, and go on: what the tests of that share."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from archc.runtime import RunInterrupted, Settings, fit
from archc.runtime.run import EpochRecord, Run
from archc.runtime.watch import Progress, Silent
from tests.runtime.toys import same, state_of, toy_data

BASE: dict[str, Any] = {"epochs": 4, "batch_size": 8, "device": "cpu", "patience": 3}
STEPS = 5  # of an epoch: 40 images in batches of 8


def norm_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


class StopAt(Silent):
    """Asks the run to stop after a step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def step(self, progress: Progress) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)


class Ended(NamedTuple):
    """All that a run leaves."""

    run: Run
    measured: list[EpochRecord]
    """The metrics without the times."""
    trained: dict[str, torch.Tensor]
    last: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]


def ended(run: Run, net: nn.Module) -> Ended:
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert lines == [record.as_dict() for record in run.metrics]
    measured = [record._replace(images_per_second=0, train_seconds=0, seconds=0) for record in run.metrics]
    return Ended(run, measured, state_of(net), state_of(run.model("last")), state_of(run.model("best")))


def trained(out: Path, make: Callable[[], nn.Module], settings: Settings, *stops: int) -> Ended:
    """A run that is stopped after so many steps, goes on with a new module, is stopped again, ..., to its end."""
    how: dict[str, Any] = {"settings": settings, "out": out}
    for stop in stops:
        with pytest.raises(RunInterrupted):
            fit(make(), toy_data(), watch=StopAt(stop), **how)
        torch.manual_seed(stop)  # whatever the next process draws
        how = {"resume": out}
    net = make()
    return ended(fit(net, toy_data(), watch=Silent(), **how), net)


def assert_equal(one: Ended, other: Ended) -> None:
    assert one.measured == other.measured
    for name in ("trained", "last", "best"):
        assert same(getattr(one, name), getattr(other, name))


SETTINGS = Settings(**BASE, ema=0.5, checkpoint={"minutes": 1e-9})  # a checkpoint after every step


class Killed(BaseException):
    """The end of a process, as far as the folder of its run can tell."""


class KillAt(Silent):
    """Ends the process after a step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def step(self, progress: Progress) -> None:
        self.left -= 1
        if self.left == -1:  # the step before has its checkpoint
            raise Killed


def killed(out: Path, step: int, settings: Settings = SETTINGS) -> Path:
    """The folder of a run that was killed after a step of the whole run, which has a checkpoint."""
    with pytest.raises(Killed):
        fit(norm_net(), toy_data(), watch=KillAt(step), settings=settings, out=out)
    return out


def resumed(folder: Path) -> Ended:
    net = norm_net()
    return ended(fit(net, toy_data(), watch=Silent(), resume=folder), net)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
