"""Self-tuning: the ways a network may compute are tried on the first batch, and the fastest right one is taken."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn

from archc.runtime.data.stream import ImageSet
from archc.runtime.evaluate import Forward, computing
from archc.runtime.machine import Machine, device_name, ways_to_compute
from archc.runtime.objective import Objective
from archc.runtime.trials import Trials, untouched

TUNED_DEVICES = ("cpu", "cuda")
SHARE = 0.02
"""The part of the predicted run that trials may take."""
ROUNDS, MOST_ROUNDS = 3, 6
"""Trials of each way, and how many there may be where their times differ too much."""
STEADY = 1.1
"""The two shortest times of each way differ at most by this factor; else something else keeps the machine busy."""
LEAST_PROCESSOR = 0.75
"""What a CPU's trials get of a processor at least, together; else something else keeps the machine busy."""
MARGIN = 1.03
"""How much faster than the choice by rule another way must be."""
SHORT = 10.0
"""Seconds: a run that is predicted to take less is not worth a trial."""
TOLERANCE = 0.02
"""How much the first batch's loss may differ from that in fp32. Rounding to bf16 moved it by at most 0.4 % in nine
networks of the zoo; what overflows or cancels out moves it by far more."""

COMPILE_SECONDS, COMPILE_SECONDS_PER_LAYER = 20.0, 2.0
"""What compiling costs with an empty cache: in all, and per layer with weights."""
SAVED_BY_COMPILING = 0.1
"""The part of a step that compiling saves, at least, in the networks that it is for."""
SMALL_STEP = 0.005
"""Seconds per layer with weights: on a CPU only networks with shorter steps gain."""

COMPILE_MODES = {"cuda": "reduce-overhead"}
"""By kind of device. On a GPU a small network's time is that of starting its kernels one by one; CUDA graphs start all
at once."""

TOO_SHORT = "too short a run to try others"
BUSY = "the machine is too busy for trial steps to tell more"


class Tuned(NamedTuple):
    """What was chosen: the machine with its words for people, and what to call in place of the module."""

    machine: Machine
    forward: Forward
    chosen: dict[str, object]
    """The settings `precision`, `layout` and `compile` that give the same again."""


class Explored(NamedTuple):
    """What trials showed: the shortest time of each way, or why they show nothing."""

    shortest: dict[Machine, float]
    trials: int
    why: str


def tune(module: nn.Module, train: ImageSet, test: ImageSet, *, objective: Objective, machine: Machine) -> Tuned:
    """Chooses what the settings leave open, and brings the module and the images into the memory order chosen.

    Nothing else changes: weights, buffers and random numbers are those before. With `deterministic`, or where the run
    is too short for trials, the `machine` chosen by rule stays.
    """
    settings = objective.settings
    batches = settings.epochs * math.ceil(len(train) / settings.batch_size)
    ways = ways_to_compute(machine, settings, module)
    seconds = None
    may_tune = not settings.deterministic and machine.device.type in TUNED_DEVICES
    if may_tune and (len(ways) > 1 or settings.compile == "auto"):
        machine, seconds = _fastest(module, train, ways, objective=objective, rule=machine, batches=batches)
    for part in (train, test):
        part.finish.memory_format = machine.memory_format
    module.to(memory_format=machine.memory_format)
    forward: Forward = module
    words = ""
    layers = sum(parameter.ndim > 1 for parameter in module.parameters())
    if settings.compile is True or (
        settings.compile == "auto"
        and seconds
        and worth_compiling(seconds, batches, layers=layers, device=machine.device)
    ):
        forward, words = _compiled(module, train, test, objective=objective, machine=machine)
    machine = machine._replace(text=machine.text + words)
    return Tuned(machine, forward, {**machine.chosen, "compile": forward is not module})


