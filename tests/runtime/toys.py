"""Small networks and data sets that the tests of the runtime share."""

import torch
from torch import Tensor, nn

from archc.runtime.data import Data
from archc.runtime.watch import Progress, Silent


def toy_data(count: int = 40, *, channels: int = 1, size: int = 4) -> Data:
    """Two classes that any network can tell apart: noise on the left half, noise on the right half."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % 2
    images = torch.randint(0, 60, (count, channels, size, size), generator=generator, dtype=torch.uint8)
    images[labels == 0, :, :, : size // 2] += 150
    images[labels == 1, :, :, size // 2 :] += 150
    return Data(
        name="toy",
        train_images=images,
        train_labels=labels,
        test_images=images[:10],
        test_labels=labels[:10],
        classes=("left", "right"),
        note="two made-up classes",
    )


def toy_net() -> nn.Module:
    """A convolution with batch norm, dropout and a linear layer: everything that makes a run depend on its seed."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 2)
    )


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the module's state."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether two states are equal bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Weights(Silent):
    """Notes the weights of a module after each step."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.steps = module, list[dict[str, Tensor]]()

    def step(self, progress: Progress) -> None:
        self.steps.append(state_of(self.module))
