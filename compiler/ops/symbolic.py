"""Sizes that are known only when the network runs, written as Python over the operator's inputs."""

from archc.compiler.algebra.carry import in_terms_of
from archc.compiler.algebra.sizes import Size, Symbolic, symbols
from archc.compiler.ops.entry import Call, Problem
from archc.compiler.ops.rules import axis


def placed(call: Call, size: Size, key: str, values: dict[str, object], *, argument: str) -> str:
    """Return the text of a size in a template: a placeholder for a number, else a formula over the inputs' shapes.

    >>> from archc.compiler.algebra.sizes import symbol
    >>> from archc.compiler.ir import Tensor
    >>> h, values = symbol("H"), {}
    >>> call = Call({}, (Tensor((3, 2 * h + 1)),))
    >>> placed(call, 7, "a", values, argument="size"), placed(call, h // 4, "b", values, argument="size"), values
    ('{a}', '{0}.shape[2] // 8', {'a': 7})

    Raises:
        Problem: the inputs do not tell the size.
    """
    if not isinstance(size, Symbolic):
        values[key] = size
        return f"{{{key}}}"
    known = {
        f"{{{number}}}.shape[{axis(x, place)}]": have
        for number, x in enumerate(call.inputs)
        for place, have in enumerate(x.shape)
    }
    same = next((text for text, have in known.items() if have == size), None)
    found = same or in_terms_of(size, known)
    if found is None:
        untold = sorted(symbols(size) - frozenset().union(*map(symbols, known.values())))
        raise Problem(
            "E0305",
            f"the size {size} cannot be computed here: the inputs of this operator do not tell "
            + (" and ".join(untold) if untold else "it"),
            f"is {size}",
            argument=argument,
            help="give the value that has this size as a further branch, or use fixed numbers",
        )
    return str(found)
