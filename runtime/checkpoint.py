"""Checkpoints: tensors as safetensors beside a manifest with their checksums. Nothing is ever unpickled.

A checkpoint is a folder with files that are never changed once written, and `manifest.json`, which names them.
Replacing the manifest is the one instant at which the new checkpoint takes the place of the old one. `last` keeps the
old one too, as `previous.json`: when a file of the new one is damaged, that one is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from warnings import warn

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from archc.runtime.disk import explained, sync_folder, write_whole
from archc.runtime.errors import EnvironmentProblem, SettingsError

MANIFEST = "manifest.json"
PREVIOUS = "previous.json"
FORMAT = 1
LARGEST_MANIFEST = 64 << 20


class Part(NamedTuple):
    """A file of a checkpoint: its name, which begins with its role, its size in bytes, and its checksum."""

    file: str
    size: int
    sha256: str


class Checkpoint(NamedTuple):
    """What a manifest says: the moment of the run, the files by their roles, and what is no tensor."""

    epoch: int
    """Epochs that were complete."""
    step: int
    """Steps of the whole run that were taken."""
    parts: dict[str, Part]
    """`weights`, and in `last` also `state`, which is what the run needs besides to go on."""
    progress: dict[str, Any]
    """Numbers and texts that the run needs to go on."""


class Opened(NamedTuple):
    """A checkpoint whose files were read and are whole."""

    checkpoint: Checkpoint
    tensors: dict[str, dict[str, Tensor]]
    """The tensors of each file, by its role."""
    lost: str
    """What is wrong with a newer checkpoint that could not be read; empty where this one is the newest."""


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module as separate contiguous tensors on the CPU, which safetensors asks for."""
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise SettingsError(
                f"the module keeps a {type(value).__name__} in its state at {name!r};"
                " a checkpoint holds tensors only, so make it a buffer"
            )
    return separate(state)


