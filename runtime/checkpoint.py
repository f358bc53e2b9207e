"""Checkpoints: weights as safetensors beside a manifest with their checksum. Nothing is ever unpickled.

A checkpoint is a folder with a weights file, which is never changed once written, and `manifest.json`, which names it.
Replacing the manifest is the one instant at which the new checkpoint takes the place of the old one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from archc.runtime.disk import explained, write_whole
from archc.runtime.errors import EnvironmentProblem, SettingsError

MANIFEST = "manifest.json"
FORMAT = 1


class Checkpoint(NamedTuple):
    """What a manifest says: the weights file with its size and SHA-256, and the moment of the run it belongs to."""

    file: str
    size: int
    sha256: str
    epoch: int
    """Epochs that were complete."""
    step: int
    """Steps of the whole run that were taken."""


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module as separate contiguous tensors on the CPU, which safetensors asks for."""
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise SettingsError(
                f"the module keeps a {type(value).__name__} in its state at {name!r};"
                " a checkpoint holds tensors only, so make it a buffer"
            )
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in state.items():
        tensor = value.detach().cpu().contiguous()
        if tensor.untyped_storage().data_ptr() in seen or tensor.untyped_storage().nbytes() != tensor.nbytes:
            tensor = tensor.clone()  # weights used in two places are written twice, and load as they were
        seen.add(tensor.untyped_storage().data_ptr())
        tensors[name] = tensor
    return tensors


def write_checkpoint(module: nn.Module, folders: tuple[Path, ...], *, epoch: int, step: int) -> None:
    """Writes the module's weights once and makes them the checkpoint of each of the folders, one after the other.

    When anything fails (`EnvironmentProblem`), the checkpoint that was there before is still there, whole.
    """
    content = safetensors.torch.save(tensors_of(module))
    name = _weights_name(step)
    checkpoint = Checkpoint(name, len(content), hashlib.sha256(content).hexdigest(), epoch, step)
    first = folders[0] / name
    for folder in folders:
        with explained(folder):
            folder.mkdir(exist_ok=True)
        if folder == folders[0] or not _linked(first, folder / name):
            write_whole(folder / name, content)
        write_whole(folder / MANIFEST, _manifest(checkpoint))
        for old in folder.glob("weights-*.safetensors"):
            if old.name != name:
                with suppress(OSError):  # a file too many does no harm, and the checkpoint is already safe
                    old.unlink()


def read_checkpoint(folder: Path) -> Checkpoint:
    """The manifest of a checkpoint folder; one that is missing, damaged or of another format is refused."""
    path = folder / MANIFEST
    if not path.is_file():
        raise EnvironmentProblem(f"{folder} holds no checkpoint: {MANIFEST} is not there")
    with explained(path):
        content = path.read_bytes()
    try:
        fields = json.loads(content)["checkpoint"]
        checkpoint = Checkpoint(**fields)
        intact = _manifest(checkpoint) == content and checkpoint.file == _weights_name(checkpoint.step)
    except (ValueError, TypeError, KeyError, RecursionError):
        intact = False
    if not intact:
        raise EnvironmentProblem(f"{path} is damaged: its own checksum does not fit (or a newer archc wrote it)")
    return checkpoint


def load_weights(module: nn.Module, folder: Path | str, which: str = "best") -> Checkpoint:
    """Loads the weights of a run's folder into `module`, all or none; `which` is `best` or `last`.

    A checkpoint that is missing or damaged in a single bit, or belongs to another network, raises
    `EnvironmentProblem` before the module is touched.
    """
    if which not in ("best", "last"):
        raise SettingsError(f"a run keeps the checkpoints best and last, found {which!r}")
    place = Path(folder) / which
    checkpoint = read_checkpoint(place)
    path = place / checkpoint.file
    with explained(path):
        found = path.stat()
    if not path.is_file() or found.st_size != checkpoint.size:  # read only when it can be right: it may be a pipe
        raise EnvironmentProblem(f"{path} is damaged: {found.st_size:,} bytes of {checkpoint.size:,}")
    with explained(path):
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != checkpoint.sha256:
        raise EnvironmentProblem(f"{path} is damaged: the checksum does not fit its {len(content):,} bytes")
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise EnvironmentProblem(f"{path} is no safetensors file: {error}") from error
    _refuse_foreign(path, found=tensors, wanted=module.state_dict())
    with torch.no_grad():
        module.load_state_dict(tensors, strict=True)
    return checkpoint


def _refuse_foreign(path: Path, *, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    foreign = f"{path} holds another network's weights"
    for name, tensor in wanted.items():
        if name not in found:
            raise EnvironmentProblem(f"{foreign}: {name!r} is not among them")
        if (there := _kind(found[name])) != (here := _kind(tensor)):
            raise EnvironmentProblem(f"{foreign}: {name!r} is {there} there, {here} in this network")
    for name in sorted(found):
        if name not in wanted:
            raise EnvironmentProblem(f"{foreign}: this network has no {name!r}")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _weights_name(step: int) -> str:
    return f"weights-{step:08d}.safetensors"


def _manifest(checkpoint: Checkpoint) -> bytes:
    """The only spelling of a manifest; reading compares with it, so that no flipped bit passes."""
    fields = json.dumps(checkpoint._asdict(), sort_keys=True)
    whole = {
        "checkpoint": checkpoint._asdict(),
        "format": FORMAT,
        "sha256": hashlib.sha256(fields.encode()).hexdigest(),
    }
    return (json.dumps(whole, indent=2) + "\n").encode()


def _linked(source: Path, target: Path) -> bool:
    """Gives a file a second name; False where the file system cannot."""
    try:
        target.unlink(missing_ok=True)
        os.link(source, target)
    except OSError:
        return False
    return True
