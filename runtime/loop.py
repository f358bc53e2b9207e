"""The training loop: one visible function, and below it what it is made of."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from archc.runtime.data.stream import ImageSet
from archc.runtime.errors import RunInterrupted, RunStopped
from archc.runtime.evaluate import Forward, computing, evaluate
from archc.runtime.freeze import train_mode
from archc.runtime.machine import Machine
from archc.runtime.optimise import GuardedOptimizer, learning_rate
from archc.runtime.run import EpochRecord, Run
from archc.runtime.settings import Settings
from archc.runtime.state import TrainState
from archc.runtime.watch import Progress, Watch

SECONDS_BETWEEN_LOOKS = 0.5
SMALLEST_SHARE = 1e-12
"""Of the pixels of a step that are labelled, where none is: its gradient is 0."""


def train_loop(
    run: Run,
    train: ImageSet,
    test: ImageSet,
    *,
    state: TrainState,
    forward: Forward,
    machine: Machine,
    watch: Watch,
    stop_requested: Callable[[], int],
) -> None:
    """All epochs of a run that are left. In an epoch nothing waits for the device, but to look at it each half second.

    What is left of an epoch that was stopped in its middle goes on as if nothing had been.
    """
    module, settings, device, objective = run.module, run.settings, machine.device, state.objective
    optimizer, augment = state.optimizer, train.finish.augment
    next_checkpoint = time.perf_counter() + seconds_between_checkpoints(settings)
    while not run.finished:
        epoch, totals, began = state.epoch, state.totals, time.perf_counter() - state.seconds
        next_look = time.perf_counter() + SECONDS_BETWEEN_LOOKS
        groups = grouped(state.batches(len(train), settings.batch_size), settings.accumulate)
        steps, groups = settings.epochs * len(groups), groups[state.taken :]
        train.plan([rows for group in groups for rows in group])
        train_mode(module)
        for group in groups:
            step_loss, step_images = torch.zeros((), device=device), sum(map(len, group))
            labelled = torch.zeros((), device=device) if objective.segmentation and len(group) > 1 else None
            for rows in group:
                images, labels = train.batch(rows, state.chance)
                images, targets = augment.mix(images, labels, classes=objective.classes, generator=state.chance)
                with computing(machine):
                    output = forward(images)
                scored = objective.score(output, labels, targets=targets, training=True)
                weight: float | Tensor = len(rows) / step_images
                if labelled is not None:  # the loss is a mean over labelled pixels, of which batches differ in number
                    weight = scored.counted / (step_images * scored.labels[0].numel())
                    labelled += weight
                part = scored.loss * weight
                optimizer.scaled(part).backward()
                step_loss += part.detach()
                totals.add(scored)
            share = None if labelled is None else labelled.clamp(min=SMALLEST_SHARE)
            optimizer.step(step_loss, lr=learning_rate(state.step, steps, settings), share=share)
            state.stepped()
            watch.step(Progress(epoch, settings.epochs, totals.images, len(train), totals.read))
            now = time.perf_counter()
            if (number := stop_requested()) or now > min(next_look, next_checkpoint):
                stop_unless_finite(optimizer, run, epoch)
                next_look = now + SECONDS_BETWEEN_LOOKS
                if number or now > next_checkpoint:
                    state.seconds = now - began
                    run.keep_last(state)
                    next_checkpoint = time.perf_counter() + seconds_between_checkpoints(settings)
            if number:
                raise interrupted(run, number, f"in epoch {epoch}: the step was finished")
        trained = totals.read()
        stop_unless_finite(optimizer, run, epoch)
        train_seconds = time.perf_counter() - began
        state.tested.eval()
        test_forward = forward if state.mean is None else state.tested
        found = evaluate(test_forward, test, objective=objective, machine=machine)
        if not math.isfinite(found.loss):
            raise RunStopped(f"the test loss of epoch {epoch} is not finite; {run.left_behind()}")
        record = EpochRecord(
            epoch=epoch,
            loss=trained.loss,
            train_accuracy=trained.accuracy,
            test_loss=found.loss,
            test_accuracy=found.accuracy,
            images_per_second=totals.images / train_seconds,
            train_seconds=train_seconds,
            seconds=time.perf_counter() - began,
            learning_rate=learning_rate(state.step - 1, steps, settings),
            train_mean_iou=trained.mean_iou,
            test_mean_iou=found.mean_iou,
            test_top5=found.top5,
        )
        state.next_epoch()
        if kept := run.keep(record, state):
            next_checkpoint = time.perf_counter() + seconds_between_checkpoints(settings)
        watch.epoch_ends(record, settings.epochs)
        if (number := stop_requested()) and not run.finished:
            if not kept:
                run.keep_last(state)
            raise interrupted(run, number, f"after epoch {epoch}")
    if state.mean is not None:
        module.load_state_dict(state.tested.state_dict())
    module.eval()


def grouped(batches: Sequence[Tensor], count: int) -> list[Sequence[Tensor]]:
    """The batches in groups of `count` that make one step; the last group may be smaller.

    >>> [len(group) for group in grouped([torch.zeros(4)] * 5, 2)]
    [2, 2, 1]
    """
    return [batches[start : start + count] for start in range(0, len(batches), count)]


def stop_unless_finite(optimizer: GuardedOptimizer, run: Run, epoch: int) -> None:
    """Raises `RunStopped` once a loss or gradient was not finite; the optimizer took no step since."""
    if optimizer.bad.item():
        raise RunStopped(
            f"a loss or gradient in epoch {epoch} is not finite (NaN or infinite); {run.left_behind()}."
            f" A smaller lr (it is {run.settings.lr:g}) often helps"
        )


def seconds_between_checkpoints(settings: Settings) -> float:
    """After so long within an epoch the next checkpoint is due; infinite where none is asked for.

    >>> seconds_between_checkpoints(Settings(checkpoint={"minutes": 2}))
    120.0
    """
    return 60 * settings.checkpoint.minutes or math.inf


def interrupted(run: Run, number: int, where: str) -> RunInterrupted:
    """What ends a run after a signal, once `last` is written."""
    said = (
        f"{signal.Signals(number).name} {where}, and {run.folder / 'last'} is written; {run.go_on} goes on from there"
    )
    return RunInterrupted(said, signal_number=number)
