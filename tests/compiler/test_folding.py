"""Folding: rounds that are equal or differ in their sizes, blocks of several sizes, and the page that is left."""

import pytest

from archc.api import compile
from archc.compiler.folding import PAGE, entries, page
from archc.compiler.ir import ShapedGraph
from archc.compiler.summary import exceptions, headline, notes, table
from archc.files import open_text
from archc.network import network

UNIT = "block unit(channels) { conv(channels, 3, padding=1) -> batch_norm -> relu }\n"


def shaped(body: str, blocks: str = UNIT) -> ShapedGraph:
    return network(open_text(f"{blocks}arch Net {{ {body} }}"), {}).checked.shaped


def rows(network: ShapedGraph, **options: int) -> list[list[str]]:
    """The cells of a table's rows, without its head, the inputs and the total."""
    lines = table(network, **options).split("\n---")[1].splitlines()[1:]  # type: ignore[arg-type]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[len(network.graph.inputs) :]]


def test_densenet_is_a_page() -> None:
    found = rows(compile("densenet121").checked.shaped)
    assert len(found) + 2 <= 20  # with the image and the total
    blocks = [row for row in found if "dense_layer" in row[1]]
    assert blocks[0] == [
        "denseblock1.denselayer1-6",
        "6 x dense_layer(32, 4) -> concat",
        "96..256x56x56",
        "335,040",
        "1,040,449,536",
    ]
    assert [row[1].split()[0] for row in blocks] == ["6", "12", "24", "16"]
    assert "not opened: dense_layer, transition; --depth N" in table(compile("densenet121").checked.shaped)


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet152", "googlenet", "mobilenet_v2", "efficientnet_b0", "swin_t", "vit_b_16"]
)
def test_the_table_of_a_paper_is_a_page(name: str) -> None:
    assert len(rows(compile(name).checked.shaped)) <= 30


def test_what_differs_in_folded_rounds_is_a_range() -> None:
    found = rows(compile("densenet121").checked.shaped, levels=4)
    at = next(i for i, row in enumerate(found) if row[0] == "denselayer1-6")
    assert found[at + 1] == ["norm1", "batch_norm", "64..224x56x56", "128..448"]
    assert found[at + 3] == [
        "conv1",
        "conv(128, 1, bias=false)",
        "128x56x56",
        "8,192..28,672",
        "25,690,112..89,915,392",
    ]


def test_growing_arguments_are_a_range() -> None:
    found = rows(shaped("input x: [3, 8, 8]; for c in [16, 32, 64] { unit(c) }"))
    assert found[0] == ["0-2", "3 x unit(16..64)", "16..64x8x8", "23,808", "1,502,208"]
    assert found[1] == ["0", "conv(16..64, 3, padding=1)", "16..64x8x8", "448..18,496", "27,648..1,179,648"]
    shrinking = rows(shaped("input x: [3, 8, 8]; for c in [64, 32, 16] { unit(c) }"))
    assert shrinking[0][:3] == ["0-2", "3 x unit(64..16)", "64..16x8x8"]


def test_two_rounds_that_differ_are_two_rows() -> None:
    found = rows(shaped("input x: [3, 8, 8]; for c in [16, 32] { unit(c) }"), levels=1)
    assert [row[:2] for row in found] == [["0", "unit(16)"], ["1", "unit(32)"]]


def test_a_short_table_is_open() -> None:
    found = rows(shaped("input x: [3, 8, 8]; unit(16) -> unit(32) -> unit(64)"))
    assert len(found) == 12 <= PAGE


def test_a_long_table_closes_blocks_of_several_sizes_only() -> None:
    network = shaped(
        "input x: [3, 8, 8]; unit(16) -> unit(32) -> unit(64) -> unit(64) -> unit(64) -> same -> same -> same",
        UNIT + "block same { repeat 2 { unit(7) } -> conv(64, 1) -> conv(64, 1) }\n",
    )
    found = rows(network)
    assert [row[0] for row in found] == [*"01234", *"50123", *"60123", *"70123"]
    assert page(entries(network))[1] == ["unit"]


def test_a_block_that_uses_itself_stays_open() -> None:
    found = rows(compile("unet").checked.shaped)
    assert sum("level(" in row[1] for row in found) == 5


def test_rows_of_a_page_add_up() -> None:
    for name in ("densenet121", "googlenet", "mobilenet_v2", "swin_t"):
        model = compile(name)
        found = page(entries(model.checked.shaped))[0]
        assert sum(row.cost.params for row in found) == model.params
        assert sum(int(str(row.cost.macs)) for row in found) == model.macs


def test_deep_nesting() -> None:
    blocks = UNIT + "".join(
        f"block b{n} {{ repeat 2 {{ g: {{ {'unit(4)' if n == 0 else f'b{n - 1}'} }} }} }}\n".replace(
            "repeat 2", "repeat 1"
        )
        for n in range(150)
    )
    network = shaped("input x: [3, 8, 8]; b149", blocks)
    assert rows(network)[-1][0] == "2"
    assert len(rows(network, levels=2)) == 2


# ---- parameters that are no ordinary ones


def test_what_never_runs() -> None:
    googlenet = compile("googlenet").checked.shaped
    line = "never run in evaluation: 6,379,984 of the parameters, in aux1, aux2"
    assert line in table(googlenet).splitlines()
    assert f"  {line}" in headline(googlenet).splitlines()
    assert line not in headline(googlenet, noted=False)
    module = compile("googlenet").module()
    assert sum(p.numel() for name, p in module.named_parameters() if name.startswith("aux")) == 6_379_984


def test_a_part_of_a_scope_that_never_runs() -> None:
    body = "input x: [8]; g: { a: linear(4) as a; x -> b: linear(5) as b }; output a; output b when training"
    assert exceptions(shaped(body))[:2] == (45, ("g.b",))


def test_what_is_shared() -> None:
    network = shaped(
        "input left: [3, 8, 8], right: [3, 8, 8]; module tower = unit(16)\n"
        "left -> tower as a; right -> tower as b; concat { a; b } -> head: conv(2, 1)"
    )
    assert exceptions(network) == (0, (), 480, ("tower",))
    assert notes(network) == ["shared: 480 of the parameters are used several times, in tower"]
    assert notes(network)[0] in table(network).splitlines()


def test_most_networks_need_no_note() -> None:
    assert notes(compile("resnet18").checked.shaped) == []
