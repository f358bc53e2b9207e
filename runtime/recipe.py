"""Recipes: settings in layers, defaults < recipe < command line, checked as a whole, each mistake at its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import BaseModel, Field, ValidationError

from archc.runtime.errors import Mistake, SettingsError
from archc.runtime.methods import CLOSED
from archc.runtime.recipe_errors import explained, shown, unknown_key
from archc.runtime.recipe_text import Layer, Path, Place, read_value
from archc.runtime.settings import Settings

MOST_MISTAKES = 20
MOST_LISTED = 16

DEFAULTS: Mapping[str, Any] = {"optimizer": Settings().optimizer.name, "schedule": Settings().schedule.name}
"""The settings that a recipe may change in part: `optimizer: {eps: 1e-6}` keeps the default's name."""


class Task(BaseModel):
    """What a recipe says besides the settings of the run: on which data, and for which variant of the network."""

    model_config = CLOSED

    data: Annotated[str, Field(min_length=1)] = "digits"
    """The data set."""
    data_root: Annotated[str, Field(min_length=1)] | None = None
    """The folder that holds data sets which come with no package."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the architecture, by name; those of the command line win."""
    weights: Annotated[str, Field(min_length=1)] | None = None
    """Weights to begin with: a file, a run's folder (its best ones), or a name of torchvision's, such as `DEFAULT`. The
    layers that make the results keep their first values where they have another number of outputs."""


class Recipe(NamedTuple):
    """Everything that was said about a run, as resolved."""

    task: Task
    settings: Settings
    named: frozenset[str]
    """The settings that were given; the others have their defaults."""
    origin: str
    """Where the settings come from, for people; empty where no recipe was named."""

    def text(self) -> str:
        """The recipe of this run in full: read again, it gives the same."""
        return yaml.safe_dump({**self.task.model_dump(mode="json"), **self.settings.as_dict()}, sort_keys=False)


def resolve(layers: Sequence[Layer], *, recipe: str = "") -> Recipe:
    """The settings of all layers, a later one before an earlier one; `recipe` names the recipe among them.

    `weights` of a later layer also come before `init` of an earlier one, which would draw them anew.

    Raises `SettingsError` with every mistake at its place.

    >>> from archc.runtime.recipe_text import read_recipe
    >>> layers = [read_recipe("lr: 0.1\\noptimizer: sgd", "my.yaml"), read_changes(["optimizer.momentum=0.9"])]
    >>> resolve(layers, recipe="my.yaml").settings.optimizer
    Sgd(name='sgd', momentum=0.9, dampening=0.0, nesterov=False)
    >>> resolve([read_recipe("lr: 0.1\\noptimiser: sgd", "my.yaml")])
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: my.yaml:2:1: no setting is called 'optimiser'; did you mean 'optimizer'?
    """
    layers = [_but_init(layer) if _weights_after(layers[number:]) else layer for number, layer in enumerate(layers)]
    values: dict[str, Any] = dict(DEFAULTS)
    places: dict[Path, Place] = {}
    for layer in layers:
        values = _merged(values, layer.values)
        places.update(layer.places)
    about = {name: value for name, value in values.items() if name in Task.model_fields}
    rest = {name: value for name, value in values.items() if name in Settings.model_fields}
    mistakes = [
        Mistake((name,), unknown_key(Settings, name, others=Task.model_fields), of_key=True)
        for name in values
        if name not in about and name not in rest
    ]
    task = settings = None
    try:
        task = Task(**about)
    except ValidationError as error:
        mistakes += explained(Task, error)
    try:
        settings = Settings(**rest)
    except SettingsError as error:
        mistakes += error.mistakes
    if mistakes or task is None or settings is None:
        order = {path: number for number, path in enumerate(places)}
        mistakes.sort(key=lambda mistake: order.get(_nearest(mistake.path, places), len(order)))
        lines = [_placed(mistake, places, recipe) for mistake in mistakes[:MOST_MISTAKES]]
        more = [f"and {len(mistakes) - MOST_MISTAKES} more mistakes"] if len(mistakes) > MOST_MISTAKES else []
        raise SettingsError("\n".join([*lines, *more]), mistakes=mistakes)
    named = frozenset(name for layer in layers for name in layer.values)
    return Recipe(task, settings, named, _origin(layers) if recipe else "")


