"""The arguments of generated classes: parameters of the architecture, and parts that not every instance has."""

import copy
import pickle
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import fx, nn

import archc
import archc.network
from archc.compiler.load import load
from archc.compiler.source import Written, write
from archc.files import open_text

OTHERS = {"num_classes": 7, "in_channels": 2}
FAMILIES = [
    "resnet18",
    "googlenet",
    "densenet121",
    "mobilenet_v2",
    "convnext_tiny",
    "deeplabv3",
    "squeezenet1_0",
    "unet",
    "cifar/vgg",
    "d2l/nin",
]


def written(text: str) -> Written:
    return write(archc.network.network(open_text(text, "net.arch"), {}).checked.shaped)


def sizes(module: nn.Module) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in module.state_dict().items()}


def signature(text: str) -> str:
    """The arguments of a network's class."""
    found = written(text)
    heading = found.text.index(f"class {found.main}(")
    start = found.text.index("def __init__(", heading)
    return found.text[start : found.text.index(" -> None:", start)].removeprefix("def __init__")


# ---- beside what is written by hand


BY_HAND = Path(__file__).parents[1] / "golden" / "resnet50" / "by_hand.py"


def test_about_as_short_as_by_hand() -> None:
    by_hand = BY_HAND.read_text(encoding="utf-8")
    formatted = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(BY_HAND)]
    assert subprocess.run(formatted, capture_output=True, check=False).returncode == 0
    assert len(archc.compile("resnet50").source().splitlines()) <= 1.3 * len(by_hand.splitlines())


def test_computes_what_is_computed_by_hand() -> None:
    ours, theirs = archc.load("resnet50").eval(), runpy.run_path(str(BY_HAND))["ResNet50"]().eval()
    assert list(sizes(ours).items()) == list(sizes(theirs).items())
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(ours(x), theirs(x))


# ---- parameters of the architecture


@pytest.mark.parametrize("name", FAMILIES)
def test_other_values_give_the_network_that_archc_gives(name: str) -> None:
    with torch.device("meta"):
        network = type(archc.load(name))
        assert sizes(network(**OTHERS)) == sizes(archc.load(name, params=OTHERS))
        assert sizes(network()) == sizes(archc.load(name))


def test_multiples_and_blocks_within() -> None:
    source = written(
        "block head(classes) { hidden: linear(16) -> relu; score: linear(classes) }\n"
        "arch Net(num_classes = 10, in_channels = 3) {\n"
        "input x: [in_channels, 4, 4]; flatten -> first: linear(8); head: head(num_classes) }"
    ).text
    assert "def __init__(self, classes: int) -> None:" in source
    assert "self.score = nn.Linear(16, classes)" in source
    assert "def __init__(self, num_classes: int = 10, in_channels: int = 3) -> None:" in source
    assert "self.first = nn.Linear(16 * in_channels, 8)" in source
    assert "self.head = Head(num_classes)" in source


NET = "arch Net(n = 10) { input x: [4]; %s; linear(n) }"


@pytest.mark.parametrize(
    "text",
    [
        NET % "if n > 5 { linear(3) }",
        NET % "linear(3 if n == 10 else 4)",
        NET % "repeat n { linear(3) }",
        NET % "repeat 2 { layer{n + i}: linear(3) }".replace("repeat 2", "for i in range(2)"),
        NET % "let twice = min(n, 12); linear(twice)",
        NET % "require n > 5",
        NET % "linear(3); init linear: normal(std=1 / n)",
        "block unit(c, deep = c > 5) { if deep { linear(3) }; linear(c) }\narch Net(n = 10) { input x: [4]; unit(n) }",
        "block unit(c) { linear(c); if in.channels > 5 { relu } }\narch Net(n = 10) { input x: [n]; unit(2) }",
        "arch Net(n = 10) { input x: [4]; linear(n) as y; linear(y.channels + 1) }",
        "arch Net(n = 12) { input x: [4]; linear(n) -> linear(12); batch_norm; unflatten(-1, (n, 1)) }",
        "arch Of(m) { input x: [4]; linear(m); linear(m) }\narch Net(n = 10) = Of(n if n > 5 else 2)",
        "arch Of(m) { input x: [4]; if m > 5 { relu }; linear(m) }\narch Net(n = 10) = Of(n)",
    ],
)
def test_what_decides_something_is_compiled_in(text: str) -> None:
    assert "n: int" not in signature(text)


def test_a_block_that_is_used_with_a_number_of_its_own() -> None:
    source = written(
        "block head(c) { score: linear(c) }\narch Net(n = 10) { input x: [4]; a: head(10); b: head(n); c: head(20) }"
    ).text
    assert "self.a = Head(4, 10)" in source
    assert "self.b = Head(10, n)" in source
    assert "self.c = Head(n, 20)" in source


def test_untaken_branches_decide_nothing() -> None:
    assert signature("arch Net(n = 10, aux = false) { input x: [4]; if aux { linear(n) }; linear(n) }") == (
        "(self, n: int = 10)"
    )


