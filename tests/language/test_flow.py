"""Section "The language", "Flow": statements, stages, branches, several inputs and outputs, values of one's own."""

import pytest
import torch
import torch.nn.functional as F

from tests.language.texts import arch, built, close, found_in, keys, module, refused, sizes

X = torch.randn(2, 4, 16, 16)


def test_a_block_maps_one_value_to_one_value() -> None:
    """A block maps one value to one value."""
    assert sizes(arch("b", before="block b { conv(3, 3) -> relu }")) == (3, 14, 14)
    assert sizes(arch("empty", before="block empty { }")) == (4, 16, 16)


def test_statements_run_in_order_each_takes_the_current_value_and_leaves_a_new_one() -> None:
    """Its statements run in order; each takes the current value and leaves a new one."""
    net = module(arch("a: conv(5, 3)\nrelu\nb: conv(6, 3)"))
    close(net(X), net.b(F.relu(net.a(X))))


def test_a_pipeline_is_optionally_ended_by_as_which_names_the_value_that_all_of_it_leaves() -> None:
    """A pipeline, optionally ended by `as name`, which names the value (the tensor) that the whole pipeline leaves."""
    net = module(arch("a: conv(4, 1) -> relu as kept\nb: conv(4, 1) -> tanh\nadd { kept; identity }"))
    kept = F.relu(net.a(X))
    close(net(X), kept + torch.tanh(net.b(kept)))


STAGES = {
    "an op": ("conv(8, 1)", (8, 16, 16)),
    "an op, labelled": ("c: conv(8, 1)", (8, 16, 16)),
    "a block": ("unit(8)", (8, 16, 16)),
    "the name of a value": ("conv(8, 1) as a\nconv(9, 1)\na", (8, 16, 16)),
    "in": ("back", (4, 16, 16)),
    "identity": ("identity -> conv(8, 1) -> identity", (8, 16, 16)),
    "braces": ("{ conv(8, 1); relu } -> relu", (8, 16, 16)),
    "for": ("for c in [6, 7, 8] { conv(c, 3) } -> relu", (8, 10, 10)),
    "for, with a pattern": ("for (i, (c, k)) in enumerate([(6, 1), (8, 3)]) { conv(c + i, k) }", (9, 14, 14)),
    "for, over nothing": ("for c in [] { conv(c, 3) }", (4, 16, 16)),
    "repeat": ("repeat 3 { conv(8, 3) }", (8, 10, 10)),
    "repeat as": ("repeat 3 as i { conv(8 + i, 3) }", (10, 10, 10)),
    "repeat, never": ("repeat 0 { conv(8, 3) }", (4, 16, 16)),
    "if": ("if 1 < 2 { conv(8, 1) } else { conv(9, 1) }", (8, 16, 16)),
    "if, not": ("if 1 > 2 { conv(8, 1) } else { conv(9, 1) } -> relu", (9, 16, 16)),
    "if, without else: the value passes through": ("conv(5, 1) -> if false { conv(8, 1) }", (5, 16, 16)),
    "else if": ("if false { relu } else if true { conv(8, 1) } else { relu }", (8, 16, 16)),
    "an op followed by braces": ("concat { identity; x }", (8, 16, 16)),
    "a block followed by braces": ("join { identity; x }", (8, 16, 16)),
}


@pytest.mark.parametrize("kind", STAGES)
def test_a_stage_is_one_of(kind: str) -> None:
    """A stage is, optionally labelled, one of: an op; a block; a name; `in`; `identity`; braces; a loop; an `if` ..."""
    before = """
    block unit(c) { conv(c, 1) }
    block back { conv(7, 1) -> in }
    block join { input a, b; concat { a; b } }
    """
    body, expected = STAGES[kind]
    assert sizes(arch(body, before=before)) == expected


def test_a_name_or_in_lets_the_flow_go_on_from_it() -> None:
    net = module(arch("a: conv(4, 1) as p\nconv(5, 1) -> relu\np -> b: conv(6, 1)"))
    close(net(X), net.b(net.a(X)))


def test_a_number_is_no_stage() -> None:
    refused(arch("let n = 3\nrelu -> n"), "E0103", "n")


# ---- several inputs


