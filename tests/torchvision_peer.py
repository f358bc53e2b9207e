"""The zoo beside torchvision's builders of the same name: keys, outputs in eval mode, a step in training mode."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from unittest import mock

import torch
import torchvision
from torch import Tensor, nn

import archc

# What a builder is called with beside `weights=None`, so that it does not initialise: the weights are filled here.
OPTIONS = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
NAMES = {"aux_heads": "aux_logits"}  # torchvision's names of parameters, where they are others
SMALLEST = {"inception_v3": 299, "maxvit_t": 224, "alexnet": 63}  # the smallest input, where 64 does not do
SEGMENTATION = tuple(torchvision.models.list_models(module=torchvision.models.segmentation))
CLASSIFICATION = tuple(torchvision.models.list_models(module=torchvision.models))

# A small member of each family.
FAMILIES = (
    "alexnet",
    "convnext_tiny",
    "deeplabv3_mobilenet_v3_large",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "lraspp_mobilenet_v3_large",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_v2_t",
    "vgg11_bn",
    "vit_b_32",
)


class Compared(NamedTuple):
    """What is equal; where something is not, `note` says what."""

    keys: bool = False
    outputs: bool = False
    training: bool = False
    note: str = ""


@contextlib.contextmanager
def uninitialised() -> Iterator[None]:
    """Construct modules without the time and the memory of their first weights: pages are never touched."""
    names = [name for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")]
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(nn.init, name, lambda tensor, *args, **options: tensor))
        yield


def reference(name: str, settings: Mapping[str, object] = {}) -> nn.Module:
    """torchvision's network, without weights, with these parameters of archc's."""
    options = {**OPTIONS.get(name, {}), **{NAMES.get(key, key): value for key, value in settings.items()}}
    if name in SEGMENTATION:
        options["weights_backbone"] = None
    network = torchvision.models.get_model(name, weights=None, **options)
    assert isinstance(network, nn.Module)
    return network


def fill(network: nn.Module) -> None:
    """Give a network weights that no layer is indifferent to and that keep its values finite."""
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=generator)
        elif value.dim() > 1:
            value.normal_(0, 1.4 * value[0].numel() ** -0.5, generator=generator)
        else:
            value.uniform_(0.1, 0.9, generator=generator)


def same(mine: object, theirs: object) -> bool:
    """Whether two results are equal bit for bit: tensors, or dictionaries and named tuples of them by name.

    A dictionary of one entry, as a segmentation network leaves it, is a tensor in archc.
    """
    if isinstance(theirs, dict) and isinstance(mine, Tensor):
        return len(theirs) == 1 and same(mine, *theirs.values())
    if isinstance(theirs, dict):
        return same(list(theirs.items()), list(fields(mine).items()))
    if isinstance(theirs, tuple) and hasattr(theirs, "_asdict"):
        return same(theirs._asdict(), mine)
    if isinstance(theirs, Tensor):
        return isinstance(mine, Tensor) and torch.equal(mine, theirs)
    if isinstance(theirs, list | tuple):
        assert isinstance(mine, list | tuple)
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    return mine == theirs


def fields(result: object) -> dict[str, object]:
    """A result with several parts, by their names."""
    if isinstance(result, dict):
        return result
    return dict(result._asdict()) if isinstance(result, tuple) and hasattr(result, "_asdict") else {}


def entries(network: nn.Module) -> list[tuple[str, torch.Size, torch.dtype]]:
    """The `state_dict` of a network: keys, sizes and kinds of numbers, in order."""
    return [(name, value.shape, value.dtype) for name, value in network.state_dict().items()]


def compare(name: str, *, outputs: bool = True, settings: Mapping[str, object] = {}) -> Compared:
    """Compare a network of the zoo with torchvision's, both built with these settings.

    Keys, order, sizes and dtypes of the `state_dict`; with the same weights, the results in eval mode and, from one
    seed, those of a step in training mode with the buffers it leaves: this sees every dropout, rate and momentum.
    """
    with uninitialised():
        theirs, mine = reference(name, settings), archc.load(name, params=settings)
    expected, found = entries(theirs), entries(mine)
    if found != expected:
        pairs = [pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]]
        first = pairs[0] if pairs else (f"{len(found)} entries", f"{len(expected)}")
        return Compared(note=f"found {first[0]}, expected {first[1]}")
    for (key, buffer), value in zip(mine.state_dict().items(), theirs.state_dict().values(), strict=True):
        if not value.is_floating_point() and not torch.equal(buffer, value):
            return Compared(note=f"the buffer {key} differs")
    if not outputs:
        return Compared(keys=True)
    with torch.no_grad():
        fill(theirs)
        mine.load_state_dict(theirs.state_dict())
        x = torch.randn(2, 3, *size(name), generator=torch.Generator().manual_seed(1))
        equal = same(mine.eval()(x), theirs.eval()(x))
        results = []
        for network in (mine.train(), theirs.train()):
            torch.manual_seed(2)
            results.append(network(x))
        trained = same(*results) and same(dict(mine.state_dict()), dict(theirs.state_dict()))
    return Compared(True, equal, trained, "" if equal and trained else "results differ")


def size(name: str) -> tuple[int, int]:
    """The height and width that two networks are compared at: small, where the network takes it."""
    if name.startswith(("vit_", "swin_")):
        declared = archc.compile(name).inputs
        height, width = next(iter(declared.values()))[1:]
        assert isinstance(height, int)
        assert isinstance(width, int)
        return height, width
    side = SMALLEST.get(name, 64)
    return side, side
