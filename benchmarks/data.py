"""How fast batches are made: `python -m benchmarks.data [ROUNDS] [WORKERS]`.

Random crop with padding 4, horizontal flip and normalisation of 20,000 images of CIFAR's size, in batches of 128: on
whole batches, as archc does, against torchvision's transforms of single PIL images in a DataLoader (0 workers, and as
many as are given, 2 by default). On a quiet machine the mark is 60,000 images/s, where the DataLoader makes 6,000 to
8,500. Also without augmentation.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from archc.runtime.data.augment import Augment
from archc.runtime.data.resident import ResidentImages, shuffled
from archc.runtime.data.steps import read_steps
from archc.runtime.machine import keep_freed_memory
from benchmarks.paired import describe, machine

COUNT, BATCH = 20_000, 128
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


class Pictures(Dataset[tuple[Any, int]]):
    """Images of one tensor as PIL images through a transform, as torchvision's sets give them."""

    def __init__(self, pixels: torch.Tensor) -> None:
        self.pixels = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, DEVIATION),
            ]
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.pixels[row])), 0


def resident(pixels: torch.Tensor, steps: str) -> Callable[[], None]:
    """One epoch of archc's batches."""
    generator, cpu = torch.Generator().manual_seed(0), torch.device("cpu")
    held = ResidentImages(
        pixels,
        torch.zeros(len(pixels), dtype=torch.int64),
        shape=(3, 32, 32),
        mean=255 * torch.tensor(MEAN),
        deviation=255 * torch.tensor(DEVIATION),
        device=cpu,
        budget=1 << 40,
        memory_format=torch.channels_last,
        augment=Augment(read_steps(steps), size=(32, 32)),
    )

    def epoch() -> None:
        for rows in shuffled(len(held), BATCH, generator=generator, device=cpu):
            held.batch(rows, generator)

    return epoch


def loader(pixels: torch.Tensor, workers: int) -> Callable[[], None]:
    """One epoch of a DataLoader's batches; its workers stay alive from epoch to epoch."""
    batches = DataLoader(
        Pictures(pixels), batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )

    def epoch() -> None:
        for _ in batches:
            pass

    return epoch


def main(rounds: int, workers: int) -> None:
    keep_freed_memory()
    print(f"{machine()}, torch {torch.__version__}, torchvision {torchvision.__version__}, {BATCH} images in a batch")
    pixels = torch.randint(0, 256, (COUNT, 3, 32, 32), dtype=torch.uint8)
    ways = {
        "archc, crop and flip": resident(pixels, "crop, flip"),
        "archc, no augmentation": resident(pixels, ""),
        "DataLoader, 0 workers": loader(pixels[: COUNT // 4], 0),
        f"DataLoader, {workers} workers": loader(pixels[: COUNT // 4], workers),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, epoch in ways.items():
            began = time.perf_counter()
            epoch()
            seconds = time.perf_counter() - began
            if number:  # the first round warms up
                rates[name].append((COUNT if name.startswith("archc") else COUNT // 4) / seconds)
    ours = rates["archc, crop and flip"]
    for name, found in rates.items():
        ratio = describe([one / other for one, other in zip(ours, found, strict=True)], 1)
        print(f"{name:26}{describe(found, 0):>32} images/s; archc's crop and flip is {ratio} times as fast")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, int(sys.argv[2]) if len(sys.argv) > 2 else 2)