def test_an_op_followed_by_braces_takes_the_results_of_the_statements_in_order() -> None:
    """An op followed by braces takes the results of the statements in them, in order."""
    net = module(arch("sub { tanh; relu -> sigmoid }"))
    close(net(X), torch.tanh(X) - torch.sigmoid(F.relu(X)))
    net = module(arch("concat { a: conv(1, 1)\nb: conv(2, 1) }"))
    close(net(X), torch.cat([net.a(X), net.b(X)], dim=1))


def test_concat_joins_channels_unless_dim_says_otherwise() -> None:
    """`concat { ... }` (channels unless `dim=`)."""
    close(module(arch("concat { x; relu }"))(X), torch.cat([X, F.relu(X)], dim=1))
    close(module(arch("concat(dim=3) { x; relu }"))(X), torch.cat([X, F.relu(X)], dim=3))


def test_matmul_and_multihead_attention_take_their_values_in_braces() -> None:
    """`matmul { q; k -> transpose(-2, -1) }`, `multihead_attention(8) { q; k; v }`."""
    tokens = torch.randn(2, 5, 8)
    net = module(arch("a: linear(8) as q\nx -> b: linear(8) as k\nmatmul { q; k -> transpose(-2, -1) }", x="[5, 8]"))
    close(net(tokens), net.a(tokens) @ net.b(tokens).transpose(-2, -1))
    net = module(arch("relu as q; tanh as k; x as v\nm: multihead_attention(8) { q; k; v }", x="[5, 8]"))
    q = F.relu(tokens)
    close(net(tokens), net.m(q, torch.tanh(q), tokens)[0])


def test_every_statement_starts_from_the_value_before_the_op_and_identity_is_that_value() -> None:
    """Every statement is one branch and starts from the value before the op (`identity` is that value itself)."""
    net = module(arch("a: conv(4, 1)\nconcat { relu; identity; tanh }"))
    y = net.a(X)
    close(net(X), torch.cat([F.relu(y), y, torch.tanh(y)], dim=1))
    net = module(arch("a: conv(4, 1)\nadd { relu; mul { identity; tanh } }"))
    y = net.a(X)
    close(net(X), F.relu(y) + y * torch.tanh(y))


def test_a_for_or_repeat_makes_one_branch_per_round() -> None:
    """A `for` or `repeat` makes one branch per round."""
    net = module(arch("concat { for c in [1, 2] { c{c}: conv(c, 1) }\nrepeat 2 { relu }\nidentity }"))
    close(net(X), torch.cat([net.c1(X), net.c2(X), F.relu(X), F.relu(X), X], dim=1))
    assert sizes(arch("concat { for i in [1, 2] { for j in [1, 2] { conv(i, 1); conv(j, 1) } } }")) == (4, 16, 16)


def test_a_labelled_loop_makes_one_branch_per_round_too() -> None:
    text = arch("concat { identity; b: for c in [1, 2] { conv(c, 1) } }")
    assert keys(text) == ["b.0.weight", "b.1.weight"]
    assert sizes(text) == (7, 16, 16)


def test_an_if_needs_an_else_there() -> None:
    """An `if` needs an `else` there (`else { identity }`)."""
    refused(arch("add { relu; if true { tanh } }"), "E0404", "if true { tanh }", "else { identity }")
    close(module(arch("add { relu; if false { tanh } else { identity } }"))(X), F.relu(X) + X)


def test_so_does_the_last_else_if() -> None:
    wrong = arch("add { relu; if false { tanh } else if true { sigmoid } }")
    refused(wrong, "E0404", "if true { sigmoid }", "else { identity }")
    assert sizes(arch("add { relu; if false { tanh } else { if false { sigmoid } } }")) == (4, 16, 16)


def test_let_and_require_make_no_branch() -> None:
    """`let` and `require` make none."""
    assert sizes(arch("concat { let n = 3\nrequire n == 3\nconv(n, 1); identity }")) == (7, 16, 16)


@pytest.mark.parametrize("op", ["add", "concat", "stack", "matmul", "mul", "maximum"])
def test_an_op_that_needs_several_values_and_has_no_braces_is_an_error(op: str) -> None:
    """An op that needs several values and has no braces is an error."""
    refused(arch(f"relu -> {op}"), "E0401", op, "values", f"`{op} {{ identity; ... }}`")


