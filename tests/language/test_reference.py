"""What docs/language.md says beside its examples: they warn of nothing, and its table from PyTorch is true."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.files import open_all
from archc.network import network
from tests.checkout import ROOT
from tests.documents import blocks_of
from tests.language.texts import arch, close, module

REFERENCE = ROOT / "docs" / "language.md"
TABLE = REFERENCE.read_text(encoding="utf-8").split("## From PyTorch to archc")[1].split("##")[0]


def test_its_examples_warn_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "archs", tmp_path / "archs", ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    monkeypatch.chdir(tmp_path)
    right = [block for block in blocks_of(REFERENCE) if block.language == "arch" and block.status == 0]
    for block in right:
        file = tmp_path / (block.file or f"block{block.line}.arch")
        file.write_text(block.text, encoding="utf-8")
        found = [warning for opened in open_all(str(file)) for warning in network(opened, {}).warnings]
        assert [warning.code for warning in found] == (["W0103", "W0104"] if block.file == "other.arch" else []), (
            block.line
        )
    assert len(right) > 20


class Wrapped(nn.Module):
    """A function as a module, with the modules that it uses."""

    def __init__(self, forward: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.parts)


MAP, TOKENS, ROW = (2, 8, 6, 6), (2, 5, 8), (2, 8)

# What the table says of one stage: the cell of archc, the network written with torch, the size of its input.
ROWS: dict[str, tuple[str, Callable[[], nn.Module], tuple[int, ...]]] = {
    "`conv(128, 3, padding=1)`": ("conv(128, 3, padding=1)", lambda: nn.Conv2d(8, 128, 3, padding=1), MAP),
    "`batch_norm`, `layer_norm`": (
        "batch_norm -> layer_norm",
        lambda: nn.Sequential(nn.BatchNorm2d(8), nn.LayerNorm(6)),
        MAP,
    ),
    "`linear(10)`": ("linear(10)", lambda: nn.Linear(8, 10), ROW),
    "`relu`": ("relu", nn.ReLU, MAP),
    "`a -> b`, or one on each line": (
        "relu\ntanh -> sigmoid",
        lambda: nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid()),
        MAP,
    ),
    "`fc: linear(10)`": ("fc: linear(10)", lambda: nn.Linear(8, 10), ROW),
    "`layers: for width in widths { unit(width) }`": (
        "let widths = [3, 4]\nlayers: for width in widths { conv(width, 1) }",
        lambda: nn.Sequential(nn.Conv2d(8, 3, 1), nn.Conv2d(3, 4, 1)),
        MAP,
    ),
    "`add { identity; body }`": (
        "add { identity; conv(8, 1) }",
        lambda: Wrapped(lambda x, body: x + body(x), nn.Conv2d(8, 8, 1)),
        MAP,
    ),
    "`add(1)`, `div(8)`": ("add(1) -> div(8)", lambda: Wrapped(lambda x: (x + 1) / 8), MAP),
    "`concat { a; b }`": (
        "relu as a\ntanh as b\nconcat { a; b }",
        lambda: Wrapped(lambda x: torch.cat([F.relu(x), F.relu(x).tanh()], dim=1)),
        MAP,
    ),
    "`matmul { q; k -> transpose(-2, -1) }`": (
        "relu as q\ntanh as k\nmatmul { q; k -> transpose(-2, -1) }",
        lambda: Wrapped(lambda x: F.relu(x) @ F.relu(x).tanh().transpose(-2, -1)),
        TOKENS,
    ),
    "`multihead_attention(8)`, or with braces: `multihead_attention(8) { q; k; v }`": (
        "multihead_attention(8)",
        lambda: Wrapped(lambda x, m: m(x, x, x)[0], nn.MultiheadAttention(8, 8, batch_first=True)),
        TOKENS,
    ),
    "`chunk(2) as (a, b)`": (
        "chunk(2) as (a, b)\nsub { b; a }",
        lambda: Wrapped(lambda x: x[:, 4:] - x[:, :4]),
        MAP,
    ),
    "`flatten`, `mean(dim=[2, 3])`": (
        "mean(dim=[2, 3]) as m\nx -> flatten -> linear(8) as f\nadd { m; f }",
        lambda: Wrapped(lambda x, f: x.mean(dim=(2, 3)) + f(x.flatten(1)), nn.Linear(288, 8)),
        MAP,
    ),
    "`module tower = encoder(64)`, then `tower` where it is called": (
        "module tower = conv(8, 1)\ntower -> tower",
        lambda: Wrapped(lambda x, tower: tower(tower(x)), nn.Conv2d(8, 8, 1)),
        MAP,
    ),
    "`identity`": ("identity -> relu", lambda: nn.Sequential(nn.Identity(), nn.ReLU()), MAP),
    "`group_norm(32)`": ("unit(group_norm(4))", lambda: nn.GroupNorm(4, 8), MAP),
    "`feature_dropout(0.1)`; `dropout` is `nn.Dropout` at every rank": (
        "feature_dropout(0.1) -> dropout",
        lambda: nn.Sequential(nn.Dropout2d(0.1), nn.Dropout()),
        MAP,
    ),
}


@pytest.mark.parametrize("cell", ROWS)
def test_its_table_from_pytorch_is_true(cell: str) -> None:
    assert f"| {cell} |" in TABLE
    body, build, size = ROWS[cell]
    theirs = build().eval()
    sizes = list(size[1:])
    ours = module(arch(body, before="block unit(norm) { norm }" if "unit(g" in body else "", x=str(sizes))).eval()
    mine, yours = ours.state_dict(), theirs.state_dict()
    assert [value.shape for value in mine.values()] == [value.shape for value in yours.values()]
    ours.load_state_dict(dict(zip(mine, yours.values(), strict=True)))
    x = torch.randn(size)
    close(ours(x), theirs(x))
