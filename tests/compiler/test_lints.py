"""The warnings: each where it is right, none where it is not, silenced on its line."""

import random

import pytest
import torch

import archc
from archc.compiler.lints.example import warnings
from archc.dsl.codes import CODES
from archc.dsl.format import formatted
from archc.dsl.source import Source
from tests.compiler.warned import codes, image

# ---- W0201: a bias before a batch norm


@pytest.mark.parametrize(
    "body",
    [
        "conv(8, 3) -> batch_norm",
        "conv(8, 3, bias=true) -> batch_norm -> relu",
        "conv_transpose(8, 3) -> batch_norm",
        "flatten -> linear(8) -> batch_norm",
        "repeat 3 { conv(8, 3) -> batch_norm -> relu }",
    ],
)
def test_a_bias_before_a_batch_norm(body: str) -> None:
    assert codes(image(body)) == ["W0201"]


@pytest.mark.parametrize(
    "body",
    [
        "conv(8, 3, bias=false) -> batch_norm",
        "conv(8, 3) -> relu -> batch_norm",
        "conv(8, 3) -> group_norm(2)",
        "conv(8, 3) as y; add { y -> batch_norm; y }",
        "conv(8, 3) as y; batch_norm as z; output y, z",
        "flatten(2) -> linear(8) -> batch_norm",  # the norm's channels are not the linear's features
        "module m = conv(3, 3, padding=1); m -> batch_norm -> m",
        "let norm = batch_norm; conv(8, 3) -> norm",
    ],
)
def test_a_bias_that_has_an_effect(body: str) -> None:
    assert codes(image(body)) == []


def test_a_line_that_also_stands_without_the_norm() -> None:
    choice = "block unit(c, norm) { conv(c, 3); if norm { batch_norm } else { relu } }\n"
    assert codes(choice + image("unit(8, true)")) == []
    shared = "block unit(c) { conv(c, 3) }\n"
    assert codes(shared + image("unit(8) -> batch_norm -> unit(8) -> relu")) == []
    assert codes(shared + image("unit(8) -> batch_norm -> unit(8) -> batch_norm")) == ["W0201"]


def test_the_bias_has_no_effect() -> None:
    model = archc.loads(image("conv(8, 3) -> batch_norm")).train()
    x = torch.rand(4, 3, 32, 32)
    before = model(x)
    with torch.no_grad():
        model.get_parameter("0.bias").add_(5.0)
    assert torch.allclose(before, model(x), atol=1e-4)


# ---- W0202: softmax at the end


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("flatten -> linear(10) -> softmax", ["W0202"]),
        ("flatten -> linear(10) -> softmax(dim=-1)", ["W0202"]),
        ("flatten -> linear(10) -> softmin(dim=1)", ["W0202"]),
        ("conv(5, 1) -> softmax(dim=1)", ["W0202"]),
        ("conv(5, 1) -> global_avg_pool -> softmax(dim=1) -> flatten", ["W0202"]),
        ("flatten -> linear(10) -> log_softmax", []),
        ("flatten -> linear(10) -> softmax -> log", []),
        ("flatten -> linear(10) -> softmax -> linear(2)", []),
        ("conv(5, 1) -> softmax(dim=-1)", []),  # over the width, not over the classes
    ],
)
def test_a_softmax_before_cross_entropy(body: str, expected: list[str]) -> None:
    assert [code for code in codes(image(body)) if code != "W0205"] == expected


# ---- W0203 and W0204: places that are not read


@pytest.mark.parametrize(
    ("body", "size", "expected"),
    [
        ("conv(8, 1, stride=2)", "3, 9, 9", "rows and columns 1, 3, 5, 7"),
        ("conv(8, 3, stride=(4, 3))", "3, 9, 9", "rows 3, 7, 8"),
        ("max_pool(2, stride=3)", "3, H, W", "rows and columns 2 of every 3"),
        ("conv(8, 3, stride=2, dilation=2)", "3, 9, 9", "rows and columns 1, 3, 5, 7"),  # two even numbers
        ("conv(8, 1, stride=2)", "3, 9", "places 1, 3, 5, 7"),
        ("relu -> conv(8, 1, stride=2, bias=false)", "3, 9, 9", "rows and columns 1, 3, 5, 7"),
    ],
)
def test_a_stride_that_steps_over(body: str, size: str, expected: str) -> None:
    (found,) = warnings(image(body, size))
    assert found.startswith("W0203")
    assert f"never reads {expected} of its input" in found


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ("conv(8, 2, stride=2)", "3, 32, 32"),
        ("conv(8, 3, stride=2, dilation=3)", "3, 33, 33"),  # 0, 3, 6 and 2, 5, 8: every place is read
        ("add { conv(8, 1, stride=2); conv(8, 3, stride=2, padding=1) }", "3, H, W"),
        (
            "relu as y; add { y -> conv(8, 1, stride=2); y -> conv(4, 1) -> conv(8, 3, stride=2, padding=1) }",
            "3, 32, 32",
        ),
        ("relu as y; max_pool(1, stride=2) as z; output y, z", "3, 32, 32"),
        ("conv(8, 1, stride=2)", "3, 1, 1"),
        ("slice(2, step=2)", "3, 9, 9"),  # says what it takes
    ],
)
def test_places_that_are_read(body: str, size: str) -> None:
    assert codes(image(body, size)) == []


