"""Section "The language", "Arches": inputs, results, specialising, symbols, claims."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import fx

import archc
from archc.compiler.pipeline import choose
from archc.compiler.program import Program
from archc.dsl.source import Source
from archc.files import Opened, open_text
from archc.network import given, network
from tests.language.texts import arch, built, close, found_in, module, refused, sizes

X = torch.randn(2, 4, 8, 8)


def conditions(text: str) -> list[str]:
    """Return what a network says of its symbolic sizes."""
    return [str(found) for found in built(text).checked.shaped.conditions]


# ---- an arch


def test_an_arch_has_a_body_with_input() -> None:
    """An arch has a body with `input name: [C, H, W]` ..."""
    assert built("arch A { input image: [3, 8, 8]; relu }").inputs == {"image": (3, 8, 8)}
    refused("arch A { relu }", "E0405", "A", "arch `A` has no input", "`input image: [3, 224, 224]`")
    refused("arch A { input x; relu }", "E0405", "input x", "sizes")


def test_several_allowed_an_optional_dtype() -> None:
    """... (several allowed; an optional dtype)."""
    text = "arch A { input words: [5] int64, x: [8]\ninput z: [5, 8] float32\n"
    text += "words -> embedding(10, 8) as e; add { e; z } }"
    assert list(built(text).inputs) == ["words", "x", "z"]
    words, z = torch.randint(10, (2, 5)), torch.randn(2, 5, 8)
    net = module(text)
    close(net(words, torch.zeros(2, 8), z), net.get_submodule("0")(words) + z)
    refused("arch A { input x: [4] int64; linear(3) }", "E0307", "linear(3)", "int64")
    refused("arch A { input x: [4] int63; relu }", "E0204", "int63", "int64")


def test_or_it_specialises_another() -> None:
    """... or specialises another: `arch ResNet18(num_classes = 1000) = ResNet(basic, ...)` ..."""
    text = """
    arch Base(unit, widths, num_classes = 10) { input x: [4]; for w in widths { unit(w) }; linear(num_classes) }
    block layer(w) { linear(w) -> relu }
    """
    small = text + "arch Small(num_classes = 7) = Base(layer, [5, 6], num_classes=num_classes)"
    found = network(opened(small, "Small"), {})
    assert (found.name, found.outputs) == ("Small", {"output": (7,)})
    assert found.params == 4 * 5 + 5 + 5 * 6 + 6 + 6 * 7 + 7
    assert network(opened(small, "Small"), given({"num_classes": 3})).outputs == {"output": (3,)}
    again = small + "\narch Again = Small()\narch Plain = Again"
    for name in ("Again", "Plain"):
        assert network(opened(again, name), {}).outputs == {"output": (7,)}


def opened(text: str, name: str) -> Opened:
    """Open one arch of several."""
    program = Program(Source("x.arch", text))
    return Opened(choose(program, name), program)


def test_optionally_with_expect() -> None:
    """... optionally with `{ expect ... }`."""
    base = "arch Base(n) {{ input x: [4]; linear(n) }}\n"
    text = base + "arch Text = Base(3) {{ expect params == {} }}"
    assert network(opened(text.format(15), "Text"), {}).params == 15
    with pytest.raises(archc.ArchError, match="params is 15"):
        network(opened(text.format(16), "Text"), {})


def test_its_result_is_its_last_value() -> None:
    """Its result is its last value ..."""
    close(module(arch("relu as a; tanh"))(X), torch.tanh(F.relu(X)))


def test_or_the_values_named_by_output() -> None:
    """... or the values named by `output a, b`."""
    net = module(arch("relu as a; tanh as b; sigmoid\noutput b, a"))
    b, a = net(X)
    close(a, F.relu(X))
    close(b, torch.tanh(F.relu(X)))
    refused(arch("relu as a\noutput a, c"), "E0101", "c")
    refused(arch("let n = 3\nrelu\noutput n"), "E0405", "n", "not a value")


AUXILIARY = "arch A { input x: [4]\na: linear(5) as y\nb: linear(6) as z\noutput y\noutput z when training }"


def test_output_when_training_adds_some_in_training_only() -> None:
    """`output aux when training` adds some in training only ..."""
    net = module(AUXILIARY)
    x = torch.randn(2, 4)
    found = net.train()(x)
    close(found.z, net.b(net.a(x)))
    close(net.eval()(x), net.a(x))


def test_otherwise_they_are_not_computed_and_their_modules_exist() -> None:
    """... (otherwise they are not computed, their modules exist)."""
    net = module(AUXILIARY).eval()
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    calls = []
    net.b.register_forward_hook(lambda *_: calls.append(1))
    net(torch.zeros(1, 4))
    assert calls == []
    net.train()(torch.zeros(1, 4))
    assert calls == [1]


def test_one_result_is_a_tensor_several_are_a_named_tuple() -> None:
    """One result is a tensor, several are a named tuple with the values' names."""
    x = torch.zeros(1, 4)
    assert isinstance(module("arch A { input x: [4]; relu as y\noutput y }")(x), torch.Tensor)
    found = module("arch A { input x: [4]; relu as y; tanh as z\noutput z, y }")(x)
    assert (type(found).__mro__[1], found._fields) == (tuple, ("z", "y"))


