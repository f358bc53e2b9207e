"""What a training step computes, beside torchvision's: the same operations, or fewer. Unlike time this is exact."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import archc
from tests.torchvision_peer import reference

EQUAL = (
    "alexnet",
    "convnext_tiny",
    "googlenet",
    "mobilenet_v2",
    "resnet18",
    "resnet50",
    "squeezenet1_1",
    "vgg11",
    "vit_b_32",
)
# Features are not concatenated anew for each layer of DenseNet; SiLU and hard swish are not written over their input,
# which their backward pass needs; ShuffleNet's channels change places in one operation.
FEWER = ("densenet121", "efficientnet_b0", "mobilenet_v3_small", "shufflenet_v2_x0_5")
SAME = {"transpose": "permute"}  # two names of one operation


class Operations(TorchDispatchMode):
    """Counts the operations of PyTorch that are run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.found[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


def operations(build: Callable[[], nn.Module]) -> Counter[str]:
    """The operations of a training step, forward and backward, on a device that computes nothing."""
    with torch.device("meta"):
        network, x = build().train(), torch.empty(2, 3, 224, 224)
    counted = Operations()
    with counted:
        result = network(x)
        values = (result,) if isinstance(result, Tensor) else result
        torch.stack([value.sum() for value in values if value is not None]).sum().backward()
    return counted.found


def total(found: Counter[str]) -> Counter[str]:
    """The counts of operations, no matter whether they write over their input."""
    result: Counter[str] = Counter()
    for name, count in found.items():
        plain = name.rstrip("_")
        result[SAME.get(plain, plain)] += count
    return result


@pytest.mark.parametrize("name", [*EQUAL, *FEWER])
def test_operations_are_those_of_torchvision(name: str) -> None:
    mine, theirs = operations(lambda: archc.load(name)), operations(lambda: reference(name))
    if name in EQUAL:
        assert total(mine) == total(theirs)
    assert mine.total() <= theirs.total()
    for activation in ("relu_", "hardtanh_", "leaky_relu_"):
        assert mine[activation] >= theirs[activation]


def test_residual_sums_take_no_memory() -> None:
    assert operations(lambda: archc.load("resnet18"))["add_"] == operations(lambda: reference("resnet18"))["add_"]