def explore(
    ways: Sequence[Machine],
    seconds: Callable[[Machine], float],
    *,
    batches: int,
    least: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Explored:
    """Times the ways in turn, the first one as the measure of the run's length, while the budget lasts.

    In turn and by the shortest time, as another process only ever adds to a time: it must not decide. Where they get
    less than `least` of a processor, or their times differ too much, nothing is decided.
    """
    times: dict[Machine, list[float]] = {way: [] for way in ways}
    began, used, trials = clock(), time.process_time(), 0
    for number in range(1, MOST_ROUNDS + 1):
        for way in ways:
            times[way].append(seconds(way))
            trials += 1
            predicted = batches * min(times[ways[0]])
            if predicted < SHORT or (number < ROUNDS and clock() - began > SHARE * predicted):
                return Explored({}, trials, TOO_SHORT)
        if time.process_time() - used < least * (clock() - began):
            break
        if number >= ROUNDS and all(map(_steady, times.values())):
            return Explored({way: min(taken) for way, taken in times.items()}, trials, "")
        if number >= ROUNDS and clock() - began > SHARE * predicted:
            break
    return Explored({}, trials, BUSY)


def worth_compiling(seconds: float, batches: int, *, layers: int, device: torch.device) -> bool:
    """Whether compiling is predicted to save more than twice what it costs.

    >>> lenet = 0.02   # seconds per step
    >>> [worth_compiling(lenet, epochs * 235, layers=5, device=torch.device("cpu")) for epochs in (10, 200)]
    [False, True]
    """
    small = device.type != "cpu" or seconds < SMALL_STEP * layers
    cost = COMPILE_SECONDS + COMPILE_SECONDS_PER_LAYER * layers
    return small and SAVED_BY_COMPILING * seconds * batches > 2 * cost


def agree(loss: float, reference: float) -> bool:
    """Whether a loss is that in fp32 up to rounding; where either is not finite, nothing agrees.

    >>> agree(2.31, 2.30), agree(2.31, 1.30), agree(float("nan"), 2.30)
    (True, False, False)
    """
    return abs(loss - reference) <= TOLERANCE * abs(reference) < math.inf


def _fastest(
    module: nn.Module, train: ImageSet, ways: Sequence[Machine], *, objective: Objective, rule: Machine, batches: int
) -> tuple[Machine, float | None]:
    """The fastest way whose loss agrees with the first one's, and the seconds of its pass; None: no trial told."""
    found, note = Explored({}, 0, TOO_SHORT), ""
    shortest = found.shortest
    try:
        if batches * SHARE > ROUNDS * len(ways):
            with untouched(module, rule.device):
                trials = Trials(module, train, objective=objective, device=rule.device)
                least = LEAST_PROCESSOR if rule.device.type == "cpu" else 0.0
                found = explore(ways, trials.seconds, batches=batches, least=least)
                shortest, note = _right(found.shortest, trials, rule)
    except (MemoryError, RuntimeError) as error:  # fp32 may need more memory than there is
        found = Explored({}, 0, f"a trial step failed: {_first_line(error)}")
    if len(ways) == 1:
        return rule, shortest.get(ways[0])
    if not shortest:
        return rule._replace(text=f"{rule.text} ({found.why})"), None
    best, first = _least(shortest, rule), ways[0]
    faster = f"{shortest[first] / shortest[best]:.2f} times as fast as {first.text}"
    if best == first:
        faster = f"no other of {len(ways)} ways faster"
    text = f"{device_name(best.device)}, {best.text}: {faster}, in {found.trials} trial steps{note}"
    return best._replace(text=text), shortest[best]


def _right(shortest: dict[Machine, float], trials: Trials, rule: Machine) -> tuple[dict[Machine, float], str]:
    """The ways whose loss agrees with the first one's, of which only the number type decides, and a word on others."""
    if not shortest:
        return {}, ""
    first, best = next(iter(shortest)), _least(shortest, rule)
    if best.autocast is first.autocast:
        return shortest, ""
    reference, loss = trials.loss(first), trials.loss(best)
    if agree(loss, reference):
        return shortest, ""
    note = f"; with {best.chosen['precision']} the first loss is {loss:.4g}, not {reference:.4g}"
    return {way: taken for way, taken in shortest.items() if way.autocast is first.autocast}, note


def _least(shortest: dict[Machine, float], rule: Machine) -> Machine:
    """The way with the shortest time, or that of the rule where it is hardly slower."""
    kept = next((way for way in shortest if way.chosen == rule.chosen), None)
    least = min(shortest, key=lambda way: shortest[way])
    return kept if kept is not None and shortest[kept] <= MARGIN * shortest[least] else least


def _steady(taken: Sequence[float]) -> bool:
    first, second = sorted(taken)[:2]
    return second <= STEADY * first


def _compiled(
    module: nn.Module, train: ImageSet, test: ImageSet, *, objective: Objective, machine: Machine
) -> tuple[Forward, str]:
    """What `torch.compile` makes of the module, or where it fails or is no faster the module; and words for people."""
    settings = objective.settings
    words = ", compiled"
    try:
        with untouched(module, machine.device):
            trials = Trials(module, train, objective=objective, device=machine.device)
            began = time.perf_counter()
            forward = torch.compile(module, mode=COMPILE_MODES.get(machine.device.type))
            trials.seconds(machine, forward)
            cost = time.perf_counter() - began
            if settings.compile == "auto":
                pairs = [(trials.seconds(machine), trials.seconds(machine, forward)) for _ in range(ROUNDS)]
                eager, compiled = map(min, zip(*pairs, strict=True))
                measured = f"{eager / compiled:.2f} times as fast, after {cost:.0f} s"
                if eager < MARGIN * compiled:
                    return module, f", not compiled ({measured})"
                words += f" ({measured})"
            if not settings.ema:  # the test calls it too
                module.eval()
                batch, _ = next(iter(test.in_order(settings.test_batch_size or 2 * settings.batch_size)))
                with torch.inference_mode(), computing(machine):
                    forward(batch)
    except Exception as error:  # whatever a compiler may raise, the module itself has just run
        missing = "InvalidCxxCompiler" in str(error)
        reason = "there is no C++ compiler" if missing else f"{type(error).__name__}: {_first_line(error)}"
        return module, f", not compiled ({reason})"
    return forward, words


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
