"""The training loop: one visible function, and below it what it is made of."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archc.runtime.data.resident import ResidentImages, shuffled
from archc.runtime.errors import RunInterrupted, RunStopped, SettingsError
from archc.runtime.machine import Machine
from archc.runtime.optimise import GuardedOptimizer, learning_rate
from archc.runtime.run import EpochRecord, Run
from archc.runtime.watch import Progress, Watch

SECONDS_BETWEEN_LOOKS = 0.5


def train_loop(
    run: Run,
    train: ResidentImages,
    test: ResidentImages,
    *,
    classes: int,
    machine: Machine,
    watch: Watch,
    stop_requested: Callable[[], int],
) -> None:
    """All epochs of a run. Inside an epoch nothing waits for the device, except to look at it each half second."""
    module, settings, device = run.module, run.settings, machine.device
    optimizer = GuardedOptimizer(module, settings)
    order = torch.Generator().manual_seed(settings.seed)
    step = 0
    for epoch in range(1, settings.epochs + 1):
        began = time.perf_counter()
        next_look = began + SECONDS_BETWEEN_LOOKS
        batches = shuffled(len(train), settings.batch_size, generator=order, device=device)
        totals, seen = new_totals(device), 0
        module.train()
        for rows in batches:
            images, labels = train.batch(rows)
            with autocast(machine):
                scores = checked_scores(module(images), count=len(rows), classes=classes)
            loss = F.cross_entropy(scores.float(), labels)
            loss.backward()
            rate = learning_rate(step, settings.epochs * len(batches), settings)
            optimizer.step(loss.detach(), lr=rate)
            step, seen = step + 1, seen + len(rows)
            totals += sums(loss, scores, labels)
            watch.step(Progress(epoch, settings.epochs, seen, len(train), partial(means, totals, seen)))
            if (number := stop_requested()) or time.perf_counter() > next_look:
                stop_unless_finite(optimizer, run, epoch)
                next_look = time.perf_counter() + SECONDS_BETWEEN_LOOKS
            if number:
                run.keep_last(step=step)
                where = f"{signal.Signals(number).name} in epoch {epoch}"
                raise RunInterrupted(
                    f"{where}: the step was finished and {run.folder / 'last'} written", signal_number=number
                )
        loss_mean, train_accuracy = means(totals, seen)
        stop_unless_finite(optimizer, run, epoch)
        train_seconds = time.perf_counter() - began
        test_loss, test_accuracy = evaluate(
            module, test, batch_size=2 * settings.batch_size, classes=classes, machine=machine
        )
        if not math.isfinite(test_loss):
            raise RunStopped(f"the test loss of epoch {epoch} is not finite; {run.left_behind()}")
        record = EpochRecord(
            epoch=epoch,
            loss=loss_mean,
            train_accuracy=train_accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            images_per_second=seen / train_seconds,
            train_seconds=train_seconds,
            seconds=time.perf_counter() - began,
            learning_rate=rate,
        )
        run.keep(record, step=step)
        watch.epoch_ends(record, settings.epochs)
    module.eval()


def evaluate(
    module: nn.Module, images: ResidentImages, *, batch_size: int, classes: int, machine: Machine
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of a module in eval mode over a whole set; the device is read once."""
    module.eval()
    totals = new_totals(machine.device)
    with torch.inference_mode():
        for batch, labels in images.in_order(batch_size):
            with autocast(machine):
                scores = checked_scores(module(batch), count=len(labels), classes=classes)
            totals += sums(F.cross_entropy(scores.float(), labels), scores, labels)
    return means(totals, len(images))


def autocast(machine: Machine) -> torch.autocast:
    """The context in which convolutions and matrix products compute in the machine's number type."""
    return torch.autocast(machine.device.type, machine.autocast, enabled=machine.autocast is not None)


def checked_scores(output: object, *, count: int, classes: int) -> Tensor:
    """The module's output, if it is one row of scores per image; else `SettingsError` says what came instead.

    >>> checked_scores(torch.zeros(4, 10), count=4, classes=10).shape
    torch.Size([4, 10])
    """
    if not isinstance(output, Tensor):
        raise SettingsError(f"training needs a network with one result, this one leaves a {type(output).__name__}")
    if output.ndim != 2 or len(output) != count or output.shape[1] < classes:
        raise SettingsError(
            f"training needs one score per class, that is {classes} numbers per image;"
            f" the network leaves {list(output.shape[1:])}"
        )
    return output


def new_totals(device: torch.device) -> Tensor:
    """Loss and number of right answers, summed over images on the device; both start at 0."""
    return torch.zeros(2, device=device, dtype=torch.float32 if device.type == "mps" else torch.float64)


def sums(loss: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
    """What one batch adds to the totals: its mean loss times its size, and its right answers."""
    return torch.stack([loss.detach() * len(labels), (scores.detach().argmax(1) == labels).sum()])


def means(totals: Tensor, images: int) -> tuple[float, float]:
    """Mean loss and accuracy; this reads the device, and so waits for it.

    >>> means(torch.tensor([6.0, 3.0]), 4)
    (1.5, 0.75)
    """
    loss, right = totals.tolist()
    return loss / images, right / images


def stop_unless_finite(optimizer: GuardedOptimizer, run: Run, epoch: int) -> None:
    """Raises `RunStopped` once a loss or gradient was not finite; the optimizer took no step since."""
    if optimizer.bad.item():
        raise RunStopped(
            f"a loss or gradient in epoch {epoch} is not finite (NaN or infinite); {run.left_behind()}."
            f" A smaller lr (it is {run.settings.lr:g}) often helps"
        )
