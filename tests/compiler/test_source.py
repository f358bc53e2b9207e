"""The PyTorch source: what it reads like, and that it is the same every time."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torchvision
from torch import nn

import archc
import archc.network
from archc.compiler.source import Written, write
from archc.compiler.source.names import MODULE_ATTRIBUTES
from archc.files import open_text

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {
    "lenet": "d2l/lenet",
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "googlenet": "googlenet",
    "unet": "unet",
    "densenet": "densenet121",
}


def written(text: str) -> Written:
    return write(archc.network.network(open_text(text), {}).checked.shaped)


def body(text: str) -> str:
    """The classes of the source of an architecture, without what stands above them."""
    source = written(text).text
    return source[source.index("# from") :]


@pytest.mark.parametrize("case", CASES)
def test_golden_source(case: str) -> None:
    """Run with ARCHC_REGENERATE=1 to accept what changed, and read the difference."""
    source = archc.compile(CASES[case]).source()
    file = GOLDEN / case / "source.py"
    if os.environ.get("ARCHC_REGENERATE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    assert source == file.read_text(encoding="utf-8")


def ruff(command: list[str], source: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--isolated", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout


@pytest.mark.parametrize("case", [*CASES.values(), "vgg16", "alexnet"])
def test_formatted(case: str) -> None:
    source = archc.compile(case).source()
    assert ruff(["format"], source) == source
    assert ruff(["check", "--select", "E4,E7,E9,F,I,UP,N,RET", "--ignore", "N812"], source) == "All checks passed!\n"


# The lines of ten sources: one that grows is read before its number is changed.
LINES = {
    "resnet50": 91,
    "densenet121": 104,
    "googlenet": 154,
    "vgg16": 74,
    "mobilenet_v2": 114,
    "shufflenet_v2_x1_0": 117,
    "regnet_y_400mf": 142,
    "convnext_tiny": 144,
    "vit_b_16": 102,
    "swin_t": 339,
}


@pytest.mark.parametrize("name", LINES)
def test_source_does_not_grow(name: str) -> None:
    source = archc.compile(name).source()
    assert len(source.splitlines()) <= LINES[name]
    assert ruff(["format"], source) == source


def test_as_short_as_what_is_written_by_hand() -> None:
    resnet = torchvision.models.resnet
    parts = (resnet.conv3x3, resnet.conv1x1, resnet.Bottleneck, resnet.ResNet)
    by_hand = sum(len(inspect.getsource(part).splitlines()) for part in parts)
    assert len(archc.compile("resnet50").source().splitlines()) <= by_hand


def test_typed(tmp_path: Path) -> None:
    for name in ("resnet50", "googlenet", "vit_b_16", "swin_t", "regnet_y_400mf"):
        (tmp_path / f"its_{name}.py").write_text(archc.compile(name).source(), encoding="utf-8")
    # Calling a module gives `Any` in torch, and some of its methods have no types.
    options = ["--strict", "--no-warn-return-any", "--allow-untyped-calls", "--ignore-missing-imports"]
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            *options,
            "--cache-dir",
            str(tmp_path / "cache"),
            *map(str, tmp_path.glob("*.py")),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert found.returncode == 0, found.stdout


def test_long_lists_are_constants() -> None:
    source = written(
        "arch Net { input x: [30]\n"
        "index: buffer([7 * i - j for i in range(5) for j in range(6)])\n"
        "parts: buffer([0 if i < 20 else 1 for i in range(30)])\n"
        "squares: buffer([i ** 2 for i in range(30)]) as squares\n"
        "same: buffer([i ** 2 for i in range(30)]); add { x; squares } }"
    ).text
    assert (
        """