@pytest.mark.parametrize(
    ("body", "size", "expected"),
    [
        ("max_pool(2)", "3, 5, 5", "row and column 4 of its input: 5 is rounded down to 2 windows"),
        ("max_pool(2)", "3, 5, 4", "row 4 of its input: 5 is rounded down to 2 windows"),
        ("conv(8, 5, stride=5)", "3, 9", "places 5, 6, 7, 8 of its input: 9 is rounded down to 1 window"),
    ],
)
def test_places_that_rounding_down_leaves(body: str, size: str, expected: str) -> None:
    (found,) = warnings(image(body, size))
    assert found.startswith("W0204")
    assert found.endswith(f"never reads {expected}")


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ("conv(64, 7, stride=2, padding=3)", "3, 224, 224"),  # a row of padding
        ("conv(96, 11, stride=4, padding=1)", "1, 224, 224"),  # two rows of 224
        ("max_pool(2)", "3, H, W"),
        ("max_pool(2, ceil_mode=true)", "3, 5, 5"),
        ("add { max_pool(2) -> conv(3, 1); avg_pool(3, stride=2, padding=1) -> crop(2) -> conv(3, 1) }", "3, 5, 5"),
    ],
)
def test_rounding_down_that_is_usual(body: str, size: str) -> None:
    assert codes(image(body, size)) == []


@pytest.mark.parametrize("seed", range(60))
def test_what_is_said_to_be_unread_has_no_gradient(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randint(5, 20)
    k, s, d, p = rng.randint(1, 3), rng.randint(2, 4), rng.randint(1, 2), rng.randint(0, 1)
    if size + 2 * p < d * (k - 1) + 1:
        return
    text = image(f"conv(1, {k}, stride={s}, dilation={d}, padding={p}, bias=false)", f"1, {size}")
    model = archc.loads(text)
    with torch.no_grad():
        model.get_parameter("0.weight").fill_(1.0)
    x = torch.ones(1, 1, size, requires_grad=True)
    model(x).sum().backward()
    assert x.grad is not None
    unread = (x.grad[0, 0] == 0).nonzero().flatten().tolist()
    found = [line for line in warnings(text) if line.startswith(("W0203", "W0204"))]
    if found:
        more = f" and {len(unread) - 8} more" if len(unread) > 8 else ""
        listed = ", ".join(map(str, unread[:8])) + more
        assert f"never reads place{'s' if len(unread) > 1 else ''} {listed} of its input" in found[0]
    else:
        taps = {(j * d - p) % s for j in range(k)}
        assert len(unread) * 10 < size or not unread
        assert len(taps) == s or not unread


# ---- W0205: a narrow view


@pytest.mark.parametrize(
    ("body", "size", "expected"),
    [
        ("conv(8, 3) -> relu -> conv(8, 3) -> global_avg_pool -> flatten -> linear(5)", "3, 32, 32", ["W0205"]),
        ("conv(8, 3) -> adaptive_max_pool(1) -> flatten -> linear(5)", "3, 32, 32", ["W0205"]),
        ("conv(8, 3) -> conv(8, 3) -> global_avg_pool -> flatten -> linear(5)", "3, 8, 8", []),
        ("conv(8, 3) -> flatten -> linear(5)", "3, 32, 32", []),
        ("conv(8, 3) -> conv(3, 3)", "3, 32, 32", []),  # a result with places: each is about its own
        ("conv(8, 3) -> global_avg_pool -> flatten -> linear(5)", "3, H, W", []),
        ("conv(8, 3) as y; mul { y; y -> global_avg_pool -> conv(8, 1) } -> global_avg_pool", "3, 32, 32", []),
        ("concat { conv(8, 3) -> global_avg_pool -> flatten; flatten -> linear(5) }", "3, 32, 32", []),
    ],
)
def test_a_narrow_view(body: str, size: str, expected: list[str]) -> None:
    assert codes(image(body, size)) == expected


# ---- silenced on its line

BIASED = "conv(8, 3) -> batch_norm"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# archc: allow W0201", []),
        ("#archc: allow W0201, W0205 and why", ["W0207"]),
        ("# archc: allow W0201: the published weights have it", []),
        ("# archc: allow W0202", ["W0201", "W0207"]),
        ("# archc: allow W0999", ["W0201", "W0207"]),
        ("# archc: allow E0301", ["W0201", "W0207"]),
        ("# archc: allow", ["W0201", "W0207"]),
        ("# not archc: allow W0201", ["W0201"]),
    ],
)
def test_a_comment_allows_a_warning_on_its_line(comment: str, expected: list[str]) -> None:
    assert codes(f"arch A {{\n    input x: [3, 9, 9]\n    {BIASED}  {comment}\n}}\n") == expected


