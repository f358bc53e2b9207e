"""What the language means: paths, scopes, flow, values, claims; each rule by a small text."""

import pytest
import torch

from archc.api import compile
from archc.compiler.pipeline import check, choose
from archc.compiler.program import Program
from archc.dsl.diagnostics import ArchError
from archc.dsl.source import Source
from archc.files import open_text
from archc.network import Network, given, network


def build(text: str, **parameters: object) -> Network:
    return network(open_text(text), given(parameters))


def arch(body: str, *, before: str = "", size: str = "[4, 16, 16]") -> Network:
    return build(f"{before}\narch A {{\ninput x: {size}\n{body}\n}}")


def paths(built: Network) -> list[str]:
    return [node.path for node in built.checked.shaped.graph.nodes]


def ops(built: Network) -> list[str]:
    return [node.op.name for node in built.checked.shaped.graph.nodes]


def codes(text: str, **parameters: object) -> list[str]:
    with pytest.raises(ArchError) as caught:
        build(text, **parameters)
    return [found.code for found in caught.value.diagnostics]


def sizes(built: Network) -> tuple[object, ...]:
    return built.outputs["output"]


PATHS = {
    "unlabelled ops are counted, those without weights too": (
        "conv(4, 1) -> relu -> conv(4, 1)",
        ["0", "1", "2"],
    ),
    "a labelled op is not counted": ("conv(4, 1) -> act: relu -> conv(4, 1)", ["0", "act", "1"]),
    "ops that only combine are not counted": ("add { conv(4, 1); identity } -> relu", ["0", "", "1"]),
    "a label names one stage": ("a: conv(4, 1) -> conv(4, 1)", ["a", "0"]),
    "a labelled group is a scope": ("a: { conv(4, 1) -> relu } -> conv(4, 1)", ["a.0", "a.1", "0"]),
    "braces are transparent": ("{ conv(4, 1) } -> { { conv(4, 1) } }", ["0", "1"]),
    "loops are transparent": ("repeat 2 { conv(4, 1) -> relu }", ["0", "1", "2", "3"]),
    "a labelled loop is one scope": ("a: repeat 2 { conv(4, 1) }", ["a.0", "a.1"]),
    "labels compute": ("for (i, c) in enumerate([4, 8]) { conv{i + 1}: conv(c, 1) }", ["conv1", "conv2"]),
    "labels may be strings": ('for i in range(2) { "conv-{i}": conv(4, 1) }', ["conv-0", "conv-1"]),
    "keywords and op names are labels": ("for: conv(4, 1) -> conv: conv(4, 1) -> in: relu", ["for", "conv", "in"]),
    "an unlabelled block takes an index and is a scope": ("b -> conv(4, 1) -> b", ["0.0", "0.1", "1", "2.0", "2.1"]),
    "a labelled block has that scope and no second one": ("a: b", ["a.0", "a.1"]),
    "an inline block opens no scope": ("conv(4, 1) -> i -> conv(4, 1)", ["0", "1", "2"]),
    "a labelled inline block is a scope": ("a: i", ["a.0"]),
    "branches not taken are not counted": ("if false { conv(4, 1) } -> conv(4, 1)", ["0"]),
    "the index of an op comes before those in its braces": (
        "multihead_attention(2) { linear(4); linear(4); linear(4) }",
        ["1", "2", "3", "0"],
    ),
    "a label holds also for what is in the braces": (
        "m: multihead_attention(2) { linear(4); linear(4); linear(4) }",
        ["m.0", "m.1", "m.2", "m"],
    ),
}


@pytest.mark.parametrize("rule", PATHS)
def test_paths(rule: str) -> None:
    body, expected = PATHS[rule]
    before = "block b { conv(4, 1) -> relu }\ninline block i { conv(4, 1) }"
    size = "[8, 4]" if "multihead" in body else "[4, 16, 16]"
    assert paths(arch(body, before=before, size=size)) == expected


