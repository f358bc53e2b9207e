"""What an expression can be at compile time, and how messages speak of it.

Integers, floats, text, booleans and `none` are Python's own; lists are `list` (never changed), tuples are `tuple`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from archc.compiler.algebra.sizes import Symbolic
from archc.compiler.ir import Initialisation
from archc.dsl import ast
from archc.dsl.source import Span

if TYPE_CHECKING:
    from archc.compiler.elaboration.scope import Scope
    from archc.compiler.ir import Rule
    from archc.compiler.ops.entry import Op
    from archc.compiler.ops.initial import Initializer
    from archc.compiler.program import Unit


class Given(NamedTuple):
    """An argument as it was given: its value and its place."""

    value: object
    span: Span


class BlockValue(NamedTuple):
    """A block, with the arguments that are bound to it so far."""

    block: ast.Block
    unit: "Unit"
    bound: Mapping[str, Given]


class OpValue(NamedTuple):
    """An operator, with the arguments that are bound to it so far."""

    op: "Op"
    bound: Mapping[str, Given]


class InitializerValue(NamedTuple):
    """A way to give weights their first values, with the arguments that are bound to it so far."""

    initializer: "Initializer"
    bound: Mapping[str, Given]


class ExternValue(NamedTuple):
    """A class of one's own that an `extern` declares, with the arguments that are bound to it so far."""

    extern: ast.Extern
    unit: "Unit"
    bound: Mapping[str, Given]


class Identity:
    """The stage `identity` as a setting, as in `unit(norm=identity)`: it leaves the value that it takes."""

    __slots__ = ()


IDENTITY = Identity()

# What a stage applies.
Applicable: TypeAlias = BlockValue | OpValue | ExternValue


class ModuleValue(NamedTuple):
    """A module declared by `module name = ...`: what it applies, all arguments bound, its path, where it stands."""

    value: Applicable
    given: Mapping[str, Given]
    path: str
    place: int
    span: Span
    rules: "tuple[list[Rule], ...]" = ()  # of the braces around


class FunctionValue(NamedTuple):
    """A function of the text: `let f(a, b = 1) = ...`; `scope` holds what one in a block or arch sees there."""

    function: ast.Function
    unit: "Unit"
    scope: "Scope | None"


class Builtin(NamedTuple):
    """A function of the language, such as `len`: how few and how many arguments it takes, and what it does."""

    name: str
    arguments: tuple[int, int | None]
    apply: Callable[..., object]


class Wire(NamedTuple):
    """A value of the network, by its number in the graph; only its sizes are known at compile time."""

    value: int


class Poison:
    """What a mistake leaves: whatever is made from it is wrong for a reason that has been reported."""

    def __repr__(self) -> str:
        return "POISON"


POISON = Poison()
LONGEST_SHOWN = 2_000
DEEPEST_SHOWN = 50


def kind_of(value: object) -> str:
    """Say what a value is, for a message.

    >>> kind_of(3), kind_of([1, 2]), kind_of(None)
    ('a whole number', 'a list', '`none`')
    """
    match value:
        case None:
            return "`none`"
        case bool():
            return "a truth value"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction"
        case str():
            return "text"
        case Symbolic():
            return "a size that depends on the input"
        case list():
            return "a list"
        case BlockValue():
            return "a block"
        case OpValue():
            return "an op"
        case ExternValue():
            return "an extern"
        case InitializerValue() | Initialisation():
            return "an initializer"
        case FunctionValue() | Builtin():
            return "a function"
        case ModuleValue():
            return "a module"
        case Identity():
            return "the stage `identity`"
        case Wire():
            return "a value of the network"
        case _:
            return "a tuple"


def show(value: object, limit: int = 60) -> str:
    """Write a value as the language does, shortened in the middle when it is long.

    >>> show([64, "M", True, None, (1, 2)])
    '[64, "M", true, none, (1, 2)]'
    """
    text = _show(value, max(limit, LONGEST_SHOWN), 0)
    return text if len(text) <= limit else f"{text[: limit - 10]}...{text[-7:]}"


def _show(value: object, room: int, depth: int) -> str:
    if room <= 0 or depth > DEEPEST_SHOWN:
        return "..."
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case BlockValue():
            return value.block.name.text + _bound(value.bound, room, depth)
        case OpValue():
            return value.op.name + _bound(value.bound, room, depth)
        case ExternValue():
            return value.extern.name.text + _bound(value.bound, room, depth)
        case InitializerValue():
            return value.initializer.name + _bound(value.bound, room, depth)
        case Initialisation():
            return str(value)
        case FunctionValue():
            return value.function.name.text
        case Builtin():
            return value.name
        case Wire():
            return "a value"
        case ModuleValue():
            return value.path
        case Identity():
            return "identity"
        case list():
            return f"[{_items(value, room, depth)}]"
        case tuple():
            return f"({_items(value, room, depth)}{',' if len(value) == 1 else ''})"
        case _:
            return str(value)


def _items(items: Iterable[object], room: int, depth: int) -> str:
    """Show what a list holds, as far as there is room: lists in lists can stand for more than any memory holds."""
    parts = []
    for item in items:
        parts.append(_show(item, room, depth + 1))
        room -= len(parts[-1]) + 2
        if room <= 0:
            break
    return ", ".join(parts)


def _bound(bound: Mapping[str, Given], room: int, depth: int) -> str:
    if not bound:
        return ""
    return "(" + ", ".join(f"{name}={_show(given.value, room, depth + 1)}" for name, given in bound.items()) + ")"
