"""Mistakes in the syntax or the imports do not hide the others, and nothing that follows from them is reported."""

import pytest

from archc.dsl.diagnostics import ArchError
from archc.files import open_text


def codes(text: str) -> list[str]:
    with pytest.raises(ArchError) as caught:
        open_text(text)
    return [f"{found.code} {found.primary.span.text}".rstrip() for found in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # an architecture that uses nothing broken is checked as a whole
        ("let a 1\narch A { input x: [3, 8, 8]\n conv(4, 9) }", ["E0005 1", "E0302 9"]),
        ("block b { relu) }\narch A { input x: [3, 8, 8]\n conv(4, 9) }", ["E0004 )", "E0302 9"]),
        # of another one, the names and arguments
        ("arch A { input x: [3, 8, 8]\n relo\n relu gelu\n conv(4, 9) }", ["E0005 gelu", "E0101 relo"]),
        (
            "block b { relu) }\narch A { input x: [3, 8, 8]\n b; relo; conv(4, strid=9) }",
            ["E0004 )", "E0101 relo", "E0202 strid"],
        ),
        # and names that healthy lines bind twice, or where they are not seen, also those of other blocks
        (
            "arch A { input x: [3, 8, 8]\n relu as x\n x + y\n gelu }",
            ["E0005 +", "E0102 x"],
        ),
        (
            "arch A { input x: [3, 8, 8]\n relu()()\n for k in [1, 2] { relu as f }\n concat { f; x } }",
            ["E0005 (", "E0104 f"],
        ),
        (
            "block b { relu as early }\narch A { input x: [3, 8, 8]\n b\n relu gelu\n add { identity; early } }",
            ["E0005 gelu", "E0101 early"],
        ),
        (
            "arch A { input x: [3, 8, 8]\n nn.ReLU()\n bn }",
            ["E0009 nn.ReLU", "E0101 bn"],
        ),
        # with a brace missing, a name may be bound in other braces than it seems
        (
            "arch A { input x: [3, 8, 8]\n for i in range(2):\n  relu as f\n for i in range(2):\n  gelu as f\n }",
            ["E0009 :", "E0009 :"],
        ),
        ("arch A { input x: [3, 8, 8]\n relu as y\n relu gelu as y }", ["E0005 gelu"]),
        # what a broken statement may have bound or made is unknown
        ("arch A { input x: [3, 8, 8]\n while c { relu as y }\n concat { y; identity } }", ["E0009 while"]),
        ("arch A { input x: [3, 8, 8]\n let n = for\n conv(n, 3) }", ["E0005 for"]),
        ("arch A { input x: [3, 8, 8]\n let n = [for k\n in m]\n conv(n, 3) -> linear(2, bias=k) }", ["E0005 for"]),
        ("let n = for\narch A { input x: [3, 8, 8]\n conv(n, 3) }", ["E0005 for"]),
        ("blok b(c) { conv(c, 3) }\narch A { input x: [3, 8, 8]\n b(3) }", ["E0005 blok"]),
        ("block b(c { conv(c, 3) }\narch A { input x: [3, 8, 8]\n b(3) }", ["E0004 ("]),
        ('from "no.arch" import b, c\narch A { input x: [3, 8, 8]\n b(3) -> relo }', ['E0105 "no.arch"', "E0101 relo"]),
        ('import "no.arch"\narch A { input x: [3, 8, 8]\n conv(3, 9) }', ["E0005 import", "E0302 9"]),
        ("block b { relu }\nblock b { b9 }\narch A { input x: [3, 8, 8]\n b(3) }", ["E0102 b"]),
        # a mistake that several architectures reach is reported once
        (
            "let a 1\nblock b { relo }\narch A { input x: [3]\n b }\narch B { input x: [4]\n b }",
            ["E0005 1", "E0101 relo"],
        ),
    ],
)
def test_other_mistakes(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


@pytest.mark.parametrize(
    ("line", "help"),
    [
        (
            "self.conv1 = nn.Conv2d(3, 64, 3)",
            "write `conv1: conv(64, 3)` where the layer is used; `in_channels` follows from the input",
        ),
        (
            "bn = torch.nn.BatchNorm2d(64)",
            "write `bn: batch_norm` where the layer is used; `num_features` follows from the input",
        ),
        ("nn.Linear(in_features=3, out_features=f(4, [5]))", "write `linear(out_features=f(4, [5]))`; `in_features`"),
        ("nn.ReLU(inplace=True)", "write `relu`"),
        ("F.interpolate(x, scale_factor=2)", "write `interpolate(scale_factor=2)`"),
        ("torch.cat([x, x], 1)", "write `concat { a; b }`"),
        ("return torch.cat([x, x], 1)", "its last statement: write `concat { a; b }`"),
        ("return x", "a block leaves the value of its last statement; `output a, b` names others"),
        ("x.flatten(1)", "write `flatten`, as the stage after `x`"),
        ("x.view(3)", "write `flatten`, or `reshape([...])` with the sizes without the batch, as the stage after `x`"),
        ("my.own(3)", "write `my -> own`"),
    ],
)
def test_layers_of_pytorch_in_the_words_of_the_language(line: str, help: str) -> None:
    with pytest.raises(ArchError) as caught:
        open_text(f"arch A {{ input x: [3, 8, 8]\n {line}\n relu }}")
    assert caught.value.diagnostics[0].code == "E0009"
    assert help in caught.value.diagnostics[0].help
