"""Classes of one's own: declared by `extern`, checked without being imported, imported when a module is loaded."""

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import archc
from archc.compiler.load import ExternProblem
from archc.compiler.summary import as_json
from archc.compiler.verify import Unsafe, verify
from archc.files import open_text
from archc.network import Network, network

LAYERS = """
import torch
from torch import nn


class DeformConv(nn.Module):
    def __init__(self, channels, k=3, mode="same"):
        super().__init__()
        self.conv = nn.LazyConv2d(channels, k, padding=mode)

    def forward(self, x):
        return self.conv(x)


class Outer:
    class Halves(nn.Module):
        def forward(self, a, b):
            return torch.cat([a, b], 1), a.mean((2, 3))


class Wrong(nn.Module):
    def forward(self, x):
        return x[:, :, 1:]


class Strict(nn.Module):
    def __init__(self, k):
        super().__init__()
        raise ValueError(f"no {k}")


def function(k):
    return None
"""
DEFORM = 'extern deform(channels, k = 3, mode = "same"): [C, H, W] -> [channels, H, W] = "own_layers:DeformConv"\n'
HALVES = 'extern halves: [C, H, W], [D, H, W] -> [C + D, H, W], [C] = "own_layers:Outer.Halves"\n'


def build(text: str) -> Network:
    return network(open_text(text), {})


def message(text: str) -> str:
    with pytest.raises(archc.ArchError) as caught:
        build(text)
    return str(caught.value)


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_layers.py").write_text(LAYERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_layers", raising=False)
    return tmp_path


def net(body: str, size: str = "[3, H, W]") -> str:
    return f"arch Net {{\n    input x: {size}\n    {body}\n}}\n"


# ---- checking


def test_an_extern_is_used_as_an_op_is() -> None:
    built = build(
        DEFORM
        + HALVES
        + net("conv(8, 1) -> deform(16) -> own: deform(8, k=5) as y\npair: halves { x; y } as (u, v)\nu -> conv(2, 1)")
    )
    graph = built.checked.shaped.graph
    assert [node.path for node in graph.nodes] == ["0", "1", "own", "pair", "2"]
    assert [str(built.checked.shaped.types[value]) for value in graph.nodes[3].outputs] == ["11xHxW", "3"]


def test_checking_imports_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "own_layers.py").write_text("raise SystemExit('imported')")
    (tmp_path / "net.arch").write_text(DEFORM + net("deform(4)"))
    code = "import sys, archc; n = archc.compile('net.arch'); n.source(); print('own_layers' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert run.stdout == "False\n"


def test_a_symbol_that_is_used_twice_is_one_size() -> None:
    text = 'extern square: [C, N, N] -> [C, N // 2] = "own_layers:Square"\n'
    assert build(text + net("square", "[3, 8, 8]")).outputs == {"output": (3, 4)}
    assert build(text + net("square")).checked.shaped.conditions  # H and W must be equal
    assert "takes [C, N, N], and here `N` is 8, but the value has 6" in message(text + net("square", "[3, 8, 6]"))


def test_a_symbol_is_bound_for_each_use_anew() -> None:
    assert build(DEFORM + net("deform(4) -> max_pool(2) -> deform(6)", "[3, 8, 8]")).outputs == {"output": (6, 4, 4)}


def test_input_sizes_may_be_expressions_of_parameters_and_symbols() -> None:
    text = 'extern fold(c): [2 * c, N, 2 * N] -> [c, N] = "own_layers:Fold"\n'
    assert build(text + net("fold(4)", "[8, 5, 10]")).outputs == {"output": (4, 5)}
    assert "`2 * c` is 10, but the value has 8" in message(text + net("fold(5)", "[8, 5, 10]"))
    assert "`2 * N` is 10, but the value has 9" in message(text + net("fold(4)", "[8, 5, 9]"))


def test_a_mismatch_shows_the_use_and_the_declaration() -> None:
    text = 'extern f: [C, H, W] -> [C] = "a:B"\n' + net("flatten -> f", "[3, 8, 8]")
    assert message(text) == (
        "error[E0303]: `f` takes [C, H, W], and this value has 1 size: 192\n"
        " --> <text>:4:16\n"
        "  |\n"
        '1 | extern f: [C, H, W] -> [C] = "a:B"\n'
        "  |            ------- declared here\n"
        "...\n"
        "4 |     flatten -> f\n"
        "  |                ^ takes [C, H, W]\n"
        "  |     ------- this is 192"
    )


def test_arguments_bind_as_everywhere() -> None:
    assert "`deform` needs `channels`" in message(DEFORM + net("deform"))
    assert "`deform` has no parameter `kernel`" in message(DEFORM + net("deform(4, kernel=3)"))
    assert "must be a whole number" in message('extern f(n: int): [C] -> [n] = "a:B"\n' + net('f("3")', "[4]"))
    assert "this is a size that depends on the input" in message(DEFORM + net("deform(4, k=x.height)"))
    assert "this is a block" in message(DEFORM + "block b { relu }\n" + net("deform(4, mode=b)"))


