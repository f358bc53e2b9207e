"""What no checked architecture uses: its names and arguments are checked, and the rest is said to be unchecked."""

from pathlib import Path

import pytest

from archc.compiler.checks.unchecked import Unchecked, unchecked
from archc.compiler.program import Program
from archc.dsl.source import Source
from archc.files import architectures

ARCH = "\narch A { input x: [3, 8, 8]; relu }"


def rest(text: str) -> list[Unchecked]:
    program = Program(Source("a.arch", text + ARCH))
    return unchecked(program, [opened.definition for opened in architectures(program)])


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("conv(c, 3)\nrelo", ["E0101"]),
        ("conv(width, 3)", ["E0101"]),
        ("conv(c, 3, kernal=2)", ["E0202"]),
        ("other(1, 2)", ["E0203"]),
        ('"a{k}": relu', ["E0101"]),
        ("let (a, b) = [c, c]\nfor (i, j) in [(a, b)] { conv(i + j, 1) } as y\nadd { y; in; identity }", []),
        ("repeat 3 as i { conv(c * i, 1) }\nlet f(p) = [q for q in range(p) if q > c]\nconv(len(f(c)), 1)", []),
        ("module m = conv(c, 1)\nm\nconv(3, 1, padding=1)\nact", []),
        ("init conv.bias: zeros\nconv(in.channels, 1)", []),
    ],
)
def test_names_and_arguments_of_blocks_that_nobody_uses(body: str, codes: list[str]) -> None:
    found = rest(f"block other(a) {{ relu }}\nblock b(c, act = relu) {{\n{body}\n}}")[-1]
    assert "block `b` is used by no architecture" in str(found)
    assert [diagnostic.code for diagnostic in found.diagnostics] == codes


def test_blocks_that_are_reached_through_others_are_not_listed() -> None:
    text = "block a { relu }\nblock b { a }\nblock c { relu }\narch B { input x: [3]; b }"
    assert [str(found).split("`")[1] for found in rest(text)] == ["c"]


def test_an_arch_whose_parameters_have_no_value() -> None:
    (found,) = rest("arch B(n, m) { input x: [n, m]; relu }")
    assert str(found) == "arch `B` was not checked: give it its parameters, `archc check a.arch:B -p n=... -p m=...`"


def test_no_file_of_the_zoo_is_wrong_where_nobody_looks() -> None:
    for path in sorted((Path(__file__).parents[2] / "archs").rglob("*.arch")):
        program = Program(Source(str(path), path.read_text(encoding="utf-8")), str(path))
        for found in unchecked(program, []):
            assert not found.diagnostics, path