FLOW = {
    "each statement takes what the one before left": ("conv(8, 3)\nconv(16, 3)", (16, 12, 12)),
    "an `if` without else passes the value through": ("if false { conv(8, 3) }", (4, 16, 16)),
    "else": ("if 1 > 2 { conv(8, 3) } else { conv(9, 3) }", (9, 14, 14)),
    "else if": ("if false { relu } else if true { conv(9, 3) } else { relu }", (9, 14, 14)),
    "a name is a stage": ("conv(8, 3) as a\nconv(16, 3)\na", (8, 14, 14)),
    "`as` names what the pipeline leaves": ("conv(8, 3) -> conv(16, 3) as a\nrelu\na", (16, 12, 12)),
    "concat joins channels": ("concat { identity; conv(2, 1); x }", (10, 16, 16)),
    "a loop in braces makes one branch per round": ("concat { for c in [1, 2, 3] { conv(c, 1) } }", (6, 16, 16)),
    "repeat in braces": ("concat { repeat 3 { conv(2, 1) } }", (6, 16, 16)),
    "a loop inside a longer branch is flow": ("concat { repeat 3 { conv(2, 1) } -> relu; x }", (6, 16, 16)),
    "`let` makes no branch": ("concat { let n = 3; conv(n, 1); identity }", (7, 16, 16)),
    "branches start from the value before": ("conv(8, 3)\nadd { conv(8, 1) -> relu; identity }", (8, 14, 14)),
    "a statement may start from any value": ("conv(8, 3) as a\nconv(16, 3)\na -> conv(3, 1)", (3, 14, 14)),
    "`in` is the input of the block": ("b", (4, 16, 16)),
    "several outputs": ("chunk(2) as (a, b)\nadd { a; b }", (2, 16, 16)),
    "the flow goes on from the first output": ("chunk(2) as (a, b)\nrelu", (2, 16, 16)),
    "names in braces are seen after them": ("{ conv(8, 3) as a }\nrelu\na", (8, 14, 14)),
    "a pipeline goes on after a newline and an arrow": ("conv(8, 3)\n    # why\n\n    -> conv(9, 3)", (9, 12, 12)),
    "a semicolon ends a statement": ("conv(8, 3); conv(9, 3)", (9, 12, 12)),
    "a block with several inputs": ("join(5) { identity; conv(2, 1) }", (5, 16, 16)),
    "a block with several outputs": ("both as (p, q)\nconcat { p; q; p }", (12, 16, 16)),
    "blocks as parameters": ("wrap(b)", (4, 16, 16)),
    "ops as parameters, arguments bound": ("wrap(conv(7, kernel_size=3))", (7, 14, 14)),
}


@pytest.mark.parametrize("rule", FLOW)
def test_flow(rule: str) -> None:
    body, expected = FLOW[rule]
    before = """
    block b { conv(8, 3) -> relu; in }
    block join(channels) { input left, right
        concat { left; right } -> conv(channels, 1) }
    block both { relu as a; sigmoid as b; output a, b }
    block wrap(unit) { unit }
    """
    assert sizes(arch(body, before=before)) == expected


def test_a_word_of_the_language_may_name_an_argument() -> None:
    assert ops(arch("prelu(init=0.1)")) == ["prelu"]


def test_the_label_that_torch_cannot_keep() -> None:
    assert codes("arch A { input x: [4]\ntraining: linear(2) }") == ["E0502"]


def test_parameters_bind_by_position_then_by_name() -> None:
    text = "block b(c, k = 1) { conv(c, k) }\narch A(w = 3) { input x: [1, 8, 8]\nb(w) -> b(k=3, c=w + 1) }"
    assert sizes(build(text)) == (4, 6, 6)
    assert sizes(build(text, w=7)) == (8, 6, 6)


def test_a_specialisation_binds_parameters_and_checks_its_claims() -> None:
    text = """
    arch Base(width, num_classes = 10) { input x: [4]; linear(width) -> linear(num_classes) }
    arch Small(num_classes = 10) = Base(8, num_classes) { expect params == 130; expect output == [num_classes] }
    """
    program = Program(Source("x.arch", text))
    checked = check(choose(program, "Small"), {})
    assert checked.shaped.graph.name == "Small"
    # Given another value, the claims about the network as written are not checked.
    check(choose(program, "Small"), given({"num_classes": 3}))
    with pytest.raises(ArchError, match="params is 130"):
        check(choose(Program(Source("x.arch", text.replace("130", "131"))), "Small"), {})


def test_the_default_arch() -> None:
    two = "arch Big { input x: [4]; relu }\narch My_Net { input x: [4]; relu }"
    assert open_text(two, "mynet.arch").definition.span.text == "My_Net"
    with pytest.raises(ArchError, match="several architectures"):
        open_text(two, "other.arch")


def test_outputs_are_named() -> None:
    text = "arch A { input x: [4]\nlinear(2) as a\nlinear(3) as b\noutput b, a }"
    assert build(text).outputs == {"b": (3,), "a": (2,)}


def test_several_inputs_begin_with_a_name() -> None:
    text = "arch A { input a: [4]\ninput b: [2]\na -> linear(2) as c\nadd { c; b } }"
    assert build(text).inputs == {"a": (4,), "b": (2,)}


def test_the_condition_of_a_u_net_depends_on_its_depth() -> None:
    for depth in (1, 2, 4):
        conditions = compile("unet", depth=depth).checked.shaped.conditions
        multiple = 2**depth
        assert [str(c) for c in conditions] == [
            f"{s} must be a multiple of {multiple}, at least {multiple}" for s in "HW"
        ]