def read_changes(changes: Iterable[str], *, option: str = "--set") -> Layer:
    """The settings of `--set KEY=VALUE`, in their order; a key may be dotted, a value is written as in a recipe.

    >>> read_changes(["lr=1e-2", "optimizer.momentum=0.9"]).values
    {'lr': 0.01, 'optimizer': {'momentum': 0.9}}
    """
    values: dict[str, Any] = {}
    places: dict[Path, Place] = {}
    seen: set[str] = set()
    for change in changes:
        key, equals, text = change.partition("=")
        key = key.strip()
        if not equals or not key or not text.strip():
            raise SettingsError(f"{option} takes KEY=VALUE, and this is {shown(change)}; for example {option} lr=0.01")
        if key in seen:
            raise SettingsError(f"{option} {key} is given twice")
        seen.add(key)
        place = f"{option} {key}"
        path = tuple(key.split("."))
        value: Any = read_value(text, place)
        for name in reversed(path):
            value = {name: value}
        values = _merged(values, value)
        for depth in range(1, len(path) + 1):
            places[path[:depth]] = Place(place, place)
    return Layer("command line", values, places)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings, the second one first; of two mappings under a key both, unless they name different things."""
    result = dict(base)
    for key, value in over.items():
        old, new = result.get(key), value
        if key in DEFAULTS:  # a name alone and a mapping with that name only are the same
            old, new = ({"name": each} if isinstance(each, str) else each for each in (old, new))
        if isinstance(old, Mapping) and isinstance(new, Mapping) and new.get("name") in (None, old.get("name")):
            result[key] = _merged(old, new)
        else:
            result[key] = value
    return result


def _weights_after(layers: Sequence[Layer]) -> bool:
    """Whether a layer after the first names weights, and none of them the way to draw them."""
    later = {name for layer in layers[1:] for name, value in layer.values.items() if value is not None}
    return "weights" in later and "init" not in later


def _but_init(layer: Layer) -> Layer:
    return layer._replace(values={name: value for name, value in layer.values.items() if name != "init"})


def _placed(mistake: Mistake, places: Mapping[Path, Place], whole: str) -> str:
    """The message with the place of the key, or of the nearest one around it."""
    near = _nearest(mistake.path, places)
    if place := places.get(near):
        return f"{place.key if mistake.of_key and near == mistake.path else place.value}: {mistake.text}"
    return f"{whole}: {mistake.text}" if whole else mistake.text


def _nearest(path: Path, places: Mapping[Path, Place]) -> Path:
    """The path, or the longest beginning of it that has a place; empty where none has."""
    while path and path not in places:
        path = path[:-1]
    return path


def _origin(layers: Sequence[Layer]) -> str:
    """Which settings each layer decides: the keys that no later layer sets anew."""
    said: list[str] = []
    later: set[str] = set()
    for layer in reversed(layers):
        keys = [name for name in layer.values if name not in later]
        later |= {name for name, value in layer.values.items() if not isinstance(value, Mapping)}
        if keys or layer is layers[0]:
            listed = ", ".join(keys) if len(keys) <= MOST_LISTED else f"{len(keys)} settings"
            said.insert(0, layer.name + (f" ({listed})" if keys else ""))
    said[0] = f"recipe {said[0]}"
    named = {name for layer in layers for name in layer.values}
    every = {*Settings.model_fields, *Task.model_fields} <= named
    return "; ".join([*said, *([] if every else ["the rest by default"])])