def test_one_branch_is_not_several() -> None:
    refused(arch("add { relu }"), "E0401", "add")


@pytest.mark.parametrize(
    ("op", "function"),
    [
        ("add", torch.add),
        ("sub", torch.sub),
        ("mul", torch.mul),
        ("div", torch.div),
        ("maximum", lambda x, n: x.clamp(min=n)),
        ("minimum", lambda x, n: x.clamp(max=n)),
    ],
)
def test_they_also_take_one_number_instead(op: str, function: object) -> None:
    """`add sub mul div maximum minimum` also take one number instead, `mul(0.5)`."""
    assert callable(function)
    close(module(arch(f"{op}(0.5)"))(X), function(X, 0.5))


def test_concat_takes_no_number() -> None:
    refused(arch("matmul(0.5)"), "E0203", "0.5")


def test_they_broadcast_as_torch_does() -> None:
    """They broadcast as torch does ..."""
    net = module(arch("mul { identity; global_avg_pool }"))
    close(net(X), X * X.mean(dim=(2, 3), keepdim=True))
    net = module(arch("add { a; b }", x="[1]").replace("input x: [1]", "input a: [4, 1, 6], b: [1, 5, 1]"))
    a, b = torch.randn(2, 4, 1, 6), torch.randn(2, 1, 5, 1)
    close(net(a, b), a + b)
    found = refused(arch("add { identity; conv(3, 1) }"), "E0301", "add", "branch 1 is 4x16x16", "branch 2 is 3x16x16")
    assert [label.span.text for label in found.related] == ["identity", "conv(3, 1)"]


def test_values_with_a_batch_broadcast_only_at_equal_rank() -> None:
    """... values with a batch only at equal rank."""
    refused(arch("add { identity; global_avg_pool -> flatten }"), "E0301", "add", "branch 2 is 4")


def test_an_op_with_weights_takes_them_from_further_branches() -> None:
    """An op with weights takes them from further branches when these are given: `linear { x; weight; bias }`."""
    own = "w: parameter([3, 4], init=ones) as weight\nb: parameter([3], init=ones) as bias\n"
    net = module(arch(own + "linear { x; weight; bias }", x="[4]"))
    x = torch.randn(2, 4)
    close(net(x), F.linear(x, net.w, net.b))
    net = module(arch("conv(padding=1) { identity; k: parameter([5, 4, 3, 3], init=ones) }"))
    close(net(X), F.conv2d(X, net.k, padding=1))


def test_and_then_has_none_of_its_own() -> None:
    """... and then has none of its own."""
    assert keys(arch("linear { identity; w: parameter([3, 4]) }", x="[4]")) == ["w"]
    refused(arch("linear { identity }", x="[4]"), "E0201", "linear", "`out_features` is missing")


# ---- several outputs


def test_an_op_or_block_may_leave_several_values() -> None:
    """An op or block may leave several values (`chunk(2)`, `lstm`, a block with `output a, b`)."""
    close(module(arch("chunk(2) as (a, b)\nsub { b; a }"))(X), X[:, 2:] - X[:, :2])
    steps = torch.randn(2, 5, 8)
    net = module(arch("m: lstm(6) as (y, h, c)\ny", x="[5, 8]"))
    close(net(steps), net.m(steps)[0])


def test_the_values_of_a_block_with_outputs_have_names_of_their_own() -> None:
    both = "block both { relu as a; tanh as b; output b, a }"
    close(module(arch("both as (p, q)\nsub { p; q }", before=both))(X), torch.tanh(F.relu(X)) - F.relu(X))


def test_such_a_stage_ends_its_statement_with_as() -> None:
    """Such a stage ends its statement with `as (a, b)` ..."""
    refused(arch("relu\nchunk(2)\ntanh"), "E0402", "chunk(2)", "end the statement with `as (a, b)`")
    refused(arch("chunk(2) -> relu"), "E0402", "relu", "2 values")
    refused(arch("chunk(2) as a\nrelu"), "E0402", "a", "2 values")
    refused(arch("chunk(2) as (a, b, c)\nrelu"), "E0402", "(a, b, c)", "needs 3 values, and there are 2", "as (a, b)")


