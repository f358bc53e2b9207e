"""`archc build`: the forms of the table, and the memory that a network takes."""

import csv
import json
from io import StringIO
from itertools import pairwise
from math import prod
from typing import Any

import pytest
from click.testing import CliRunner, Result

from archc.api import compile
from archc.cli import main
from archc.compiler.analysis.memory import memory
from archc.files import open_text
from archc.network import network


def archc(*args: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, ["build", *args], input=input, prog_name="archc")


def summary(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(archc(name, "--format", "json").stdout)
    return found


@pytest.mark.parametrize("name", ["d2l/lenet", "resnet18", "unet"])
def test_csv_holds_every_layer(name: str) -> None:
    rows = list(csv.DictReader(StringIO(archc(name, "--format", "csv").stdout)))
    layers = summary(name)["layers"]
    assert [(row["path"], row["params"], row["macs"], row["line"]) for row in rows] == [
        (layer["path"], str(layer["params"]), str(layer["macs"]), str(layer["line"])) for layer in layers
    ]
    assert all(row["op"].startswith(layer["op"]) for row, layer in zip(rows, layers, strict=True))


def test_markdown_has_the_rows_of_the_table() -> None:
    lines = archc("resnet18", "--format", "markdown", "--depth", "2").stdout.splitlines()
    table = archc("resnet18", "--summary", "--depth", "2").stdout.splitlines()
    assert lines[0] == table[0]
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == len([line for line in table if line]) - 2  # the headline, and one of the two rules
    assert "| &emsp;0-1 | 2 x basic(64, 1) | 64x56x56 | 147,968 | 462,422,016 |" in rows
    assert {row.count("|") for row in rows} == {6}


def test_a_bar_in_a_label_stays_in_its_cell() -> None:
    text = 'arch Net { input x: [4]; "a|b": linear(2) }\n'
    assert "| a\\|b | linear(2) | 2 | 10 | 8 |" in archc("-", "--format", "markdown", input=text).stdout


def test_memory_of_a_chain() -> None:
    found = summary("d2l/lenet")
    sizes = [784, *(prod(layer["output"]) for layer in found["layers"])]
    needed = memory(compile("d2l/lenet").checked.shaped, batch=256)
    assert needed.weights == 4 * found["params"]
    assert needed.training == 4 * 256 * sum(sizes)
    assert needed.inference == 4 * 256 * max(a + b for a, b in pairwise(sizes))


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ("input x: [8]\n relu -> relu -> relu", 16),  # each value goes when the next one is there
        ("input x: [8]\n relu as a; relu -> relu\n add { identity; a }", 24),  # `a` waits for its second use
        ("input x: [8]\n chunk(2) as (a, b)\n a -> relu", 16),  # `b` is never used, and goes at once
        ("input x: [8]\n input y: [8]\n x -> relu -> relu as z\n add { z; y }", 24),  # `y` waits from the beginning
        ("input x: [8] int64\n embedding(10, 1)", 16 + 8),  # whole numbers have 8 bytes, that is twice 4
    ],
)
def test_values_live_until_their_last_use(body: str, most: int) -> None:
    shaped = network(open_text(f"arch Net {{ {body} }}"), {}).checked.shaped
    assert memory(shaped, batch=3).inference == 4 * 3 * most


def test_values_without_a_batch_do_not_grow_with_it() -> None:
    shaped = network(open_text("arch Net { input x: [8]; p: parameter([8]) as p; add { x; p } }"), {}).checked.shaped
    assert memory(shaped, batch=10).training == 4 * (10 * 8 + 8 + 10 * 8)


def test_memory_on_the_command_line() -> None:
    line = "memory at batch 64: weights 44.6 MiB, all values 2.0 GiB, most values at once 392.0 MiB"
    assert archc("resnet18", "--batch", "64").stdout.splitlines()[1] == f"  {line}"
    assert archc("resnet18", "--batch", "64", "--summary").stdout.splitlines()[-1] == line
    found = json.loads(archc("resnet18", "--batch", "64", "--format", "json").stdout)
    assert found["memory"]["batch"] == 64
    assert archc("unet", "--batch", "2", "--input", "3x32x32").exit_code == 0
    result = archc("unet", "--batch", "2")
    assert result.exit_code == 2
    assert "3xHxW: give it with --input" in result.stderr
    assert archc("resnet18", "--batch", "0").exit_code == 2
