"""A trained network put to use, on the images of a set or of files, prepared as those that it was trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, Field, FiniteFloat, PositiveInt, ValidationError
from torch import Tensor, nn

from archc.runtime.data.augment import Augment
from archc.runtime.data.dataset import Data
from archc.runtime.data.decode import BrokenImage, read_image
from archc.runtime.data.grid import found_grid, prediction_grid, sample_rows
from archc.runtime.data.resident import Finish
from archc.runtime.data.resize import nearest, resize, resize_all
from archc.runtime.data.steps import read_steps
from archc.runtime.data.stream import image_set
from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.evaluate import computing, evaluate, shown
from archc.runtime.machine import Machine, as_chosen, choose_machine, image_budget
from archc.runtime.measures import Measures
from archc.runtime.objective import Objective
from archc.runtime.runs import read_json
from archc.runtime.settings import Settings

LUMINANCE = (299, 587, 114)
"""Thousandths of red, green and blue in grey, as Pillow converts (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A module with the weights of a run, in eval mode on its device, and how its images were prepared."""

    module: nn.Module
    settings: Settings
    machine: Machine
    classes: tuple[str, ...]
    segmentation: bool
    shape: tuple[int, int, int]
    """Channels, height and width that the network takes."""
    own_size: tuple[int, int, int]
    """Channels, height and width of the set that it was trained on."""
    mean: Tensor
    deviation: Tensor

    def test(self, data: Data) -> Measures:
        """The measures on the test images of a set, with the confusion matrix; see `as_trained`."""
        data = self.as_trained(data)
        images = image_set(
            data.test_images,
            data.test_labels,
            shape=self.shape,
            mean=self.mean,
            deviation=self.deviation,
            device=self.machine.device,
            budget=image_budget(self.machine.device),
            memory_format=self.machine.memory_format,
            augment=self._augment(),
        )
        objective = Objective(self.settings, classes=len(self.classes), segmentation=self.segmentation)
        return evaluate(self.module, images, objective=objective, machine=self.machine, confusion=True)

    def probabilities(self, images: Tensor) -> Tensor:
        """The probability of each class [N, classes], or for each pixel [N, classes, H, W], of bytes [N, C, H, W].

        The images have the channels and the size of the set that the network was trained on.
        """
        finish = Finish(
            shape=self.shape,
            mean=self.mean,
            deviation=self.deviation,
            device=self.machine.device,
            memory_format=self.machine.memory_format,
            augment=self._augment(),
        )
        size = finish.augment.held_size
        parts = []
        with torch.inference_mode(), computing(self.machine):
            for part in images.split(self.settings.test_batch_size or 2 * self.settings.batch_size):
                held = (part if size is None else resize_all(part, size)).to(self.machine.device)
                batch, _ = finish(held, torch.zeros(len(held), device=self.machine.device), None)
                scores = shown(self.module, batch, self.settings).float()
                parts.append((scores.exp() if self.settings.loss == "nll" else scores.softmax(1)).cpu())
        return torch.cat(parts)[:, : len(self.classes)]

    def as_trained(self, data: Data) -> Data:
        """A set whose test part has the labels, channels and size of the one that the network was trained on.

        Classes are matched by name, or by number where there are as many; else `SettingsError`.
        """
        if data.segmentation != self.segmentation:
            kinds = ("each image", "each pixel") if self.segmentation else ("each pixel", "each image")
            raise SettingsError(
                f"data set {data.name!r} labels {kinds[0]}, and the network was trained to label {kinds[1]}"
            )
        labels = data.test_labels
        if data.classes != self.classes and set(data.classes) <= set(self.classes):
            numbers = (
                torch.arange(256, dtype=labels.dtype) if data.segmentation else torch.zeros(data.num_classes).long()
            )
            numbers[: data.num_classes] = torch.tensor([self.classes.index(name) for name in data.classes])
            labels = numbers[labels.long()]
        elif data.num_classes != len(self.classes):
            unknown = next(name for name in data.classes if name not in self.classes)
            own = ", ".join(self.classes[:10]) + (" ..." if len(self.classes) > 10 else "")
            raise SettingsError(
                f"data set {data.name!r} has {data.num_classes} classes, among them {unknown!r}; the network was"
                f" trained on {len(self.classes)}: {own}"
            )
        images = self._in_channels(data.test_images)
        if tuple(images.shape[2:]) != self.own_size[1:]:
            images = resize_all(images, self.own_size[1:])
            labels = nearest(labels[:, None], self.own_size[1:])[:, 0] if data.segmentation else labels
        return replace(
            data, train_images=images[:1], train_labels=labels[:1], test_images=images, test_labels=labels,
            classes=self.classes,
        )  # fmt: skip

    def read(self, path: Path) -> Tensor:
        """A picture as uint8 [1, C, H, W], with the channels and the size of the set that the network was trained on.

        A broken one raises `EnvironmentProblem`.
        """
        channels, height, width = self.own_size
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, of damaged metadata
                return read_image(path, channels=channels, size=(height, width))[None]
        except BrokenImage as error:
            raise EnvironmentProblem(f"{path} cannot be read as a picture: {error}") from error

    def sample_grid(self, data: Data, *, samples: int, seed: int = 0) -> tuple[bytes, str]:
        """A PNG of random test images and what the network makes of them, and in words how much of it is right."""
        data = self.as_trained(data)
        rows = sample_rows(data.test_labels, samples, torch.Generator().manual_seed(seed))
        images, labels = data.test_images[rows], data.test_labels[rows]
        probabilities = self.probabilities(images)
        if self.segmentation:
            images, labels = resize(images, self.shape[1:]), nearest(labels[:, None], self.shape[1:])[:, 0]
        shown = replace(data, test_images=images, test_labels=labels)
        picture, right = prediction_grid(shown, probabilities)
        return picture, f"{len(rows)} test images, {right}"

    def found_grid(self, images: Tensor, predicted: Tensor, *, names: Sequence[str]) -> bytes:
        """A PNG of images as `read` gives them, each beside the classes [N, H, W] `predicted` of its pixels."""
        return found_grid(resize(images, self.shape[1:]), predicted, names=names, classes=self.classes)

    def _in_channels(self, images: Tensor) -> Tensor:
        """Grey images in colour, or the other way round, where the network was trained on those."""
        wanted, found = self.own_size[0], images.shape[1]
        if wanted == found:
            return images
        if found == 1:
            return images.expand(-1, wanted, -1, -1)
        if (wanted, found) == (1, 3):
            weights = torch.tensor(LUMINANCE)[None, :, None, None]
            return torch.cat(
                [((part * weights).sum(1, keepdim=True) + 500) // 1000 for part in images.split(1024)]
            ).byte()
        raise SettingsError(f"the images have {found} channels, and the network was trained on images of {wanted}")

    def _augment(self) -> Augment:
        return Augment(read_steps(self.settings.augment), size=self.shape[1:])


Size = tuple[PositiveInt, PositiveInt, PositiveInt]


class _DataFacts(BaseModel):
    """What `run.json` says of the data, as far as a trained network needs it."""

    classes: Annotated[list[str], Field(min_length=1)]
    segmentation: bool
    image_size: Size
    own_size: Size
    byte_mean: Annotated[list[FiniteFloat], Field(min_length=1)]
    byte_std: Annotated[list[Annotated[FiniteFloat, Field(gt=0)]], Field(min_length=1)]


def as_trained_in(folder: Path, module: nn.Module) -> Trained:
    """The module of a run, which has its weights, ready to be used as that run did.

    A run whose files are damaged raises `EnvironmentProblem`.
    """
    about = read_json(folder / "run.json")
    try:
        settings = Settings(**read_json(folder / "settings.json"))
    except SettingsError as error:
        raise EnvironmentProblem(f"{folder / 'settings.json'} is damaged, or of another version: {error}") from None
    settings = as_chosen(settings, about)
    try:
        data = _DataFacts.model_validate(about.get("data"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("data", *first["loc"])))
        raise EnvironmentProblem(f"{folder / 'run.json'} is damaged: {place}: {first['msg']}") from None
    try:
        machine = choose_machine(settings, module)
    except EnvironmentProblem:  # trained where there was another device
        machine = choose_machine(settings.but(device="auto"), module)
    return Trained(
        module=module.to(machine.device).eval(),
        settings=settings,
        machine=machine,
        classes=tuple(data.classes),
        segmentation=data.segmentation,
        shape=data.image_size,
        own_size=data.own_size,
        mean=torch.tensor(data.byte_mean),
        deviation=torch.tensor(data.byte_std),
    )
