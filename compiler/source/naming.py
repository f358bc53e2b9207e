"""The names of classes: after their block, and what tells the variants of one block apart."""

from collections.abc import Sequence

from archc.compiler.source.classes import Class
from archc.compiler.source.decisions import deciding
from archc.compiler.source.definitions import Definition, Kept
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
    """The labels that are words of the modules that all instances of a class have."""
    optional = one.option.keys if one.option is not None else ()
    return [
        key
        for key, definition in one.plan.members
        if isinstance(key, str)
        and key not in optional
        and key.replace("_", "").isalpha()
        and not _is_constant(definition)
    ]


def _is_constant(definition: Definition) -> bool:
    return isinstance(definition, Kept) and definition.own == "constant"


def _difference(one: Class, plain: Class) -> str:
    """What a class has that the plain one of its block has not: a label, else what its text asks for and is on."""
    known = _labels(plain)
    extra = [key for key in _labels(one) if key not in known]
    if extra:
        return f"_{extra[0]}"
    mine, others = _switches(one), _switches(plain)
    for name, value in mine.items():
        if value is not None and others.get(name) is (not value):
            return f"_{name}" if value else f"_no_{name}"
    return ""


def _switches(one: Class) -> dict[str, bool | None]:
    """Whether what the block's text asks for is on (true, or a number but 0) in all instances of a class, or off."""
    found: dict[str, bool | None] = {}
    asked = deciding(one.scopes[0].region.definition)
    for scope in one.scopes:
        for name, value in scope.region.arguments.items():
            if name in asked and (value is None or type(value) in (bool, int, float)):
                found[name] = bool(value) if found.get(name, bool(value)) is bool(value) else None
    return found
