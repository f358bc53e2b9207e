"""Loaded modules: every label, torch's tools, errors that name the `.arch` line."""

import copy
import inspect
import keyword
import pickle
import re
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archc
import archc.network
from archc.compiler.load import load
from archc.compiler.source import write
from archc.files import open_text

TRACED = [
    "resnet18",
    "unet",
    "d2l/lenet",
    "googlenet",
    "densenet121",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "efficientnet_b0",
    "swin_t",
    "vit_b_16",
]
FIXED = {"swin_t", "vit_b_16"}  # what they compute depends on the size of the image
SMALL = """
block scale(r) { mul { identity; { global_avg_pool -> conv(r, 1) -> relu -> conv(in.channels, 1) -> sigmoid } } }
block two(c) { concat { { conv(c, 1) -> batch_norm }; { conv(c, 1) -> batch_norm }; identity }; dropout(0.1) }
block dense(c) { repeat 3 as i { concat { identity; "layer{i}": conv(c, 1) } } }
arch Net {
    input x: [4, H, W]
    scale(2) as first
    merge: add { left: conv(8, 3, padding=1); conv(8, 1) }
    "a-b": { conv(4, 1) -> relu }
    add { identity; first }
    two(4) -> dense(2) -> scale(3)
    global_avg_pool -> flatten
    head: linear(3)
}
"""


def module(text: str) -> nn.Module:
    return load(write(archc.network.network(open_text(text), {}).checked.shaped))


def example(name: str) -> tuple[nn.Module, Tensor]:
    if name == "small":
        return module(SMALL).eval(), torch.randn(2, 4, 8, 8)
    network = archc.compile(name)
    size = next(iter(network.inputs.values()))
    sizes = (s if isinstance(s, int) and (s < 100 or name in FIXED) else 64 for s in size)
    return archc.load(name).eval(), torch.randn(1, *sizes)


@pytest.mark.parametrize("name", [*TRACED, "small"])
def test_tools_of_torch(name: str) -> None:
    network, x = example(name)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = network(x)
        for same in (
            torch.fx.symbolic_trace(network),
            torch.export.export(network, (x,)).module(),
            torch.jit.trace(network, x, check_trace=False),
            pickle.loads(pickle.dumps(network)),  # noqa: S301
            copy.deepcopy(network),
            torch.compile(network, fullgraph=True, backend="eager"),
        ):
            torch.testing.assert_close(same(x), y)


LABELS = sorted(
    {*dir(nn.Module()), *keyword.kwlist, "block0-1", "__x", "x", "nn", "torch", "F", "Tensor", "a b", "append"}
)


@pytest.mark.parametrize("label", [label for label in LABELS if label != "training"])
def test_every_label_is_the_key(label: str) -> None:
    network = module(
        f'arch Net {{ input x: [4]; "{label}": linear(4, bias=false) -> relu\n add {{ identity; tail: linear(4) }} }}'
    )
    assert list(network.state_dict()) == [f"{label}.weight", "tail.weight", "tail.bias"]
    x = torch.randn(2, 4)
    y = network.train().eval()(x)
    again = pickle.loads(pickle.dumps(copy.deepcopy(network)))  # noqa: S301
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(x), y)


def test_conditions_are_enforced() -> None:
    with pytest.raises(AssertionError, match="W must be a multiple of 16"):
        archc.load("unet")(torch.zeros(1, 3, 32, 40))


def test_errors_name_the_line_of_the_text() -> None:
    with pytest.raises(RuntimeError) as caught:
        archc.load("unet")(torch.zeros(1, 4, 16, 16))
    (note,) = caught.value.__notes__
    assert re.search(r"unet.arch:\d+:16: repeat 2 { conv\(channels, 3, padding=1, bias=false\)", note)


def test_errors_of_functions_name_the_line_of_the_text() -> None:
    network = module("arch Net {\n    input x: [2, 4, 4]\n    a: conv(3, 1)\n    max_pool(3)\n}")
    with pytest.raises(RuntimeError) as caught:
        network(torch.zeros(1, 2, 1, 1))
    assert caught.value.__notes__ == ["in <text>:4:5: max_pool(3)"]
    shown = "".join(traceback.format_exception(caught.value))
    assert "F.max_pool2d(x, 3)" in shown, "the traceback shows the generated line"


def test_source_of_a_loaded_module_can_be_read() -> None:
    network = archc.load("resnet18")
    assert inspect.getsource(type(network)).startswith("class ResNet18(nn.Module):")
    assert len(sys.modules[type(network).__module__].__dict__["__archc_lines__"]) > 50


def test_same_text_is_the_same_class() -> None:
    assert type(module(SMALL)) is type(module(SMALL))


def test_another_process_can_unpickle(tmp_path: Path) -> None:
    file = tmp_path / "network.pickle"
    file.write_bytes(pickle.dumps(module(SMALL)))
    code = f"import pickle; print(len(pickle.load(open({str(file)!r}, 'rb')).state_dict()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == f"{len(module(SMALL).state_dict())}\n"


def test_training_and_evaluation_have_their_results() -> None:
    network = module(
        "arch Net { input x: [4]; stem: linear(8) as features; aux_head: linear(3) as aux\n"
        "features -> head: linear(2) as logits; output logits; output aux when training }"
    )
    x = torch.randn(2, 4)
    results = network(x)
    assert results._fields == ("logits", "aux")
    assert results.aux.shape == (2, 3)
    assert torch.equal(network.eval()(x), results.logits)


def test_a_module_that_is_applied_twice_is_one() -> None:
    same = "{ linear(4) -> relu -> linear(4) }"
    text = f"arch Net {{ input x: [4]; tower: {same}; relu; again: {same} }}"
    shaped = archc.network.network(open_text(text), {}).checked.shaped

    def shared(path: str | None) -> str | None:
        return path.replace("again", "tower") if path else path

    nodes = tuple(node._replace(path=shared(node.path) or "") for node in shaped.graph.nodes)
    children = tuple(child._replace(path=shared(child.path)) for child in shaped.graph.root.children)
    graph = shaped.graph._replace(nodes=nodes, root=shaped.graph.root._replace(children=children))
    network = load(write(shaped._replace(graph=graph)))
    assert list(network.state_dict()) == ["tower.0.weight", "tower.0.bias", "tower.2.weight", "tower.2.bias"]
    x = torch.randn(2, 4)
    tower = network.get_submodule("tower")
    assert torch.equal(network(x), tower(tower(x).relu()))