def separate(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as contiguous ones on the CPU, none of which shares its memory with another."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in found.items():
        tensor = value.detach().cpu().contiguous()
        if tensor.untyped_storage().data_ptr() in seen or tensor.untyped_storage().nbytes() != tensor.nbytes:
            tensor = tensor.clone()  # weights used in two places are written twice, and load as they were
        seen.add(tensor.untyped_storage().data_ptr())
        tensors[name] = tensor
    return tensors


def write_checkpoint(
    folder: Path,
    contents: Mapping[str, bytes],
    *,
    epoch: int,
    step: int,
    progress: Mapping[str, object] | None = None,
    beside: Path | None = None,
    keep_previous: bool = False,
) -> None:
    """Writes files, by their roles the bytes of safetensors, and makes them the checkpoint of a folder.

    What already lies in the checkpoint folder `beside` gets a second name instead of being written again. When anything
    fails (`EnvironmentProblem`), the checkpoint that was there before is still there, whole.
    """
    with explained(folder):
        folder.mkdir(exist_ok=True)
    sums = {role: hashlib.sha256(content).hexdigest() for role, content in contents.items()}
    parts = {
        role: Part(_name(role, epoch, step, sums[role]), len(content), sums[role]) for role, content in contents.items()
    }
    for role, part in parts.items():
        if beside is None or not _linked(beside / part.file, folder / part.file):
            write_whole(folder / part.file, contents[role], sync_name=False)  # the manifest's writing syncs the folder
    manifest = _manifest(Checkpoint(epoch, step, parts, dict(progress or {})))
    needed = {part.file for part in parts.values()}
    if keep_previous and (before := _intact(folder / MANIFEST)) is not None:
        needed |= {part.file for part in before.parts.values()}
        if not _linked(folder / MANIFEST, folder / PREVIOUS):
            write_whole(folder / PREVIOUS, _manifest(before))
    with explained(folder):
        sync_folder(folder)
    write_whole(folder / MANIFEST, manifest)
    for old in (*folder.glob("*.safetensors"), *folder.glob(".*.part")):
        if old.name not in needed:
            with suppress(OSError):  # a file too many does no harm, and the checkpoint is already safe
                old.unlink()


def read_manifest(path: Path) -> Checkpoint:
    """The manifest at a path; one that is missing, damaged or of another format is refused."""
    if not path.is_file():
        raise EnvironmentProblem(f"{path.parent} holds no checkpoint: {path.name} is not there")
    with explained(path), path.open("rb") as file:
        content = file.read(LARGEST_MANIFEST + 1)
    try:
        fields = json.loads(content)["checkpoint"]
        parts = {role: Part(**part) for role, part in fields.pop("parts").items()}
        checkpoint = Checkpoint(**fields, parts=parts)
        intact = (
            isinstance(fields["progress"], dict)
            and _manifest(checkpoint) == content
            and all(
                type(part.size) is int and part.file == _name(role, checkpoint.epoch, checkpoint.step, part.sha256)
                for role, part in parts.items()
            )
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise EnvironmentProblem(f"{path} is damaged: its own checksum does not fit (or a newer archc wrote it)")
    return checkpoint


def holds_checkpoint(folder: Path) -> bool:
    """Whether a checkpoint was ever completed in this folder, damaged or not."""
    return any(os.path.lexists(folder / name) for name in (MANIFEST, PREVIOUS))


def open_checkpoint(folder: Path, roles: tuple[str, ...]) -> Opened:
    """Reads the files of these roles: of the newest checkpoint, or where it is damaged of the one before.

    Where none is whole, `EnvironmentProblem` says what is wrong with the newest.
    """
    lost = ""
    for name in (MANIFEST, PREVIOUS):
        try:
            checkpoint = read_manifest(folder / name)
            return Opened(checkpoint, {role: _tensors(folder, checkpoint, role) for role in roles}, lost)
        except EnvironmentProblem as error:
            if name == PREVIOUS:
                raise EnvironmentProblem(lost) from error
            lost = str(error)
    raise AssertionError("the second of two either returns or raises")


def step_back(folder: Path) -> None:
    """Makes the checkpoint before the newest the newest, which is damaged: a new one then cannot take its place."""
    with explained(folder / MANIFEST):
        write_whole(folder / MANIFEST, (folder / PREVIOUS).read_bytes())


def load_weights(module: nn.Module, folder: Path | str, which: str = "best") -> Checkpoint:
    """Loads the weights of a run's folder into `module`, all or none; `which` is `best` or `last`.

    Where the newest checkpoint of `last` is damaged, a warning says so and the one before is loaded. One that is
    missing, damaged in a single bit, or another network's raises `EnvironmentProblem` before the module is touched.
    """
    if which not in ("best", "last"):
        raise SettingsError(f"a run keeps the checkpoints best and last, found {which!r}")
    place = Path(folder) / which
    opened = open_checkpoint(place, ("weights",))
    weights = opened.tensors["weights"]
    refuse_foreign(place / opened.checkpoint.parts["weights"].file, found=weights, wanted=module.state_dict())
    if opened.lost:
        warn(f"{opened.lost}; these are the weights of step {opened.checkpoint.step:,}", stacklevel=2)
    with torch.no_grad():
        module.load_state_dict(weights, strict=True)
    return opened.checkpoint


def refuse_foreign(path: Path, *, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raises `EnvironmentProblem` unless both have the same names, and under each tensors of one type and shape."""
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


def _tensors(folder: Path, checkpoint: Checkpoint, role: str) -> dict[str, Tensor]:
    """The tensors of a file, once its size and checksum are right."""
    if role not in checkpoint.parts:
        raise EnvironmentProblem(f"{folder} is damaged: its manifest names no {role}")
    part = checkpoint.parts[role]
    path = folder / part.file
    with explained(path):
        size = path.stat().st_size
    if not path.is_file() or size != part.size:  # read only when it can be right: it may be a pipe
        raise EnvironmentProblem(f"{path} is damaged: {size:,} bytes of {part.size:,}")
    with explained(path):
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise EnvironmentProblem(f"{path} is damaged: the checksum does not fit its {len(content):,} bytes")
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise EnvironmentProblem(f"{path} is no safetensors file: {error}") from error


def _name(role: str, epoch: int, step: int, sha256: str) -> str:
    """No two moments and no two contents have one name: a file that a manifest names is never written over."""
    return f"{role}-{epoch:04d}-{step:08d}-{sha256[:8]}.safetensors"


def _manifest(checkpoint: Checkpoint) -> bytes:
    """The only spelling of a manifest; reading compares with it, so that no flipped bit passes."""
    parts = {role: part._asdict() for role, part in checkpoint.parts.items()}
    whole = {**checkpoint._asdict(), "parts": parts}
    fields = json.dumps(whole, sort_keys=True)
    digest = hashlib.sha256(fields.encode()).hexdigest()
    return (json.dumps({"checkpoint": whole, "format": FORMAT, "sha256": digest}) + "\n").encode()


def _intact(path: Path) -> Checkpoint | None:
    try:
        return read_manifest(path)
    except EnvironmentProblem:
        return None


def _linked(source: Path, target: Path) -> bool:
    """Gives a file a second name, at once in place of what had it; False where the file system cannot."""
    aside = target.with_name(f".{target.name}.part")
    try:
        aside.unlink(missing_ok=True)
        os.link(source, aside)
        os.replace(aside, target)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        return False
    return True
