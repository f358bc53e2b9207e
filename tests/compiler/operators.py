"""Uses of operators, built with torch from the text of their entries: what the tests of the operators share."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archc.compiler.ir import Initialisation, Tensor
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import REQUIRED, Call, Construct, Expression, Op, Statements
from archc.compiler.ops.initial import INITIALIZERS

NAMES = {"torch": torch, "nn": nn, "F": F, "torchvision": torchvision}
BATCH = 2


def parsed(text: str) -> tuple[Op, dict[str, object]]:
    """Read a use of an operator, `conv(8, 3, bias=false)`; return the entry and all arguments, defaults filled in."""
    tree = ast.parse(text, mode="eval").body
    call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
    assert isinstance(call.func, ast.Name)
    op = OPS[call.func.id]
    values = dict(zip([p.name for p in op.parameters], map(_value, call.args), strict=False))
    values |= {keyword.arg: _value(keyword.value) for keyword in call.keywords if keyword.arg is not None}
    return op, filled(op, values, whole=op.given is None)


def _value(node: ast.expr) -> object:
    match node:
        case ast.Name(id="true"):
            return True
        case ast.Name(id="false"):
            return False
        case ast.Name(id="none"):
            return None
        case ast.Name(id=name) if name in INITIALIZERS:
            return Initialisation(name)
        case ast.Call(func=ast.Name(id=name)):
            return Initialisation(name, tuple((str(k.arg), _value(k.value)) for k in node.keywords))
        case ast.List() | ast.Tuple():
            return [_value(item) for item in node.elts]
        case _:
            return ast.literal_eval(node)


def filled(op: Op, values: Mapping[str, object], *, whole: bool) -> dict[str, object]:
    """Return all arguments in the order of the parameters, checked against their kinds.

    Unless `whole`, required ones may be missing and are `None`, as with weights from further inputs.
    """
    assert set(values) <= {p.name for p in op.parameters}, (op.name, values)
    arguments = {p.name: values.get(p.name, p.default) for p in op.parameters}
    for parameter in op.parameters:
        if arguments[parameter.name] is REQUIRED and not whole:
            arguments[parameter.name] = None
            continue
        assert arguments[parameter.name] is not REQUIRED, (op.name, parameter.name)
        assert parameter.kind.accepts(arguments[parameter.name]), (op.name, parameter, arguments[parameter.name])
    return arguments


def inferred(op: Op, arguments: Mapping[str, object], inputs: Sequence[Tensor]) -> Call:
    """Return the call with its outputs; raises `Problem` where the entry refuses it."""
    call = Call(arguments, tuple(inputs))
    outputs = op.shape(call)
    assert len(outputs) == op.outputs(arguments), op.name
    return Call(arguments, tuple(inputs), outputs, call.conditions)


class Built(NamedTuple):
    """What torch made of a use: its outputs, its module if it has one, its multiply-adds for one sample if counted."""

    outputs: tuple[torch.Tensor, ...]
    module: nn.Module | None
    macs: float | None


class Text(NamedTuple):
    """The entry's text for a use: the module to construct, if any, and how the inputs go through."""

    module: str | None
    use: Expression | Statements


def texts(op: Op, call: Call) -> list[Text]:
    """Return the ways in which an entry writes a use: with a module, without one, or both."""
    if op.tensor is not None:
        return [Text(None, Expression(construct_text(op.tensor(call))))]
    if op.given is not None and len(call.inputs) > 1:
        return [Text(None, op.given(call))]
    found = []
    if op.module is not None:
        plain = Expression(f"{{module}}({', '.join(f'{{{i}}}' for i in range(len(call.inputs)))})")
        applied = op.apply(call) if op.apply is not None else None
        found.append(Text(construct_text(op.module(call)), applied or plain))
    if op.function is not None:
        found.append(Text(None, op.function(call)))
    return found


def build(text: Text, call: Call, *, device: str = "meta") -> Built:
    """Build a use from the entry's text and run it on a batch of two; multiply-adds are counted on the meta device."""
    counter = FlopCounterMode(display=False) if device == "meta" else None
    with torch.device(device), counter or nullcontext():
        inputs = [tensor(x, device) for x in call.inputs]
        module = None if text.module is None else eval(text.module, dict(NAMES))
        result = run(text.use, inputs, len(call.outputs), module)
    return Built(result, module, counter.get_total_flops() / 2 / BATCH if counter else None)


def tensor(x: Tensor, device: str) -> torch.Tensor:
    """Return a tensor of a type, with a batch of two."""
    shape = (BATCH, *x.shape) if x.batched else x.shape
    # Whole numbers are 0, so that they are a place in every table.
    make = torch.ones if x.dtype.startswith(("float", "bfloat")) else torch.zeros
    return make([int(size) for size in shape], dtype=getattr(torch, x.dtype), device=device)  # type: ignore[arg-type]


def run(
    text: Expression | Statements, inputs: Sequence[torch.Tensor], outputs: int, module: nn.Module | None
) -> tuple[torch.Tensor, ...]:
    """Apply an entry's text to values, with its module if it has one; return the outputs."""
    names = {"module": module, **{f"x{i}": x for i, x in enumerate(inputs)}, **NAMES}
    if isinstance(text, Statements):
        filling = {f"y{i}": f"y{i}" for i in range(outputs)}
        for line in text.lines:
            exec(line.format(*(f"x{i}" for i in range(len(inputs))), module="module", **filling), names)
        result: object = tuple(names[f"y{i}"] for i in range(outputs))
    else:
        result = eval(expression_text(text, [f"x{i}" for i in range(len(inputs))]), names)
    found = result if isinstance(result, tuple | list) else (result,)
    assert all(isinstance(y, torch.Tensor) for y in found)
    return tuple(found)


def construct_text(construct: Construct) -> str:
    """Write a construct as Python."""
    arguments = (f"{name}={_written(value)}" if name else _written(value) for name, value in construct.arguments)
    return f"{construct.callee}({', '.join(arguments)})"


def _written(value: object) -> str:
    return construct_text(value) if isinstance(value, Construct) else repr(value)


def expression_text(expression: Expression, inputs: Iterable[str]) -> str:
    """Write an expression as Python, over inputs that have names."""
    values = {name: repr(value) for name, value in expression.values.items()}
    return expression.template.format(*inputs, module="module", **values)


def shape_without_batch(y: torch.Tensor, expected: Tensor) -> tuple[int, ...]:
    """Return the sizes of an output of torch as the entries count them."""
    if not expected.batched:
        return tuple(y.shape)
    assert y.shape[0] == BATCH
    return tuple(y.shape[1:])
