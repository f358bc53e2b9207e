"""The text of a recipe: a small, safe part of YAML, read with the place of every key.

PyYAML's scanner and parser give events; nothing is constructed from tags, and what they mean is decided here, as in
YAML 1.2: `1e-3` is a number, `no` is a word, `010` is ten.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from archc.runtime.errors import SettingsError

DEEPEST = 20
LONGEST_NUMBER = 100

Path = tuple[str, ...]

_WHOLE = re.compile(r"[-+]?\d[\d_]*")
_REAL = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{f"{sign}.{word}": float(f"{sign}{word}") for sign in ("", "-") for word in ("inf", "Inf", "INF")},
    **{f".{word}": float(word) for word in ("nan", "NaN", "NAN")},
}
_COMMENT, _COLON = re.compile(r"\s*(#|---)"), re.compile(r":(\s|$)")
_MISSING_COLON = ("mapping values are not allowed here", "could not find expected ':'", "expected '<document start>'")


class Place(NamedTuple):
    """Where a key and its value stand, for messages: `recipe.yaml:3:1`."""

    key: str
    value: str


class Layer(NamedTuple):
    """Some settings from one source: nested values, and the place of each key and each item of a list by its path."""

    name: str
    values: Mapping[str, Any]
    places: Mapping[Path, Place]


def read_recipe(text: str, name: str) -> Layer:
    """The settings of a recipe; `name` is what messages call the file.

    A text that is no single mapping, or uses what a recipe does not have (tags, anchors, duplicate keys, deep nesting),
    raises `SettingsError` with line and column.

    >>> layer = read_recipe("lr: 1e-3\\noptimizer: {name: sgd, momentum: 0.9}\\n", "my.yaml")
    >>> layer.values
    {'lr': 0.001, 'optimizer': {'name': 'sgd', 'momentum': 0.9}}
    >>> layer.places["optimizer", "momentum"].value
    'my.yaml:2:34'
    """
    reader = _Reader(text, name)
    values = reader.document()
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"{_kind(values)}"
        raise SettingsError(f"{name}: a recipe is a mapping of settings, such as `lr: 0.1`; this holds {found}")
    return Layer(name, values, reader.places)


def read_value(text: str, name: str) -> object:
    """One value as a recipe writes it; `name` is what messages call its place.

    >>> read_value("1e-3", "--set lr"), read_value("[0.9, 0.99]", "--set optimizer.betas")
    (0.001, [0.9, 0.99])
    """
    return _Reader(text, name).document()


class _Reader:
    """Goes through the events of a text once; recursion is as deep as the text nests, which is bounded."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.places: dict[Path, Place] = {}
        self.events = self._events()

    def document(self) -> Any:
        """The value of the only document of the text; None for an empty one."""
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        value = self._value(next(self.events), (), depth=0)
        next(self.events)  # the end of the document
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse(event, "a recipe is one document, and a second one begins here")
        return value

    def _events(self) -> Iterator[Any]:
        try:
            yield from itertools.islice(
                yaml.parse(self.text, Loader=yaml.SafeLoader), 1, None
            )  # after that of the stream
        except yaml.MarkedYAMLError as error:
            raise SettingsError(self._no_yaml(error)) from None
        except yaml.reader.ReaderError as error:
            before = self.text[: error.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            found = f"U+{ord(self.text[error.position]):04X}"
            raise SettingsError(f"{self.name}:{line}:{column}: the character {found} has no place in YAML") from None

    def _no_yaml(self, error: yaml.MarkedYAMLError) -> str:
        """Where and why a text is no YAML; PyYAML's words for what goes wrong most often help nobody."""
        mark = error.problem_mark or error.context_mark
        said = " ".join(filter(None, (error.context, error.problem)))
        if mark is not None and self.text[mark.index : mark.index + 1] == "\t":
            return f"{self._at(mark)}: here is a tab, and YAML takes spaces only"
        if mark is not None and (error.problem or "").startswith(_MISSING_COLON):
            lines = [line.rstrip() for line in self.text.split("\n")[: mark.line + 1]]
            said_before = [number for number, line in enumerate(lines) if line.strip() and not _COMMENT.match(line)]
            for number in reversed(said_before[-2:]):  # the line itself, or the one before, which it seems to continue
                if not _COLON.search(lines[number]):
                    word = lines[number].strip()
                    place = f"{self.name}:{number + 1}:{lines[number].index(word) + 1}"
                    return f"{place}: {_short(word)} is no setting: write `key: value`, with a colon and a space"
            said += "; is the line indented too far, or should a value with a colon in it stand in quotes?"
        return f"{self._at(mark)}: this is no YAML: {said}"

    def _value(self, event: Any, path: Path, *, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse(event, "a recipe has no anchors and aliases: write the value out")
        if event.tag is not None:
            self._refuse(event, f"a recipe has no tags, and this is {_short(event.tag)}")
        if depth > DEEPEST:
            self._refuse(event, f"a recipe nests at most {DEEPEST} deep")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth=depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                below, at = (*path, str(len(items))), self._at(event.start_mark)
                self.places[below] = Place(at, at)
                items.append(self._value(event, below, depth=depth + 1))
            return items
        return self._scalar(event)

    def _mapping(self, path: Path, *, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.tag is not None or key.anchor:
                self._refuse(key, "a key of a recipe is one word")
            below = (*path, key.value)
            if key.value in values:
                first = self.places[below].key
                self._refuse(key, f"{_short(key.value)} is set twice, first at {first}")
            event = next(self.events)
            self.places[below] = Place(self._at(key.start_mark), self._at(event.start_mark))
            values[key.value] = self._value(event, below, depth=depth + 1)
        return values

    def _scalar(self, event: Any) -> object:
        word: str = event.value
        if not event.implicit[0]:  # quoted, or a block of text
            return word
        if word in _WORDS:
            return _WORDS[word]
        if len(word) <= LONGEST_NUMBER and _WHOLE.fullmatch(word):
            return int(word.replace("_", ""))
        if len(word) <= LONGEST_NUMBER and _REAL.fullmatch(word):
            return float(word.replace("_", ""))
        return word

    def _at(self, mark: Any) -> str:
        return f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark else self.name

    def _refuse(self, event: Any, message: str) -> None:
        raise SettingsError(f"{self._at(event.start_mark)}: {message}")


def _kind(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else f"the single value {_short(value)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
