"""The types that a parameter may ask for: `n: int`, `unit: block`, `act: op`."""

from collections.abc import Callable

from archc.compiler.problems import did_you_mean, stop
from archc.compiler.values import BlockValue, OpValue, kind_of, show
from archc.dsl import ast
from archc.dsl.source import Span

TYPES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "int": ("a whole number", lambda value: type(value) is int),
    "float": ("a number", lambda value: type(value) in (int, float)),
    "str": ("text", lambda value: isinstance(value, str)),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "list": ("a list", lambda value: type(value) is list),
    "tuple": ("a tuple", lambda value: type(value) is tuple),
    "block": ("a block", lambda value: isinstance(value, BlockValue)),
    "op": ("an op", lambda value: isinstance(value, OpValue)),
}


def check_type(type_name: ast.Name, parameter: str, value: object, span: Span, what: str) -> None:
    """Check an argument against the type that its parameter asks for."""
    if type_name.text not in TYPES:
        known = ", ".join(f"`{name}`" for name in TYPES)
        raise stop(
            "E0101",
            type_name.span,
            f"unknown type `{type_name.text}`",
            "not a type",
            help=did_you_mean(type_name.text, TYPES) or f"the types are {known}",
        )
    words, accepts = TYPES[type_name.text]
    if not accepts(value):
        raise stop(
            "E0204", span, f"`{parameter}` of {what} must be {words}, and this is {kind_of(value)}", f"is {show(value)}"
        )