def test_defaults_may_rest_on_other_parameters() -> None:
    text = 'let w = 3\nextern f(a, b = a * w): [C] -> [b] = "a:B"\n'
    assert build(text + net("f(2)", "[4]")).outputs == {"output": (6,)}


def test_an_extern_may_be_handed_to_a_block_with_arguments_bound() -> None:
    block = "block b(unit: block, act: op) { unit(4) -> unit(8) -> act }\n"
    assert build(DEFORM + block + net("b(deform(k=1), deform(2))")).outputs["output"][0] == 2


def test_several_inputs_stand_in_braces() -> None:
    assert "`halves` takes 2 values" in message(HALVES + net("halves as (a, b)"))
    assert "branch 2 of `halves` takes [D, H, W]" in message(
        HALVES + net("halves { x; max_pool(2) } as (a, b)", "[3, 8, 8]")
    )


@pytest.mark.parametrize(
    "path",
    [
        "os",
        "os:",
        ":x",
        "a..b:C",
        "a b:C",
        "a:C()",
        "a:C\\nimport os",
        "a:class",
        "__builtins__:exec",
        "a:Ç",
        "a:B:C",
        "a" * 300,
    ],
)
def test_a_class_path_holds_nothing_but_names(path: str) -> None:
    found = message(f'extern f: [C] -> [C] = "{path}"\n' + net("f", "[4]"))
    assert "error[E0111]" in found
    assert found.count("error[") == 1


def test_a_word_of_python_is_no_parameter() -> None:
    assert "can have a parameter `lambda`" in message('extern f(lambda): [C] -> [C] = "a:B"\n' + net("f(1)", "[4]"))


def test_mistakes_in_a_declaration_are_shown_there() -> None:
    assert "unknown name `N`" in message('extern f: [C] -> [N] = "a:B"\n' + net("f", "[4]"))
    assert "a size is a whole number" in message('extern f: [C] -> [C / 2.0] = "a:B"\n' + net("f", "[4]"))
    assert "leaves nothing here: `C - 8` is -4" in message('extern f: [C] -> [C - 8] = "a:B"\n' + net("f", "[4]"))


def test_a_size_that_must_be_at_least_one_is_a_condition() -> None:
    built = build('extern f: [C, H] -> [C, H - 4] = "a:B"\n' + net("f", "[3, H]"))
    assert [str(condition) for condition in built.checked.shaped.conditions] == ["H must be at least 5"]


def test_init_is_of_ops_only() -> None:
    assert "`init` takes the name of an op" in message(DEFORM + net("init deform: zeros\ndeform(4)"))


def test_an_extern_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.arch").write_text("let base = 6\n" + DEFORM.replace("k = 3", "k = base // 2"))
    Path("net.arch").write_text('from "own.arch" import deform\n' + net("deform(4)"))
    assert archc.compile("net.arch").checked.shaped.graph.nodes[0].arguments["k"] == 3


# ---- what is not known


def test_what_is_in_it_is_not_counted() -> None:
    built = build(DEFORM + net("deform(4) -> conv(2, 1)", "[3, 8, 8]"))
    summary = built.summary()
    assert "not counted: what is in `deform`" in summary
    assert any(line.startswith("total") and "10 + ?" in line for line in summary.splitlines())
    layers = as_json(built.checked.shaped)["layers"]
    assert isinstance(layers, list)
    assert [(layer["params"], layer["macs"]) for layer in layers] == [(None, None), (10, 512)]


def test_a_claim_about_what_is_not_counted_is_refused() -> None:
    found = message(DEFORM + net("deform(4)\nexpect params == 10\nexpect output == [4, H, W]"))
    assert "error[E0602]: `params` of this network is not known" in found
    assert found.count("error[") == 1


# ---- the source and the module


def test_the_source_imports_the_class_under_a_name_of_its_own() -> None:
    source = build(
        'extern a(k): [C] -> [C] = "one.layers:Net"\n'
        'extern b: [C] -> [C] = "two:Net"\n'
        'extern c: [C] -> [C] = "two:tensor"\n'
        'extern d: [C] -> [C] = "two:Unit.Inner"\n'
        "block unit { a(1) as Unit; add { a(2); Unit } }\n" + net("unit -> b -> c -> d -> linear(2)", "[4]")
    ).source()
    lines = source.splitlines()
    assert [line for line in lines if line.startswith("from ")][1:] == [
        "from one.layers import Net as Net2",
        "from two import Net as Net3, Unit as Unit2, tensor as TensorBlock",
    ]
    for call in ("Net2(k=1)", "Net3()", "TensorBlock()", "Unit2.Inner()"):
        assert call in source
    assert [line for line in lines if line.startswith("class ")] == [
        "class Unit3(nn.Sequential):",
        "class Net(nn.Sequential):",
    ]


