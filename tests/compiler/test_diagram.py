"""What a diagram shows: folded repeats, each block once, sizes where they change, and nothing that breaks out of it."""

import itertools
import os
import re
import shutil
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import archc
from archc.compiler.diagram import draw, svg
from archc.compiler.diagram.dot import COLOURS, SMALL, dot_text
from archc.compiler.diagram.figure import READABLE, TooLarge, figure
from archc.compiler.diagram.layout import LayoutProblem, lay_out
from archc.compiler.diagram.picture import Box, Cluster, Figure, boxes
from archc.compiler.ir import ShapedGraph
from archc.compiler.ops import ROLES
from archc.files import open_text
from archc.network import network

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {"lenet": "d2l/lenet", "resnet18": "resnet18", "googlenet": "googlenet"}
NETWORKS = ("d2l/lenet", "alexnet", "vgg16", "resnet18", "resnet50", "googlenet", "densenet121", "unet")
CENTIMETRE = 72 / 2.54


def zoo(name: str) -> ShapedGraph:
    return archc.compile(name).checked.shaped


def shaped(text: str) -> ShapedGraph:
    return network(open_text(text), {}).checked.shaped


def named(found: Figure, name: str) -> Box:
    return next(box for drawing in found.drawings for box in boxes(drawing.cluster) if box.name == name)


def said(box: Box) -> list[str]:
    return [cell.text for cell in box.cells]


def clusters(cluster: Cluster) -> list[str]:
    inner = [part for part in cluster.content if isinstance(part, Cluster)]
    return [cluster.name, *(name for part in inner for name in clusters(part))]


# ---- golden files


