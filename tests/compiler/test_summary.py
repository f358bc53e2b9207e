"""The numbers and the table of a network."""

import json

import pytest

from archc.api import compile
from archc.compiler.analysis.cost import costs
from archc.compiler.folding import entries
from archc.compiler.summary import as_json, depth, headline, sized, table

NUMBERS = {
    # parameters, exact multiply-adds at 224x224, layers on the longest way
    "alexnet": (61_100_840, 714_188_480, 8),
    "resnet18": (11_689_512, 1_814_073_344, 18),
    "resnet50": (25_557_032, 4_089_184_256, 50),
    "vgg16": (138_357_544, 15_470_264_320, 16),
    "googlenet": (13_004_888, 1_498_376_192, 22),
    "densenet121": (7_978_856, 2_834_161_664, 121),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    network = compile(name)
    shaped = network.checked.shaped
    assert (network.params, network.macs, depth(shaped, costs(shaped))) == NUMBERS[name]


def rows_of(text: str) -> list[str]:
    """The rows of a table, without its head and what stands below the total."""
    return text.split("\n---")[1].splitlines()[1:]


def test_repeats_are_folded() -> None:
    lines = table(compile("resnet18").checked.shaped).splitlines()
    assert [line.split()[0] for line in lines if " basic" in line and line[0] == " "] == ["0", "1", "0", "1", "0", "1"]
    assert any("layer1.0-1  2 x basic(64, 1)" in line for line in lines)
    full = table(compile("resnet18").checked.shaped, full=True).splitlines()
    assert sum("basic" in line for line in full) == 8


def test_a_first_unit_that_differs_stays_visible() -> None:
    resnet = compile("resnet50").checked.shaped
    (layer2,) = [entry for entry in entries(resnet) if entry.name == "layer2"]
    assert [(entry.name, entry.rounds) for entry in layer2.children] == [("0", 1), ("1-3", 3)]


def test_the_rows_add_up() -> None:
    for name in NUMBERS:
        network = compile(name)
        for fold in (True, False):
            rows = entries(network.checked.shaped, fold=fold)
            assert sum(row.cost.params for row in rows) == network.params
            assert sum(row.cost.macs for row in rows) == network.macs


def test_depth_of_the_tree() -> None:
    shaped = compile("resnet18").checked.shaped
    top = table(shaped, levels=1).splitlines()
    assert [line.split()[0] for line in top[7:11]] == ["layer1", "layer2", "layer3", "layer4"]
    assert len(table(shaped, levels=2).splitlines()) > len(top)


def test_a_symbolic_network_shows_its_condition_and_its_formulas() -> None:
    shaped = compile("unet").checked.shaped
    first, *rest = headline(shaped).splitlines()
    assert first == "UNet: 31,037,698 parameters, input image 3xHxW, depth 23"
    assert rest == [f"  {s} must be a multiple of 16, at least 16" for s in "HW"]
    assert "128x(H // 2)x(W // 2)" in table(shaped)
    fixed = sized(shaped, {"H": 64, "W": 32})
    assert "128x32x16" in table(fixed)


def test_json_is_the_contract() -> None:
    data = json.loads(json.dumps(as_json(compile("resnet18", num_classes=10).checked.shaped)))
    contract = {"name", "params", "trainable_params", "buffers", "macs", "inputs", "outputs", "layers"}
    assert set(data) == contract | {"never_run_params", "shared_params"}
    assert (data["name"], data["params"], data["buffers"]) == ("ResNet18", 11_181_642, 9_620)
    assert data["inputs"] == {"image": [3, 224, 224]}
    assert data["outputs"] == {"output": [10]}
    first = data["layers"][0]
    contract = {"path", "op", "args", "inputs", "output", "params", "macs", "file", "line"}
    assert set(first) == contract | {"receptive_field", "stride"}
    assert (first["path"], first["op"], first["output"]) == ("conv1", "conv", [64, 112, 112])
    assert first["args"]["kernel_size"] == 7
    assert first["file"].endswith("resnet.arch")
    assert sum(layer["macs"] for layer in data["layers"]) == data["macs"]


def test_json_writes_symbolic_sizes_as_text() -> None:
    data = as_json(compile("unet").checked.shaped)
    assert data["inputs"] == {"image": [3, "H", "W"]}
    assert isinstance(data["macs"], str)


def test_receptive_fields_and_strides_are_two_columns() -> None:
    lines = table(compile("resnet18").checked.shaped, levels=1, receptive=True).splitlines()
    shown = {line.split()[0]: line.split()[-2:] for line in lines}
    assert shown["layer"] == ["field", "stride"]
    assert (shown["conv1"], shown["layer1"], shown["layer4"]) == (["7", "2"], ["43", "4"], ["435", "32"])
    assert shown["fc"][-1] == "all"
    assert lines[-1].startswith("field: places of the first input")
    assert lines[-2].startswith("multiply-adds: of convolutions")
    assert max(map(len, lines)) <= 150