def test_only_these_imports_pass_the_allow_list() -> None:
    made = "class N(nn.Sequential):\n    def __init__(self):\n        super().__init__(CALL)\n"
    source = f"from torch import nn\n\nfrom own import Own\n\n\n{made}"
    verify(source.replace("CALL", "Own(1)"), ["from own import Own"], ["Own"])
    for call, imports in (("Own(1)", []), ("Own.sub(1)", ["from own import Own"])):
        with pytest.raises(Unsafe):
            verify(source.replace("CALL", call), imports, ["Own"])


@pytest.mark.usefixtures("layers")
def test_loading_constructs_and_applies_it() -> None:
    model = archc.loads(
        DEFORM + HALVES + net("deform(8, k=5) -> a: deform(4) as y\nhalves { x; y } as (u, v)\noutput u, v")
    )
    result = model(torch.zeros(2, 3, 8, 6))
    assert [tuple(value.shape) for value in result] == [(2, 7, 8, 6), (2, 3)]
    assert list(model.state_dict()) == ["0.conv.weight", "0.conv.bias", "a.conv.weight", "a.conv.bias"]
    assert model.state_dict()["0.conv.weight"].shape == (8, 3, 5, 5)


SHARED = (
    DEFORM
    + """
block twin(tower) { add { tower; relu -> tower } }
arch Net {
    input x: [4, 8, 8]
    module shared = deform(4)
    deform(6) -> inner: { relu -> deform(4, k=1) } -> twin(shared) -> twin(shared)
    repeat 2 { deform(4) -> relu }
    linear(3)
}
"""
)


@pytest.mark.usefixtures("layers")
def test_tools_of_torch() -> None:
    model = archc.loads(SHARED).eval()
    x = torch.randn(2, 4, 8, 8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = model(x)
        for same in (
            torch.fx.symbolic_trace(model),
            torch.export.export(model, (x,)).module(),
            torch.jit.trace(model, x),
            pickle.loads(pickle.dumps(model)),  # noqa: S301
            copy.deepcopy(model),
            torch.compile(model, fullgraph=True, backend="eager"),
        ):
            torch.testing.assert_close(same(x), y)


@pytest.mark.usefixtures("layers")
def test_a_first_call_that_is_compiled_is_not_compared() -> None:
    model = archc.loads('extern f: [C, H, W] -> [C, H - 1, W] = "own_layers:Wrong"\n' + net("f", "[3, 8, 8]")).eval()
    x = torch.zeros(1, 3, 8, 8)
    assert torch.compile(model, fullgraph=True, backend="eager")(x).shape == (1, 3, 7, 8)
    assert pickle.loads(pickle.dumps(model))(x).shape == (1, 3, 7, 8)  # noqa: S301


@pytest.mark.usefixtures("layers")
def test_a_class_that_leaves_another_size_is_found_at_the_first_call() -> None:
    model = archc.loads('extern f: [C, H, W] -> [C, H, W] = "own_layers:Wrong"\n' + net("relu -> f -> relu"))
    declared = "<text>:4:13: `f` is declared as `own_layers:Wrong`, which is to leave 3x8x6 here and leaves 3x7x6"
    for _ in range(2):
        with pytest.raises(ExternProblem) as caught:
            model(torch.zeros(1, 3, 8, 6))
        assert str(caught.value) == declared
    assert all(not module._forward_hooks for module in model.modules())


PROBLEMS = {
    "no_such_package.layers:A": "but there is no module `no_such_package`; install it, or add the folder",
    "own_layers:DeformConf": "but there is no `DeformConf` in it; did you mean `DeformConv`?",
    "own_layers:function": "and that is no class of `nn.Module`",
    "subprocess:Popen": "and that is no class of `nn.Module`",
    "own_layers:Strict": "and constructing that fails: ValueError: no 3",
    "own_layers:DeformConv": "and constructing that fails: TypeError",
    "broken:A": "and importing that fails: SyntaxError",
    "needs:A": "and importing that fails: No module named 'no_such_package'",
}


@pytest.mark.parametrize("path", PROBLEMS)
def test_what_is_missing_is_one_clear_message(path: str, layers: Path) -> None:
    (layers / "broken.py").write_text("class A(:")
    (layers / "needs.py").write_text("import no_such_package")
    with pytest.raises(ExternProblem) as caught:
        archc.loads(
            f'extern f(k, z = 1): [C] -> [C] = "{path}"\n'.replace(", z = 1" if "Strict" in path else "#", "")
            + net("f(3)", "[4]")
        )
    assert PROBLEMS[path] in str(caught.value)
    assert str(caught.value).startswith("<text>:")
    assert caught.value.exit_status == 3


def test_the_written_source_stands_alone(layers: Path) -> None:
    (layers / "net.py").write_text(build(SHARED).source())
    code = "import torch, net; print(tuple(net.Net()(torch.zeros(1, 4, 8, 8)).shape))"
    run = subprocess.run([sys.executable, "-c", code], cwd=layers, check=True, capture_output=True, text=True)
    assert run.stdout == "(1, 4, 8, 3)\n"


@pytest.mark.usefixtures("layers")
def test_it_is_a_module_of_torch() -> None:
    assert isinstance(archc.loads(DEFORM + net("deform(4)")), nn.Module)
