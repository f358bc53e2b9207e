"""`init`: which weights it holds for, that it is torch's own call, how it reads, what training makes of it."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

import archc
import archc.network
from archc.compiler.load import load
from archc.compiler.source import write
from archc.files import open_text

AS_TORCHVISION = """
    init conv: kaiming_normal(mode="fan_out", nonlinearity="relu")
    init batch_norm.weight: ones
    init batch_norm.bias: zeros
"""


def network(text: str) -> archc.network.Network:
    return archc.network.network(open_text(text), {})


def module(text: str) -> nn.Module:
    torch.manual_seed(0)
    return load(write(network(text).checked.shaped))


def starts(text: str) -> dict[str, Tensor]:
    return dict(module(text).named_parameters())


def constructor(text: str) -> str:
    """What stands after the modules in the constructor of the network."""
    source = network(text).source().split("class A(")[1].split("def forward")[0]
    lines = source.splitlines()
    first = next(i for i, line in enumerate(lines) if "nn.init" in line or "for module" in line)
    return "\n".join(line[8:] for line in lines[first:]).strip()


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet_starts_with_torchvision_s_numbers(name: str) -> None:
    torch.manual_seed(0)
    ours = archc.load(name)
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(weights=None)
    for (key, value), (other, expected) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert key == other
        assert torch.equal(value, expected), key


def test_it_reads_as_written_by_hand() -> None:
    text = (
        f"arch A {{ input x: [3, 8, 8]\n {AS_TORCHVISION} init conv.bias: zeros\n a: conv(4, 1) -> b: batch_norm\n"
        "c: conv(4, 1, bias=false) -> d: batch_norm; e: conv(4, 1) }"
    )
    assert constructor(text) == (
        "for module in self.modules():\n"
        "    if isinstance(module, nn.Conv2d):\n"
        "        nn.init.kaiming_normal_(\n"
        '            module.weight, mode="fan_out", nonlinearity="relu"\n'
        "        )\n"
        "        if module.bias is not None:\n"
        "            nn.init.zeros_(module.bias)\n"
        "    elif isinstance(module, nn.BatchNorm2d):\n"
        "        nn.init.ones_(module.weight)\n"
        "        nn.init.zeros_(module.bias)"
    )


def test_ops_that_start_alike_stand_together() -> None:
    text = (
        "arch A { input x: [3, 8, 8]\n init conv: ones; init linear: ones\n"
        "a: conv(4, 1) -> b: conv(4, 1) -> flatten -> c: linear(4) -> d: linear(4) }"
    )
    assert "if isinstance(module, (nn.Conv2d, nn.Linear)):" in constructor(text)


def test_it_holds_for_all_of_its_braces_also_before_it_and_for_nothing_else() -> None:
    found = starts(
        "block two { a: conv(2, 1); b: conv(2, 1) }\n"
        "arch A { input x: [2, 4, 4]\n u: { before: conv(2, 1); init conv: zeros; two; { inner: conv(2, 1) } }\n"
        "after: conv(2, 1) }"
    )
    zero = {name for name, value in found.items() if not value.any()}
    assert zero == {"u.before.weight", "u.0.a.weight", "u.0.b.weight", "u.inner.weight"}


def test_the_innermost_wins() -> None:
    found = starts(
        "block b(last) { init conv: constant(2)\n c: conv(2, 1, bias=false)\n"
        "{ init conv: constant(last)\n d: conv(2, 1, bias=false) } }\n"
        "arch A { input x: [2, 4, 4]\n init conv: constant(1)\n e: conv(2, 1, bias=false); p: b(3); q: b(4) }"
    )
    means = {name: value.mean().item() for name, value in found.items()}
    assert means == {"e.weight": 1, "p.c.weight": 2, "p.d.weight": 3, "q.c.weight": 2, "q.d.weight": 4}


def test_without_it_torch_s_defaults() -> None:
    plain = "arch A { input x: [2, 4, 4]\n a: conv(2, 1) -> b: conv(2, 1) }"
    only_bias = plain.replace("a:", "init conv.bias: zeros\n a:")
    before, after = starts(plain), starts(only_bias)
    assert torch.equal(before["a.weight"], after["a.weight"])
    assert before["a.bias"].any()
    assert not after["a.bias"].any()
    assert "nn.init" not in network(plain).source()


def test_only_some_of_a_class_are_named_one_by_one() -> None:
    text = 'arch A { input x: [4]\n a: linear(4); b: { init linear: zeros; linear(4) -> linear(4) }; "0": linear(2) }'
    assert constructor(text) == (
        "for module in self.b.modules():\n    if isinstance(module, nn.Linear):\n        nn.init.zeros_(module.weight)"
    )
    found = starts(text)
    assert {name for name, value in found.items() if not value.any()} == {"b.0.weight", "b.1.weight"}


def test_a_part_without_a_bias_and_one_left_alone() -> None:
    found = starts(
        "arch A { input x: [4]\n a: linear(4)\n b: { init linear.bias: ones\n"
        "linear(4, bias=false) -> linear(4) -> linear(4) } }"
    )
    assert {name for name, value in found.items() if (value == 1).all()} == {"b.1.bias", "b.2.bias"}


def test_attention_and_the_linear_layer_within_it() -> None:
    text = (
        "arch A {{ input x: [3, 8]\n {} a: multihead_attention(2) {{ identity; identity; identity }}\n b: linear(8) }}"
    )
    found = starts(text.format("init linear: zeros\n"))
    assert {name for name, value in found.items() if value.ndim > 1 and not value.any()} == {"b.weight"}
    found = starts(text.format("init multihead_attention: ones\n"))
    ones = {name for name, value in found.items() if (value == 1).all()}
    assert ones == {"a.in_proj_weight", "a.out_proj.weight"}


def test_layers_with_several_weights() -> None:
    found = starts(
        "arch A { input x: [5, 4]\n init lstm: ones; init lstm.bias_hh_l0: zeros; init lstm.weight_hh_l0: zeros\n"
        "a: lstm(3) as (y, h, c)\n y -> b: lstm(3, num_layers=2) as (z, i, j)\n z }"
    )
    for name, value in found.items():
        if "bias_ih" in name or "bias_hh_l1" in name:
            continue
        assert (value == (0 if "hh_l0" in name else 1)).all(), name


def test_a_shared_module_starts_once() -> None:
    found = starts(
        "arch A { input x: [4]\n init linear: ones\n module tower = linear(4, bias=false)\n tower -> relu -> tower }"
    )
    assert list(found) == ["tower.weight"]
    assert (found["tower.weight"] == 1).all()


def test_an_op_and_an_initialiser_may_be_parameters() -> None:
    found = starts(
        "block b(layer: op, start) { init layer: start\n layer(4) }\narch A { input x: [4]\n b(linear, constant(0.5)) }"
    )
    assert (found["0.0.weight"] == 0.5).all()


def test_a_group_or_a_round_has_its_own_names() -> None:
    found = starts(
        "arch A { input x: [4]\n for s in [1, 2] { let v = 10 * s; init linear: constant(v)\n linear(4, bias=false) } }"
    )
    assert [value.mean().item() for value in found.values()] == [10, 20]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("init conv: ones; init conv: zeros; conv(2, 1)", "E0203", "initialised twice"),
        ("add { identity; init conv: ones; conv(2, 1) }", "E0405", "an `init` is no branch"),
        ("init conw: ones; conv(2, 1)", "E0101", "unknown name `conw`"),
        ("init conv: kaiming; conv(2, 1)", "E0101", "unknown name `kaiming`"),
        ("init parameter: ones; conv(2, 1)", "E0204", "`parameter` has no weights to initialise"),
        ("init conv: relu; conv(2, 1)", "E0204", "`relu` is an op, not an initializer"),
        ("init batch_norm: orthogonal; batch_norm", "E0303", "`orthogonal` needs at least 2 axes"),
        ("init conv.wait: ones; conv(2, 1)", "E0202", "`conv` has no weight `wait`"),
        ("let n = 3; init n: ones; conv(2, 1)", "E0103", "`init` takes the name of an op"),
    ],
)
def test_what_is_refused(body: str, code: str, words: str) -> None:
    with pytest.raises(archc.ArchError) as caught:
        network(f"arch A {{ input x: [2, 4, 4]\n {body} }}")
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert words in found.message


def test_training_starts_from_them_and_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = (
        "arch A(num_classes = 10) { input x: [1, 8, 8]\n"
        "{}flatten -> hidden: linear(16) -> relu -> linear(num_classes) }"
    )
    lines, runs = [], []
    for name, rule in (("plain", ""), ("own", "init linear: xavier_normal(gain=0.01)\n"), ("again", "")):
        path = tmp_path / f"{name}.arch"
        path.write_text(text.replace("{}", "init linear: xavier_normal(gain=0.01)\n" if name == "again" else rule))
        runs.append(archc.train(path, epochs=1, out=tmp_path / name, seed=3))
        lines.append(capfd.readouterr().err.splitlines()[0])
    assert "Xavier-uniform weights" in lines[0]
    assert "the network's own initial weights" in lines[1]
    assert "the network's own initial weights" in lines[2]
    own, again = (run.model().state_dict() for run in runs[1:])
    assert all(torch.equal(value, again[key]) for key, value in own.items()), "the seed decides"
    assert runs[0].metrics[0].loss < runs[1].metrics[0].loss, "so small weights learn later"
