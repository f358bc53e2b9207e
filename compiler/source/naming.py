"""The names of classes: after their block, and what tells the variants of one block apart."""

from collections.abc import Mapping, Sequence

from archc.compiler.source.classes import Class
from archc.compiler.source.names import class_name


def name_classes(classes: Sequence[Class], main: str, taken: set[str]) -> None:
    """Give every class its name; the last one is the network, called `main`."""
    kinds: dict[str, list[Class]] = {}
    for one in classes[:-1]:
        kinds.setdefault(one.base, []).append(one)
    classes[-1].name = main
    for base, variants in kinds.items():
        plain = min(variants, key=lambda one: (len(_labels(one)), -len(one.scopes)))
        for one in sorted(variants, key=lambda one: one is not plain):
            one.name = class_name(base if one is plain else base + _difference(one, plain), taken)
            taken.add(one.name)


def _labels(one: Class) -> list[str]:
    return [key for key, _ in one.plan.members if isinstance(key, str) and key[:1].isalpha()]


def _difference(one: Class, plain: Class) -> str:
    """What a class has that the plain one of its block has not: a label, else the value of a parameter."""
    known = _labels(plain)
    extra = [key for key in _labels(one) if key not in known]
    if extra:
        return f"_{extra[0]}"
    mine, others = _arguments(one), _arguments(plain)
    for name, values in mine.items():
        value = next(iter(values))
        if len(values) == 1 and value not in others.get(name, set()):
            if value in ("True", "False"):
                return f"_{name}" if value == "True" else f"_no_{name}"
            if value.isdecimal():
                return f"_{name}{value}"
    return ""


def _arguments(one: Class) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for scope in one.scopes:
        for name, value in scope.region.arguments.items():
            if type(value) in (bool, int):
                found.setdefault(name, set()).add(repr(value))
    return found
