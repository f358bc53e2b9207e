"""Existing weights for a network: read without unpickling, compared entry by entry, loaded all or none."""

import os
import pickle
import zipfile
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archc.compiler.ir import ShapedGraph
from archc.network import Network
from archc.problems import EnvironmentProblem, UsageProblem
from archc.runtime.checkpoint import open_checkpoint

WRAPPERS = ("state_dict", "model_state_dict", "model")  # under which training scripts keep the weights
PREFIXES = ("module.", "_orig_mod.")  # what DistributedDataParallel and torch.compile put before every name
LISTED = 10  # entries of each kind that a message names

# torchvision's builders change these with the weights that they load.
WITH_TORCHVISION_WEIGHTS: Mapping[str, Mapping[str, object]] = {
    "googlenet": {"transform_input": True},
    "inception_v3": {"transform_input": True},
}


def settings_for(name: str, weights: str | os.PathLike[str]) -> Mapping[str, object]:
    """The parameters of a network that go with torchvision's weights for it.

    >>> settings_for("googlenet", "DEFAULT"), settings_for("googlenet", "mine.safetensors")
    ({'transform_input': True}, {})
    """
    return {} if _is_file(os.fspath(weights)) else WITH_TORCHVISION_WEIGHTS.get(name.lower(), {})


def module_with_weights(built: Network, weights: str | os.PathLike[str], *, adapt_head: bool = False) -> nn.Module:
    """Construct a network and load weights into it, strictly.

    `weights` is a file, `.safetensors` or what `torch.save` wrote of a `state_dict`, the folder of a run, or the name
    of torchvision's weights for the network of this name, such as `DEFAULT`. With `adapt_head`, the layers that make
    the results keep their first values where they have another number of outputs than the weights.

    Raises:
        UsageProblem: there are no such weights, or they do not fit; the message lists what does not.
        EnvironmentProblem: the file is damaged, or torchvision's weights cannot be fetched.
    """
    if adapt_head:
        return adapted_module(built, weights)[0]
    found, origin = _named(built, os.fspath(weights))
    with _Uninitialised():
        module = built.module()
    _refuse_misfits(module.state_dict(), found, name=built.name, origin=origin)
    module.load_state_dict(found)
    return module


def adapted_module(built: Network, weights: str | os.PathLike[str]) -> tuple[nn.Module, list[str]]:
    """Construct a network with weights; return also the paths of the heads that kept their first values.

    Raises as `module_with_weights` does.
    """
    found, origin = _named(built, os.fspath(weights))
    module = built.module()
    own, heads = module.state_dict(), _heads(built.checked.shaped)
    kept = [name for name in found if name.rpartition(".")[0] in heads and _differ_in(0, found[name], own.get(name))]
    found.update({name: own[name] for name in kept})
    _refuse_misfits(own, found, name=built.name, origin=origin)
    module.load_state_dict(found)
    return module, list(dict.fromkeys(name.rpartition(".")[0] for name in kept))