def test_a_files_default_arch() -> None:
    """A file's default arch is its only one, else the one named like the file (case and `_` ignored) ..."""
    assert open_text("arch Any { input x: [4]; relu }", "x.arch").definition.span.text == "Any"
    two = "arch Res_Net { input x: [4]; relu }\narch Other { input x: [4]; relu }"
    for name in ("resnet.arch", "RESNET.arch", "folder/res_net.arch", "r_esnet.arch"):
        assert open_text(two, name).definition.span.text == "Res_Net"


def test_otherwise_it_must_be_given_and_the_message_lists_them(tmp_path: Path) -> None:
    """... otherwise it must be given, and the message lists them."""
    file = tmp_path / "nets.arch"
    file.write_text("arch One { input x: [4]; relu }\narch Two { input x: [5]; relu }")
    with pytest.raises(archc.ArchError) as caught:
        archc.compile(file)
    (found,) = caught.value.diagnostics
    assert found.code == "E0109"
    assert "`One`, `Two`" in found.message
    assert ":One" in found.help
    assert archc.compile(f"{file}:Two").inputs == {"x": (5,)}


# ---- sizes that are symbols


def test_sizes_may_be_symbols() -> None:
    """Sizes may be symbols: in `input`, a name of capitals and digits that is bound to nothing, as in `[3, H, W]`."""
    net = module(arch("conv(5, 1)", x="[3, H, W2]"))
    for height, width in ((1, 1), (7, 30)):
        assert net(torch.zeros(1, 3, height, width)).shape == (1, 5, height, width)
    assert built("let H = 9\n" + arch("relu", x="[3, H, W]")).inputs["x"][1] == 9, "a bound name is a number"
    refused(arch("relu", x="[3, Height]"), "E0101", "Height")
    refused(arch("conv(H, 1)", x="[3, H, W]"), "E0101", "H")


def test_used_twice_it_is_one_size() -> None:
    """... used twice it is one size."""
    assert conditions(arch("add { x; transpose(-1, -2) }", x="[3, N, N]")) == []
    two = "arch A { input a: [3, N], b: [3, N]\nadd { a; b } }"
    assert conditions(two) == []
    with pytest.raises(AssertionError, match="N"):
        module(two)(torch.zeros(1, 3, 4), torch.zeros(1, 3, 5))


@pytest.mark.parametrize(("k", "s", "p"), [(3, 2, 1), (7, 2, 3), (2, 2, 0), (3, 3, 0), (5, 4, 2)])
def test_the_checker_carries_floors_exactly(k: int, s: int, p: int) -> None:
    """The checker carries `floor((H + 2p - k) / s) + 1` exactly."""
    text = f"conv(2, {k}, stride={s}, padding={p}) -> conv(2, {k}, stride={s}, padding={p})"
    for n in range(15, 25):
        found = sizes(arch(text, x=f"[1, {n}, {n}]"))
        once = (n + 2 * p - k) // s + 1
        twice = (once + 2 * p - k) // s + 1
        assert found == (2, twice, twice)
    net = module(arch(text, x="[1, H, W]"))
    assert net(torch.zeros(1, 1, 21, 40)).shape[2:] == net(torch.zeros(1, 1, 21, 40)).shape[2:]


def test_it_proves_equalities() -> None:
    """... proves equalities ..."""
    halves = "conv(4, 3, stride=2, padding=1) -> conv(4, 3, stride=2, padding=1)"
    assert conditions(arch(f"add {{ {halves}; conv(4, 7, stride=4, padding=3) }}", x="[4, H, W]")) == []
    assert conditions(arch("add { max_pool(2) -> max_pool(2); max_pool(4) }", x="[4, H, W]")) == [
        "H must be at least 4",
        "W must be at least 4",
    ]


