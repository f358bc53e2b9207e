"""Words for what pydantic finds wrong: which key, what was expected, what was found, what to type instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from archc.runtime.errors import Mistake

Model = type[BaseModel]

LONGEST_SHOWN = 60
NEVER_MET = 2**31 - 1  # a bound this high is named only to those who exceed it
TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
OTHER_NAMES = {  # what other libraries call a setting, where the word is too far from ours to be found by its letters
    "learning_rate": "lr", "max_lr": "lr", "base_lr": "lr", "bs": "batch_size", "wd": "weight_decay",
    "lr_scheduler": "schedule", "criterion": "loss", "transform": "augment", "transforms": "augment",
    "early_stopping": "patience", "grad_clip": "clip", "gradient_clip_val": "clip", "max_grad_norm": "clip",
    "grad_accum": "accumulate", "accumulate_grad_batches": "accumulate", "gradient_accumulation_steps": "accumulate",
    "amp": "precision", "dtype": "precision", "imgsz": "image_size", "resolution": "image_size",
    "val_split": "validation", "gpu": "device", "pretrained": "weights",
}  # fmt: skip


def explained(model: Model, error: ValidationError) -> list[Mistake]:
    """Every mistake that pydantic found in the values of a model, in words."""
    every = error.errors(include_url=False)
    within = {found["loc"][:-1] for found in every}
    mistakes = [
        mistake
        for found in every
        if not (found["type"] == "too_short" and found["loc"] in within)  # only because its items are wrong
        for mistake in _mistakes(model, tuple(found["loc"]), found["type"], found["input"], found.get("ctx", {}))
    ]
    return list(dict.fromkeys(mistakes))


def expected(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """What a field takes, for people.

    >>> from annotated_types import Ge
    >>> expected(int, [Ge(1)])
    'a whole number of at least 1'
    >>> expected(Literal["a", "b"] | None)
    'one of a, b, or null'
    """
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return expected(inner, [*metadata, *more])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if len(kinds) == 1:
            words = expected(kinds[0], metadata)
            return f"{words}, or null" if "," in words else f"{words} or null"
        return "one of " + ", ".join(names_of(kinds))
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(shown(kind).strip("'") for kind in get_args(annotation))
    if get_origin(annotation) is tuple:
        kind, last = get_args(annotation)
        return f"a {'list' if last is Ellipsis else 'pair'}, each {expected(kind)}"
    if get_origin(annotation) is dict:
        return "a mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping with " + ", ".join(annotation.model_fields)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}[annotation]
    return " ".join([words, *([" and ".join(_bounds(metadata))] if annotation in (int, float) else [])]).strip()


def names_of(kinds: Iterable[Model]) -> list[str]:
    """The `name` of each of the models of a setting that takes one of several."""
    return [str(kind.model_fields["name"].default) for kind in kinds]


def kinds_of(field: FieldInfo) -> tuple[Model, ...]:
    """The models that a field takes: one of several with a `name`, a single one, or none."""
    arguments = [field.annotation, *get_args(field.annotation)]
    return tuple(kind for kind in arguments if isinstance(kind, type) and issubclass(kind, BaseModel))


def known_paths(model: Model) -> list[str]:
    """Every key of a model and of those inside it, dotted.

    >>> from archc.runtime.settings import Settings
    >>> [path for path in known_paths(Settings) if path.startswith("normalize")]
    ['normalize', 'normalize.mean', 'normalize.std']
    """
    paths = []
    for name, field in model.model_fields.items():
        paths.append(name)
        for kind in kinds_of(field):
            paths += [path for inner in kind.model_fields if (path := f"{name}.{inner}") not in paths]
    return paths


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'epochs'?`, or nothing where no known word is near.

    >>> near("epoch", ["epochs", "lr"]), near("zzz", ["lr"])
    ("; did you mean 'epochs'?", '')
    """
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def shown(value: object) -> str:
    """A value as a recipe writes it, cut where it is long.

    >>> shown(True), shown(None), shown("a")
    ('true', 'null', "'a'")
    """
    text = (
        {True: "true", False: "false", None: "null"}[value]
        if value is None or value is True or value is False
        else repr(value)
    )
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def unknown_key(model: Model, key: str, *, others: Iterable[str] = ()) -> str:
    """What to say of a key that is no setting; `others` are further keys that are known where it stands."""
    known = [*known_paths(model), *others]
    same = [path for path in known if path.endswith(f".{key}") or path == OTHER_NAMES.get(key.lower())]
    hint = f"; did you mean {same[0]!r}?" if same else near(key, known)
    there = f"; the settings are {', '.join(known_names(known))}"
    there += "; parameters of the network stand in params" if "params" in known else ""
    return f"no setting is called {shown(key)}" + (hint or there)


def known_names(paths: Iterable[str]) -> list[str]:
    """Those of the keys that stand at the outermost level."""
    return [path for path in paths if "." not in path]


