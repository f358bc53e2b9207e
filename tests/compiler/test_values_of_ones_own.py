"""Parameters, buffers and constants: keys, scopes, broadcasting, weights from branches, what is refused."""

import copy
import keyword
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import archc
import archc.network
from archc.compiler.load import load
from archc.compiler.source import write
from archc.files import open_text


def network(text: str) -> archc.network.Network:
    return archc.network.network(open_text(text), {})


def module(text: str) -> nn.Module:
    return load(write(network(text).checked.shaped))


def refusal(text: str) -> archc.ArchError:
    with pytest.raises(archc.ArchError) as caught:
        network(text)
    return caught.value


VIT = """
block layer(width) {
    add { { layer_norm; multihead_attention(4) { identity; identity; identity } }; identity }
    mul { identity; layer_scale: parameter([width], init=constant(0.1)) }
}
arch ViT(width = 32) {
    input image: [3, 32, 32]
    mul { sub { identity; mean: buffer([[[0.5]], [[0.25]], [[0.125]]]) }; constant(2) }
    conv_proj: conv(width, 8, stride=8)
    flatten(2) -> transpose(1, 2)
    concat { class_token: parameter([1, 1, width]); identity }
    encoder: {
        add { identity; pos_embedding: parameter([1, 17, width], init=normal(std=0.02)) }
        repeat 2 as i { "layer{i}": layer(width) }
    }
    select(1, 0) -> head: linear(10)
}
"""


def test_labels_are_keys_in_their_scope_and_own_parameters_and_buffers_come_first() -> None:
    built = network(VIT)
    keys = list(module(VIT).state_dict())
    assert keys[:4] == ["class_token", "mean", "conv_proj.weight", "conv_proj.bias"]
    assert "encoder.pos_embedding" in keys
    assert "encoder.layer1.layer_scale" in keys
    assert not any("constant" in key for key in keys), "a constant is not kept"
    assert built.params == sum(p.numel() for p in module(VIT).parameters())
    assert built.cost.buffers == 3


def test_the_numbers_are_those_of_the_same_written_by_hand() -> None:
    net = module(
        "arch A { input x: [2, 3]\n add { identity; a: parameter([3], init=ones) }\n"
        "mul { identity; b: buffer([[[1], [10]]]) }\n concat(dim=1) { t: parameter([1, 1, 3]); identity } }"
    )
    x = torch.randn(4, 2, 3)
    expected = torch.cat([torch.zeros(4, 1, 3), (x + 1) * torch.tensor([[1], [10]])], dim=1)
    assert torch.equal(net(x), expected)


def test_tools_of_torch() -> None:
    net = module(VIT).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        y = net(x)
        for same in (
            torch.export.export(net, (x,)).module(),
            pickle.loads(pickle.dumps(net)),  # noqa: S301
            copy.deepcopy(net),
        ):
            torch.testing.assert_close(same(x), y)


def test_source_reads_as_written_by_hand() -> None:
    source = network(VIT).source()
    for line in (
        "self.class_token = nn.Parameter(torch.zeros(1, 1, 32))",
        'self.register_buffer("mean", torch.tensor([[[0.5]], [[0.25]], [[0.125]]]))',
        'self.register_buffer("constant", torch.tensor(2), persistent=False)',
        "nn.init.normal_(torch.empty(1, 17, 32), std=0.02)",
        "x = (x - self.mean) * self.constant",
        "x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)",
    ):
        assert line in source


def test_values_that_differ_between_instances_are_arguments_of_the_class() -> None:
    source = network(
        "block scaled(width, first) { linear(width)\n"
        "mul { identity; gamma: parameter([width], init=constant(first)) }\n"
        "add { identity; shift: buffer([first, width]) -> mean(0) } }\n"
        "arch A { input x: [4]; scaled(8, 0.1); scaled(16, 0.2) }"
    ).source()
    assert source.count("class Scaled(") == 1
    assert "self.gamma = nn.Parameter(nn.init.constant_(torch.empty(width), val=first))" in source


TAKEN = sorted({*dir(nn.Module()), *keyword.kwlist, "a-b", "__x", "x", "0", "torch"} - {"training"})


@pytest.mark.parametrize("own", ["parameter([4], init=ones)", "buffer([1, 1, 1, 1])"])
def test_every_label_is_the_key(own: str) -> None:
    for label in TAKEN:
        net = module(f'arch A {{ input x: [4]; add {{ identity; "{label}": {own} }}; tail: linear(2, bias=false) }}')
        assert set(net.state_dict()) == {label, "tail.weight"}
        x = torch.zeros(2, 4)
        again = pickle.loads(pickle.dumps(copy.deepcopy(net)))  # noqa: S301
        assert torch.equal(again(x), net.train().eval()(x))


def test_a_constant_may_have_any_label_or_none() -> None:
    net = module(
        "arch A { input x: [2]\n mul { identity; forward: constant([2, 3]) }\n mul { identity; constant(2) }\n"
        "add { identity; constant([1, 1]); constant: constant(0) } }"
    )
    assert net.state_dict() == {}
    assert torch.equal(net(torch.ones(1, 2)), torch.tensor([[5.0, 7.0]]))


def test_it_leaves_its_value_whatever_came_before() -> None:
    net = module(
        "arch A { input a: [2], b: [2]\n scale: parameter([2], init=ones) as s\n"
        "block_like: { c: constant([5, 5]) as five }\n add { a; s; five; b } }"
    )
    assert torch.equal(net(torch.ones(1, 2), torch.ones(1, 2)), torch.full((1, 2), 8.0))


