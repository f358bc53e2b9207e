"""Sizes that are known only when the network runs, written as Python over the operator's inputs."""

import re

from archc.compiler.algebra.sizes import Size, Symbolic, evaluate, symbol, symbols
from archc.compiler.ops.entry import Call, Problem
from archc.compiler.ops.rules import axis


def placed(call: Call, size: Size, key: str, values: dict[str, object], *, argument: str) -> str:
    """Return the text of a size in a template: a placeholder for a number, else a formula over the inputs' shapes.

    >>> from archc.compiler.ir import Tensor
    >>> h, values = symbol("H"), {}
    >>> call = Call({}, (Tensor((3, 2 * h + 1)),))
    >>> placed(call, 7, "a", values, argument="size"), placed(call, h // 4, "b", values, argument="size"), values
    ('{a}', '(({0}.shape[2] - 1) // 2) // 4', {'a': 7})

    Raises:
        Problem: the inputs do not tell the size.
    """
    if not isinstance(size, Symbolic):
        values[key] = size
        return f"{{{key}}}"
    same = _axis_of(call, size)
    if same:
        return same
    text = str(size)
    for name in symbols(size):
        found = _symbol(call, name)
        if not found:
            raise Problem(
                "E0305",
                f"the size {size} cannot be computed here: the inputs of this operator do not tell {name}",
                f"is {size}",
                argument=argument,
                help="give the value that has this size as a further branch, or use fixed numbers",
            )
        text = re.sub(rf"\b{name}\b", found, text)
    return text


def _axis_of(call: Call, size: Symbolic) -> str:
    """The axis of an input that is as large."""
    for number, x in enumerate(call.inputs):
        if size in x.shape:
            return f"{{{number}}}.shape[{axis(x, x.shape.index(size))}]"
    return ""


def _symbol(call: Call, name: str) -> str:
    """A symbol, from an axis that is a multiple of it, or a number more."""
    for number, x in enumerate(call.inputs):
        for place, size in enumerate(x.shape):
            if symbols(size) != {name}:
                continue
            first = evaluate(size, {name: 1})
            factor = evaluate(size, {name: 2}) - first
            rest = first - factor
            if size == factor * symbol(name) + rest:
                text = f"{{{number}}}.shape[{axis(x, place)}]"
                if rest:
                    text = f"({text} {'-' if rest > 0 else '+'} {abs(rest)})"
                return text if factor == 1 else f"({text} // {factor})"
    return ""
