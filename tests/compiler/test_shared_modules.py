"""`module name = ...`: applied wherever its name reaches, with one path, one set of weights, one place."""

import copy
import pickle
import warnings

import pytest
import torch

import archc
from archc.files import open_text
from archc.network import Network, network

BLOCKS = """
block encoder(width) { conv(width, 3, padding=1) -> relu }
block twin(tower) { add { tower; relu -> tower } }
block deep(part) { twin(part) -> head: { part -> relu } }
block own { module m = conv(4, 1); add { m; left: { m -> relu } }; inside(m) }
block inside(m) { repeat 2 { m } }
"""

# A body of an arch over 4x8x8, and the keys of its `state_dict`.
CASES = {
    "in a labelled group": ("module c = conv(4, 1)\nfuse: { c -> relu }", ["c.weight", "c.bias"]),
    "in labelled groups in each other": ("module c = conv(4, 1)\na: { b: { c -> c } -> c }", ["c.weight", "c.bias"]),
    "in the braces of a labelled op": (
        "module c = conv(4, 1)\nadd { identity; both: add { c; c -> relu } }",
        ["c.weight", "c.bias"],
    ),
    "handed to a block": ("module tower = encoder(4)\ntwin(tower)", ["tower.0.weight", "tower.0.bias"]),
    "handed on by a block": ("module tower = encoder(4)\ndeep(tower)", ["tower.0.weight", "tower.0.bias"]),
    "handed on and applied in the arch too": (
        "module c = conv(4, 1)\nc -> twin(c) -> c",
        ["c.weight", "c.bias"],
    ),
    "several, in one block": (
        "module a = conv(4, 1)\nmodule b = encoder(4)\ntwin(b) -> twin(a) -> one: { a -> b }",
        ["a.weight", "a.bias", "b.0.weight", "b.0.bias"],
    ),
    "in a loop": (
        "module c = conv(4, 1)\nfor i in range(3) { round{i}: { c -> conv(4, 1, bias=false) } }",
        ["c.weight", "c.bias", "round0.0.weight", "round1.0.weight", "round2.0.weight"],
    ),
    "of a block that is used twice": ("own -> own", ["0.m.weight", "0.m.bias", "1.m.weight", "1.m.bias"]),
    "without weights": ("module act = relu\nfuse: { conv(4, 1) -> act } -> act", ["fuse.0.weight", "fuse.0.bias"]),
    "declared in braces and applied after them": (
        "stem: { module c = conv(4, 1); conv(4, 3, padding=1) -> c }\nc -> twin(c)",
        ["stem.c.weight", "stem.c.bias", "stem.0.weight", "stem.0.bias"],
    ),
    "declared in braces and applied only after them": (
        "stem: { module c = conv(4, 1); conv(4, 3, padding=1) -> relu }\nc -> twin(c)",
        ["stem.c.weight", "stem.c.bias", "stem.0.weight", "stem.0.bias"],
    ),
    "declared in braces that hold nothing else": (
        "stem: { module c = conv(4, 1) }\nc -> twin(c)",
        ["stem.c.weight", "stem.c.bias"],
    ),
    "that hands on a module": (
        "module a = conv(4, 1)\nmodule b = deep(a)\nb -> fuse: { b }",
        ["a.weight", "a.bias"],
    ),
    "that applies weights from a branch": (
        "module l = linear(4)\nw: parameter([8, 8])\nadd { x; f: { x -> l { identity; w } } }",
        ["w"],
    ),
}
COMPILED = ("handed on by a block", "several, in one block", "declared in braces and applied after them")


def build(body: str) -> Network:
    return network(open_text(f"{BLOCKS}\narch Net {{\ninput x: [4, 8, 8]\n{body}\n}}"), {})


