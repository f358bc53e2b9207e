"""`archc build`: the forms of the table, and its options."""

import csv
import json
from io import StringIO
from typing import Any

import pytest
from click.testing import CliRunner, Result

from archc.cli import main


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
    assert len(rows) == len([line for line in table if line]) - 3  # the headline, one of the two rules, the last line
    assert lines[-1] == table[-1]
    assert "| &emsp;0-1 | 2 x basic(64, 1) | 64x56x56 | 147,968 | 462,422,016 |" in rows
    assert {row.count("|") for row in rows} == {6}


FORMS = ("table", "json", "csv", "markdown")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [(), ("--full",), ("--depth", "1"), ("--full", "--depth", "2", "--receptive")])
def test_every_form_takes_every_option(form: str, options: tuple[str, ...]) -> None:
    text = archc("resnet18", "--summary", "--format", form, *options).stdout
    assert ("basic" in text) == (options != ("--depth", "1") and (form in ("table", "markdown") or "2" in options))
    if form in ("table", "markdown"):
        assert ("2 x basic(64, 1)" in text) == (options == ())
    if "--receptive" in options:
        assert "435" in text


@pytest.mark.parametrize("depth", ["1", "2", "9"])
def test_whole_blocks_at_a_depth_add_up(depth: str) -> None:
    whole = summary("resnet18")
    found = json.loads(archc("resnet18", "--format", "json", "--depth", depth).stdout)
    for count in ("params", "macs"):
        assert sum(layer[count] for layer in found["layers"]) == whole[count]
    rows = list(csv.DictReader(StringIO(archc("resnet18", "--format", "csv", "--depth", depth).stdout)))
    assert [row["path"] for row in rows] == [layer["path"] for layer in found["layers"]]
    assert all(layer["path"].count(".") < int(depth) for layer in found["layers"])
    if depth == "2":
        (unit,) = [layer for layer in found["layers"] if layer["path"] == "layer2.0"]
        assert (unit["op"], unit["args"]) == ("basic", {"channels": 128, "stride": 2})
        assert (unit["inputs"], unit["output"]) == ([[64, 56, 56]], [128, 28, 28])


def test_a_bar_in_a_label_stays_in_its_cell() -> None:
    text = 'arch Net { input x: [4]; "a|b": linear(2) }\n'
    assert "| a\\|b | linear(2) | 2 | 10 | 8 |" in archc("-", "--format", "markdown", input=text).stdout


def test_memory_on_the_command_line() -> None:
    lines = [
        "memory at batch 64",
        "  training 1.5 GiB: weights 44.6 MiB, activations 1.3 GiB, gradients 44.6 MiB, optimizer 89.2 MiB "
        "(AdamW; SGD with momentum half, without none)",
        "  evaluation 436.6 MiB: weights 44.6 MiB, activations 392.0 MiB",
        "  activations: in training what PyTorch keeps for the backward pass, in evaluation the most at once",
    ]
    assert archc("resnet18", "--batch", "64").stdout.splitlines()[1:] == [f"  {line}" for line in lines]
    for form in ("table", "markdown"):
        assert archc("resnet18", "--batch", "64", "--summary", "--format", form).stdout.splitlines()[-4:] == lines
    assert archc("resnet18", "--batch", "64", "--format", "csv").stderr.splitlines() == lines
    found = json.loads(archc("resnet18", "--batch", "64", "--format", "json").stdout)["memory"]
    parts = ("weights", "activations", "gradients", "optimizer")
    assert set(found) == {"batch", "evaluation", "training", *parts}
    assert (found["batch"], found["training"]) == (64, sum(found[part] for part in parts))
    assert archc("unet", "--batch", "2", "--input", "3x32x32").exit_code == 0
    result = archc("unet", "--batch", "2")
    assert result.exit_code == 2
    assert "3xHxW: give it with --input" in result.stderr
    assert archc("resnet18", "--batch", "0").exit_code == 2