def test_stride_two_against_pooling_on_odd_sizes() -> None:
    built = arch("add { conv(4, 3, stride=2, padding=1); max_pool(2) }", size="[4, H, W]")
    assert [str(c) for c in built.checked.shaped.conditions] == [
        "H must be a multiple of 2, at least 2",
        "W must be a multiple of 2, at least 2",
    ]


def test_a_symbol_used_twice_is_one_size() -> None:
    square = build("arch A { input x: [1, N, N]\nadd { x; transpose(-1, -2) } }")
    assert square.checked.shaped.conditions == ()


def test_deep_nesting_needs_no_stack() -> None:
    """Two hundred blocks in each other, each with loops and braces, and a function that calls itself as often."""
    text = """
    let count(n) = 1 + count(n - 1) if n > 0 else 0
    block deep(n) { { repeat 1 { add { { relu }; { if n > 0 { deep(n - 1) } else { identity } } } } } }
    arch A { input x: [4]\n deep(198) -> linear(count(190)) }
    """
    assert sizes(build(text)) == (190,)


def test_loops_are_multiplied_before_they_run() -> None:
    nested = "repeat 10 {" * 12 + "relu" + "}" * 12
    with pytest.raises(ArchError, match=r"`repeat 10` at .* x \.\.\. x .* = 10\^12") as caught:
        arch(nested)
    assert [found.code for found in caught.value.diagnostics] == ["E0702"]


def test_blocks_in_loops_are_multiplied_too() -> None:
    text = "block b { repeat 1000 { relu } }\narch A { input x: [4]\nrepeat 1000 { b } }"
    assert codes(text) == ["E0702"]


@pytest.mark.parametrize(
    "text", ["9 ** 99", "[0] * 10 ** 9", "range(10 ** 9)", "1 / 0", "2 ** 62 * 4", "10 ** 308 * 1e308"]
)
def test_numbers_are_bounded(text: str) -> None:
    assert codes(f"arch A {{ input x: [4]\nlet n = {text}\nrelu }}") == ["E0206"]


def test_a_module_has_its_place_where_it_is_declared_and_may_be_shared() -> None:
    built = build(
        """
    block tower(c) { conv(c, 1) -> relu }
    arch A { input a: [3, 8, 8]
        input b: [3, 8, 8]
        module twin = tower(4)
        head: conv(2, 1)
        a -> twin as x
        b -> twin as y
        add { x; y } -> conv(5, 1)
    }""".replace("head: conv(2, 1)", "a -> head: conv(2, 1)")
    )
    assert paths(built) == ["head", "twin.0", "twin.1", "twin.0", "twin.1", "", "0"]
    assert built.params == (3 * 2 + 2) + (3 * 4 + 4) + (4 * 5 + 5)
    keys = list(built.module().state_dict())
    assert [key.split(".")[0] for key in keys[::2]] == ["twin", "head", "0"]


def test_results_of_training_are_there_in_training_only() -> None:
    text = "arch Net {{ input x: [4]; linear(3) as a; linear(2) as b; a -> linear(5) as aux\n{} }}"
    x = torch.zeros(2, 4)
    several = build(text.format("output aux when training; output a, b")).module()
    assert several.train()(x)._fields == ("a", "b", "aux")
    assert several(x).aux.shape == (2, 5)
    assert several.eval()(x).aux is None
    one = build(text.format("output b; output aux when training")).module()
    assert one.train()(x)._fields == ("b", "aux")
    assert one.eval()(x).shape == (2, 2)
    assert codes(text.format("output aux when training")) == ["E0405"]
    assert codes(text.format("output a, a")) == ["E0102"]


def test_inputs_are_declared_before_the_first_stage_and_may_use_names() -> None:
    assert build("arch A { let n = 4\ninput x: [3, n]\nlet N = 2\ninput y: [x.channels, N]\nx }").inputs == {
        "x": (3, 4),
        "y": (3, 2),
    }
    assert codes("arch A { input x: [3]; input y: [4]; x -> relu; input z: [3] }") == ["E0405"]


@pytest.mark.parametrize("sizes", ["[0, 8]", "[k, 8]", "[3, Height]", "[3] int63", "[1.5]", "[-1]"])
def test_wrong_inputs(sizes: str) -> None:
    assert len(codes(f"arch A {{ input x: {sizes}\nrelu -> linear(2) }}")) == 1


def test_claims_about_the_network_stand_in_an_arch() -> None:
    assert codes("block b { expect params == 3; relu }\narch A { input x: [3]; b }") == ["E0405"]


def test_a_module_that_is_never_applied_is_a_warning() -> None:
    built = build("arch A { input x: [4]\nmodule spare = linear(2)\nlinear(3) }")
    assert [found.code for found in built.warnings] == ["W0102"]
    assert list(built.module().state_dict()) == ["0.weight", "0.bias"]
