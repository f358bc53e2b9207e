"""One trainer on one task in a process of its own; `python -m benchmarks.train` runs them in turn.

`python -m benchmarks.trainers TRAINER TASK IMAGES EPOCHS THREADS` prints its epochs as JSON. The peers train as their
own documents advise: the d2l loop as *Dive into Deep Learning* has it (4 workers, images one by one, numbers read at
every batch), Lightning with its defaults, and workers that stay. The bare step is no trainer, but the work they share.
"""

import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import archc
from archc.runtime import EpochRecord, Settings, Silent
from archc.runtime.data import Data, load
from archc.runtime.data.resident import ResidentImages
from archc.runtime.evaluate import computing
from archc.runtime.machine import choose_device, choose_machine, keep_freed_memory
from archc.runtime.optimise import initialise
from archc.training import resolve_recipe

WORKERS = 4
BARE = "bare step"
Loader = DataLoader[tuple[Tensor, Tensor]]


class Task(NamedTuple):
    """A network, which has a recipe of its name, on a data set, and what one run of it takes."""

    network: str
    data: str
    batch: int
    images: int
    """Training images in an epoch; the test part is cut by the same share."""
    epochs: int
    """The first one warms up and is not counted."""


TASKS = {
    "lenet": Task("d2l/lenet", "mnist", 256, 60_000, 4),
    "resnet18": Task("d2l/resnet18", "mnist", 128, 1280, 3),
    "alexnet": Task("d2l/alexnet", "mnist", 128, 1280, 3),
    "vgg": Task("cifar/vgg", "cifar10", 128, 5120, 3),
}


class Epoch(NamedTuple):
    """Seconds of the training part, and of the whole epoch with its test and whatever else the trainer does."""

    train: float
    whole: float
    kept: float = 0.0
    """Of the whole: seconds in which archc wrote its checkpoint, metrics and curves."""


def part_of(task: Task, count: int) -> Data:
    """`count` training images of the set in `ARCHC_DATA`, chosen at random, and the same share of its test images."""
    root = os.environ["ARCHC_DATA"]
    folder = Path(root, task.data)
    data = load(str(folder) if folder.is_dir() else task.data, root)
    share = min(1.0, count / len(data.train_images))
    chosen = torch.Generator().manual_seed(0)
    train, test = (
        torch.randperm(len(part), generator=chosen)[: round(share * len(part))]
        for part in (data.train_images, data.test_images)
    )
    return replace(
        data,
        train_images=data.train_images[train],
        train_labels=data.train_labels[train],
        test_images=data.test_images[test],
        test_labels=data.test_labels[test],
    )


def settings_of(task: Task, epochs: int) -> Settings:
    """The settings of the network's own recipe, with the batch of the task."""
    return resolve_recipe(task.network).settings.but(batch_size=task.batch, epochs=epochs)


# ---- archc


class Clock(Silent):
    """Notes when epochs end, with all that was written."""

    def __init__(self) -> None:
        self.last, self.epochs = 0.0, list[Epoch]()

    def run_begins(self, *_: object) -> None:
        self.last = time.perf_counter()

    def epoch_ends(self, record: EpochRecord, *_: object) -> None:
        now = time.perf_counter()
        whole, self.last = now - self.last, now
        self.epochs.append(Epoch(record.train_seconds, whole, whole - record.seconds))


def archc_epochs(task: Task, data: Data, epochs: int, *, compiled: bool) -> list[Epoch]:
    """archc with the run's folder and all that is kept there, as a user has it."""
    clock = Clock()
    settings = settings_of(task, epochs).but(compile=compiled)
    with tempfile.TemporaryDirectory() as folder:
        archc.runtime.fit(archc.load(task.network), data, settings=settings, out=f"{folder}/run", watch=clock)
    return clock.epochs


# ---- what the peers share: torchvision's transforms of single images, a network, an optimizer


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Images as torchvision's sets give them: one by one, as PIL images, through a transform."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self.pixels = images.permute(0, 2, 3, 1).squeeze(-1).contiguous().numpy()
        self.labels, self.transform = labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Any:  # the loader makes tensors of the labels
        return self.transform(Image.fromarray(self.pixels[row])), self.labels[row]


