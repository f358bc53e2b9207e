"""The Python API: `archc.compile`, `archc.load` and `archc.loads`."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from archc.compiler.elaboration.builder import MOST_LAYERS
from archc.files import open_file, open_text
from archc.network import Network, given, network

if TYPE_CHECKING:
    from torch import nn


def compile(
    file: str | os.PathLike[str],
    *,
    params: Mapping[str, object] | None = None,
    max_layers: int = MOST_LAYERS,
    **parameters: object,
) -> Network:
    """Check an architecture and return it as a network; no torch is imported.

    `file` is a path, `path:Name`, or a network of the zoo. Parameters of the architecture are given by name, or as
    `params` where one is called like an argument of this function. A network of more than `max_layers` layers is
    refused.

    Raises:
        ArchError: the text has mistakes; `str()` of it is the full diagnostic.
        UsageProblem: there is no such file or network.

    >>> compile("resnet18", num_classes=10).outputs
    {'output': (10,)}
    """
    return network(open_file(os.fspath(file)), given({**(params or {}), **parameters}), max_layers=max_layers)


def load(
    file: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    adapt_head: bool = False,
    params: Mapping[str, object] | None = None,
    max_layers: int = MOST_LAYERS,
    **parameters: object,
) -> "nn.Module":
    """Compile an architecture and return it as a plain `nn.Module`, initialised as its text says, or with weights.

    `file` is what `compile` takes, or the folder of a run, which gives its own architecture with its best weights.
    `weights` is a file of a `state_dict`, the folder of a run, or a name of torchvision's, such as `DEFAULT`; all of it
    must fit.
    `adapt_head` keeps the classifier's first values where its number of classes differs from that of the weights.

    Raises:
        ArchError: the text has mistakes.
        UsageProblem: there is no such file, network, run or weights, or the weights do not fit.
        EnvironmentProblem: weights are damaged, or cannot be fetched.

    >>> import torch
    >>> load("d2l/lenet")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    path = os.fspath(file)
    if os.path.isdir(path):
        from archc.training import load_run

        return load_run(path, max_layers=max_layers)
    if weights is None:
        return compile(path, params=params, max_layers=max_layers, **parameters).module()
    from archc.weights import module_with_weights, settings_for

    passed = {**settings_for(path, weights), **(params or {}), **parameters}
    return module_with_weights(compile(path, params=passed, max_layers=max_layers), weights, adapt_head=adapt_head)


def loads(text: str, *, params: Mapping[str, object] | None = None, **parameters: object) -> "nn.Module":
    """Compile an architecture given as a string and return it as a plain `nn.Module`.

    >>> loads("arch Net { input x: [4]; linear(2) }")
    Net(
      (0): Linear(in_features=4, out_features=2, bias=True)
    )
    """
    return network(open_text(text), given({**(params or {}), **parameters})).module()
