"""What a caller of `fit` asks for, by names or by objects, as one set and one group of settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import nn

from archc.runtime.data import Data, load
from archc.runtime.errors import SettingsError
from archc.runtime.recipe import resolve
from archc.runtime.recipe_text import Layer, read_recipe
from archc.runtime.settings import Settings


class Request(NamedTuple):
    """The data and settings of a run, where they come from for people, and the files that the run keeps of it."""

    data: Data
    settings: Settings
    origin: str
    files: Mapping[str, str]


def refuse_other_types(module: object, data: object, settings: object) -> None:
    """Raises `SettingsError` for an argument of `fit` that is another thing than it takes.

    >>> refuse_other_types("resnet18", "digits", None)
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: fit trains a torch.nn.Module, found str; archc.train takes a file or a name
    """
    found = type(module).__name__
    if not isinstance(module, nn.Module):
        raise SettingsError(f"fit trains a torch.nn.Module, found {found}; archc.train takes a file or a name")
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in module.parameters()):
        raise SettingsError(f"{found} has lazy layers, whose weights have no shape yet: call it once with a batch")
    if not isinstance(data, Data | str | None):
        kind = type(data).__name__
        raise SettingsError(f"data is the name of a set or folder, or an archc.runtime.data.Data; found {kind}")
    if not isinstance(settings, Settings | None):
        kind = type(settings).__name__
        raise SettingsError(f"settings is an archc.runtime.Settings, found {kind}; single ones go by name: epochs=3")


def requested(
    data: Data | str | None,
    *,
    recipe: Path | str | None,
    data_root: Path | str | None,
    settings: Settings | None,
    changes: Mapping[str, object],
) -> Request:
    """Resolves names: defaults < recipe < arguments, as `archc train` does. Raises as `recipe.resolve` and `data.load`.

    >>> asked = requested("digits", recipe=None, data_root=None, settings=None, changes={"epochs": 3})
    >>> asked.data.name, asked.settings.changed()
    ('digits', {'epochs': 3})
    """
    if settings is not None and recipe is not None:
        raise SettingsError("a recipe and `settings` each say everything: give one, and single settings by name")
    layers = [] if recipe is None else [_read(Path(recipe))]
    given = {"data": data if isinstance(data, str) else None, "data_root": data_root and os.fspath(data_root)}
    base = {} if settings is None else settings.as_dict()
    named = {name: value for name, value in given.items() if value is not None}
    resolved = resolve(
        [*layers, Layer("settings", base, {}), Layer("arguments", {**named, **changes}, {})],
        recipe="" if recipe is None else os.fspath(recipe),
    )
    if resolved.task.params or resolved.task.weights:
        key = "params are those" if resolved.task.params else "weights are those"
        raise SettingsError(f"{key} of an architecture, and a module is made already")
    if isinstance(data, Data):
        return Request(data, resolved.settings, resolved.origin, {})
    images = load(resolved.task.data, resolved.task.data_root)
    return Request(images, resolved.settings, resolved.origin, {"recipe.yaml": resolved.text()})


def _read(path: Path) -> Layer:
    """The settings of a recipe file."""
    try:
        if path.exists() and not path.is_file():  # a pipe would wait for ever
            raise SettingsError(f"cannot read the recipe {path}: it is not a regular file")
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SettingsError(f"cannot read the recipe {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return read_recipe(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise SettingsError(f"the recipe {path} is not UTF-8: byte {error.start} is wrong") from error