def test_networks_of_other_sizes_are_networks_like_any() -> None:
    network = type(archc.load("resnet18"))(num_classes=7, in_channels=1).eval()
    x = torch.randn(1, 1, 64, 64)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):  # noqa: S301
        assert torch.equal(other(x), network(x))


# ---- parts that not every instance has

OPTIONAL = (
    "block unit(c) { add { { conv: conv(c, 3, padding=1) }; if in.channels != c { down: conv(c, 1) } "
    "else { identity } }; relu }\n"
    "arch Net { input x: [4, 8, 8]; a: unit(4); b: unit(8); c: unit(8) }"
)


def test_an_optional_module_is_an_argument() -> None:
    found = written(OPTIONAL)
    assert found.text.count("class ") == 2
    assert "self.down = nn.Conv2d(in_channels, c, kernel_size=1) if down else None" in found.text
    assert "self.b = Unit(4, 8, down=True)" in found.text
    network = load(found)
    assert list(network.state_dict()) == [
        f"{key}.{weight}" for key in ("a.conv", "b.conv", "b.down", "c.conv") for weight in ("weight", "bias")
    ]
    x = torch.randn(2, 4, 8, 8)
    expected = network(x)
    with pytest.warns(FutureWarning, match="deprecated"):
        assert torch.equal(torch.jit.trace(network, x)(x), expected)
    assert torch.equal(fx.symbolic_trace(network)(x), expected)
    assert torch.equal(torch.export.export(network, (x,)).module()(x), expected)
    assert torch.equal(copy.deepcopy(network)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(network))(x), expected)  # noqa: S301


def test_statements_of_an_optional_part_stand_under_one_condition() -> None:
    found = written(
        "block unit(c, rate) { norm: batch_norm\n"
        "if rate > 0 { extra: conv(c, 1) -> relu -> drop: dropout(rate) }\n"
        "add { identity; conv: conv(c, 1) } }\n"
        "arch Net { input x: [4, 8, 8]; a: unit(4, 0.5); b: unit(4, 0); c: unit(4, 0.25) }"
    )
    assert found.text.count("class ") == 2
    assert found.text.count("if self.extra is not None:") == 1
    assert "if rate > 0:\n            self.extra = nn.Conv2d(4, 4, kernel_size=1)\n            self.drop" in found.text
    network = load(found)
    assert [key for key, _ in network.get_submodule("b").named_children()] == ["norm", "conv"]


def test_a_sum_that_not_every_instance_computes_is_an_argument() -> None:
    found = written(
        "block unit(c) { if in.channels == c { add { identity; conv: conv(c, 1) } } else { conv: conv(c, 1) } }\n"
        "arch Net { input x: [4, 8, 8]; a: unit(8); b: unit(8) }"
    )
    assert "self.a = Unit(4)" in found.text
    assert "self.b = Unit(8, residual=True)" in found.text
    assert "if self.residual:\n            return x + self.conv(x)\n        return self.conv(x)" in found.text
    network = load(found)
    x = torch.randn(2, 4, 8, 8)
    middle = network.get_submodule("a.conv")(x)
    assert torch.equal(network(x), middle + network.get_submodule("b.conv")(middle))


def test_a_condition_of_the_text_needs_no_argument() -> None:
    source = written(
        "block unit(c, rate) { conv: conv(c, 1); if rate > 0 { drop: dropout(rate) -> relu } }\n"
        "arch Net { input x: [4, 8, 8]; a: unit(4, 0.5); b: unit(4, 0); c: unit(4, 0.25) }"
    ).text
    assert "self.drop = nn.Dropout(p=rate) if rate > 0 else None" in source
    assert "self.b = Unit(0)" in source


# ---- how often


def test_rounds_are_an_argument() -> None:
    source = written(
        "block unit(c, first) { add { conv: conv(c, 1); if first { down: conv(c, 1) } else { identity } } }\n"
        "block stage(c, units) { for i in range(units) { unit(c, i == 0) } }\n"
        "arch Net { input x: [4, 8, 8]; a: stage(8, 1); b: stage(16, 2); c: stage(32, 4) }"
    ).text
    assert source.count("class ") == 3
    assert "self.b = Stage(16, 2)" in source
    assert "self.c = Stage(32, 4)" in source
    assert "for _ in range(units - 1)" in source


def test_keys_that_count_in_two_numbers() -> None:
    found = written(
        "block unit(c) { conv: conv(c, 1) }\n"
        "arch Net { input x: [4, 8, 8]; for (i, n) in enumerate([1, 2, 4]) {\n"
        'stage{i}: { "unit{i}-in": unit(4); for j in range(n) { "unit{i}-{j}": unit(8) } } } }'
    )
    assert 'self.add_module(f"unit{number}-in", Unit(in_channels, 4))' in found.text
    assert list(load(found).state_dict())[::2] == [
        f"stage{i}.unit{i}-{j}.conv.weight" for i, n in enumerate([1, 2, 4]) for j in ("in", *range(n))
    ]