@pytest.mark.parametrize("case", CASES)
def test_golden_diagram(case: str) -> None:
    """Run with ARCHC_REGENERATE=1 to accept what changed, and look at the picture."""
    text = draw(zoo(CASES[case]), "dot").decode()
    file = GOLDEN / case / "diagram.dot"
    if os.environ.get("ARCHC_REGENERATE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_same_network_same_bytes(form: str) -> None:
    first = draw(zoo("resnet18"), form)
    time.sleep(1.1)  # a date would differ by now
    assert draw(zoo("resnet18"), form) == first


# ---- what is shown


def test_stages_are_folded_with_their_count_and_say_what_their_first_unit_has() -> None:
    found = figure(zoo("resnet50"))
    assert [named(found, f"layer{i}").times for i in (1, 2, 3, 4)] == ["× 3", "× 4", "× 6", "× 3"]
    assert named(found, "layer1").notes == ("first: with downsample",)
    assert named(found, "layer2").notes == ("first: stride=2, with downsample",)
    assert named(found, "layer2").cost == "1.2 M params, 1.0 G macs"


def test_a_block_is_drawn_once_with_what_only_some_uses_have() -> None:
    found = figure(zoo("resnet18"))
    assert [drawing.cluster.name for drawing in found.drawings] == ["", "basic"]
    assert said(named(found, "conv2")) == ["conv 3×3, 64–512", "batch norm"]
    projection = named(found, "downsample")
    assert projection.partial
    assert projection.notes == ("only in layer2–4.0",)
    skips = [edge for edge in found.drawings[1].edges if edge.tail == boxes(found.drawings[1].cluster)[0].id]
    assert sorted(edge.partial for edge in skips) == [False, False, True]


def test_dense_connections_are_a_running_concatenation() -> None:
    found = figure(zoo("densenet121"))
    assert named(found, "denseblock3").times == "× 24"
    assert "out (C + 32)×H×W" in [box.cells[0].text for box in boxes(found.drawings[1].cluster)]
    assert len(boxes(found.drawings[1].cluster)) == 5


def test_neighbouring_uses_of_a_block_are_folded_where_a_page_would_not_do() -> None:
    found = figure(zoo("googlenet"))
    assert named(found, "inception4a–4e").times == "× 5"
    assert {"branch1", "branch2.0", "branch2.1", "branch4.1"} <= {box.name for box in boxes(found.drawings[1].cluster)}


def test_a_block_that_contains_itself_is_nested_and_its_sizes_are_formulas() -> None:
    found = figure(zoo("unet"))
    names = clusters(found.drawings[0].cluster)
    assert names == ["", "level(64, 4)", "level(128, 3)", "level(256, 2)", "level(512, 1)"]
    assert "1024×H/16×W/16" in {edge.label for edge in found.drawings[0].edges}
    assert sum(edge.upward for edge in found.drawings[0].edges) == 12
    assert "H must be a multiple of 16, at least 16" in found.caption


def test_convolution_norm_and_activation_are_one_box_in_either_order() -> None:
    assert said(named(figure(zoo("resnet18")), "conv1")) == ["conv 7×7, 64, stride 2", "batch norm", "ReLU"]
    classifier = [
        said(box) for box in boxes(figure(zoo("alexnet")).drawings[0].cluster) if box.name.startswith("class")
    ]
    assert classifier == [["dropout 0.5", "linear 4096", "ReLU"]] * 2 + [["linear 1000"]]
    dense = figure(zoo("densenet121"))
    inner = [said(box) for box in boxes(dense.drawings[1].cluster) if box.kind == "layer"]
    assert ["batch norm", "ReLU", "conv 1×1, 128"] in inner


def test_a_first_part_without_a_label_is_called_what_it_is() -> None:
    unit = "block unit(k) { if k == 0 { max_pool(3, 1, 1) -> upsample(scale_factor=1) }\n "
    text = unit + "conv(3, 3, padding=1)\n conv(3, 1) }\n"
    found = figure(shaped(text + "arch A { input x: [3, 8, 8]\n a: repeat 3 as k { unit(k) }\n unit(1) }"))
    assert named(found, "a").notes == ("first: with max pool, with upsample",)


UP = "block up(c) { input below, skip\n below -> conv(c, 1) as b\n add { b; skip -> crop((b.height, b.width)) } }\n"


def test_the_inputs_of_a_block_have_their_names_and_crops_no_formulas() -> None:
    flow = "conv(4, 3) as s\n conv(4, 3) as t\n conv(4, 3) -> up(4) { identity; t } -> up(4) { identity; s }"
    found = figure(shaped(f"{UP}arch A {{ input x: [3, H, W]\n {flow} }}"))
    assert found.drawings[0].edges[1].label == "4×(H − 2)×(W − 2)"
    detail = boxes(found.drawings[1].cluster)
    assert [box.cells[0].text for box in detail if box.kind == "input"] == ["below 4×(H − 6)×(W − 6)", "skip"]
    assert ["crop"] in [said(box) for box in detail]


def test_long_numbers_and_arguments_are_short() -> None:
    block = "block b(c, rates) { conv(c, 1)\n mul(rates[0])\n conv(c, 3) }\n"
    flow = "b(4, [0.1 + 0.2]) -> b(5, [i / 7 for i in range(3)])"
    found = figure(shaped(f"{block}arch A {{ input x: [3, 8, 8]\n {flow}\n b(4, [0.1 + 0.2]) }}"))
    texts = [cell.text for drawing in found.drawings for box in boxes(drawing.cluster) for cell in box.cells]
    assert {"b(4, [0.3])", "b(5, …)"} <= set(texts)


def test_a_value_forks_below_the_title_of_the_block_that_it_enters() -> None:
    block = "block b { add { conv(4, 1) -> relu -> conv(4, 1); conv(4, 3, padding=1) -> relu -> conv(4, 1) } }\n"
    text = dot_text(figure(shaped(f"{block}arch A {{ input x: [3, 8, 8]\n b }}")))
    cluster = text[text.index("subgraph cluster_n_1") :]
    assert "shape=point" in cluster
    assert len(re.findall(r"^\tninput0 -> ", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^\tn_1p0 -> ", text, re.MULTILINE)) == 2


def test_sizes_stand_only_where_they_change() -> None:
    (drawing,) = figure(shaped("arch A { input x: [3, 8, 8]\n conv(3, 1)\n conv(3, 1)\n max_pool(2)\n relu }")).drawings
    assert [edge.label for edge in drawing.edges] == ["", "", "", ""]  # the output's own box has the last
    (drawing,) = figure(
        shaped("arch A { input x: [3, 8, 8]\n conv(4, 1)\n conv(4, 1)\n max_pool(2)\n conv(4, 1) }")
    ).drawings
    assert [edge.label for edge in drawing.edges] == ["", "4×8×8", "", "4×4×4", ""]


def test_equal_rounds_are_folded_and_others_are_not() -> None:
    text = "arch A {{ input x: [3, 8, 8]\n for c in {} {{ conv(c, 3, padding=1) -> relu }} }}"
    layers = boxes(figure(shaped(text.format("[4, 4, 4, 8]"))).drawings[0].cluster)
    assert [(box.cells[0].text, box.times) for box in layers[1:-1]] == [("conv 3×3, 4", "× 3"), ("conv 3×3, 8", "")]


def test_branches_of_a_loop_are_not_called_a_sequence() -> None:
    text = "arch A { input x: [3, 8, 8]\n concat { repeat 3 { conv(4, 3) -> relu } } }"
    layers = boxes(figure(shaped(text)).drawings[0].cluster)
    assert [box.times for box in layers[1:-1]] == ["3 branches", ""]


def test_depth_closes_blocks() -> None:
    found = figure(zoo("unet"), depth=1)
    assert len(found.drawings) == 1
    assert [box.kind for box in boxes(found.drawings[0].cluster)] == ["input", "block", "layer", "output"]
    assert clusters(figure(zoo("unet"), depth=2).drawings[0].cluster) == ["", "level(64, 4)"]


def test_footer_says_totals_input_and_convention() -> None:
    caption = figure(zoo("resnet18")).caption
    assert caption[0] == "ResNet-18 (He et al., 2015)"
    assert caption[1] == "11,689,512 parameters, 1,814,073,344 multiply-adds at image 3×224×224"
    assert caption[2].startswith("macs: multiply-adds of convolutions")


# ---- how it looks


@pytest.mark.parametrize("name", NETWORKS)
def test_readable_at_a_columns_width(name: str) -> None:
    """At 16 cm no text is smaller than 7 points, and there are few boxes."""
    found = figure(zoo(name))
    counts = [len(boxes(drawing.cluster)) for drawing in found.drawings]
    assert max(counts) <= READABLE
    assert sum(counts) <= READABLE + 12
    root = ET.fromstring(lay_out(dot_text(found), "svg"))
    width = float(root.attrib["width"].removesuffix("pt"))
    assert float(SMALL) * min(1.0, 16 * CENTIMETRE / width) >= 7


def test_every_role_has_a_colour_of_its_own() -> None:
    assert COLOURS.keys() == ROLES.keys()
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_the_commonest_roles_differ_in_grey() -> None:
    greys = []
    for role in ("linear", "convolution", "pooling", "activation", "norm"):
        red, green, blue = bytes.fromhex(COLOURS[role].removeprefix("#"))
        greys.append(0.299 * red + 0.587 * green + 0.114 * blue)
    assert all(b - a >= 10 for a, b in itertools.pairwise(greys)), greys


def test_legend_only_of_what_is_present() -> None:
    lenet, resnet = figure(zoo("d2l/lenet")), figure(zoo("resnet18"))
    assert set(lenet.roles) == {"convolution", "activation", "pooling", "shape", "linear"}
    assert "norm" in resnet.roles
    assert ">norm</TD>" in dot_text(resnet)
    assert ">norm</TD>" not in dot_text(lenet)
    assert "some uses only" in dot_text(resnet)
    assert "some uses only" not in dot_text(lenet)


def test_titles_name_the_line_and_text_can_be_selected() -> None:
    root = ET.fromstring(svg(zoo("resnet18")))
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("conv1: conv(64, 7, stride=2, padding=3, bias=false)") for title in titles)
    assert any(re.search(r"resnet\.arch:\d+$", title) for title in titles)
    assert "linear 1000" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_ground_is_transparent() -> None:
    assert 'fill="white"' not in svg(zoo("d2l/lenet"))


def test_directions() -> None:
    sizes = {}
    for direction in ("tb", "lr"):
        root = ET.fromstring(draw(zoo("d2l/lenet"), "svg", direction=direction))
        sizes[direction] = [float(root.attrib[side].removesuffix("pt")) for side in ("width", "height")]
    assert sizes["lr"][0] > 2 * sizes["lr"][1]
    assert sizes["lr"][0] > sizes["tb"][0]


# ---- what must not happen

HOSTILE = [
    "a<b>&\"'",
    r"\\N \\G \\L \\\\",
    "</TABLE>]>",
    "--><script>alert(1)</script>",
    "x]; evil [shape=box",
    "%s {{}} &amp; ; //",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_do_not_break_out(name: str) -> None:
    quoted = name.replace('"', '\\"')
    text = f'arch A {{ input x: [3, 8, 8]\n "{quoted}": {{ conv(8, 3)\n max_pool(2) }}\n "{quoted}2": linear(4) }}'
    root = ET.fromstring(svg(shaped(text)))
    plain = name.replace("\\\\", "\\").replace("{{", "{").replace("}}", "}")
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert plain in texts
    assert any(text is not None and text.startswith(f"{plain}2 · ") for text in texts)
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert sum(element.get("class") == "node" for element in root.iter()) == 5


def test_documentation_of_the_text_does_not_break_out() -> None:
    doc = '"""</FONT>]> <b>&\\\\N\n"""\n'
    root = ET.fromstring(svg(shaped(doc + "arch A { input x: [4]\n relu }")))
    assert any("</FONT>]> <b>&" in (element.text or "") for element in root.iter())


def test_large_networks_fold_to_small_pictures() -> None:
    text = 'from "zoo:{}.arch" import {}\narch Large(a = 1) = {}\n'
    deep = shaped(text.format("resnet", "ResNet, bottleneck", "ResNet(bottleneck, [3, 8, 36, 3])"))
    dense = shaped(text.format("densenet", "DenseNet", "DenseNet([6, 12, 48, 32])"))
    for large in (deep, dense):
        found = figure(large)
        assert sum(len(boxes(drawing.cluster)) for drawing in found.drawings) <= READABLE


def test_too_many_different_parts_are_refused() -> None:
    loop = "for i in range(1200) { if i % 2 == 0 { conv(3, 3, padding=1) } else { max_pool(1) } }"
    with pytest.raises(TooLarge, match="1202 boxes"):
        figure(shaped(f"arch A {{ input x: [3, 8, 8]\n {loop} }}"))


def test_without_graphviz_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(LayoutProblem, match="pip install pygraphviz"):
        lay_out("digraph { a }", "svg")


def test_the_program_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\n[ "$1" = -Tsvg ] && echo "<svg>" && cat\n')
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    assert lay_out("digraph { a }", "svg") == b"<svg>\ndigraph { a }"
    with pytest.raises(LayoutProblem, match="failed"):
        lay_out("digraph { a }", "png")


@pytest.mark.skipif(shutil.which("dot") is None, reason="there is no `dot` to compare with")
def test_the_program_and_the_library_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = draw(zoo("resnet18"), "dot").decode()
    words = []
    for program in (shutil.which("dot"), None):
        monkeypatch.setattr(shutil, "which", lambda name, found=program: found)
        words.append(re.findall(rb"<text[^>]*>([^<]*)<", lay_out(text, "svg")))
    assert sorted(words[0]) == sorted(words[1])


def test_blocks_nested_deeper_than_anyone_reads_are_closed() -> None:
    block = "block b(n) { linear(4)\n if n > 0 { b(n - 1) } \n relu }\n"
    found = figure(shaped(block + "arch A { input x: [4]\n b(150) }"))
    names = clusters(found.drawings[0].cluster)
    assert names[1] == "b(150)"
    assert len(names) < 40
    assert [said(box) for box in boxes(found.drawings[0].cluster) if box.kind == "block"] == [
        [f"b({151 - len(names)})"]
    ]


def test_an_empty_network_is_drawn() -> None:
    (drawing,) = figure(shaped("arch A { input x: [4]\n identity }")).drawings
    assert [box.cells[0].text for box in boxes(drawing.cluster)] == ["x 4", "output 4"]
    assert len(drawing.edges) == 1
