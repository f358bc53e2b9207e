"""The steps of an augmentation as a recipe writes them: their names, arguments and limits. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import NamedTuple

from archc.runtime.errors import Mistake, SettingsError
from archc.runtime.recipe_errors import near, shown

Value = float | tuple[float, float]
Path = tuple[str, ...]

_EXAMPLE = "{crop: {padding: 4}, flip: true}"
_WITH_VALUE = re.compile(r"(\w+)\s*[=: ]\s*(\S+)")


class Argument(NamedTuple):
    """An argument of a step: its default (a pair is a range), its limits and what it means."""

    default: Value
    least: float
    most: float
    meaning: str
    whole: bool = False


class StepKind(NamedTuple):
    """A kind of step: what it does, its arguments, and which of them `name: VALUE` sets."""

    summary: str
    arguments: Mapping[str, Argument]
    first: str


class Step(NamedTuple):
    """One step of an augmentation with all its arguments."""

    name: str
    values: Mapping[str, Value]


_PROBABILITY = "how often it happens"
STEPS: dict[str, StepKind] = {
    "crop": StepKind(
        "a random part of the image, after zeros were put around it",
        {
            "padding": Argument(4, 0, 1024, "rows and columns of zeros on each side", whole=True),
            "resize": Argument(0, 0, 4096, "the size images are brought to before, 0: the network's", whole=True),
        },
        "padding",
    ),
    "resized_crop": StepKind(
        "a random part of random area and shape, brought to the network's size",
        {
            "scale": Argument((0.08, 1.0), 1e-4, 1, "range of the part's area, the whole image being 1"),
            "ratio": Argument((3 / 4, 4 / 3), 1e-2, 100, "range of width / height"),
        },
        "scale",
    ),
    "flip": StepKind("left and right exchanged", {"probability": Argument(0.5, 0, 1, _PROBABILITY)}, "probability"),
    "rotate": StepKind(
        "turned about its middle, the nearest pixel taken, corners black",
        {"degrees": Argument(15.0, 0, 180, "largest angle, to both sides")},
        "degrees",
    ),
    "color": StepKind(
        "brightness, contrast, saturation and hue changed at random, in random order",
        {
            "brightness": Argument(0.4, 0, 10, "a factor from 1 - this to 1 + this"),
            "contrast": Argument(0.4, 0, 10, "likewise"),
            "saturation": Argument(0.4, 0, 10, "likewise; nothing for grey images"),
            "hue": Argument(0.0, 0, 0.5, "turned by up to this part of the circle; nothing for grey images"),
        },
        "brightness",
    ),
    "erase": StepKind(
        "a random rectangle replaced by one value",
        {
            "probability": Argument(0.5, 0, 1, _PROBABILITY),
            "scale": Argument((0.02, 0.33), 1e-4, 1, "range of the rectangle's area, the whole image being 1"),
            "ratio": Argument((0.3, 3.3), 1e-2, 100, "range of height / width"),
            "value": Argument(0, 0, 255, "the value put there", whole=True),
        },
        "probability",
    ),
    "permute": StepKind(
        "one fixed random order of the pixels, the same for every image, of the training and the test part",
        {"seed": Argument(0, 0, 2**53, "start of the random order", whole=True)},
        "seed",
    ),
    "mixup": StepKind(
        "each image mixed with another one, and their labels likewise",
        {"alpha": Argument(0.2, 1e-3, 100, "the share is drawn from Beta(alpha, alpha), once for a batch")},
        "alpha",
    ),
    "cutmix": StepKind(
        "a rectangle of each image replaced by that of another one, and the label by its share of the area",
        {"alpha": Argument(1.0, 1e-3, 100, "the share is drawn from Beta(alpha, alpha), once for a batch")},
        "alpha",
    ),
}


def read_steps(value: object) -> tuple[Step, ...]:
    """The steps that a recipe's `augment` asks for, in its order; a wrong name or number raises `SettingsError`.

    It is a mapping of names to their arguments (`true` takes the defaults, a single value sets the first argument,
    `false` leaves the step out), a list of such mappings and names, or names separated by commas.

    >>> read_steps({"crop": {"padding": 2}, "flip": True})[0]
    Step(name='crop', values={'padding': 2, 'resize': 0})
    >>> [step.name for step in read_steps("crop, flip")]
    ['crop', 'flip']
    >>> read_steps({"flop": True})
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: augment: there is no step 'flop'; did you mean 'flip'?
    """
    mistakes: list[Mistake] = []
    found = tuple(_steps(value, (), mistakes))
    names = [step.name for step in found]
    mistakes += [Mistake((), f"augment: {name} is there twice") for name in STEPS if names.count(name) > 1]
    if "crop" in names and "resized_crop" in names:
        both = "augment: crop and resized_crop both choose the part that is seen; take one of them"
        mistakes.append(Mistake((), both))
    if mistakes:
        raise SettingsError("\n".join(mistake.text for mistake in mistakes), mistakes=mistakes)
    return found


def describe_steps(steps: tuple[Step, ...]) -> str:
    """The steps in one line for people: names, and the arguments that are not the default.

    >>> describe_steps(read_steps({"crop": 2, "flip": True}))
    'crop (padding 2), flip'
    """
    parts = []
    for step in steps:
        changed = [
            f"{name} {show_value(value)}"
            for name, value in step.values.items()
            if value != STEPS[step.name].arguments[name].default
        ]
        parts.append(step.name + (f" ({', '.join(changed)})" if changed else ""))
    return ", ".join(parts) or "none"


def show_value(value: Value) -> str:
    """A value as a recipe writes it.

    >>> show_value((0.08, 1.0))
    '[0.08, 1]'
    """
    return f"{value:g}" if not isinstance(value, tuple) else f"[{value[0]:g}, {value[1]:g}]"


def _steps(value: object, path: Path, mistakes: list[Mistake]) -> Iterator[Step]:
    """The steps without the wrong ones, which become mistakes; `path` leads to the value from `augment`."""
    if not path and (value is None or value is False):
        return
    if isinstance(value, str):
        value = [(name.strip(), True, path) for name in value.split(",") if name.strip()]
    elif isinstance(value, Mapping):
        value = [(str(name), given, (*path, str(name))) for name, given in value.items() if given is not False]
    elif isinstance(value, list | tuple) and not path:
        for number, entry in enumerate(value):
            if isinstance(entry, Step):
                yield entry
            else:
                yield from _steps(entry, (str(number),), mistakes)
        return
    else:
        what = f"augment must name steps ({', '.join(STEPS)}) with their arguments, such as {_EXAMPLE}"
        what = "augment: an entry of the list is a step's name or a mapping" if path else what
        mistakes.append(Mistake(path, f"{what}, found {shown(value)}"))
        return
    for name, given, place in value:
        step = _step(name, given, place, mistakes)
        if step is not None:
            yield step


def _step(name: str, given: object, path: Path, mistakes: list[Mistake]) -> Step | None:
    if name not in STEPS:
        hint = near(name, STEPS) or f"; there are {', '.join(STEPS)}"
        if (word := _WITH_VALUE.fullmatch(name)) and word[1] in STEPS:
            hint = f"; with a value the step is written {{{word[1]}: {word[2]}}}"
        mistakes.append(Mistake(path, f"augment: there is no step {shown(name)}{hint}", of_key=path[-1:] == (name,)))
        return None
    kind, before = STEPS[name], len(mistakes)
    if given is True or given is None:
        given = {}
    if not isinstance(given, Mapping):
        given = {kind.first: given}
    for key in given:
        if key not in kind.arguments:
            hint = near(str(key), kind.arguments) or f"; it takes {', '.join(kind.arguments)}"
            mistakes.append(
                Mistake((*path, str(key)), f"augment: {name} has no argument {shown(key)}{hint}", of_key=True)
            )
    values: dict[str, Value] = {}
    for key, argument in kind.arguments.items():
        try:
            values[key] = _checked(given[key], argument) if key in given else argument.default
        except ValueError as error:
            mistakes.append(Mistake((*path, key), f"augment: {name}.{key} must be {error}, found {shown(given[key])}"))
    return Step(name, values) if len(mistakes) == before else None


def _checked(value: object, argument: Argument) -> Value:
    """The value of an argument; a `ValueError` says what it must be."""
    bounds = f"from {argument.least:g} to {argument.most:g}"
    if isinstance(argument.default, tuple):
        pair = list(value) if isinstance(value, list | tuple) else []
        if len(pair) != 2 or not all(_within(part, argument) for part in pair) or pair[0] > pair[1]:
            raise ValueError(f"a range [smallest, largest] of numbers {bounds}")
        return float(pair[0]), float(pair[1])
    if not _within(value, argument):
        raise ValueError(f"a {'whole number' if argument.whole else 'number'} {bounds}")
    assert isinstance(value, int | float)
    return value


def _within(value: object, argument: Argument) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and argument.least <= value <= argument.most
        and (not argument.whole or isinstance(value, int))
    )
