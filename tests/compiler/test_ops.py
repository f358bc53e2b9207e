"""Every operator's examples against torch on the meta device, and every entry's form."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archc.compiler.algebra.sizes import NotExact, evaluate, symbol
from archc.compiler.ir import Tensor
from archc.compiler.ops import FAMILIES, OPS, ROLES
from archc.compiler.ops.entry import REQUIRED, Call, Example, Op, Problem
from tests.compiler.operators import BATCH, Built, build, inferred, parsed, shape_without_batch, texts

EXAMPLES = [
    pytest.param(op, example, id=f"{op.name}: {example.text} on {example.inputs}")
    for op in OPS.values()
    for example in op.examples
]


def _bilinear_macs(built: Built, call: Call) -> float:
    """The matrix products of x1 A x2, for every place and output feature."""
    assert built.module is not None
    out, first, second = built.module.get_parameter("weight").shape
    places = built.outputs[0].numel() // out
    with torch.device("meta"), FlopCounterMode(display=False) as flops:
        torch.ones(places, first) @ torch.ones(first, out * second)
        torch.ones(places, out, second) @ torch.ones(places, second, 1)
    return float(flops.get_total_flops()) / 2 / BATCH


def _counted_macs(built: Built, call: Call) -> float:
    assert built.macs is not None
    return built.macs


COUNTED_HERE: dict[str, Callable[[Built, Call], float]] = {"bilinear": _bilinear_macs}  # unknown to torch's counter


@pytest.mark.parametrize(("op", "example"), EXAMPLES)
def test_an_example_is_what_torch_makes_of_it(op: Op, example: Example) -> None:
    found, arguments = parsed(example.text)
    assert found is op
    call = inferred(op, arguments, example.tensors())
    for text in texts(op, call):
        built = build(text, call)
        assert len(built.outputs) == len(call.outputs)
        for y, expected in zip(built.outputs, call.outputs, strict=True):
            assert shape_without_batch(y, expected) == expected.shape
            assert str(y.dtype) == f"torch.{expected.dtype}"
        assert COUNTED_HERE.get(op.name, _counted_macs)(built, call) == op.macs(call)
        if built.module is not None:
            _same_weights(op, built.module, call.inputs, arguments)
    if op.own:
        _same_value(op, call)
    elif op.module is None:
        assert op.weights(call) == ()
    if op.label is not None:
        assert 0 < len(op.label(call)) <= 60


def _same_weights(op: Op, module: nn.Module, inputs: tuple[Tensor, ...], arguments: dict[str, object]) -> None:
    weights = op.weights(inferred(op, arguments, inputs))
    own = [(w.name, w.shape, f"torch.{w.dtype}") for w in weights if not w.buffer]
    assert own == [(name, tuple(p.shape), str(p.dtype)) for name, p in module.named_parameters()]
    kept = [(w.name, w.shape, f"torch.{w.dtype}") for w in weights if w.buffer]
    assert kept == [(name, tuple(b.shape), str(b.dtype)) for name, b in module.named_buffers()]
    assert [w.name for w in weights] == list(module.state_dict())


def _same_value(op: Op, call: Call) -> None:
    """A value of the network's own is its own weight; a constant is none."""
    (y,) = build(texts(op, call)[0], call, device="cpu").outputs
    expected = [("", tuple(y.shape), f"{y.dtype}", op.own == "buffer")] if op.own != "constant" else []
    assert [(w.name, w.shape, f"torch.{w.dtype}", w.buffer) for w in op.weights(call)] == expected
    assert isinstance(y, nn.Parameter) is (op.own == "parameter")


@pytest.mark.parametrize(("op", "example"), EXAMPLES)
def test_an_example_gives_the_same_sizes_from_symbols(op: Op, example: Example) -> None:
    _, arguments = parsed(example.text)
    tensors = example.tensors()
    concrete = inferred(op, arguments, tensors)
    for number, tensor in enumerate(tensors):
        for place, size in enumerate(tensor.shape):
            if size == 1:
                continue  # it may be there to be broadcast, which a symbol is not
            sizes = (*tensor.shape[:place], symbol("S"), *tensor.shape[place + 1 :])
            replaced = (*tensors[:number], tensor._replace(shape=sizes), *tensors[number + 1 :])
            call = _inferred_from_symbols(op, arguments, replaced)
            if call is None:
                continue
            values = {"S": evaluate(size, {})}
            for y, expected in zip(call.outputs, concrete.outputs, strict=True):
                assert tuple(evaluate(size, values) for size in y.shape) == expected.shape
            assert evaluate(op.macs(call), values) == op.macs(concrete)
            for text in texts(op, call):
                if text.module is None:  # what is written for symbols gives the same, run at the example's sizes
                    found = build(text, concrete).outputs
                    assert [tuple(y.shape) for y in found] == [
                        (BATCH, *y.shape) if y.batched else y.shape for y in concrete.outputs
                    ]
            for condition in call.conditions.summary():
                assert eval(condition.python("S"), values), (condition, values)


def _inferred_from_symbols(op: Op, arguments: dict[str, object], inputs: tuple[Tensor, ...]) -> Call | None:
    """The call, or nothing where a size must be a number: that of a weight, or one that has no exact formula."""
    try:
        return inferred(op, arguments, inputs)
    except NotExact:
        return None
    except Problem as problem:
        if problem.code != "E0305":
            raise
        return None


def test_the_table_holds_every_operator_once() -> None:
    names = [op.name for family in FAMILIES for op in family]
    assert len(names) == len(set(names)) == len(OPS)


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_an_entry_is_complete(op: Op) -> None:
    assert op.role in ROLES
    assert op.summary.endswith(".")
    assert "\n" not in op.summary
    assert len(op.examples) >= 2
    assert op.module is not None or op.function is not None or op.tensor is not None
    assert (op.own in ("parameter", "buffer", "constant")) is (op.tensor is not None)
    names = [parameter.name for parameter in op.parameters]
    assert len(names) == len(set(names))
    required = [parameter.default is REQUIRED for parameter in op.parameters]
    assert required == sorted(required, reverse=True), "a parameter without a default follows one with a default"
    for parameter in op.parameters:
        assert parameter.default is REQUIRED or parameter.kind.accepts(parameter.default), parameter.name


def test_every_role_is_used() -> None:
    assert set(ROLES) == {op.role for op in OPS.values()}