def test_the_flow_goes_on_from_the_first() -> None:
    """... the flow goes on from the first."""
    close(module(arch("chunk(2) as (a, b)\nrelu -> add { identity; b }"))(X), F.relu(X[:, :2]) + X[:, 2:])


# ---- blocks with several inputs

UP = """
block up(channels) {
    input x, skip
    x -> t: conv_transpose(channels, 2, stride=2) as y
    concat { skip; y } -> c: conv(channels, 1)
}
"""


def test_blocks_with_several_inputs_declare_them_without_sizes() -> None:
    """Blocks with several inputs declare them like an arch, without sizes."""
    net = module(arch("relu as s\nmax_pool(2)\nu: up(3) { identity; s }", before=UP))
    y = F.relu(X)
    close(net(X), net.u.c(torch.cat([y, net.u.t(F.max_pool2d(y, 2))], dim=1)))
    refused(arch("b { x; x }", before="block b { input p: [3], q; q }"), "E0405", "input p: [3]", "`input p`")


def test_an_input_of_a_block_with_sizes_is_one_mistake() -> None:
    refused(arch("b { x; x }", before="block b { input p: [3], q; add { p; q } }"), "E0405", "input p: [3]")


def test_and_are_used_with_braces() -> None:
    """... and are used with braces: `up(64) { identity; skip }`."""
    refused(arch("up(3)", before=UP), "E0401", "up(3)", "takes 2 values")
    refused(arch("up(3) { identity }", before=UP), "E0401", "{ identity }", "1 branch")
    refused(arch("up(3) { x; x; x }", before=UP), "E0401", "{ x; x; x }", "3 branches")
    refused(arch("b { x; x }", before="block b { relu }"), "E0401", "{ x; x }", "block `b` takes one value")


def test_they_have_no_in() -> None:
    """They have no `in`."""
    refused(
        arch("b { x; x }", before="block b { input p, q\nin -> relu }"),
        "E0403",
        "in",
        "`p` or `q`",
    )
    refused(arch("b { x; x }", before="block b { input p, q\nrelu -> add { p; q } }"), "E0403", "relu")


# ---- in


def test_in_is_the_input_of_the_block_whose_text_it_stands_in() -> None:
    """`in` is the input of the block whose text it stands in, also inside its braces, merges and loops."""
    before = """
    block outer { relu -> inner -> tanh -> add { identity; in } }
    block inner { sigmoid; add { { exp; in }; identity }; repeat 1 { mul { in; identity } } }
    """
    r = F.relu(X)
    inner = r * (r + torch.sigmoid(r))
    close(module(arch("outer", before=before))(X), torch.tanh(inner) + X)


def test_also_of_an_inline_block() -> None:
    """... or inline block."""
    before = "block outer { relu -> within }\ninline block within { tanh; add { identity; in } }"
    r = F.relu(X)
    close(module(arch("outer", before=before))(X), torch.tanh(r) + r)


def test_an_arch_has_no_in() -> None:
    """An arch has no `in`: its inputs have names."""
    refused(arch("relu -> in"), "E0403", "in", "`x`")
    refused(arch("conv(in.channels, 1)"), "E0403", "in")


def test_the_flow_of_an_arch_starts_with_its_only_input() -> None:
    """The flow of an arch starts with its only input ..."""
    close(module(arch("relu"))(X), F.relu(X))


def test_with_several_the_first_statement_names_one() -> None:
    """... with several, the first statement names one."""
    text = "arch A {{ input a: [4], b: [4]\n{}\nsub {{ identity; b }} }}"
    a, b = torch.randn(2, 4), torch.randn(2, 4)
    close(module(text.format("a -> relu"))(a, b), F.relu(a) - b)
    close(module(text.format("b -> relu"))(a, b), F.relu(b) - b)
    refused(text.format("relu"), "E0403", "relu", "begin the statement with the name of an input")


