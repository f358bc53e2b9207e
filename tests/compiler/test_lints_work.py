"""Warnings cost time in proportion to the text, however many of them it gives."""

import sys
from collections.abc import Callable

import pytest

from archc.files import open_text
from archc.network import network

# A line of an architecture that takes and leaves a map of 8 channels, and the warning that it gives each time.
LINES: dict[str, Callable[[int], str]] = {
    "W0102": lambda i: f"conv(8, 1) as unused{i}",
    "W0103": lambda i: "conv(8, 16, 1, padding=8) -> crop((16, 16))",
    "W0201": lambda i: "conv(8, 1) -> batch_norm",
    "W0203": lambda i: "conv(8, 1, stride=2) -> upsample(scale_factor=2)",
    "W0206": lambda i: "conv(8, 3, padding=2, dilation=2) -> conv(8, 3, padding=2, dilation=2)",
    "W0208": lambda i: f"relu as s{i}; add {{ s{i}; identity }}",
    "W0209": lambda i: "x -> conv(8, 1)",
    "W0210": lambda i: f"down{i}: conv(8, 1, bias=false) -> batch_norm",
}


def calls(line: Callable[[int], str], count: int) -> int:
    """How many functions a check calls whose text has so many of a line."""
    body = "\n    ".join(map(line, range(count)))
    opened = open_text(f"arch A {{\n    input x: [8, 16, 16]\n    {body}\n}}")
    made = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event == "call"

    sys.setprofile(counted)
    try:
        network(opened, {})
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("code", LINES)
def test_the_work_is_in_proportion_to_the_warnings(code: str) -> None:
    calls(LINES[code], 1)  # what is imported once is no work of a line
    few, more, most = (calls(LINES[code], count) for count in (40, 80, 160))
    assert most - more <= 2.2 * (more - few)


@pytest.mark.parametrize("code", LINES)
def test_the_line_gives_its_warning(code: str) -> None:
    body = "\n    ".join(map(LINES[code], range(2)))
    found = network(open_text(f"arch A {{\n    input x: [8, 16, 16]\n    {body}\n}}"), {}).warnings
    assert code in {warning.code for warning in found}
