"""How `forward` reads: which calls stand inside others, what writes over its input, and where each comes from."""

import pytest
import torch
from torch import nn

import archc.network
from archc.compiler.load import load
from archc.compiler.source import Written, write
from archc.files import open_text


def written(text: str) -> Written:
    return write(archc.network.network(open_text(text), {}).checked.shaped)


def forward(text: str) -> str:
    """The body of the `forward` of the first class."""
    source = written(text).text
    body = source[source.index("def forward") :].partition("\n")[2]
    return "".join(line[8:] + "\n" for line in body.partition("\n\n")[0].splitlines())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            "a: conv(4, 1); b: batch_norm; relu; c: conv(4, 1); d: batch_norm; relu; e: linear(4)",
            "x = F.relu(self.b(self.a(x)), inplace=True)\n"
            "x = F.relu(self.d(self.c(x)), inplace=True)\n"
            "return self.e(x)\n",
            id="a layer with what is behind it",
        ),
        pytest.param(
            "b: batch_norm; relu; a: conv(4, 1); relu; max_pool(2)",
            "x = self.a(F.relu(self.b(x), inplace=True))\nx = F.relu(x, inplace=True)\nreturn F.max_pool2d(x, 2)\n",
            id="a layer with what is before it",
        ),
        pytest.param(
            "a: conv(4, 1); b: conv(4, 1); c: conv(4, 1)\nadd { identity; x }",
            "identity = x\nx = self.a(x)\nx = self.b(x)\nx = self.c(x)\nreturn x + identity\n",
            id="two layers stand on two lines",
        ),
        pytest.param(
            "a: conv(4, 1) as y; relu; add { identity; y }",
            "y = self.a(x)\nx = F.relu(y)\nreturn x + y\n",
            id="what has a name keeps it",
        ),
        pytest.param(
            "add { identity; { a: batch_norm; b: conv(4, 1) -> dropout(0.1) } }; c: conv(4, 1)",
            "x = x + self.dropout(self.b(self.a(x)))\nreturn self.c(x)\n",
            id="a branch of one line stands in the sum",
        ),
        pytest.param(
            "add { { a: conv(4, 1); b: conv(4, 1) }; { c: conv(4, 1) } } -> relu",
            "identity = x\nx = self.a(x)\nx = self.b(x)\nx += self.c(identity)\nreturn F.relu(x, inplace=True)\n",
            id="a sum behind a long branch takes no memory",
        ),
        pytest.param(
            "add { { a: conv(4, 1); b: conv(1, 1) }; { c: conv(4, 1) } } -> relu",
            "identity = x\nx = self.a(x)\nx = self.b(x)\nreturn F.relu(x + self.c(identity), inplace=True)\n",
            id="a sum that is larger than its first value does",
        ),
        pytest.param(
            "select(2, 0) -> transpose(1, 2) -> unsqueeze(1) -> flatten -> mul(2.0); a: linear(4)",
            "x = x[:, :, 0].transpose(1, 2).unsqueeze(1)\nx = torch.flatten(x, 1)\nx = x * 2.0\nreturn self.a(x)\n",
            id="methods one after the other",
        ),
    ],
)
def test_lines(body: str, expected: str) -> None:
    assert forward(f"arch Net {{ input x: [4, 8, 8]\n{body} }}") == expected


