"""What was probably meant by arguments that cannot be, and what to type instead; read after a mistake only."""

from collections.abc import Mapping, Sequence

from archc.compiler.elaboration.arguments import Passed, is_layer, is_value, listed
from archc.compiler.elaboration.foreign import argument_meant
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import REQUIRED, Op, Parameter
from archc.compiler.ops.order import as_typed
from archc.compiler.problems import Stop, did_you_mean, stop
from archc.compiler.values import Builtin, FunctionValue, Given, show
from archc.dsl import ast
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span


def wrong_kind(name: str, parameter: Parameter, value: object, given: Mapping[str, Given]) -> Stop:
    """Make the diagnostic for an argument that is not of its parameter's kind, of an operator or an initializer."""
    op, span = OPS.get(name), given[parameter.name].span
    number = isinstance(value, int | float) and not isinstance(value, bool)
    message = f"`{parameter.name}` of `{name}` must be {parameter.kind.words}"
    return stop(
        "E0205" if number else "E0204",
        span,
        message,
        f"is {show(value)}",
        help=_advice(parameter, value) or (_shifted(op, given) if op is not None else ""),
    )


def _advice(parameter: Parameter, value: object) -> str:
    """What to type instead of a value of the wrong kind, where the value says it."""
    accepts = parameter.kind.accepts
    if isinstance(value, FunctionValue | Builtin):
        return f"call it: `{show(value)}(...)`"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 and accepts(int(value)):
        return f"write `{int(value)}`, or `int(...)` around it; `/` leaves a fraction, `//` a whole number"
    if isinstance(value, str) and accepts(value.lower()):
        return f'write `"{value.lower()}"`'
    if isinstance(value, str) and value.isascii() and value.isdigit() and accepts(int(value)):
        return f"write `{int(value)}` without quotes"
    if value in (0, 1) and type(value) is int and accepts(bool(value)):
        return f"write `{show(bool(value))}`"
    if value is None and accepts(False):
        return "write `false`"
    if isinstance(value, list | tuple) and len(value) == 1 and accepts(value[0]):
        return f"write `{show(value[0])}` alone"
    if not isinstance(value, list | tuple) and accepts([value]):
        return f"write it as a list: `[{show(value)}]`"
    if parameter.name == "p" and isinstance(value, int) and 1 < value <= 100:
        return f"write `{value / 100:g}` for {value:g} percent"
    return ""


def _shifted(op: Op, given: Mapping[str, Given]) -> str:
    """The use without the first argument, where PyTorch's order has a size there that follows from the input here."""
    if not op.inferred or len(given) < 2:
        return ""
    values = list(given.values())[1:]
    fits = all(
        parameter.kind.accepts(argument.value) for parameter, argument in zip(op.parameters, values, strict=False)
    )
    fits = fits and all(parameter.default is not REQUIRED for parameter in op.parameters[len(values) :])
    texts = [" ".join(argument.span.text.split()) for argument in values]
    if not fits or any("=" in text for text in texts):
        return ""
    return f"`{op.inferred[0]}` follows from the input: write `{as_typed(op.name, texts)}`"


def given_twice(what: str, again: Passed, first: Span, passed: Sequence[Passed], inferred: Sequence[str]) -> Stop:
    """Make the diagnostic for an argument that is given twice: by its place and by name, or by name both times."""
    assert again.name is not None
    help = "keep one of them"
    if inferred and passed[0].name is None:  # `conv(64, 128, kernel_size=3)`
        use = as_typed(what.strip("`"), [" ".join(argument.span.text.split()) for argument in passed[1:]])
        help += f"; `{inferred[0]}` follows from the input: if the first is that, write `{use}`"
    message, related = f"`{again.name.text}` of {what} is given twice", [Label(first, "here first")]
    return stop("E0203", again.span, message, "here again", related=related, help=help)


def too_many(op: Op, passed: Sequence[Passed]) -> str:
    """What was meant by too many arguments: one list of them, or PyTorch's order."""
    texts = [typed(argument) for argument in passed]
    if any(argument.name is not None for argument in passed):
        return ""
    if op.parameters and op.parameters[0].kind.accepts([argument.value for argument in passed]):
        return f"write them as one list: `{op.name}([{', '.join(texts)}])`"
    given = {str(place): Given(argument.value, argument.span) for place, argument in enumerate(passed)}
    return _shifted(op, given)


def unknown_arguments(what: str, found: Sequence[ast.Name], names: Sequence[str], inferred: Sequence[str]) -> Stop:
    """Make the diagnostic for arguments of unknown names: all those of one use."""
    advice: list[str] = []
    for name in found:
        if name.text in inferred:
            one = "leave it out: it follows from the input"
        else:
            one = argument_meant(name.text, names) or did_you_mean(name.text, names)
        if one:
            advice.append(f"`{name.text}`: {one}" if len(found) > 1 else one)
    if len(advice) < len(found):
        advice.append(f"its parameters are {listed(names)}" if names else "it takes none")
    return stop(
        "E0202",
        found[0].span,
        f"{what} has no parameter {listed([name.text for name in found])}",
        "unknown",
        help="; ".join(advice),
        related=[Label(name.span, "unknown") for name in found[1:]],
    )


def after_named(argument: Passed, free: Sequence[str]) -> Stop:
    """Make the diagnostic for an argument by position after one with a name."""
    text = typed(argument)
    help = f"write `{free[0]}={text}`, or the arguments without names first" if free else "leave it out"
    message = "an argument without a name stands before those with names"
    return stop("E0203", argument.span, message, "after one with a name", help=help)


def in_parentheses(what: str, name: str, passed: Sequence[Passed], *, several: bool) -> Stop:
    """Make the diagnostic for values of the network, or layers, that stand in parentheses."""
    values: list[str] = []
    settings: list[str] = []
    first: Span | None = None
    for argument in passed:
        if is_value(argument.value) or is_layer(argument.value):
            first = first or argument.span
            text = typed(argument)
            listed = text[1:-1].split(",") if text[:1] in ("[", "(") else [text]
            values.extend(part.strip() for part in listed if part.strip())
        else:
            settings.append(" ".join(argument.span.text.split()))
    assert first is not None
    use = as_typed(name, settings)
    if several or len(values) > 1:
        if len(values) == 1:
            values.insert(0, "identity")
        help = f"write `{use} {{ {'; '.join(values)} }}`"
        message = f"{what} takes values in braces; parentheses are for settings"
    else:
        help = f"write `{values[0]} -> {use}`"
        message = f"a value flows into {what}; parentheses are for settings"
    return stop("E0401", first, message, "is a value" if _is_plain(passed) else "is no setting", help=help)


def _is_plain(passed: Sequence[Passed]) -> bool:
    return all(not is_layer(argument.value) for argument in passed)


def typed(argument: Passed) -> str:
    """The value of an argument as it is typed, on one line."""
    text = " ".join(argument.span.text.split())
    if argument.name is not None:
        text = text[len(argument.name.text) :].lstrip(" =")
    return text
