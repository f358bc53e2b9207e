"""What a run trains on: put together and checked before anything is written, then brought onto the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from archc.runtime.data.augment import Augment, check_mixing
from archc.runtime.data.dataset import Data, with_validation
from archc.runtime.data.fingerprint import fingerprint
from archc.runtime.data.resident import normalisation
from archc.runtime.data.steps import read_steps
from archc.runtime.data.stream import ImageSet, image_set
from archc.runtime.errors import SettingsError
from archc.runtime.first_look import Look, look
from archc.runtime.machine import Machine, choose_machine, image_budget
from archc.runtime.objective import Objective
from archc.runtime.optimise import initialise
from archc.runtime.request import Request
from archc.runtime.settings import Normalize, Settings
from archc.runtime.tuning import Tuned, tune

WHITE = 255.0  # the largest byte; `normalize` speaks of images from 0 to 1


class Ready(NamedTuple):
    """What a run trains on, checked against the module and the settings."""

    data: Data
    settings: Settings
    shape: tuple[int, int, int]
    """Channels, height and width of the images that the module is shown."""
    levels: tuple[torch.Tensor, torch.Tensor]
    """Mean and deviation of each channel, on the scale of bytes."""
    machine: Machine
    """As chosen by rule; trials may change it."""
    facts: dict[str, Any]
    """What of this `run.json` keeps."""


class Placed(NamedTuple):
    """The same on its device, and the way to compute there that trials found."""

    train: ImageSet
    test: ImageSet
    objective: Objective
    seen: Look
    tuned: Tuned


def prepare(module: nn.Module, request: Request, *, input_size: tuple[int, ...] | None) -> Ready:
    """Chooses the validation part, the size of the images and the device, and refuses what does not go together.

    Raises `SettingsError` or, where a device is not there, `EnvironmentProblem`.
    """
    data, settings = request.data, request.settings
    if settings.validation:
        data = with_validation(data, settings.validation, seed=settings.seed)
    shape = _image_shape(data, input_size, settings, module)
    levels = _levels(settings.normalize, data)
    machine = choose_machine(settings, module)
    _check_trainable(module, data, settings)
    facts = {
        "data": {"name": data.name, "note": data.note, "classes": list(data.classes), "image_size": list(shape),
                 "segmentation": data.segmentation, "own_size": list(data.train_images.shape[1:]),
                 "byte_mean": levels[0].tolist(), "byte_std": levels[1].tolist(),
                 "training_images": len(data.train_images), "test_images": len(data.test_images),
                 "fingerprint": fingerprint(data)},
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
    }  # fmt: skip
    return Ready(data, settings, shape, levels, machine, facts)


def place(module: nn.Module, ready: Ready) -> Placed:
    """Draws the first weights, brings module and images onto the device, and tries the ways to compute there.

    A module that cannot take the images raises its own `RuntimeError`, with a note on what it was shown.
    """
    settings, machine, data = ready.settings, ready.machine, ready.data
    initialise(module, settings.init)
    module.to(machine.device, memory_format=machine.memory_format)  # type: ignore[call-overload]  # undeclared
    train, test = _image_sets(data, ready.shape, machine, settings, levels=ready.levels)
    objective = Objective(settings, classes=data.num_classes, segmentation=data.segmentation)
    try:
        smallest = min(settings.batch_size, len(train))
        seen = look(module, test, settings=settings, objective=objective, im2col=machine.im2col, smallest=smallest)
    except RuntimeError as error:  # of the module itself
        shown = "x".join(map(str, ready.shape))
        error.add_note(f"the network was shown images of {shown}; image_size sets their size")
        raise
    if machine.im2col and not seen.im2col:
        machine = choose_machine(settings.but(im2col=False), module)
    tuned = tune(module, train, test, objective=objective, machine=machine)
    return Placed(train, test, objective, seen, tuned)


def _image_shape(
    data: Data, input_size: tuple[int, ...] | None, settings: Settings, module: nn.Module
) -> tuple[int, int, int]:
    channels, height, width = data.train_images.shape[1:]
    if input_size is None:
        stem = next((layer for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
        if channels == 1 and stem is not None and stem.in_channels == 3:
            channels = 3  # a network for colour is shown grey images in colour
        height, width = settings.image_size or (height, width)
        return channels, height, width
    if settings.image_size is not None and settings.image_size != input_size[1:]:
        takes, asked = "x".join(map(str, input_size)), "x".join(map(str, settings.image_size))
        raise SettingsError(
            f"the network takes {takes}, and image_size asks for {asked}; leave it out: images are brought to {takes}"
        )
    fitting = (1, 3) if channels == 1 else (channels,)  # a grey image can be shown in three channels
    if len(input_size) != 3 or min(input_size) < 1 or input_size[0] not in fitting:
        takes = "x".join(map(str, input_size)) or "one number"
        fits = " or ".join(f"{count}xHxW" for count in fitting)
        raise SettingsError(f"the network takes {takes}; data set {data.name!r} fits networks that take {fits}")
    return input_size[0], input_size[1], input_size[2]


def _check_trainable(module: nn.Module, data: Data, settings: Settings) -> None:
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise SettingsError("the network has no weights to train")
    check_mixing(read_steps(settings.augment), data, loss=settings.loss)


def _image_sets(
    data: Data,
    shape: tuple[int, int, int],
    machine: Machine,
    settings: Settings,
    *,
    levels: tuple[torch.Tensor, torch.Tensor],
) -> tuple[ImageSet, ImageSet]:
    """Training and test images, held on the device where they fit; normalised by mean and deviation."""
    mean, deviation = levels
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


def _levels(normalize: Normalize | None, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation on the scale of bytes: as the settings say, or those of the training images."""
    if normalize is None:
        return normalisation(data.train_images)
    if len(normalize.mean) not in (1, data.channels):
        raise SettingsError(
            f"normalize has {len(normalize.mean)} numbers, one per channel; the images of data set {data.name!r} have"
            f" {data.channels} channel{'s' if data.channels > 1 else ''}"
        )
    mean, deviation = (torch.tensor(numbers).expand(data.channels) for numbers in (normalize.mean, normalize.std))
    return WHITE * mean, WHITE * deviation