def test_a_comment_on_another_line_allows_nothing() -> None:
    assert codes(f"arch A {{\n    input x: [3, 9, 9]  # archc: allow W0201\n    {BIASED}\n}}\n") == ["W0201"]


def test_a_comment_in_a_string_is_none() -> None:
    text = f'arch A {{\n    input x: [3, 9, 9]\n    "# archc: allow W0201": {{ {BIASED} }}\n}}\n'
    assert codes(text) == ["W0201"]


def test_a_statement_over_several_lines_allows_on_any_of_them() -> None:
    conv = "conv(\n        8,  # archc: allow W0201\n        3,\n    )"
    text = f"arch A {{\n    input x: [3, 9, 9]\n    {conv} -> batch_norm\n}}\n"
    assert codes(text) == []


def test_the_comment_of_a_block_need_not_be_needed_everywhere() -> None:
    block = "block b(c) {\n    conv(c, 3)  # archc: allow W0201\n}\n"
    assert codes(block + image("b(8) -> batch_norm")) == []
    assert codes(block + image("b(8) -> relu")) == []


def test_other_warnings_can_be_allowed() -> None:
    text = "arch A {\n    input x: [3, 9, 9]\n    relu as y{}\n    conv(8, 3)\n}}\n"
    assert codes(text.replace("}}", "}").replace("{}", "")) == ["W0102"]
    assert codes(text.replace("}}", "}").replace("{}", "  # archc: allow W0102")) == []


def test_the_formatter_keeps_the_comment_on_its_line() -> None:
    text = f"arch A{{\n input x:[3,9,9]\n {BIASED}   # archc: allow W0201\n}}\n"
    once = formatted(Source("a.arch", text))
    assert f"    {BIASED}  # archc: allow W0201\n" in once
    assert codes(once) == []


def test_every_lint_has_its_code() -> None:
    assert [code for code in CODES if code.startswith("W02")] == [f"W02{n:02}" for n in range(1, 11)]


# ---- W0208: two branches with one value


@pytest.mark.parametrize(
    "body",
    [
        "conv(3, 1) as y; add { y; identity }",
        "conv(3, 1) as y; concat { identity; y; x }",
        "relu as y; stack { x; y; identity }",
        "repeat 2 { conv(3, 1) as y; concat { identity; y } }",
    ],
)
def test_two_branches_with_one_value(body: str) -> None:
    assert set(codes(image(body))) == {"W0208"}


@pytest.mark.parametrize(
    "body",
    [
        "concat { x; x; x }",
        "conv(3, 1) as y; mul { y; identity }",
        "conv(3, 1) as y; add { x; y }",
        "add { identity; if false { relu } else { identity } }",
        "as_is as y; add { y -> as_is; identity }",
    ],
)
def test_branches_that_are_meant(body: str) -> None:
    assert codes("block as_is { identity }\n" + image(body), "A") in ([], ["W0102"])


def test_the_inputs_of_a_block_may_be_one_value() -> None:
    assert codes("block both { input a, b; a -> add { a; b } }\n" + image("both { x; identity }"), "A") == []


# ---- W0209: work that is thrown away


@pytest.mark.parametrize(
    "body",
    [
        "conv(4, 1) -> relu; x -> conv(2, 1)",
        "conv(4, 1) as y; output y; conv(2, 1)",
        "repeat 2 { conv(3, 1) }; x -> conv(2, 1)",
        "head; x -> conv(2, 1)",
        "conv(5, 1); x -> head",
    ],
)
def test_work_that_is_thrown_away(body: str) -> None:
    assert codes("block head { conv(4, 1) -> relu }\n" + image(body), "A")[-1:] == ["W0209"]


@pytest.mark.parametrize(
    "body",
    [
        "relu -> max_pool(2); x -> conv(2, 1)",
        "conv(4, 1) as _y; x -> conv(2, 1)",
        "conv(4, 1) as y; x -> conv(2, 1) as z; output z; output y when training",
        "conv(4, 1) -> chunk(2) as (y, _z); y -> relu",
    ],
)
def test_what_has_no_weights_or_is_used_is_not_thrown_away(body: str) -> None:
    assert codes(image(body)) == []


# ---- W0210: a label for one layer of a chain


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("down: conv(4, 1, bias=false) -> batch_norm", ["W0210"]),
        ("head: conv(4, 1) -> relu -> conv(2, 1)", ["W0210"]),
        ("down: { conv(4, 1, bias=false) -> batch_norm }", []),
        ("conv1: conv(4, 1, bias=false) -> batch_norm", []),
        ("stem: conv(4, 1, bias=false) -> bn: batch_norm -> relu", []),
        ("stem: conv(4, 1) -> relu -> max_pool(2)", []),
        ("module last = conv(2, 1); stem: conv(4, 1) -> last", []),
    ],
)
def test_a_label_for_one_layer_of_a_chain(body: str, found: list[str]) -> None:
    assert codes(image(body)) == found
