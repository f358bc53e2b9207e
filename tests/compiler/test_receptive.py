"""Receptive fields: of every operator's examples and of random networks, against what changes in torch."""

import random

import pytest
import torch

import archc
from archc.api import compile
from archc.compiler.algebra.sizes import Size
from archc.compiler.analysis.receptive import Seen, described, receptive
from archc.compiler.ir import ShapedGraph
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import Call, Example, Op
from archc.compiler.ops.field import Along, Field
from archc.compiler.pipeline import check, choose
from archc.compiler.program import Program
from archc.compiler.summary import as_json
from archc.dsl.source import Source
from tests.compiler.operators import NAMES, Text, inferred, parsed, tensor, texts
from tests.compiler.operators import run as run_text

# ---- one operator

EXAMPLES = [
    pytest.param(op, example, id=example.text.replace(" ", "") + "-" + "x".join(map(str, example.inputs[0])))
    for op in OPS.values()
    # By convention statistics are constants and dropout passes on; values of the network's own read nothing.
    if op.role not in ("norm", "regularisation", "value")
    for example in op.examples
]
SOMETIMES = ("arithmetic", "activation", "attention")


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
@pytest.mark.parametrize(("op", "example"), EXAMPLES)
def test_an_output_changes_where_the_rule_says_that_it_reads(op: Op, example: Example) -> None:
    op, arguments = parsed(example.text)
    call = inferred(op, arguments, example.tensors())
    text = texts(op, call)[-1]
    torch.manual_seed(0)
    module = None if text.module is None else eval(text.module, dict(NAMES)).eval()
    for weight in module.parameters() if module is not None else ():
        torch.nn.init.uniform_(weight, 0.5, 1.0)
    inputs = [x + torch.rand(x.shape) if x.is_floating_point() else x for x in (tensor(x, "cpu") for x in call.inputs)]
    before = run_text(text.use, inputs, len(call.outputs), module)
    for source, x in enumerate(inputs):
        if not x.is_floating_point():
            continue
        for flat in random.Random(0).sample(range(x[0].numel()), min(12, x[0].numel())):
            place = _unravelled(flat, tuple(x[0].shape)) if call.inputs[source].batched else _first(flat, x)
            changed = _changed(text, call, inputs, source, place, before, module)
            for result, where in enumerate(changed):
                _compare(op, call, op.field(call, source, result), source, result, place, where)


def numbers(sizes: tuple[Size, ...]) -> tuple[int, ...]:
    """Return sizes that are numbers."""
    return tuple(size for size in sizes if isinstance(size, int))


def _unravelled(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), shape))


def _first(flat: int, x: torch.Tensor) -> tuple[int, ...]:
    return (0, *_unravelled(flat, tuple(x[0].shape)))


def _changed(
    text: Text,
    call: Call,
    inputs: list[torch.Tensor],
    source: int,
    place: tuple[int, ...],
    before: tuple[torch.Tensor, ...],
    module: torch.nn.Module | None,
) -> list[torch.Tensor]:
    """Where the outputs of the first sample change when one number of an input does."""
    found = [torch.zeros(numbers(y.shape), dtype=torch.bool) for y in call.outputs]
    for number in (90.0, -70.0):
        moved = [x.clone() for x in inputs]
        moved[source][(0, *place) if call.inputs[source].batched else place] = number
        after = run_text(text.use, moved, len(call.outputs), module)
        for result, (a, b) in enumerate(zip(before, after, strict=True)):
            differs = ~torch.isclose(a.double(), b.double(), rtol=1e-5, atol=1e-4)
            found[result] |= differs[0] if call.outputs[result].batched else differs
    return found


