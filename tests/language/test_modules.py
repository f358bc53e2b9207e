"""Section "The language", "Arches", second half: `module`, `extern`, `init`."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from archc.compiler.load import ExternProblem
from tests.language.texts import arch, built, close, found_in, keys, module, refused, sizes

X = torch.randn(2, 4, 8, 8)

# ---- module

TOWER = "block encoder(c) { conv(c, 1) -> relu }"


def test_module_makes_a_module_at_this_place_without_applying_it() -> None:
    """`module tower = encoder(64)` makes a module at this place, with path `tower`, without applying it."""
    text = arch("module tower = encoder(6)\nconv(5, 1) -> tower -> conv(3, 1)", before=TOWER)
    assert keys(text) == ["tower.0.weight", "0.weight", "1.weight"]
    net = module(text)
    close(net(X), net.get_submodule("1")(F.relu(net.tower[0](net.get_submodule("0")(X)))))


def test_every_use_of_it_as_a_stage_applies_the_same_weights() -> None:
    """... every use of `tower` as a stage applies the same weights."""
    text = TOWER + "\narch A { input a: [4, 8, 8], b: [4, 8, 8]\nmodule tower = encoder(6)\n"
    text += "a -> tower as p; b -> tower as q; sub { p; q } }"
    net = module(text)
    y = torch.randn(2, 4, 8, 8)
    close(net(X, y), net.tower(X) - net.tower(y))
    assert built(text).params == 4 * 6 + 6


def test_in_an_arch_or_a_block() -> None:
    """..., in an arch or a block, ..."""
    before = TOWER + "\nblock twice { module t = encoder(4); t -> t }"
    net = module(arch("twice -> twice", before=before))
    assert keys(arch("twice -> twice", before=before)) == ["0.t.0.weight", "1.t.0.weight"]
    one, two = net.get_submodule("0"), net.get_submodule("1")
    close(net(X), two.t(two.t(one.t(one.t(X)))))


def test_once_to_fix_its_place() -> None:
    """Once: to fix its place."""
    assert keys(arch("module head = conv(2, 1)\nconv(5, 1) -> head")) == ["head.weight", "0.weight"]
    assert keys(arch("conv(5, 1) -> head: conv(2, 1)")) == ["0.weight", "head.weight"]


def test_several_times_to_share() -> None:
    """Several times: to share."""
    net = module(arch("module m = conv(4, 1)\nrepeat 3 { m -> relu }"))
    y = X
    for _ in range(3):
        y = F.relu(net.m(y))
    close(net(X), y)
    different = arch("module m = conv(4, 1)\nm -> conv(5, 1) -> m")
    assert [found.code for found in found_in(different)] == ["E0308"]


def test_a_module_may_be_given_to_a_block() -> None:
    before = TOWER + "\nblock around(body) { tanh -> body }"
    net = module(arch("module t = encoder(4)\naround(t) -> around(t)", before=before))
    assert list(net.state_dict()) == ["t.0.weight", "t.0.bias"]
    close(net(X), net.t(torch.tanh(net.t(torch.tanh(X)))))


# ---- extern

LAYERS = """
import torch
from torch import nn

class Scale(nn.Module):
    def __init__(self, channels, first=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.full((channels, 1, 1), first))
    def forward(self, x):
        return x * self.factor

class Pair(nn.Module):
    def forward(self, a, b):
        return a + b, (a - b).mean(dim=(2, 3))

class Halves(nn.Module):
    def forward(self, x):
        return x[..., ::2]