class _Uninitialised(TorchFunctionMode):
    """Leaves out first values of parameters, all of which are about to be replaced."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name.endswith("_") and not name.endswith("__"):
            target = args[0] if args else (kwargs or {}).get("tensor")
            if isinstance(target, nn.Parameter):
                return target
        return function(*args, **(kwargs or {}))


# ---- reading


def _named(built: Network, weights: str) -> tuple[dict[str, Tensor], str]:
    """The weights of a file or of torchvision, and what to call them."""
    if _is_file(weights):
        return read_weights(weights), f"`{weights}`"
    from torchvision import models

    name = built.name.lower()
    if name not in models.list_models():
        raise UsageProblem(f"there is no file `{weights}`, and torchvision has no weights for a network `{name}`")
    known = models.get_model_weights(name)
    if weights not in known.__members__:
        listed = ", ".join(f"`{each}`" for each in known.__members__)
        raise UsageProblem(f"there is no file `{weights}`; torchvision's weights for `{name}` are {listed}")
    entry = known[weights]
    try:
        return dict(entry.get_state_dict(progress=False, check_hash=True, weights_only=True)), f"torchvision's {entry}"
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise EnvironmentProblem(
            f"torchvision's weights cannot be fetched from {entry.url}: {reason}; "
            "download that file elsewhere, and give its path"
        ) from None


def _is_file(weights: str) -> bool:
    """Whether weights are meant as a file, not as a name of torchvision's."""
    return os.path.lexists(weights) or bool(os.path.dirname(weights) or os.path.splitext(weights)[1])


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a `state_dict` from a file, or the best weights of a run's folder; nothing is unpickled but tensors.

    Raises:
        UsageProblem: there is no such file, or it holds something else.
        EnvironmentProblem: the file is damaged.
    """
    if os.path.isfile(os.path.join(path, "run.json")):
        return dict(open_checkpoint(Path(path, "best"), ("weights",)).tensors["weights"])
    if not os.path.isfile(path):
        raise UsageProblem(f"there is no file `{path}` with weights, and no run in a folder of that name")
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return dict(load_file(path))
        if zipfile.is_zipfile(path):  # torch does not look at the checksums that it writes
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"the checksum of {damaged} in it is wrong")
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows in torch as errors of every kind
        raise EnvironmentProblem(
            f"`{path}` cannot be read as weights: {_reason(error)}; "
            "archc reads .safetensors, and what `torch.save(module.state_dict(), path)` writes"
        ) from None
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not (isinstance(found, dict) and found and all(isinstance(value, Tensor) for value in found.values())):
        raise UsageProblem(f"`{path}` holds no `state_dict`: names with a tensor each")
    return _without_prefixes({str(name): value for name, value in found.items()})


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError) and "Unsupported global" in str(error):
        return "it holds more than tensors, such as a whole module, and nothing is unpickled"
    if isinstance(error, RuntimeError | ValueError | OSError):
        return str(error).strip().partition("\n")[0].partition(". ")[0]
    return "it is damaged, or no file of tensors"


def _without_prefixes(found: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


# ---- comparing


def _refuse_misfits(own: Mapping[str, Tensor], found: Mapping[str, Tensor], *, name: str, origin: str) -> None:
    missing = [key for key in own if key not in found]
    foreign = [key for key in found if key not in own]
    resized = [key for key in own if key in found and found[key].shape != own[key].shape]
    if not (missing or foreign or resized):
        return
    lines = [f"{origin} does not fit `{name}`: of its {len(own)} entries {len(own) - len(missing) - len(resized)} do"]
    for key in missing[:LISTED]:
        near = get_close_matches(key, foreign, n=1, cutoff=0.75)
        lines.append(
            f"  not there: {key}, {_size(own[key])}" + (f"; the nearest name there is {near[0]}" if near else "")
        )
    lines += _more(missing)
    for key in resized[:LISTED]:
        lines.append(f"  another size: {key} is {_size(found[key])} there, {_size(own[key])} in the network")
    lines += _more(resized)
    for key in foreign[:LISTED]:
        lines.append(f"  not in the network: {key}, {_size(found[key])}")
    lines += _more(foreign)
    if resized and not (missing or foreign):
        if all(_differ_in(0, found[key], own[key]) for key in resized):
            classes = found[resized[0]].shape[0]
            lines.append(
                f"  for another number of classes: num_classes={classes} takes them all, "
                "adapt_head=True of archc.load keeps the classifier's own first values"
            )
        elif all(_differ_in(1, found[key], own[key]) and own[key].shape[1] == 1 for key in resized):
            lines.append("  for images of other channels: `in_channels=3` shows grey images to a network for colour")
    raise UsageProblem("\n".join(lines))


def _more(keys: list[str]) -> list[str]:
    return [f"  and {len(keys) - LISTED} more"] if len(keys) > LISTED else []


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _differ_in(axis: int, found: Tensor, own: Tensor | None) -> bool:
    """Whether two weights differ in one axis alone: 0 is the number of outputs, 1 that of input channels."""
    if own is None or found.dim() != own.dim():
        return False
    return [number for number in range(own.dim()) if found.shape[number] != own.shape[number]] == [axis]


def _heads(shaped: ShapedGraph) -> set[str]:
    """The paths of the layers with weights that make the results."""
    made = {value: node for node in shaped.graph.nodes for value in node.outputs}
    waiting = [output.value for output in shaped.graph.outputs]
    heads, seen = set(), set[int]()
    while waiting:
        value = waiting.pop()
        if value in seen or value not in made:
            continue
        seen.add(value)
        node = made[value]
        if node.path and node.op.role in ("linear", "convolution"):
            heads.add(node.path)
        else:
            waiting.extend(node.inputs)
    return heads