def _compare(
    op: Op, call: Call, field: Field, source: int, result: int, place: tuple[int, ...], where: torch.Tensor
) -> None:
    x, y = call.inputs[source], call.outputs[result]
    assert len(field.axes) == len(y.shape)
    edges = call.arguments.get("padding_mode", call.arguments.get("mode"))
    readers = {}
    for axis, along in enumerate(field.axes):
        if along is not None and len(along.sources) == 1:
            size, read = numbers(x.shape)[along.sources[0]], place[along.sources[0]]
            readers[axis] = {o for o in range(numbers(y.shape)[axis]) if _reads(op, along, o, size, read)}
    if not all(readers.values()):  # what is not read along one axis is not read at all
        assert not where.any()
        return
    for axis, expected in readers.items():
        others = [other for other in range(where.dim()) if other != axis]
        found = where.any(dim=others).nonzero().flatten().tolist() if others else where.nonzero().flatten().tolist()
        if edges in ("reflect", "replicate", "circular"):
            assert expected <= set(found), (axis, place)  # padding repeats what lies at the edges
        elif op.role in SOMETIMES or op.name in ("maximum", "minimum", "select", "pixel_shuffle"):
            assert set(found) <= expected, (axis, place)  # not every number and not every channel changes all of it
        else:
            assert set(found) == expected, (axis, place)


def _reads(op: Op, along: Along, place: int, size: int, read: int) -> bool:
    places = along.reads(place)
    if op.name == "roll":
        return read in {at % size for at in places}
    if op.role == "resample":  # at the edges interpolation repeats them
        places = [min(max(at, 0), size - 1) for at in places]
    return read in places


def test_flattened_axes_are_read_one_place_of_each() -> None:
    op, arguments = parsed("flatten(2)")
    field = op.field(inferred(op, arguments, Example("", ((16, 5, 6),)).tensors()), 0, 0)
    assert field == Field((Along((0,)), Along((1, 2))))


# ---- networks


def shaped_of(text: str) -> ShapedGraph:
    return check(choose(Program(Source("a.arch", text))), {}).shaped


@pytest.mark.parametrize(
    ("name", "path", "op", "size", "stride"),
    [
        ("vgg16", "features.30", "max_pool", 212, 32),
        ("resnet18", "", "add", 435, 32),
        ("alexnet", "features.12", "max_pool", 195, 32),
        ("d2l/lenet", "5", "avg_pool", 16, 4),
    ],
)
def test_known_sizes(name: str, path: str, op: str, size: int, stride: int) -> None:
    shaped = compile(name).checked.shaped
    node = [node for node in shaped.graph.nodes if (node.path, node.op.name) == (path, op)][-1]
    for seen in receptive(shaped)[node.outputs[0]]:
        assert seen.windows is not None
        assert seen.size == size
        assert seen.windows.stride == stride


@pytest.mark.parametrize("factor", [2.5, 1.001, 0.3])
def test_resampling_by_no_whole_factor_is_not_followed(factor: float) -> None:
    shaped = shaped_of(f"arch A {{ input x: [3, 2000]; upsample(scale_factor={factor}) }}")
    assert described(receptive(shaped)[shaped.graph.outputs[0].value])[0] == [None]


def test_a_result_without_places_sees_everything() -> None:
    for name in ("vgg16", "resnet18", "googlenet", "d2l/lenet"):
        shaped = compile(name).checked.shaped
        assert {seen.kind for seen in receptive(shaped)[shaped.graph.outputs[0].value]} == {"all"}


def test_attention_written_by_hand_sees_everything() -> None:
    shaped = shaped_of(
        """arch A {
            input x: [3, 32, 32]
            conv(8, 4, stride=4) -> flatten(2) -> transpose(1, 2) as tokens
            matmul { tokens -> linear(8); tokens -> linear(8) -> transpose(-2, -1) } -> softmax(dim=-1) as scores
            matmul { scores; tokens }
        }"""
    )
    seen = receptive(shaped)
    assert [str(seen[value][0]) for value in range(shaped.graph.values)] == [
        *("1", "4", "4", "4", "4", "4", "4", "unknown", "unknown", "all")
    ]


def test_what_does_not_depend_on_the_input_sees_nothing() -> None:
    shaped = shaped_of("arch A { input x: [3, 8, 8]; conv(4, 3) as y; bias: parameter([4, 6, 6]) as b; add { y; b } }")
    assert [str(seen[0]) for seen in receptive(shaped)] == ["1", "3", "nothing", "3"]


