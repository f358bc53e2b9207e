"""Which steps are written inside the following one: `x = F.relu(self.bn1(self.conv1(x)))`.

The rule: a line is one layer or one operation, with the norms, activations and dropouts before and after it, at most
three calls that fit the line. Or it is up to three methods or indices one after the other, perhaps with a number:
`query = qkv[:, 0] * scale`. What has a name in the text, or is read twice, has a line of its own.
"""

import re
from collections.abc import Container, Sequence
from string import Formatter
from typing import NamedTuple

from archc.compiler.ops.entry import Expression, Statements
from archc.compiler.source.layout import WIDTH
from archc.compiler.source.parts import Hole, hole_width
from archc.compiler.source.scopes import Step

DEEPEST = 3
WIDEST = WIDTH - len("        return ")
AROUND = frozenset({"norm", "activation", "regularisation"})  # roles of operators that are written around a layer
_METHOD = re.compile(r"\.\w+\(|^\{0\}\[")
_CALL = re.compile(r"(\{module\}|[\w.]+)\(\{0\}(, [^(){}]*(\{\w+\}[^(){}]*)*)?\)")


class Line(NamedTuple):
    """What a line holds so far.

    kind    "layer" (a module, with what is around it), "operation" (a function or a sum, with what is around it),
            "methods" (of a value), or "own" where nothing else stands on the line
    calls   how many calls or methods it has
    layers  how many of them are not norms, activations or dropouts
    width   how many columns it takes, about
    """

    kind: str
    calls: int
    layers: int
    width: int


def nested(steps: Sequence[Step], alone: Sequence[Line], named: Container[int]) -> dict[int, Line]:
    """Return the lines that steps end, by the number of the step; a step without one is written inside the next.

    Args:
        steps: those of one scope, in order.
        alone: what `alone` returns for each.
        named: the values that are not written where they are used, because they have a name or are read twice.
    """
    lines: dict[int, Line] = {}
    line: Line | None = None
    for index, step in enumerate(steps):
        together = _together(line, alone[index]) if line is not None else None
        if line is not None and together is None:
            lines[index - 1] = line
        line = together or alone[index]
        is_read_next = len(step.outputs) == 1 and index + 1 < len(steps) and steps[index + 1].inputs == step.outputs
        if not is_read_next or step.training or step.outputs[0] in named:
            lines[index] = line
            line = None
    return lines


def alone(step: Step, call: Expression | Statements, module: str) -> Line:
    """The line of a step without its inputs; `module` is how its module is written, empty where it has none."""
    if isinstance(call, Statements):
        return Line("own", 1, 1, WIDTH)
    template, columns = call.template, 0
    for text, name, _, _ in Formatter().parse(template):
        columns += len(text)
        if name == "module":
            columns += len(module)
        elif name is not None and not name.isdigit():
            columns += hole_width(Hole(None, name))
    if template.startswith(("{0}.", "{0}[")) and template.count("{0}") == 1:
        return Line("methods", len(_METHOD.findall(template)), 0, columns)
    if _CALL.fullmatch(template):
        is_around = step.node is not None and step.node.op.role in AROUND
        return Line("layer" if module else "operation", 1, 0 if is_around else 1, columns)
    return Line("own" if ")." in template else "operation", int(call.atomic), 1, columns)


def _together(inner: Line, outer: Line) -> Line | None:
    """The line of a step around what stands inside it, or `None` where they stand on two."""
    line = Line(outer.kind, inner.calls + outer.calls, inner.layers + outer.layers, inner.width + outer.width)
    if line.calls > DEEPEST or line.width > WIDEST or inner.kind == "own":
        return None
    if inner.kind == "methods":
        return line if outer.kind == "methods" or outer.calls == 0 else None
    is_around = outer.kind == "layer" or (outer.kind == "operation" and outer.layers == 0)
    return line if is_around and line.layers <= 1 else None
