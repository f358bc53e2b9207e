"""When W0101 to W0105 are said and when not: what is meant as written must stay without a word."""

import pytest

from archc.files import open_text
from archc.network import network


def warned(text: str) -> list[str]:
    """The codes of the names and habits that are warned about, each with the text of its place."""
    found = network(open_text(text), {}).warnings
    return [f"{warning.code} {warning.primary.span.text}" for warning in found if warning.code < "W0106"]


def body(text: str, sizes: str = "[3, 32, 32]") -> str:
    return f"arch A {{ input x: {sizes}\n{text}\n}}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(body("lstm(8) as (y, h, c)\ny -> linear(2)", "[20, 64]"), id="one of several names is used"),
        pytest.param(body("conv(8, 3) as _stem\nrelu"), id="a name with an underscore"),
        pytest.param(body("for width in [8, 8] { conv(8, 1) }"), id="a name of a round"),
        pytest.param(body("conv(8, 3) as y\nlet n = y.channels\nconv(n, 1)"), id="a value whose sizes are used"),
        pytest.param(body("conv(8, 3) as y\noutput y"), id="a value that is an output"),
        pytest.param(body("if true { relu as y } else { gelu as y }\ny -> tanh"), id="a name bound on both sides"),
        pytest.param(
            "block a(n, stride) { conv(n, 1, stride=stride) }\nblock b(n, stride) { conv(n, 1) }\n"
            "arch A(unit: block = a) { input x: [3, 8, 8]\nunit(3, 1) }",
            id="blocks that share their parameters",
        ),
        pytest.param(
            "block a { relu }\nblock b { gelu }\narch A(unit: block = a) { input x: [3, 8, 8]\nunit }",
            id="a block that -p may choose",
        ),
        pytest.param(
            "arch A(dropout = 0.5) { input x: [8]\nlinear(2)\nrequire dropout < 1 }", id="a number as parameter"
        ),
        pytest.param(
            'from "resnet.arch" import ResNet\narch A(num_classes = 2) = ResNet(num_classes=num_classes)', id="zoo"
        ),
        pytest.param(body("conv(8, 3) as y  # archc: allow W0102: for later\nrelu"), id="silenced on its line"),
    ],
)
def test_names_without_a_warning(text: str) -> None:
    assert warned(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (body("conv(8, 3) as y\nrelu"), ["W0102 y"]),
        (body("repeat 2 as i { relu }"), ["W0102 i"]),
        (body("conv(8, 3) as relu\nrelu -> gelu"), ["W0101 relu"]),
        (body("for relu in [1] { gelu -> mul(relu) }"), ["W0101 relu"]),
        (body("for i in [1] { gelu as y\nlet z = i }"), ["W0102 y", "W0102 z"]),
        ("block b(act: op = tanh, n = 1) { act }\n" + body("b"), ["W0102 n"]),
        ("block b(tanh: op = relu) { tanh }\n" + body("b"), ["W0101 tanh"]),
        ("block b { b }\n" + body("relu"), ["W0102 b"]),
        ("block b { input x, y\n x -> relu }\n" + body("b { identity; relu }"), ["W0102 y"]),
        ("let f(n, m) = n\n" + body("conv(f(1, 2), 1)"), ["W0102 m"]),
    ],
)
def test_names_with_a_warning(text: str, found: list[str]) -> None:
    assert warned(text) == found


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(body("conv(768, 16, 16)"), id="patches"),
        pytest.param(body("conv(64, 7, 2)", "[64, 32, 32]"), id="as many channels as before"),
        pytest.param(
            body("conv_transpose(21, 16, 8, 4)", "[21, 8, 8]"), id="the enlargement of a segmentation network"
        ),
        pytest.param(body("conv(64, kernel_size=32, stride=3)", "[64, 56, 56]"), id="arguments with names"),
        pytest.param(body("conv(8, 4, stride=4) -> flatten(2) -> transpose(1, 2) -> linear(4)"), id="tokens"),
        pytest.param(
            body("conv(8, 4, stride=4) -> permute([0, 2, 3, 1]) -> layer_norm -> linear(4)"), id="channels last"
        ),
        pytest.param(body("linear(4)", "[7, 7, 96]"), id="a map of features with its channels last"),
        pytest.param(body("linear(4) -> batch_norm(1e-3)", "[16]"), id="a small eps"),
        pytest.param(body("interpolate([64, 64]) -> interpolate(scale_factor=2)"), id="sizes and factors"),
        pytest.param(body("lstm(64, 2) as (y, h, c)\ny", "[20, 64]"), id="two layers"),
    ],
)
def test_uses_without_a_warning(text: str) -> None:
    assert warned(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (body("conv(64, 32, 3)", "[64, 56, 56]"), ["W0103 64"]),
        (body("conv(1, 6, 5)", "[1, 28, 28]"), ["W0103 1"]),
        (body("group_norm(8, 64)", "[64, 8, 8]"), ["W0103 64"]),
        (body("conv(8, 3) -> batch_norm -> relu -> linear(4)"), ["W0104 linear(4)"]),
        (body("conv(8, 3) -> layer_norm(dim=1) -> linear(4)"), ["W0104 linear(4)"]),
        (body("conv(8, 3)", "[64, 64, 3]"), ["W0105 x"]),
    ],
)
def test_uses_with_a_warning(text: str, found: list[str]) -> None:
    assert warned(text) == found
