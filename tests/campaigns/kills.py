"""kill -9 at random moments: `python -m tests.campaigns.kills --count 10 --seed 1`.

A run writes a checkpoint after every step, is killed, goes on, is killed again, ..., and in the end must have the
weights and the metrics of a run that nobody touched, bit for bit.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from archc.runtime import Settings, fit
from archc.runtime.run import EpochRecord, Run
from archc.runtime.watch import Silent, Watch
from tests.runtime.toys import same, state_of, toy_data, toy_net

SETTINGS = Settings(
    epochs=4, batch_size=8, device="cpu", optimizer="adamw", lr=0.01, ema=0.5, augment="crop, flip",
    checkpoint={"minutes": 1e-9},
)  # fmt: skip
MOST_KILLS = 4  # of one run


def train(folder: Path, watch: Watch | None = None) -> Run:
    """Begins the run of a folder, or goes on with it."""
    how: dict[str, Any] = (
        {"resume": folder} if (folder / "run.json").exists() else {"settings": SETTINGS, "out": folder}
    )
    return fit(toy_net(), toy_data(), watch=watch or Silent(), **how)


def killed(work: Callable[[], object], seconds: float) -> bool:
    """Does the work in a process of its own and kills that after so long; False where it was done before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)  # no handler of the parent runs in the child
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert status == 0, "the run failed"
    return False


def result(folder: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """The weights and the metrics, without the times, of a run that has ended."""
    weights: dict[str, torch.Tensor] = {}
    for which in ("last", "best"):
        run = Run(folder, toy_net(), SETTINGS)
        weights |= {f"{which} {name}": tensor for name, tensor in state_of(run.model(which)).items()}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    timeless = [{name: value for name, value in line.items() if "second" not in name} for line in lines]
    return weights, timeless


class Found(NamedTuple):
    """What a campaign saw."""

    wrong: list[str]
    kills: int


class Stopwatch(Silent):
    """Notes how long a run takes to its last epoch's end: what comes after is no longer worth a kill."""

    def __init__(self) -> None:
        self.began, self.seconds = time.monotonic(), 0.0

    def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
        self.seconds = time.monotonic() - self.began


def campaign(count: int, seed: int, folder: Path) -> Found:
    """Kills `count` runs at random moments."""
    torch.set_num_threads(1)
    train(folder / "first")  # what is imported and warmed up only once is no part of the length
    watch = Stopwatch()
    train(folder / "whole", watch)
    weights, metrics = result(folder / "whole")
    chance, wrong, total = random.Random(seed), [], 0
    for number in range(count):
        place = folder / f"run-{number}"
        kills = 0
        while kills < MOST_KILLS and killed(partial(train, place), chance.uniform(0, watch.seconds)):
            kills += 1
            if not (place / "run.json").exists():  # killed before the folder was complete: it is begun anew
                shutil.rmtree(place, ignore_errors=True)
        train(place)
        found, measured = result(place)
        if not same(weights, found) or metrics != measured:
            wrong.append(f"run {number} of seed {seed}, killed {kills} times, ended otherwise")
        total += kills
    return Found(wrong, total)


def main() -> int:
    """Run the campaign, and return 1 where a run ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10, help="runs, each killed up to 4 times (default 10)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(options.count, options.seed, Path(folder))
    print("\n".join(found.wrong) or f"{options.count} runs, killed {found.kills} times, ended as if they had not been")
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main())