def test_a_block_that_holds_only_a_value_and_one_in_a_loop() -> None:
    net = module(
        "block token(n) { t: parameter([1, n], init=ones) }\n"
        'arch A { input x: [3]\n repeat 3 as i { add { identity; token(3); "p{i}": parameter([3]) } } }'
    )
    assert list(net.state_dict()) == ["p0", "p1", "p2", "0.t", "1.t", "2.t"]
    assert torch.equal(net(torch.zeros(2, 3)), torch.full((2, 3), 3.0))


def test_values_alone_in_loops_and_in_blocks_that_are_not_run() -> None:
    net = module('arch A { input x: [3]\n repeat 3 as i { add { identity; "p{i}": parameter([3], init=ones) } } }')
    assert list(net.state_dict()) == ["p0", "p1", "p2"]
    assert torch.equal(net(torch.zeros(1, 3)), torch.full((1, 3), 3.0))
    net = module("arch A { input x: [3]\n repeat 3 { linear(3); mul { identity; constant(2) } } }")
    assert net(torch.zeros(1, 3)).shape == (1, 3)
    net = module("block b { p: parameter([3]) -> relu; linear(3) }\n arch A { input x: [3]\n b; x -> linear(2) }")
    assert list(net.state_dict())[:3] == ["0.p", "0.1.weight", "0.1.bias"]
    assert net(torch.zeros(1, 3)).shape == (1, 2)


def test_a_declared_value_is_shared_by_its_uses() -> None:
    net = module(
        "arch A { input x: [3]\n module shift = parameter([3], init=ones)\n"
        "add { identity; shift }\n relu -> add { identity; shift } }"
    )
    assert list(net.state_dict()) == ["shift"]
    assert torch.equal(net(torch.zeros(1, 3)), torch.full((1, 3), 2.0))


def test_weights_from_further_branches() -> None:
    text = (
        "arch A { input x: [4]\n linear { identity; w: parameter([6, 4], init=xavier_uniform); b: parameter([6]) }\n"
        "linear(2) { identity; v: parameter([2, 6]) } }"
    )
    net = module(text)
    assert list(net.state_dict()) == ["w", "b", "v"]
    assert net(torch.ones(1, 4)).shape == (1, 2)
    assert network(text).macs == 4 * 6 + 6 * 2
    assert "F.linear(x, self.w, self.b)" in network(text).source()
    assert "linear(none)" not in network(text).summary()
    conv = module("arch A { input x: [3, 8, 8]\n conv(padding=1) { identity; w: parameter([5, 3, 3, 3], init=ones) } }")
    assert conv(torch.ones(1, 3, 8, 8)).max() == 27


def test_one_branch_gives_no_weights() -> None:
    (found,) = refusal("arch A { input x: [4]\n linear { identity } }").diagnostics
    assert found.code == "E0201"
    assert "`out_features` is missing" in found.primary.text


def test_initialisers_draw_from_torch_s_functions() -> None:
    net = module("arch A { input x: [4]\n matmul { identity; w: parameter([4, 6], init=orthogonal(gain=2.0)) } }")
    w = net.state_dict()["w"]
    torch.testing.assert_close(w @ w.T, 4 * torch.eye(4))


def test_an_initialiser_is_a_value_of_the_language() -> None:
    net = module(
        "let start = constant(0.5)\n block p(first) { add { identity; a: parameter([2], init=first) } }\n"
        "arch A { input x: [2]\n p(start); p(first=constant(val=2)) }"
    )
    assert [value.tolist() for value in net.state_dict().values()] == [[0.5, 0.5], [2.0, 2.0]]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("add { identity; parameter([3]) }", "E0502", "a `parameter` needs a label"),
        ("add { identity; buffer(3) }", "E0502", "a `buffer` needs a label"),
        ("p: parameter([3]) { identity }", "E0401", "`parameter` takes no values"),
        ("p: parameter([0])", "E0204", "must be a list of positive sizes"),
        ("p: parameter([3], init=xavier_uniform)", "E0303", "`xavier_uniform` needs at least 2 axes"),
        ("p: parameter([3], init=relu)", "E0204", "must be an initializer"),
        ("p: parameter([3], init=normal_)", "E0101", "unknown name `normal_`"),
        ("p: parameter([3], init=normal(std=-1))", "E0205", "`std` of `normal` must be a number, 0 or more"),
        ("p: parameter([3], init=uniform(1, 0))", "E0205", "`a` of `uniform` must be smaller than `b`"),
        ("p: parameter([3], init=constant)", "E0201", "`constant` needs `val`"),
        ("p: parameter([3], init=normal(deviation=1))", "E0202", "`normal` has no parameter `deviation`"),
        ("p: buffer([[1, 2], [3]])", "E0204", "the lists of a value must be of one length"),
        ("p: buffer([])", "E0204", "must be a number"),
        ('p: buffer("a")', "E0204", "must be a number"),
        ("add { identity; p: parameter([4]) }", "E0301", "needs inputs of one size"),
        ("p: parameter([3]); p: buffer(1)", "E0501", "two modules have the path `p`"),
        ("zeros", "E0101", "unknown name `zeros`"),
        ("linear { identity; identity }", "E0303", "has no batch axis"),
    ],
)
def test_what_is_refused(body: str, code: str, words: str) -> None:
    (found,) = refusal(f"arch A {{ input x: [3]\n {body} }}").diagnostics
    assert found.code == code
    assert words in found.message


def test_a_size_of_the_input_cannot_be_that_of_a_parameter() -> None:
    (found,) = refusal("arch A { input x: [W]\n add { identity; p: parameter(x.shape) } }").diagnostics
    assert (found.code, found.primary.span.text) == ("E0305", "x.shape")


def test_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "vit.dot"
    network(VIT).render(str(path))
    assert "parameter 1x1x32" in path.read_text() or "class_token" in path.read_text()