@pytest.mark.parametrize(
    ("body", "activation"),
    [
        ("relu; a: conv(4, 1)", "F.relu(x)"),  # the input belongs to who calls
        ("a: conv(4, 1) as y; relu; add { identity; y }", "F.relu(y)"),  # read once more
        ("a: conv(4, 1) as y; relu as z; output y, z", "F.relu(y)"),  # leaves, too
        (
            "a: conv(4, 1) -> sigmoid -> relu",
            "F.relu(torch.sigmoid(self.a(x)))",
        ),  # the gradient of sigmoid reads its result
        ("a: conv(4, 1) -> dropout(0.5) -> relu", "F.relu(self.dropout(self.a(x)))"),  # its input in eval mode
        ("a: conv(4, 1) -> flatten -> relu", "F.relu(torch.flatten(x, 1))"),  # a view
        ("a: conv(4, 1) -> pad((0, 0)) -> relu", "F.relu(self.a(x), inplace=True)"),
        ("pad((0, 0)) -> relu; a: conv(4, 1)", "F.relu(x)"),
        ("a: conv(4, 1) -> silu", "F.silu(self.a(x))"),
        ("a: conv(4, 1) -> relu6", "F.relu6(self.a(x), inplace=True)"),
        ("a: conv(4, 1) -> leaky_relu(0.2)", "F.leaky_relu(self.a(x), negative_slope=0.2, inplace=True)"),
        ("a: conv(4, 1) -> leaky_relu(-0.2)", "F.leaky_relu(self.a(x), negative_slope=-0.2)"),
        ("a: conv(4, 1) -> hardtanh", "F.hardtanh(self.a(x), inplace=True)"),
        ("a: { conv(4, 1) -> batch_norm }; relu; b: conv(1, 1)", "F.relu(self.a(x), inplace=True)"),
        ("a: { conv(4, 1) -> sigmoid }; relu; b: conv(1, 1)", "F.relu(self.a(x))"),
        ("a: { conv(4, 1) -> dropout(0.5) }; relu; b: conv(1, 1)", "F.relu(self.a(x))"),
        ("module m = conv(4, 1)\nm -> relu -> m -> relu", "F.relu(self.m(x), inplace=True)"),
    ],
)
def test_what_writes_over_its_input(body: str, activation: str) -> None:
    text = f"arch Net {{ input x: [4, 8, 8]\n{body} }}"
    source = written(text)
    assert activation in source.text
    plain = source._replace(text=source.text.replace(", inplace=True", ""))
    x = torch.randn(2, 4, 8, 8)
    results = []
    for network in (load(source), load(plain)):
        torch.manual_seed(0)
        for parameter in network.parameters():
            nn.init.normal_(parameter)
        given = x.clone().requires_grad_()
        found = []
        for mode in (True, False):
            torch.manual_seed(1)
            result = network.train(mode)(given)
            values = (result,) if isinstance(result, torch.Tensor) else result
            loss = torch.stack([(value**2).sum() for value in values]).sum()
            found += [*values, *torch.autograd.grad(loss, [given, *network.parameters()])]
        assert torch.equal(given, x)
        results.append(found)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_a_module_in_a_sequence_writes_over_its_input() -> None:
    source = written(
        "block unit(c) { conv(c, 1) -> batch_norm -> relu -> conv(c, 1) -> sigmoid -> relu }\n"
        "arch Net { input x: [4, 8, 8]; relu -> unit(4) -> relu }"
    ).text
    assert "nn.BatchNorm2d(4),\n            nn.ReLU(inplace=True),\n" in source
    assert "nn.Sigmoid(),\n            nn.ReLU(),\n" in source
    assert "super().__init__(nn.ReLU(), Unit(), nn.ReLU())" in source


def note(text: str, size: tuple[int, ...]) -> str:
    with pytest.raises(RuntimeError) as caught:
        load(written(text))(torch.zeros(size))
    (found,) = caught.value.__notes__
    return found


def test_errors_inside_a_line_name_their_own_place() -> None:
    text = (
        "arch Net {{\n    input x: [2, 4, 4]\n    max_pool(3)\n    relu\n    a: {}\n    dropout\n    b: conv(3, 1)\n}}"
    )
    source = written(text.format("linear(2)"))
    assert "x = self.a(F.relu(F.max_pool2d(x, 3)))" not in source.text  # two layers
    assert "x = F.relu(F.max_pool2d(x, 3))" in source.text
    assert note(text.format("linear(2)"), (1, 2, 1, 1)) == "in <text>:3:5: max_pool(3)"
    assert note(text.format("linear(1)"), (1, 2, 8, 8)) == "in <text>:5:8: a: linear(1)"


def test_errors_inside_a_broken_line_name_their_own_place() -> None:
    numbers = "beta=0.12345678901234567, threshold=20.123456789012345"
    source = written(f"arch Net {{\n    input x: [4]\n    a: linear(8) -> softplus({numbers})\n}}")
    ((start, end, origin),) = source.places
    line = source.text.splitlines()[start[0] - 1]
    assert line == "            self.a(x),"
    assert (line[start[1] : end[1]], start[0], origin.text) == ("self.a(x)", end[0], "linear(8)")
