"""Time whole commands in turn (A B A B ...), so that a comparison holds where the machine's speed drifts."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

BUSY = 0.5  # a load above this is another process that takes part of what is measured


class Sample(NamedTuple):
    """One run of a command: seconds on the clock, seconds of processor, and the exit status."""

    wall: float
    cpu: float
    status: int


def run(command: Sequence[str]) -> Sample:
    """Run a command once, its output thrown away."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample(wall, cpu, done.returncode)


def in_turn(commands: Mapping[str, Sequence[str]], *, rounds: int) -> dict[str, list[Sample]]:
    """Run each command once to warm up (bytecode, disk cache), then all of them in turn, `rounds` times.

    Raises:
        SystemExit: a command failed, so there is nothing to compare.
    """
    for name, command in commands.items():
        if run(command).status != 0:
            raise SystemExit(f"{name} failed: {' '.join(command)}")
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            samples[name].append(run(command))
    return samples


def ratios(over: Sequence[Sample], under: Sequence[Sample]) -> list[float]:
    """The ratio of wall times, pair by pair.

    >>> ratios([Sample(6.0, 6.0, 0), Sample(8.0, 7.0, 0)], [Sample(2.0, 2.0, 0), Sample(2.0, 2.0, 0)])
    [3.0, 4.0]
    """
    return [a.wall / b.wall for a, b in zip(over, under, strict=True)]


def describe(values: Sequence[float], digits: int = 2) -> str:
    """Median with the range, as `3.5 (3.0 to 4.0)`.

    >>> describe([3.0, 4.0])
    '3.50 (3.00 to 4.00)'
    """
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def machine() -> str:
    """One line about the machine, with a warning when another process is at work."""
    load = os.getloadavg()[0]
    line = f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {load:.2f}"
    return line + (": another process is busy, so read ratios with care" if load > BUSY else "")
