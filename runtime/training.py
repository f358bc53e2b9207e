"""`fit`: from a module, a data set and settings to a run on disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from archc.runtime.data.augment import MIXING, Augment
from archc.runtime.data.dataset import Data, refuse_masks
from archc.runtime.data.resident import normalisation
from archc.runtime.data.steps import read_steps
from archc.runtime.data.stream import ImageSet, image_set
from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.first_look import Look, look
from archc.runtime.loop import train_loop
from archc.runtime.machine import Machine, choose_machine, image_budget, keep_freed_memory
from archc.runtime.optimise import initialise
from archc.runtime.run import Run, open_run
from archc.runtime.settings import Normalize, Settings, describe
from archc.runtime.signals import stop_requests
from archc.runtime.watch import Watch, watch_for

WHITE = 255.0  # the largest byte; `normalize` speaks of images from 0 to 1


def fit(
    module: nn.Module,
    data: Data,
    *,
    settings: Settings | None = None,
    out: Path | str,
    files: Mapping[str, str] | None = None,
    facts: Mapping[str, object] | None = None,
    input_size: tuple[int, ...] | None = None,
    origin: str = "",
    watch: Watch | None = None,
) -> Run:
    """Trains any module that maps images [B, C, H, W] to scores [B, classes], and keeps everything in the folder `out`.

    `input_size` is the shape (C, H, W) the module takes (None: that of the data, in the settings' `image_size`); images
    are resized to it. `files` (relative name: text) and `facts` (for `run.json`) are stored with the run. `origin` says
    where the settings come from, for people. Without `watch` the run reports to stderr. The module is trained in place
    and ends on the device, in eval mode, with the last weights.

    Raises `SettingsError`, `EnvironmentProblem`, `RunStopped` (a loss or gradient was not finite) or `RunInterrupted`
    (SIGINT, SIGTERM); the checkpoints written before stay.

    >>> import tempfile
    >>> from archc.runtime.data import load
    >>> from archc.runtime.watch import Silent
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fit(net, load("digits"), settings=Settings(epochs=2, lr=0.01), out=folder, watch=Silent())
    ...     run.best.test_accuracy > 0.8
    True
    """
    settings = settings or Settings()
    watch = watch or watch_for(sys.stderr)
    refuse_masks(data)
    shape = _image_shape(data, input_size, settings)
    machine = choose_machine(settings, module)
    _check_trainable(module, settings)
    about = {
        "data": {"name": data.name, "note": data.note, "classes": list(data.classes), "image_size": list(shape),
                 "training_images": len(data.train_images), "test_images": len(data.test_images)},
        "machine": machine.text,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
    }  # fmt: skip
    run = open_run(Path(out), module, settings, files=files or {}, facts={**(facts or {}), **about})
    only_repeatable = _deterministic(settings)
    with (
        only_repeatable,
        _seeded(settings.seed, machine.device),
        _memory_explained(settings),
        stop_requests() as stop_requested,
    ):
        ended = ""
        try:
            keep_freed_memory()
            initialise(module, settings.init)
            module.to(machine.device, memory_format=machine.memory_format)  # type: ignore[call-overload]  # undeclared
            train, test = _resident(data, shape, machine, settings)
            seen = look(module, test, settings=settings, classes=data.num_classes, machine=machine)
            opening = _opening(run, data, seen, placement=train.placement, shape=shape, machine=machine, origin=origin)
            watch.run_begins(opening)
            train_loop(
                run,
                train,
                test,
                forward=seen.forward,
                classes=data.num_classes,
                machine=machine,
                watch=watch,
                stop_requested=stop_requested,
            )
            ended = _closing(run)
        finally:
            watch.run_ends(ended)
    return run


def _image_shape(data: Data, input_size: tuple[int, ...] | None, settings: Settings) -> tuple[int, int, int]:
    channels, height, width = data.train_images.shape[1:]
    if input_size is None:
        height, width = settings.image_size or (height, width)
        return channels, height, width
    if settings.image_size is not None and settings.image_size != input_size[1:]:
        takes, asked = "x".join(map(str, input_size)), "x".join(map(str, settings.image_size))
        raise SettingsError(f"the network takes {takes}, and image_size asks for {asked}")
    fitting = (1, 3) if channels == 1 else (channels,)  # a grey image can be shown in three channels
    if len(input_size) != 3 or min(input_size) < 1 or input_size[0] not in fitting:
        takes = "x".join(map(str, input_size)) or "one number"
        fits = " or ".join(f"{count}xHxW" for count in fitting)
        raise SettingsError(f"the network takes {takes}; data set {data.name!r} fits networks that take {fits}")
    return input_size[0], input_size[1], input_size[2]


def _check_trainable(module: nn.Module, settings: Settings) -> None:
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise SettingsError("the network has no weights to train")
    norm = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in module.modules())
    if norm and settings.batch_size == 1:
        raise SettingsError("batch_size must be at least 2 for a network with batch norm, found 1")
    mixing = [step.name for step in read_steps(settings.augment) if step.name in MIXING]
    if mixing and settings.loss == "nll":
        raise SettingsError(f"augment: {mixing[0]} mixes labels, which takes loss cross_entropy, and the loss is nll")


def _resident(
    data: Data, shape: tuple[int, int, int], machine: Machine, settings: Settings
) -> tuple[ImageSet, ImageSet]:
    """Training and test images on the device, normalised as the settings say or by the training images' own levels."""
    mean, deviation = _levels(settings.normalize, data) if settings.normalize else normalisation(data.train_images)
    parts = ((data.train_images, data.train_labels), (data.test_images, data.test_labels))
    augment = Augment(read_steps(settings.augment), size=shape[1:])
    budget = image_budget(machine.device) // len(parts)
    train, test = (
        image_set(
            images,
            labels,
            shape=shape,
            mean=mean,
            deviation=deviation,
            device=machine.device,
            budget=budget,
            memory_format=machine.memory_format,
            augment=augment,
        )
        for images, labels in parts
    )
    return train, test


def _levels(normalize: Normalize, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation on the scale of bytes."""
    if len(normalize.mean) != data.channels:
        raise SettingsError(
            f"normalize has {len(normalize.mean)} numbers, one per channel; the images of data set {data.name!r} have"
            f" {data.channels} channel{'s' if data.channels > 1 else ''}"
        )
    return WHITE * torch.tensor(normalize.mean), WHITE * torch.tensor(normalize.std)


def _opening(
    run: Run, data: Data, seen: Look, *, placement: str, shape: tuple[int, int, int], machine: Machine, origin: str
) -> str:
    changed = ", ".join(f"{name}={value}" for name, value in run.settings.changed().items())
    default = origin or "no recipe: the default for every network" + (f" with {changed}" if changed else "")
    given, taken = ("x".join(map(str, size)) for size in (data.train_images.shape[1:], shape))
    return (
        f"{default}: {describe(run.settings)}\n"
        f"data {data.name}: {data.note}; {len(data.train_images):,} training and {len(data.test_images):,} test images,"
        f" {data.num_classes} classes, {given}{f' brought to {taken}' if taken != given else ''}, {placement}\n"
        f"on {machine.text}{seen.compiled}; run folder {run.folder}"
    ) + "".join(f"\nwarning: {warning}" for warning in seen.warnings)


def _closing(run: Run) -> str:
    best = run.best
    assert best is not None  # a run that ended has at least one epoch
    early = f"stopped: no better test accuracy in {run.settings.patience} epochs; "
    return (
        f"{early if len(run.metrics) < run.settings.epochs else ''}"
        f"best test accuracy {best.test_accuracy:.4f} after epoch {best.epoch},"
        f" last {run.metrics[-1].test_accuracy:.4f}; run folder {run.folder}"
    )


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's random numbers start from the seed; the caller's own go on afterwards as if nothing had been."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def _deterministic(settings: Settings) -> Iterator[None]:
    """With `deterministic`, inside torch takes only operations that repeat themselves bit for bit."""
    if not settings.deterministic:
        yield
        return
    before, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, and reads it at its first use
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        operation = str(error).partition(" does not have")[0]
        raise SettingsError(f"deterministic: torch's {operation} does not repeat itself bit for bit here") from error
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def _memory_explained(settings: Settings) -> Iterator[None]:
    """Turns a lack of memory inside, which torch reports in three ways, into an `EnvironmentProblem`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise EnvironmentProblem(
            f"the memory is full; batch_size={settings.batch_size // 2 or 1} needs less (it is {settings.batch_size})"
        ) from error
