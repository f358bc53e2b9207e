"""What a run that goes on takes from its own folder, and what it refuses because it would change the past."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from archc.runtime.data import Data, load
from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.machine import as_chosen
from archc.runtime.opening import Reopened
from archc.runtime.recipe import Recipe, resolve
from archc.runtime.recipe_text import read_recipe
from archc.runtime.request import Request

SAME = ("classes", "own_size", "image_size", "training_images", "test_images", "fingerprint")
"""The facts of a data set that must be as they were."""


def refuse_with_resume(given: Iterable[str]) -> None:
    """Raises `SettingsError` where anything is said that the run has decided already.

    >>> refuse_with_resume(["epochs"])
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: a run goes on with its own settings, and epochs would change ...
    """
    if names := " and ".join(given):
        raise SettingsError(
            f"a run goes on with its own settings, and {names} would change what it has done: leave it out, or begin a"
            " new run"
        )


def resumed(kept: Reopened, data: Data | str | None, *, data_root: Path | str | None) -> Request:
    """The data of the run, given or loaded as its recipe says, and its settings, with what it chose itself."""
    if not isinstance(data, Data):
        task = recipe_of(kept).task
        data = load(data or task.data, str(data_root) if data_root is not None else task.data_root)
    return Request(data, as_chosen(kept.settings, kept.about), kept.text, {})


def recipe_of(kept: Reopened) -> Recipe:
    """The recipe of the run as it was resolved; a run without one was given its data as an object."""
    path = kept.folder / "recipe.yaml"
    if "recipe.yaml" not in kept.about["files"]:
        raise SettingsError(f"{kept.folder} does not know where its data came from: give `data` as it was then")
    return resolve([read_recipe(path.read_text(encoding="utf-8"), str(path))])


def refuse_changed(kept: Reopened, about: Mapping[str, Any]) -> None:
    """Raises `EnvironmentProblem` where the data or the network is not what the run began with."""
    was, found = kept.about["data"], about["data"]
    for name in SAME:
        if was.get(name) != found[name]:
            raise EnvironmentProblem(
                f"data set {found['name']!r} has changed since {kept.folder} began: {name.replace('_', ' ')} was"
                f" {was.get(name)}, and is {found[name]}; a run goes on with the data it began with"
            )