STEPS = (
    "conv({c}, {k}, padding={p}, bias=false)",
    "conv({c}, {k}, stride={s}, padding={p}, bias=false)",
    "conv({c}, {k}, dilation={d}, padding={p}, bias=false)",
    "conv({c}, {k}, stride={s}, dilation={d}, bias=false)",
    "conv_transpose({c}, {k}, stride={s}, padding={q}, bias=false)",
    "conv_transpose({c}, {k}, stride={s}, dilation={d}, bias=false)",
    "avg_pool({k}, stride={s}, padding={q})",
    "avg_pool({s})",
    "interpolate(scale_factor={s})",
    'interpolate(scale_factor={s}, mode="{linear}")',
    "pad({d})",
    "slice(2, {q}, step={s})",
    "add {{ identity; conv(1, 3, dilation={d}, padding={d}, bias=false) }}",
    "concat {{ identity; conv(2, 5, dilation={d}, padding={e}, bias=false) }} -> conv(1, 1, bias=false)",
    "add {{ avg_pool(3, stride={s}, padding=1); conv(1, 1, stride={s}, bias=false) }}",
)


@pytest.mark.parametrize("seed", range(200))
def test_random_networks_agree_with_gradients(seed: int) -> None:
    rng = random.Random(seed)
    axes = 2 if seed % 8 == 0 else 1
    size = 61 if axes == 2 else 700
    steps: list[str] = []
    while len(steps) < rng.randint(2, 3 if axes == 2 else 6):
        k = rng.randint(1, 5)
        values = {"c": 1, "k": k, "s": rng.randint(1, 3), "p": rng.randint(0, 3), "q": rng.randint(0, k // 2)}
        d = rng.randint(1, 3)
        linear = "bilinear" if axes == 2 else "linear"
        new = rng.choice(STEPS).format(**values, d=d, e=2 * d, linear=linear)
        try:
            _of_steps([*steps, new], axes, size)
        except archc.ArchError:
            continue  # a size of 0, or too large a stride for what is left
        steps.append(new)
    shaped = _of_steps(steps, axes, size)
    if not all(8 < n < 6000 for n in numbers(shaped.types[-1].shape[1:])):
        steps = steps[:2]
        shaped = _of_steps(steps, axes, size)
    seen = receptive(shaped)[shaped.graph.outputs[0].value]
    model = archc.loads(_text(steps, axes, size))
    x = torch.ones(1, 1, *(size,) * axes, requires_grad=True)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(1.0)
    y = model(x)
    middle = [n // 2 for n in y.shape[2:]]
    for move in range(6):
        at = [min(m + move, n - 1) for m, n in zip(middle, y.shape[2:], strict=True)]
        (gradient,) = torch.autograd.grad(y[(0, slice(None), *at)].sum(), x, retain_graph=True)
        for axis in range(axes):
            along = gradient[0, 0].abs() if axes == 1 else gradient[0, 0].abs().sum(dim=1 - axis)
            if gradient.any():
                _agrees(seen[axis], at[axis], along, steps)
        if not gradient.any():  # a gap of a transposed convolution, along one axis at least
            windows = [along.windows for along in seen]
            assert any(w is not None and w.at(o) is None for w, o in zip(windows, at, strict=True)), steps


def _agrees(seen: Seen, place: int, gradient: torch.Tensor, steps: list[str]) -> None:
    assert seen.windows is not None, steps
    places = gradient.nonzero().flatten().tolist()
    span = seen.windows.at(place)
    assert span is not None, steps
    if span[0] < 0 or span[1] >= len(gradient):  # cut off by an edge of the input: only what is inside is seen
        assert all(span[0] <= at <= span[1] for at in places), steps
        return
    assert (places[0], places[-1]) == span, steps


def _text(steps: list[str], axes: int, size: int) -> str:
    lines = "\n    ".join(steps)
    return f"arch A {{\n    input x: [1{f', {size}' * axes}]\n    {lines}\n}}"


def _of_steps(steps: list[str], axes: int, size: int) -> ShapedGraph:
    return shaped_of(_text(steps, axes, size))


def test_the_summary_holds_them() -> None:
    layers = as_json(compile("vgg16").checked.shaped)["layers"]
    assert isinstance(layers, list)
    found = {layer["path"]: (layer["receptive_field"], layer["stride"]) for layer in layers}
    assert found["features.30"] == ([212, 212], [32, 32])
    assert found["classifier.0"] == (["all", "all"], [None, None])
    up = as_json(shaped_of("arch A { input x: [3, 8, 8]; interpolate(scale_factor=2) }"))["layers"]
    assert isinstance(up, list)
    assert (up[0]["receptive_field"], up[0]["stride"]) == ([1, 1], ["1/2", "1/2"])