def test_and_reports_the_condition_an_input_must_meet() -> None:
    """... and reports the condition an input must meet, a multiple and a minimum, instead of guessing."""
    down = "max_pool(16) -> upsample(scale_factor=16) as up\nadd { up; x }"
    assert conditions(arch(f"conv(4, 3)\nx -> {down}", x="[4, H, 32]")) == ["H must be a multiple of 16, at least 16"]
    assert conditions(arch("conv(4, 7)", x="[4, H, 32]")) == ["H must be at least 7"]
    text = arch("max_pool(2) as a\nx -> conv(4, 3, stride=2, padding=1) as b\nadd { a; b }", x="[4, H, 8]")
    assert conditions(text) == ["H must be a multiple of 2, at least 2"]
    never = arch("add { identity; max_pool(2) }", x="[4, H, 8]")
    assert [found.code for found in found_in(never)] in (["E0301"], ["E0306"])


def test_loaded_modules_enforce_it_with_torch_assert_which_traces_and_exports() -> None:
    """Loaded modules enforce it with `torch._assert`, which traces and exports."""
    text = arch("max_pool(4) -> upsample(scale_factor=4) as up\nadd { up; x }", x="[4, H, H]")
    net = module(text)
    assert "torch._assert(" in built(text).source()
    assert net(torch.zeros(1, 4, 8, 8)).shape == (1, 4, 8, 8)
    with pytest.raises(AssertionError, match="H must be a multiple of 4, at least 4"):
        net(torch.zeros(1, 4, 9, 9))
    traced = fx.symbolic_trace(net)
    close(traced(X), net(X))
    with pytest.raises(AssertionError, match="multiple of 4"):
        traced(torch.zeros(1, 4, 9, 9))
    close(torch.export.export(net, (X,)).module()(X), net(X))


# ---- claims


def test_require_is_checked_each_time_it_is_reached() -> None:
    """`require cond, "message with {expr}"`, in a block or arch, is checked each time it is reached."""
    before = 'block b(n) { require n < 3, "{n} and {2 * n} are too many"\nconv(n, 1) }'
    assert sizes(arch("b(1) -> b(2)", before=before)) == (2, 16, 16)
    found = refused(
        arch("for i in [1, 2, 3] { b(i) }", before=before), "E0601", "n < 3", "3 and 6 are too many", "i = 3"
    )
    assert found.message == "3 and 6 are too many"
    assert sizes(arch("if false { b(9) }", before=before)) == (4, 16, 16), "not reached"
    refused(arch("require x.channels == 3\nrelu"), "E0601", "x.channels == 3", "x.channels is 4")


def test_expect_is_about_the_network_as_written() -> None:
    """`expect params == 11_689_512`, `expect output == [num_classes]`, in an arch, is about the network as written."""
    text = "arch A(n = 3) {{ input x: [4]; linear(n)\nexpect params == {}; expect output == [n] }}"
    built(text.format("1_5"))
    refused(text.format("16"), "E0601", "params == 16", "params is 15")
    refused("arch A { input x: [4]; linear(3)\nexpect output == [4] }", "E0601", "output == [4]", "[3]")
    built(arch("conv(5, 3, stride=2)\nexpect output == [5, (H - 3) // 2 + 1, (W - 1) // 2]", x="[3, H, W]"))
    built("arch A { input x: [4]; linear(3) as a; linear(2) as b\noutput a, b\nexpect a == [3] and b == [2] }")
    refused("block b { expect params == 3; relu }\n" + arch("b"), "E0405", "expect params == 3", "`require`")


def test_it_is_checked_when_every_parameter_has_its_default() -> None:
    """... it is checked when every parameter has its default."""
    text = "arch A(n = 3) { input x: [4]; linear(n)\nexpect params == 15 }"
    assert built(text).params == 15
    assert built(text, n=5).params == 25
    assert built(text, n=3).params == 15
    wrong = "arch A(n = 3) { input x: [4]; linear(n)\nexpect params == 25 }"
    assert built(wrong, n=5).params == 25
    assert [found.code for found in found_in(wrong)] == ["E0601"]


def test_checking_loads_no_torch() -> None:
    code = "import sys, archc; archc.compile('resnet18'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