INDEX = [7 * a - b for a in range(5) for b in range(6)]
PARTS = [0] * 20 + [1] * 10
# fmt: off
SQUARES = [
    0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144, 169, 196, 225, 256, 289, 324,
    361, 400, 441, 484, 529, 576, 625, 676, 729, 784, 841
]
# fmt: on
"""
        in source
    )
    assert source.count("torch.tensor(SQUARES)") == 2
    assert ruff(["format"], source) == source


def test_numbers_of_rounds_are_a_list() -> None:
    source = body(
        "block unit(rate) { add { identity; { linear(4) -> dropout(rate) } } }\n"
        "block stage(rates) { for rate in rates { unit(rate) } }\n"
        "arch Net { input x: [4]; a: stage([0.1, 0.15, 0.3]); b: stage([0.3, 0.35]) }"
    )
    assert "super().__init__(*[Unit(rate) for rate in rates])" in source
    assert "self.a = Stage([0.1, 0.15, 0.3])" in source
    assert "self.b = Stage([0.3, 0.35])" in source


def test_labelled_modules_in_a_row_need_no_forward() -> None:
    source = body(
        "block unit(c) { conv: conv(c, 1); norm: batch_norm }\n"
        'arch Net { input x: [4, 8, 8]; stem: unit(8); body: { for i in range(4) { "unit-{i}": unit(8) } } }'
    )
    assert "def forward" not in source
    assert 'self.add_module(f"unit-{i}", Unit(8))' in source


def test_what_does_nothing_is_not_written() -> None:
    source = body("arch Net { input x: [4, 8, 8]; pad((0, 0, 0, 0)) -> roll((0, 0), (2, 3)) -> slice(2, 0, 8); relu }")
    assert "F.pad" not in source
    assert "roll" not in source
    assert "[:, :" not in source


def test_same_text_for_every_hash_seed() -> None:
    code = "import archc, hashlib; print(hashlib.sha256(archc.compile('googlenet').source().encode()).hexdigest())"

    def digest(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        return run.stdout

    assert digest("1") == digest("2")


def test_every_line_has_its_origin() -> None:
    network = archc.compile("resnet18")
    source = write(network.checked.shaped)
    lines = source.text.splitlines()
    assert len(source.lines) == len(lines)
    conv = next(i for i, line in enumerate(lines) if "self.bn1(self.conv1(x))" in line)
    origin = source.lines[conv]
    assert origin is not None
    assert origin.text == "relu"
    within = [place.origin.text for place in source.places if place.start[0] == conv + 1]
    assert within == ["batch_norm", "conv(channels, 3, stride=stride, padding=1, bias=false)"]
    assert source.main == "ResNet18"


def test_module_attributes_are_those_of_torch() -> None:
    assert {name for name in dir(nn.Module()) if not name.startswith("__")} == MODULE_ATTRIBUTES


def test_chain_is_sequential() -> None:
    assert (
        body("arch Net { input x: [4]; linear(8) -> relu; linear(2) }")
        == '''\
# from <text>:1
class Net(nn.Sequential):
    """4 -> 2"""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 2))
'''
    )


def test_instances_that_differ_in_numbers_share_a_class() -> None:
    source = body(
        "block unit(c, k = 3, s = 1) { conv: conv(c, k, stride=s, padding=k // 2) -> relu }\n"
        "arch Net { input x: [3, 8, 8]; a: unit(4); b: unit(8, 5, s=2); c: unit(8, 1) }"
    )
    assert (
        source
        == '''\
# from <text>:1
class Unit(nn.Module):
    """3x8x8 -> 4x8x8"""

    def __init__(self, in_channels: int, c: int, k: int = 3, s: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, c, kernel_size=k, stride=s, padding=k // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x), inplace=True)


# from <text>:2
class Net(nn.Sequential):
    """3x8x8 -> 8x4x4"""

    def __init__(self) -> None:
        super().__init__()
        self.a = Unit(3, 4)
        self.b = Unit(4, 8, k=5, s=2)
        self.c = Unit(8, 8, k=1)
'''
    )


def test_instances_that_differ_in_structure_do_not() -> None:
    source = body(
        "block unit(c, deep) { a: conv(c, 1); if deep { b: conv(c, 1) } }\n"
        "arch Net { input x: [4, 8, 8]; unit(4, false) -> unit(4, true) -> unit(4, false) }"
    )
    assert "class Unit(nn.Sequential):" in source
    assert "class UnitB(nn.Sequential):" in source
    assert "super().__init__(Unit(), UnitB(), Unit())" in source


def test_residual_block() -> None:
    source = body(
        "block scale(r) { mul { identity; { global_avg_pool -> conv(r, 1) -> relu -> conv(4, 1) -> sigmoid } } }\n"
        "block unit(c) { add { identity; { norm: batch_norm; conv: conv(c, 1) } }; add { identity; b: conv(c, 1) } }\n"
        "arch Net { input x: [4, 8, 8]; a: unit(4); b: scale(2) }"
    )
    assert (
        """
        x = x + self.conv(self.norm(x))
        return x + self.b(x)
