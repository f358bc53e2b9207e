"""Binding arguments to parameters: by position, then by name, for blocks, arches, functions and ops alike."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from archc.compiler.ops.entry import REQUIRED
from archc.compiler.problems import did_you_mean, stop
from archc.compiler.values import BlockValue, Builtin, Given, InitializerValue, OpValue
from archc.dsl import ast
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span


class Slot(NamedTuple):
    """A parameter as the caller sees it."""

    name: str
    required: bool


class Passed(NamedTuple):
    """An argument of a call with its value computed."""

    name: ast.Name | None
    value: object
    span: Span


def bind(
    what: str, slots: Sequence[Slot], passed: Sequence[Passed], span: Span, *, bound: Mapping[str, Given], whole: bool
) -> dict[str, Given]:
    """Return the arguments by parameter name, in the order of the parameters; defaults are left to the caller.

    `what` names the callee in messages ("block `basic`"), `bound` holds what was given before, and `whole` asks that
    nothing required be missing.

    Raises:
        Stop: too many arguments, an unknown one, one given twice, or a required one missing.
    """
    names = [slot.name for slot in slots]
    free = [name for name in names if name not in bound]
    result = dict(bound)
    for position, argument in enumerate(passed):
        if argument.name is None:
            if position >= len(free):
                raise stop(
                    "E0203",
                    argument.span,
                    f"{what} takes {_count(len(free))}, but {_given(passed)} given",
                    "one too many",
                    help=f"its parameters are {_listed(free)}" if free else "write its name alone",
                )
            name = free[position]
        else:
            name = argument.name.text
            if name not in names:
                raise stop(
                    "E0202",
                    argument.name.span,
                    f"{what} has no parameter `{name}`",
                    "unknown",
                    help=did_you_mean(name, names)
                    or (f"its parameters are {_listed(names)}" if names else "it takes none"),
                )
            if name in result:
                raise stop(
                    "E0203",
                    argument.span,
                    f"`{name}` of {what} is given twice",
                    "here again",
                    related=[Label(result[name].span, "here first")],
                    help="keep one of them",
                )
        result[name] = Given(argument.value, argument.span)
    missing = [slot.name for slot in slots if slot.required and slot.name not in result]
    if missing and whole:
        label = "is missing" if len(missing) == 1 else "are missing"
        example = ", ".join(f"{name}=..." for name in missing)
        raise stop(
            "E0201",
            span,
            f"{what} needs {_listed(missing)}",
            f"{_listed(missing)} {label}",
            help=f"add {example}; its parameters are {_listed(names)}",
        )
    return {name: result[name] for name in names if name in result}


def slots(parameters: tuple[ast.Parameter, ...]) -> list[Slot]:
    """The parameters of a block, arch or function, as `bind` takes them."""
    return [Slot(parameter.name.text, parameter.default is None) for parameter in parameters]


def bind_block(value: BlockValue, passed: Sequence[Passed], span: Span, *, whole: bool) -> dict[str, Given]:
    """Bind arguments to a block, after those that are bound already."""
    what = f"block `{value.block.name.text}`"
    return bind(what, slots(value.block.parameters), passed, span, bound=value.bound, whole=whole)


def bind_op(value: OpValue, passed: Sequence[Passed], span: Span, *, whole: bool) -> dict[str, Given]:
    """Bind arguments to an operator, after those that are bound already."""
    op_slots = [Slot(parameter.name, parameter.default is REQUIRED) for parameter in value.op.parameters]
    return bind(f"`{value.op.name}`", op_slots, passed, span, bound=value.bound, whole=whole)


def bind_initializer(value: InitializerValue, passed: Sequence[Passed], span: Span, *, whole: bool) -> dict[str, Given]:
    """Bind arguments to an initializer, after those that are bound already."""
    name, parameters = value.initializer.name, value.initializer.parameters
    taken = [Slot(parameter.name, parameter.default is REQUIRED) for parameter in parameters]
    return bind(f"`{name}`", taken, passed, span, bound=value.bound, whole=whole)


def bind_builtin(function: Builtin, passed: Sequence[Passed], span: Span) -> tuple[object, ...]:
    """Return the arguments of a function of the language, which takes them by position.

    Raises:
        Stop: one has a name, or there are too few or too many.
    """
    least, most = function.arguments
    for argument in passed:
        if argument.name is not None:
            raise stop("E0202", argument.span, f"`{function.name}` takes no names", "write the value alone")
    if len(passed) < least or (most is not None and len(passed) > most):
        count = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        code = "E0201" if len(passed) < least else "E0203"
        raise stop(code, span, f"`{function.name}` takes {count} arguments", f"{len(passed)} given")
    return tuple(argument.value for argument in passed)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _count(number: int) -> str:
    return "no arguments" if number == 0 else "one argument" if number == 1 else f"at most {number} arguments"


def _given(passed: Sequence[Passed]) -> str:
    count = sum(argument.name is None for argument in passed)
    return "1 was" if count == 1 else f"{count} were"
