"""The training loop: one visible function, and below it what it is made of."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from archc.runtime.data.resident import shuffled
from archc.runtime.data.stream import ImageSet
from archc.runtime.errors import RunInterrupted, RunStopped, SettingsError
from archc.runtime.machine import Machine
from archc.runtime.optimise import GuardedOptimizer, learning_rate
from archc.runtime.run import EpochRecord, Run
from archc.runtime.settings import Settings
from archc.runtime.watch import Progress, Watch

SECONDS_BETWEEN_LOOKS = 0.5
OTHER_NUMBERS = 0x617263  # one seed for two generators would tie the augmentation to the order of the images

Forward = Callable[[Tensor], object]
"""The module, or what `torch.compile` made of it."""


def train_loop(
    run: Run,
    train: ImageSet,
    test: ImageSet,
    *,
    forward: Forward,
    classes: int,
    machine: Machine,
    watch: Watch,
    stop_requested: Callable[[], int],
) -> None:
    """All epochs of a run. Inside an epoch nothing waits for the device, except to look at it each half second."""
    module, settings, device = run.module, run.settings, machine.device
    optimizer = GuardedOptimizer(module, settings)
    mean = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(settings.ema)) if settings.ema else None
    tested = module if mean is None else mean.module
    order = torch.Generator().manual_seed(settings.seed)
    chance = torch.Generator().manual_seed(settings.seed ^ OTHER_NUMBERS)  # of the augmentation
    step = 0
    for epoch in range(1, settings.epochs + 1):
        began = time.perf_counter()
        next_look = began + SECONDS_BETWEEN_LOOKS
        batches = shuffled(len(train), settings.batch_size, generator=order, device=device)
        groups = grouped(batches, settings.accumulate)
        train.plan(batches)
        totals, seen = new_totals(device), 0
        module.train()
        for group in groups:
            step_loss, step_images = torch.zeros((), device=device), sum(map(len, group))
            for rows in group:
                images, labels = train.batch(rows, chance)
                images, targets = train.finish.augment.mix(images, labels, classes=classes, generator=chance)
                with autocast(machine):
                    scores = checked_scores(forward(images), count=len(rows), classes=classes)
                loss = loss_of(scores, targets, settings, smoothing=settings.label_smoothing)
                part = loss * (len(rows) / step_images)
                part.backward()
                step_loss += part.detach()
                totals += sums(loss, scores, labels)
                seen += len(rows)
            rate = learning_rate(step, settings.epochs * len(groups), settings)
            optimizer.step(step_loss, lr=rate)
            step += 1
            if mean is not None:
                mean.update_parameters(module)
            watch.step(Progress(epoch, settings.epochs, seen, len(train), partial(means, totals, seen)))
            if (number := stop_requested()) or time.perf_counter() > next_look:
                stop_unless_finite(optimizer, run, epoch)
                next_look = time.perf_counter() + SECONDS_BETWEEN_LOOKS
            if number:
                run.keep_last(tested, step=step)
                where = f"{signal.Signals(number).name} in epoch {epoch}"
                raise RunInterrupted(
                    f"{where}: the step was finished and {run.folder / 'last'} written", signal_number=number
                )
        loss_mean, train_accuracy = means(totals, seen)
        stop_unless_finite(optimizer, run, epoch)
        train_seconds = time.perf_counter() - began
        tested.eval()
        test_loss, test_accuracy = evaluate(
            forward if mean is None else tested, test, settings=settings, classes=classes, machine=machine
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
        run.keep(record, tested, step=step)
        watch.epoch_ends(record, settings.epochs)
        if settings.patience and epoch - run.best_epoch >= settings.patience:
            break
    if mean is not None:
        module.load_state_dict(tested.state_dict())
    module.eval()


def evaluate(
    forward: Forward, images: ImageSet, *, settings: Settings, classes: int, machine: Machine
) -> tuple[float, float]:
    """Mean loss and accuracy of a module that is in eval mode, over a whole set; the device is read once."""
    totals = new_totals(machine.device)
    with torch.inference_mode():
        for batch, labels in images.in_order(settings.test_batch_size or 2 * settings.batch_size):
            with autocast(machine):
                scores = checked_scores(forward(batch), count=len(labels), classes=classes)
            totals += sums(loss_of(scores, labels, settings), scores, labels)
    return means(totals, len(images))


def loss_of(scores: Tensor, labels: Tensor, settings: Settings, *, smoothing: float = 0.0) -> Tensor:
    """Mean loss of a batch: cross-entropy of scores, or the negative log-likelihood of log-probabilities.

    >>> loss_of(torch.tensor([[0.0, 0.0]]), torch.tensor([1]), Settings()).item()   # log 2
    0.6931471824645996
    """
    if settings.loss == "nll":
        return F.nll_loss(scores.float(), labels)
    return F.cross_entropy(scores.float(), labels, label_smoothing=smoothing)


def grouped(batches: Sequence[Tensor], count: int) -> list[Sequence[Tensor]]:
    """The batches in groups of `count` that make one step; the last group may be smaller.

    >>> [len(group) for group in grouped([torch.zeros(4)] * 5, 2)]
    [2, 2, 1]
    """
    return [batches[start : start + count] for start in range(0, len(batches), count)]


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
