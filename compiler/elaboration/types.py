"""The types that a parameter may ask for: `n: int`, `unit: block`, `act: op`."""

from collections.abc import Callable

from archc.compiler.ops import OPS
from archc.compiler.problems import did_you_mean, stop
from archc.compiler.values import BlockValue, ExternValue, Identity, ModuleValue, OpValue, kind_of, show
from archc.dsl import ast
from archc.dsl.source import Span

TYPES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "int": ("a whole number", lambda value: type(value) is int),
    "float": ("a number", lambda value: type(value) in (int, float)),
    "str": ("text", lambda value: isinstance(value, str)),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "list": ("a list", lambda value: type(value) is list),
    "tuple": ("a tuple", lambda value: type(value) is tuple),
    "block": ("a block", lambda value: isinstance(_applied(value), BlockValue | ExternValue | Identity)),
    "op": ("an op", lambda value: isinstance(_applied(value), OpValue | ExternValue | Identity)),
}


def _applied(value: object) -> object:
    """What a stage applies: of a declared module, what it is made of."""
    return value.value if isinstance(value, ModuleValue) else value


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
        help = ""
        if isinstance(value, str) and value in OPS:
            help = f"an op is passed by its name, without quotes: `{value}`"
        elif isinstance(value, str) and value.isdigit() and accepts(int(value)):
            help = f"write `{int(value)}` without quotes"
        elif isinstance(value, float) and value.is_integer() and accepts(int(value)):
            help = f"write `{int(value)}`, or `int(...)` around it; `/` leaves a fraction, `//` a whole number"
        message = f"`{parameter}` of {what} must be {words}, and this is {kind_of(value)}"
        raise stop("E0204", span, message, f"is {show(value)}", help=help)
