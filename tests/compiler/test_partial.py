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