class WrongParts(ValueError):
    """What a validator raises where it knows which parts of a value are wrong: mistakes with paths from that value."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("\n".join(mistake.text for mistake in mistakes))
        self.mistakes = mistakes


def _mistakes(
    model: Model, where: tuple[Any, ...], kind: str, found: object, context: dict[str, Any]
) -> Iterable[Mistake]:
    if kind == "value_error" and isinstance(error := context["error"], WrongParts):
        path = _place(model, where).path
        return [Mistake((*path, *part.path), part.text, part.of_key) for part in error.mistakes]
    return [_mistake(model, where, kind, found, context)]


def _mistake(model: Model, where: tuple[Any, ...], kind: str, found: object, context: dict[str, Any]) -> Mistake:
    place = _place(model, where)
    key = ".".join(place.path)
    if kind == "value_error":
        return Mistake(place.path, str(context["error"]))
    if kind == "extra_forbidden":
        return Mistake(place.path, _unknown(model, place), of_key=True)
    if kind == "missing" and not place.item:  # else it is a pair with one item
        assert place.field is not None
        return Mistake(place.path, f"{place.owner} needs {place.path[-1]}, {_expected_of(place.field)}")
    if place.field is None:  # the whole, which a caller of Python's cannot get wrong
        return Mistake(place.path, f"the settings must be a mapping, found {shown(found)}")
    if kind == "union_tag_not_found" and isinstance(found, dict):
        return Mistake(place.path, f"{key} needs a name, {_expected_of(place.field)}")
    if kind == "union_tag_invalid" and isinstance(found, dict):
        found = found["name"]
    hint = _hint(place.field, found)
    if kind == "less_than_equal" and context["le"] >= NEVER_MET:
        hint = f"; at most {context['le']:,}"
    text = f"{key} must be {_expected_of(place.field)}, found {shown(found)}{hint}"
    return Mistake((*place.path, *place.item), text)


class _Place(NamedTuple):
    path: tuple[str, ...]
    field: FieldInfo | None
    owner: str  # what the innermost key belongs to, for people
    item: tuple[str, ...]  # which item of the list there is meant


def _place(model: Model, where: tuple[Any, ...]) -> _Place:
    """The key that pydantic's location means, without the names of alternatives."""
    path: list[str] = []
    field, owner, steps = None, "", list(where)
    while steps and isinstance(steps[0], str):
        key = steps.pop(0)
        path.append(key)
        field = model.model_fields.get(key)
        if field is None:
            break
        kinds = kinds_of(field)
        if kinds and steps:
            owner = key
            model = kinds[0]
            if len(kinds) > 1:
                tag = str(steps.pop(0))
                owner = f"{key} {tag}"
                model = kinds[names_of(kinds).index(tag)]
    return _Place(tuple(path), field, owner, tuple(str(step) for step in steps if isinstance(step, int)))


def _unknown(model: Model, place: _Place) -> str:
    key = place.path[-1]
    if len(place.path) == 1:
        return unknown_key(model, key)
    kinds = kinds_of(model.model_fields[place.path[0]])
    if key in model.model_fields:
        return f"{place.owner} has no {key}: it is a setting of its own, beside {place.path[0]}"
    if len(kinds) > 1 and key in names_of(kinds):
        return f"{place.owner} has no {shown(key)}; another {place.path[0]} is taken by `{place.path[0]}: {key}`"
    others = (
        [name for name, kind in zip(names_of(kinds), kinds, strict=True) if key in kind.model_fields]
        if len(kinds) > 1
        else []
    )
    if others:
        named = " and ".join(filter(None, (", ".join(others[:-1]), others[-1])))
        return f"{place.owner} has no {key}; {named} {'has' if len(others) == 1 else 'have'}"
    own = (
        next((kind for kind in kinds if place.owner.endswith(f" {kind.model_fields['name'].default}")), kinds[0])
        if len(kinds) > 1
        else kinds[0]
    )
    names = [name for name in own.model_fields if name != "name"]
    return f"{place.owner} has no {shown(key)}" + (near(key, own.model_fields) or f"; it takes {', '.join(names)}")


def _expected_of(field: FieldInfo) -> str:
    return expected(field.annotation, field.metadata)


def _hint(field: FieldInfo, found: object) -> str:
    """What to type instead, where the value shows what was meant."""
    if not isinstance(found, str):
        return ""
    words = _expected_of(field)
    if "false" in words and found.lower() in TRUTHS:
        return f"; did you mean {TRUTHS[found.lower()]}?"
    if words.startswith("one of "):
        return near(found, words.removeprefix("one of ").removesuffix(", or null").split(", "))
    if "number" in words:
        try:
            float(found)
        except ValueError:
            return ""
        return f"; without quotes it is the number {found[:LONGEST_SHOWN]}"
    return ""


def _bounds(metadata: Sequence[Any]) -> list[str]:
    flat = [part for entry in metadata for part in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]
    words = []
    for part in flat:
        match part:
            case Gt(gt=bound):
                words.append(f"above {bound:g}")
            case Ge(ge=bound):
                words.append(f"of at least {bound:g}")
            case Lt(lt=bound):
                words.append(f"below {bound:g}")
            case Le(le=float() | int() as bound) if bound < NEVER_MET:
                words.append(f"at most {bound:g}")
    return words
