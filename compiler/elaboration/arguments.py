"""Binding arguments to parameters: by position, then by name, for blocks, arches, functions and ops alike."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from archc.compiler.ops.entry import REQUIRED
from archc.compiler.problems import Stop, stop
from archc.compiler.values import BlockValue, Builtin, ExternValue, Given, Identity, InitializerValue, OpValue, Wire
from archc.dsl import ast
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
    what: str,
    slots: Sequence[Slot],
    passed: Sequence[Passed],
    span: Span,
    *,
    bound: Mapping[str, Given],
    whole: bool,
    inferred: Sequence[str] = (),
) -> dict[str, Given]:
    """Return the arguments by parameter name, in the order of the parameters; defaults are left to the caller.

    `what` names the callee in messages ("block `basic`"), `bound` holds what was given before, `whole` asks that
    nothing required be missing, and `inferred` are names of PyTorch that follow from the input here.

    Raises:
        Stop: too many arguments, an unknown one, one given twice, or a required one missing.
    """
    names = [slot.name for slot in slots]
    free = [name for name in names if name not in bound]
    result = dict(bound)
    unknown = [argument.name for argument in passed if argument.name is not None and argument.name.text not in names]
    if unknown:
        from archc.compiler.elaboration.advice import unknown_arguments  # here and below: after a mistake only

        raise unknown_arguments(what, unknown, names, inferred)
    named = False
    for position, argument in enumerate(passed):
        if argument.name is None:
            if named:
                from archc.compiler.elaboration.advice import after_named

                raise after_named(argument, [slot for slot in names if slot not in result])
            if position >= len(free):
                raise stop(
                    "E0203",
                    argument.span,
                    f"{what} takes {_count(len(free))}, but {_given(passed)} given",
                    "one too many",
                    help=f"its parameters are {listed(free)}" if free else "write its name alone",
                )
            name = free[position]
        else:
            name, named = argument.name.text, True
            if name in result:
                from archc.compiler.elaboration.advice import given_twice

                raise given_twice(what, argument, result[name].span, passed, inferred)
        result[name] = Given(argument.value, argument.span)
    missing = [slot.name for slot in slots if slot.required and slot.name not in result]
    if missing and whole:
        label = "is missing" if len(missing) == 1 else "are missing"
        example = ", ".join(f"`{name}=...`" for name in missing)
        raise stop(
            "E0201",
            span,
            f"{what} needs {listed(missing)}",
            f"{listed(missing)} {label}",
            help=f"add {example}; its parameters are {listed(names)}",
        )
    return {name: result[name] for name in names if name in result}


def slots(parameters: tuple[ast.Parameter, ...]) -> list[Slot]:
    """The parameters of a block, arch or function, as `bind` takes them."""
    return [Slot(parameter.name.text, parameter.default is None) for parameter in parameters]


def bind_block(value: BlockValue, passed: Sequence[Passed], span: Span, *, whole: bool) -> dict[str, Given]:
    """Bind arguments to a block, after those that are bound already."""
    name = value.block.name.text
    inputs = sum(isinstance(statement, ast.Input) for statement in value.block.body.statements)
    if inputs and any(is_value(argument.value) for argument in passed):
        from archc.compiler.elaboration.advice import in_parentheses

        raise in_parentheses(f"block `{name}`", name, passed, several=True)
    what = f"block `{name}`"
    return bind(what, slots(value.block.parameters), passed, span, bound=value.bound, whole=whole)


def bind_extern(value: ExternValue, passed: Sequence[Passed], span: Span, *, whole: bool) -> dict[str, Given]:
    """Bind arguments to a class of one's own, after those that are bound already."""
    name = value.extern.name.text
    if any(is_value(argument.value) for argument in passed):
        from archc.compiler.elaboration.advice import in_parentheses

        raise in_parentheses(f"`{name}`", name, passed, several=len(value.extern.inputs) > 1)
    return bind(f"`{name}`", slots(value.extern.parameters), passed, span, bound=value.bound, whole=whole)


def bind_op(value: OpValue, passed: Sequence[Passed], span: Span, *, whole: bool) -> dict[str, Given]:
    """Bind arguments to an operator, after those that are bound already."""
    op = value.op
    if any(is_value(argument.value) or (argument.name is None and is_layer(argument.value)) for argument in passed):
        from archc.compiler.elaboration.advice import in_parentheses

        several = op.inputs[0] > 1 or op.inputs[1] is None
        raise in_parentheses(f"`{op.name}`", op.name, passed, several=several)
    op_slots = [Slot(parameter.name, parameter.default is REQUIRED) for parameter in op.parameters]
    try:
        return bind(f"`{op.name}`", op_slots, passed, span, bound=value.bound, whole=whole, inferred=op.inferred)
    except Stop as error:
        from archc.compiler.elaboration.advice import too_many

        meant = too_many(op, passed) if not value.bound else ""
        if error.diagnostic is None or error.diagnostic.code != "E0203" or not meant:
            raise
        raise Stop(error.diagnostic._replace(help=meant)) from None


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
            from archc.compiler.elaboration.advice import typed

            help = f"write `{function.name}({typed(argument)})`"
            raise stop("E0202", argument.span, f"`{function.name}` takes no names", "write the value alone", help=help)
    if len(passed) < least or (most is not None and len(passed) > most):
        count = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        code = "E0201" if len(passed) < least else "E0203"
        plural = "s" * (count != "1")
        raise stop(code, span, f"`{function.name}` takes {count} argument{plural}", f"{len(passed)} given")
    return tuple(argument.value for argument in passed)


def is_value(value: object) -> bool:
    """Whether an argument is a value of the network, or a list of such."""
    if type(value) is list or type(value) is tuple:
        assert isinstance(value, list | tuple)
        return any(isinstance(item, Wire) for item in value)
    return isinstance(value, Wire)


def is_layer(value: object) -> bool:
    """Whether an argument is an op, a block or `identity`."""
    return isinstance(value, BlockValue | OpValue | ExternValue | Identity)


def listed(names: Sequence[str]) -> str:
    """Write names as messages do.

    >>> listed(["a", "b"])
    '`a`, `b`'
    """
    return ", ".join(f"`{name}`" for name in names)


def _count(number: int) -> str:
    return "no arguments" if number == 0 else "one argument" if number == 1 else f"at most {number} arguments"


def _given(passed: Sequence[Passed]) -> str:
    count = sum(argument.name is None for argument in passed)
    return "1 was" if count == 1 else f"{count} were"