"""
SCALE = 'extern scale(channels, first = 1.0): [channels, H, W] -> [channels, H, W] = "own_layers:Scale"'
PAIR = 'extern pair(): [C, H, W], [C, H, W] -> [C, H, W], [C] = "own_layers:Pair"'


@pytest.fixture
def own_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_layers.py").write_text(LAYERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_layers", raising=False)


@pytest.mark.usefixtures("own_layers")
def test_extern_declares_a_signature() -> None:
    """`extern deform(channels, k): [C, H, W] -> [channels, H, W] = "mypackage:DeformConv"` declares a signature."""
    text = arch("conv(5, 1) -> gain: scale(5, first=0.5) -> scale(5)", before=SCALE)
    net = module(text)
    assert keys(text) == ["0.weight", "gain.factor", "1.factor"]
    close(net(X), net.get_submodule("0")(X) * 0.5)
    net = module(arch("tanh as y\npair { x; y } as (total, means)\nmeans", before=PAIR))
    close(net(X), (X - torch.tanh(X)).mean(dim=(2, 3)))


def test_what_it_declares_is_checked() -> None:
    refused(arch("scale(5)", before=SCALE), "E0301", "scale(5)", "[channels, H, W]", "4x16x16")
    refused(arch("flatten -> scale(5)", before=SCALE), "E0303", "scale(5)", "takes [channels, H, W]")
    refused(arch("scale", before=SCALE), "E0201", "scale", "`channels`")
    refused(arch("pair", before=PAIR), "E0401", "pair", "2 values")
    refused(arch("pair { x; max_pool(2) } as (a, b)", before=PAIR), "E0301", "pair", "`H` is 16, but the value has 8")
    refused(
        arch("e", before='extern e(): [C, H, W] -> [C] = "no class"'), "E0111", '"no class"', "package.module:Class"
    )


@pytest.mark.usefixtures("own_layers")
def test_capitals_in_an_extern_are_symbols() -> None:
    """Sizes may be symbols: in `input` and `extern` ..."""
    same = 'extern square(): [C, N, N] -> [C, N, N] = "own_layers:Halves"'
    refused(arch("square", before=same, x="[4, 6, 8]"), "E0301", "square", "N")
    halves = 'extern halves(): [C, H, W] -> [C, H, (W + 1) // 2] = "own_layers:Halves"'
    assert sizes(arch("halves", before=halves, x="[4, 6, 9]")) == (4, 6, 5)
    assert module(arch("halves", before=halves, x="[4, H, W]"))(torch.zeros(1, 4, 3, 7)).shape == (1, 4, 3, 4)


@pytest.mark.usefixtures("own_layers")
def test_checking_needs_no_import_of_that_package_loading_does() -> None:
    """... checking needs no import of that package, loading does."""
    nowhere = SCALE.replace("own_layers", "there_is_no_such_package")
    found = built(arch("scale(4)", before=nowhere))
    assert found.outputs == {"output": (4, 16, 16)}
    assert "from there_is_no_such_package import Scale" in found.source()
    with pytest.raises(ExternProblem, match="there_is_no_such_package"):
        found.module()
    built(arch("scale(4)", before=SCALE))
    assert "own_layers" not in sys.modules
    module(arch("scale(4)", before=SCALE))
    assert "own_layers" in sys.modules


# ---- init


def deviation(text: str, key: str) -> float:
    torch.manual_seed(0)
    return float(module(text).state_dict()[key].std())


def test_init_sets_the_weights_of_every_op_made_in_these_braces() -> None:
    """`init conv: kaiming_normal(...)` sets the weights of every `conv` made in these braces ..."""
    wide = arch("init conv: normal(std=3)\na: conv(64, 3)\nb: { conv(64, 1) }\nc: linear(8)")
    assert deviation(wide, "a.weight") == pytest.approx(3, rel=0.1)
    assert deviation(wide, "b.0.weight") == pytest.approx(3, rel=0.1)
    assert deviation(wide, "c.weight") < 1
    fan = arch('init conv: kaiming_normal(mode="fan_out", nonlinearity="relu")\na: conv(64, 3)')
    assert deviation(fan, "a.weight") == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)


def test_braces_of_an_arch_a_block_or_a_group_blocks_used_there_included() -> None:
    """... (arch, block or group), blocks used there included."""
    before = "block inner { conv(64, 1) }\nblock outer { init conv: normal(std=3)\ninner }"
    text = arch("a: outer -> b: inner -> c: { init conv: normal(std=5); inner -> conv(64, 1) }", before=before)
    assert deviation(text, "a.0.0.weight") == pytest.approx(3, rel=0.1)
    assert deviation(text, "b.0.weight") < 1
    assert deviation(text, "c.0.0.weight") == pytest.approx(5, rel=0.1)
    assert deviation(text, "c.1.weight") == pytest.approx(5, rel=0.1)


def test_init_of_another_parameter() -> None:
    """`init conv.bias: zeros` another parameter ..."""
    net = module(arch("init conv.bias: constant(0.5)\ninit batch_norm: zeros\na: conv(8, 1) -> n: batch_norm"))
    assert net.a.bias.unique().tolist() == [0.5]
    assert net.n.weight.unique().tolist() == [0]
    assert len(net.a.weight.unique()) > 8
    refused(arch("init conv.gain: zeros\nconv(8, 1)"), "E0202", "init conv.gain: zeros", "gain")


def test_the_innermost_wins() -> None:
    """... the innermost wins."""
    group = "{ init conv: normal(std=5)\nb: conv(64, 1)\nd: inner }"
    body = f"init conv: normal(std=3)\na: conv(64, 1)\n{group}\nc: conv(64, 1)"
    text = arch(body, before="block inner { init conv: normal(std=7); conv(64, 1) }")
    for key, expected in {"a.weight": 3, "b.weight": 5, "c.weight": 3, "d.0.weight": 7}.items():
        assert deviation(text, key) == pytest.approx(expected, rel=0.1)


def test_without_it_torchs_own_defaults() -> None:
    """Without it torch's own defaults."""
    torch.manual_seed(0)
    ours = module(arch("c: conv(8, 3)")).state_dict()["c.weight"]
    torch.manual_seed(0)
    theirs = torch.nn.Conv2d(4, 8, 3).state_dict()["weight"]
    assert torch.equal(ours, theirs)