def loaders(task: Task, data: Data, settings: Settings, *, persistent: bool) -> tuple[Loader, Loader]:
    """The training and the test part of the data, as the recipe's own source loads them."""
    last: list[Any] = [transforms.ToTensor()]
    if settings.image_size and settings.image_size != tuple(data.train_images.shape[2:]):
        last.insert(0, transforms.Resize(settings.image_size))
    if settings.normalize:
        last.append(transforms.Normalize(settings.normalize.mean, settings.normalize.std))
    first: list[Any] = []
    if "crop" in settings.augment:
        side = data.train_images.shape[-1]
        first = [transforms.RandomCrop(side, settings.augment["crop"]["padding"]), transforms.RandomHorizontalFlip()]
    train = Pictures(data.train_images, data.train_labels, transforms.Compose([*first, *last]))
    test = Pictures(data.test_images, data.test_labels, transforms.Compose(last))
    options: dict[str, Any] = {
        "batch_size": task.batch,
        "num_workers": WORKERS,
        "persistent_workers": persistent,
    }
    return DataLoader(train, shuffle=True, **options), DataLoader(test, **options)


def network_of(task: Task, settings: Settings) -> nn.Module:
    """The same module that archc trains, with first weights of the same distribution."""
    module = archc.load(task.network)
    initialise(module, settings.init)
    return module