@pytest.mark.parametrize(
    ("size", "value"),
    [("shape[0]", 4), ("channels", 4), ("height", 6), ("width", 7), ("features", 7), ("shape[-1]", 7)],
)
def test_the_sizes_of_in_and_of_any_named_value(size: str, value: int) -> None:
    """`v.shape`, `v.channels`, `v.height`, `v.width`, `v.features` are the sizes of `in` and of any named value."""
    before = f"block b {{ relu -> conv(in.{size}, 1) }}"
    assert sizes(arch("b", before=before, x="[4, 6, 7]"))[0] == value
    assert sizes(arch(f"relu as v; conv(v.{size}, 1)", x="[4, 6, 7]"))[0] == value
    assert sizes(arch(f"conv(x.{size}, 1)", x="[4, 6, 7]"))[0] == value


def test_the_shape_is_all_sizes() -> None:
    assert sizes(arch("require len(x.shape) == 3 and x.shape[1:] == [6, 7]; relu", x="[4, 6, 7]")) == (4, 6, 7)
    refused(arch("require x.height > 0; relu", x="[4]"), "E0303", "x.height")
    refused(arch("require x.depth > 0; relu"), "E0101", "depth", "no `.depth`")


# ---- values of one's own


@pytest.mark.parametrize("own", ["p: parameter([4, 1, 1], init=ones)", "p: buffer([[[1]]])", "constant([[[1]]])"])
def test_they_leave_a_value_whatever_came_before(own: str) -> None:
    """`parameter`, `buffer`, `constant` leave a value whatever came before."""
    close(module(arch(f"relu -> {own} as one\nx -> add {{ identity; one }}"))(X), X + 1)
    close(module(arch(f"add {{ identity; relu -> {own} }}"))(X), X + 1)


def test_the_first_two_must_be_labelled_and_their_label_is_the_key() -> None:
    """The first two must be labelled and their label is the key."""
    assert keys(arch("class_token: parameter([1, 1, 8]) as t\nconcat { t; x }", x="[5, 8]")) == ["class_token"]
    assert keys(arch("s: { add { identity; m: buffer(2) } }")) == ["s.m"]
    refused(arch("add { identity; parameter([4]) }", x="[4]"), "E0502", "parameter", "label")
    refused(arch("add { identity; buffer(1) }", x="[4]"), "E0502", "buffer", "label")


def test_a_buffer_is_kept_in_the_state_dict_a_constant_is_not() -> None:
    """A buffer is kept in the `state_dict`, a constant is not."""
    net = module(arch("add { identity; b: buffer([1, 2]) }\nmul { identity; c: constant([3, 4]) }", x="[2]"))
    assert list(net.state_dict()) == ["b"]
    assert list(net.parameters()) == []
    assert len(list(net.buffers())) == 2
    close(net(torch.ones(1, 2)), torch.tensor([[6.0, 12.0]]))


def test_beside_values_that_have_a_batch_they_broadcast_aligned_from_the_right() -> None:
    """Their shape is written whole; beside values with a batch they broadcast as in torch, aligned from the right."""
    net = module(arch("add { identity; p: parameter([7], init=normal) }", x="[4, 6, 7]"))
    x = torch.randn(2, 4, 6, 7)
    close(net(x), x + net.p)
    net = module(arch("add { identity; p: parameter([4, 1, 1], init=normal) }", x="[4, 6, 7]"))
    close(net(x), x + net.p)
    refused(arch("add { identity; p: parameter([4]) }", x="[4, 6, 7]"), "E0301", "add")


def test_a_leading_1_at_full_rank_is_the_batch() -> None:
    """... so a leading 1 at full rank is the batch (`concat` expands it)."""
    tokens = torch.randn(3, 5, 8)
    net = module(arch("add { identity; p: parameter([1, 5, 8], init=normal) }", x="[5, 8]"))
    close(net(tokens), tokens + net.p)
    net = module(arch("concat { t: parameter([1, 1, 8], init=normal); identity }", x="[5, 8]"))
    close(net(tokens), torch.cat([net.t.expand(3, -1, -1), tokens], dim=1))
    wrong = arch("add { identity; p: parameter([2, 5, 8]) }", x="[5, 8]")
    assert [found.code for found in found_in(wrong)] == ["E0301"], "2 is no batch"


def test_a_network_without_a_batch_of_its_own_has_outputs_of_that_size() -> None:
    assert built(arch("p: parameter([1, 3]) as q\nx -> relu as y\noutput y", x="[2]")).outputs == {"y": (2,)}