@pytest.mark.parametrize("case", CASES)
def test_a_module_is_applied(case: str) -> None:
    body, keys = CASES[case]
    if "weights from a branch" in case:
        body = body.replace("linear(4)", "linear(8)").replace("w: parameter([8, 8])", "w: parameter([8, 8]) as w\nx")
    built = build(body)
    model = built.module().eval()
    assert list(model.state_dict()) == keys
    assert sum(p.numel() for p in model.parameters()) == built.params
    x = torch.randn(2, 4, 8, 8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = model(x)
        tools = [torch.fx.symbolic_trace(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]  # noqa: S301
        if case in COMPILED:
            tools.append(torch.export.export(model, (x,)).module())
            tools.append(torch.jit.trace(model, x))
            tools.append(torch.compile(model, fullgraph=True, backend="eager"))
        for same in tools:
            torch.testing.assert_close(same(x), y)


def test_many_networks_can_be_compiled() -> None:
    for width in range(12):  # torch gives up on a function that it has compiled eight times
        model = build(f"conv({width + 1}, 1) -> add {{ identity; relu }}").module()
        assert torch.compile(model, fullgraph=True, backend="eager")(torch.zeros(1, 4, 8, 8)).shape[1] == width + 1


def test_the_weights_are_the_same_ones() -> None:
    model = build("module c = conv(4, 1, bias=false)\nfuse: { c -> c }").module()
    with torch.no_grad():
        model.get_parameter("c.weight").copy_(2 * torch.eye(4)[:, :, None, None])
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(model(x), 4 * x)


def test_a_block_calls_a_module_as_its_parameter_and_shares_its_class() -> None:
    source = build("module a = conv(4, 1)\nmodule b = encoder(4)\ntwin(a) -> twin(b)").source()
    assert source.count("class Twin") == 1
    assert "def forward(self, x: Tensor, tower: nn.Module) -> Tensor:" in source
    assert 'getattr(self, "0")(x, self.a)' in source


def test_a_module_has_the_type_of_what_it_applies() -> None:
    blocks = "block b(unit: block) { unit }\nblock o(act: op) { act }\n"
    text = blocks + BLOCKS + "arch Net { input x: [4, 8, 8]\nmodule m = encoder(4)\nb(m)\n}"
    assert network(open_text(text), {}).params == 148
    with pytest.raises(archc.ArchError, match="`act` of block `o` must be an op, and this is a module"):
        network(open_text(text.replace("\nb(m)", "\no(m)")), {})


# ---- one module, several uses

USES = {
    "values in the braces of a use have their paths there": (
        "module m = two\nm { x; conv(4, 1) } -> relu",
        ["m.1.weight", "m.1.bias", "0.weight", "0.bias"],
    ),
    "one value twice, after two": ("module m = two\nm { x; relu } as a\nq: { m { a; a } }", ["m.1.weight", "m.1.bias"]),
    "a use whose result nobody needs": (
        "module m = two\nm { x; relu }\nx -> q: { m { x; x } }",
        ["m.1.weight", "m.1.bias"],
    ),
    "another of its results each time": (
        "module m = both\nx -> m as (a, b)\na -> m as (c, d)\nconcat { c; d }",
        ["m.0.weight", "m.0.bias", "m.1.weight", "m.1.bias"],
    ),
    "weights of its own and from a branch": (
        "module l = linear(8)\nw: parameter([8, 8]) as w\nx -> l -> q: { l } -> l { identity; w }",
        ["w", "l.weight", "l.bias"],
    ),
    "a first use in training only": (
        "module m = encoder(4)\naux: { x -> m as t }\nx -> m -> m as y\noutput y\noutput t when training",
        ["m.0.weight", "m.0.bias"],
    ),
    "an operator without weights": ("module s = add\nq: { s { x; relu } }", []),
}
MORE = """
block two { input a, b
    b -> relu as c
    sub { a; c } -> conv(4, 1) }
block both { conv(4, 1) as low; in -> conv(3, 1) as high; output low, high }
"""


@pytest.mark.parametrize("case", USES)
def test_uses_of_one_module(case: str) -> None:
    body, keys = USES[case]
    built = network(open_text(f"{BLOCKS}{MORE}\narch Net {{\ninput x: [4, 8, 8]\n{body}\n}}"), {})
    model = built.module().eval()
    assert list(model.state_dict()) == keys
    assert model(torch.randn(2, 4, 8, 8)).shape[1:] == next(iter(built.outputs.values()))
    model.train()(torch.randn(2, 4, 8, 8))


def test_a_module_that_would_do_something_else_is_refused() -> None:
    block = "block b { if in.height > 4 { relu } else { sigmoid } }\n"
    text = block + "arch Net { input x: [4, 8, 8]\nmodule m = b\nm -> max_pool(2) -> m }"
    with pytest.raises(archc.ArchError, match="`m` is one module, and does something else for 4x4x4 than for 4x8x8"):
        network(open_text(text), {})


def test_an_init_holds_where_a_module_is_declared() -> None:
    text = """
block t(m) { init conv: zeros; m -> conv(4, 1) }
arch Net { input x: [4, 8, 8]
init conv: ones
module a = conv(4, 1)
g: { init conv: constant(2.0); module c = conv(4, 1); conv(4, 1) }
t(a) -> c -> conv(4, 1) }
"""
    model = network(open_text(text), {}).module()
    starts = {key: value.unique().tolist() for key, value in model.state_dict().items() if "weight" in key}
    assert starts == {
        "a.weight": [1.0],
        "g.c.weight": [2.0],
        "g.0.weight": [2.0],
        "0.0.weight": [0.0],
        "1.weight": [1.0],
    }