def optimizer_of(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """As the sources write it."""
    if settings.optimizer.name == "sgd":
        return torch.optim.SGD(module.parameters(), lr=settings.lr)
    return torch.optim.Adam(module.parameters(), lr=settings.lr)


# ---- the d2l loop


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """The number of right answers, read from the device."""
    return float((scores.argmax(dim=1).type(labels.dtype) == labels).type(labels.dtype).sum())


def d2l_epochs(task: Task, data: Data, epochs: int) -> list[Epoch]:
    """The textbook's loop: one forward pass per batch, three sums of floats, the test in eval mode."""
    settings, device = settings_of(task, epochs), choose_device("auto")
    train, test = loaders(task, data, settings, persistent=False)
    module = network_of(task, settings).to(device)
    optimizer, loss_of = optimizer_of(module, settings), nn.CrossEntropyLoss()
    measured = []
    for _ in range(epochs):
        began = time.perf_counter()
        metric = [0.0, 0.0, 0.0]
        module.train()
        for images, labels in train:
            optimizer.zero_grad()
            X, y = images.to(device), labels.to(device)  # noqa: N806  # the book's own names
            scores = module(X)
            loss = loss_of(scores, y)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                seen = (float(loss * X.shape[0]), accuracy(scores, y), float(X.shape[0]))
                metric = [total + one for total, one in zip(metric, seen, strict=True)]
        trained = time.perf_counter()
        module.eval()
        tested = [0.0, 0.0]
        with torch.no_grad():
            for images, labels in test:
                X, y = images.to(device), labels.to(device)  # noqa: N806
                tested = [tested[0] + accuracy(module(X), y), tested[1] + float(y.numel())]
        measured.append(Epoch(trained - began, time.perf_counter() - began))
    return measured


# ---- the step itself


def bare_epochs(task: Task, data: Data, epochs: int) -> list[Epoch]:
    """Plain torch in the number type and memory order that are archc's rule, on one batch that is ready.

    Nothing is loaded, measured or tested; an epoch has as many steps as one of the others.
    """
    settings = settings_of(task, epochs)
    module = network_of(task, settings)
    machine = choose_machine(settings.but(im2col=False), module)
    levels = torch.zeros(data.channels), torch.full((data.channels,), 255.0)
    held = ResidentImages(
        data.train_images[: task.batch], data.train_labels[: task.batch],
        shape=(data.channels, *(settings.image_size or data.train_images.shape[2:])), mean=levels[0],
        deviation=levels[1], device=machine.device, budget=0, memory_format=machine.memory_format,
    )  # fmt: skip
    images, labels = held.batch(torch.arange(task.batch, device=machine.device))
    module.to(machine.device, memory_format=machine.memory_format)  # type: ignore[call-overload]  # undeclared
    optimizer, loss_of = optimizer_of(module, settings), nn.CrossEntropyLoss()
    keep_freed_memory()
    measured = []
    for _ in range(epochs):
        began = time.perf_counter()
        for _ in range(math.ceil(len(data.train_images) / task.batch)):
            optimizer.zero_grad()
            with computing(machine):
                scores = module(images)
            loss_of(scores.float(), labels).backward()
            optimizer.step()
        taken = time.perf_counter() - began
        measured.append(Epoch(taken, taken))
    return measured


def plain_accuracy(task: Task, data: Data, seed: int) -> float:
    """The test accuracy after the recipe's own epochs of the textbook's loop, in fp32, with all images in memory."""
    settings = resolve_recipe(task.network).settings
    torch.manual_seed(seed)
    module = network_of(task, settings)
    optimizer, loss_of = optimizer_of(module, settings), nn.CrossEntropyLoss()
    train, test = data.train_images / 255, data.test_images / 255
    for _ in range(settings.epochs):
        module.train()
        for rows in torch.randperm(len(train)).split(task.batch):
            optimizer.zero_grad()
            loss_of(module(train[rows]), data.train_labels[rows]).backward()
            optimizer.step()
    module.eval()
    with torch.no_grad():
        right = sum(
            accuracy(module(test[rows]), data.test_labels[rows]) for rows in torch.arange(len(test)).split(1000)
        )
    return right / len(test)


# ---- PyTorch Lightning


def lightning_epochs(task: Task, data: Data, epochs: int, *, compiled: bool) -> list[Epoch]:
    """Lightning's trainer with its defaults: progress bar, logger, a checkpoint per epoch."""
    import lightning

    settings = settings_of(task, epochs)
    train, test = loaders(task, data, settings, persistent=True)
    starts, turns, ends = list[float](), list[float](), list[float]()

    class Classifier(lightning.LightningModule):  # type: ignore[misc]  # its types are not looked at
        def __init__(self) -> None:
            super().__init__()
            self.network = network_of(task, settings)
            self.loss_of = nn.CrossEntropyLoss()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimizer_of(self.network, settings)

        def training_step(self, batch: Sequence[Tensor], number: int) -> Tensor:
            images, labels = batch
            scores = self.network(images)
            loss: Tensor = self.loss_of(scores, labels)
            right = (scores.argmax(1) == labels).float().mean()
            self.log_dict({"loss": loss, "accuracy": right}, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Sequence[Tensor], number: int) -> None:
            images, labels = batch
            scores = self.network(images)
            right = (scores.argmax(1) == labels).float().mean()
            self.log_dict({"test_loss": self.loss_of(scores, labels), "test_accuracy": right})

        def on_train_epoch_start(self) -> None:
            starts.append(time.perf_counter())

        def on_validation_start(self) -> None:
            turns.append(time.perf_counter())

    module = Classifier()
    if compiled:
        module.network.compile()  # its guide compiles the module; this way the names of its weights stay
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(max_epochs=epochs, default_root_dir=folder, num_sanity_val_steps=0)
        trainer.fit(module, train, test)
        ends = [*starts[1:], time.perf_counter()]
    return [Epoch(turn - start, end - start) for start, turn, end in zip(starts, turns, ends, strict=True)]


TRAINERS: dict[str, Callable[[Task, Data, int], list[Epoch]]] = {
    "archc": lambda task, data, epochs: archc_epochs(task, data, epochs, compiled=False),
    "archc, compiled": lambda task, data, epochs: archc_epochs(task, data, epochs, compiled=True),
    "d2l loop": d2l_epochs,
    BARE: bare_epochs,
    "Lightning": lambda task, data, epochs: lightning_epochs(task, data, epochs, compiled=False),
    "Lightning, compiled": lambda task, data, epochs: lightning_epochs(task, data, epochs, compiled=True),
}


def main(trainer: str, name: str, count: int, epochs: int, threads: int) -> None:
    """Print the epochs of one run, as a line of JSON."""
    torch.set_num_threads(threads)
    task = TASKS[name]
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        measured = TRAINERS[trainer](task, part_of(task, count), epochs)
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