"""
        in source
    )
    assert "return x * super().forward(x)" in source


def test_branches_and_named_values() -> None:
    source = body(
        "block two(c) {\n"
        "    concat { { conv(c, 1) -> relu -> conv(c, 1) }; { conv(c, 1) -> relu -> conv(c, 1) }; identity } as both\n"
        "    conv(c, 1)\n"
        "    add { identity; both -> conv(c, 1) }\n"
        "}\n"
        "arch Net { input x: [4, 8, 8]; body: two(4) }"
    )
    assert (
        """
        conv1, relu1, conv2, conv3, relu2, conv4, conv5, conv6 = self
        branch1 = relu1(conv1(x))
        branch1 = conv2(branch1)
        branch2 = relu2(conv3(x))
        branch2 = conv4(branch2)
        both = torch.cat([branch1, branch2, x], dim=1)
        x = conv5(both)
        return x + conv6(both)
"""
        in source
    )


def test_several_results_and_results_of_training() -> None:
    source = written(
        "arch Net { input x: [4]; stem: linear(8) as features; aux_head: linear(3) as aux\n"
        "features -> head: linear(2) as logits; output logits, features; output aux when training }"
    ).text
    assert (
        '''
class NetOutput(NamedTuple):
    """The results of Net."""

    logits: Tensor
    features: Tensor
    aux: Tensor | None = None
'''
        in source
    )
    assert (
        """
    def forward(self, x: Tensor) -> NetOutput:
        features = self.stem(x)
        aux = self.aux_head(features) if self.training else None
        logits = self.head(features)
        if self.training:
            return NetOutput(logits, features, aux)
        return NetOutput(logits, features)
"""
        in source
    )


def test_several_inputs() -> None:
    source = body(
        "block up(c) { input x, skip; x -> conv_transpose(c, 2, stride=2) as big; concat { big; skip }; conv(c, 1) }\n"
        "arch Net { input low: [4, H, W]; input high: [2, 8, 8]; low; up(2) { identity; high } }"
    )
    assert "def forward(self, x: Tensor, skip: Tensor) -> Tensor:" in source
    assert "def forward(self, low: Tensor, high: Tensor) -> Tensor:" in source
    assert 'torch._assert(low.shape[-2] == 4, "H must be 4")' in source


def test_dead_steps_are_kept_but_not_run() -> None:
    source = body("arch Net { input x: [4]; spare: linear(2) as unused; x -> head: linear(3) }")
    assert "self.spare = nn.Linear(4, 2)" in source
    assert "self.spare(" not in source


def test_large_networks_in_linear_time() -> None:
    text = "block unit(c) { add { identity; { conv(c, 1) -> batch_norm -> relu } } }\n"
    source = written(text + "arch Net { input x: [4, 8, 8]; repeat 1500 { unit(4) } }").text
    assert "super().__init__(*[Unit() for _ in range(1500)])" in source
