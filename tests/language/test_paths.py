"""Section "The language", "Paths": the names in the `state_dict`, rule by rule."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.language.texts import arch, close, found_in, keys, module, refused

X = torch.randn(2, 4, 8, 8)
UNIT = "block unit { conv(4, 1) -> relu -> conv(4, 1) }"
INLINE = "inline block bare { conv(4, 1) -> relu -> conv(4, 1) }"


def weights(body: str, before: str = "", x: str = "[4, 8, 8]") -> list[str]:
    """Return the paths of the layers that have weights."""
    return [key.removesuffix(".weight") for key in keys(arch(body, before=before, x=x))]


def test_a_modules_path_is_its_name_in_the_state_dict() -> None:
    """A module's path is its name in the `state_dict`."""
    net = module(arch("stem: { conv(4, 1) -> norm: batch_norm } -> unit", before=UNIT))
    assert isinstance(net.get_submodule("stem.norm"), nn.BatchNorm2d)
    assert isinstance(net.get_submodule("0.2"), nn.Conv2d)
    assert "stem.norm.running_mean" in net.state_dict()


# ---- 1


def test_1_a_label_names_exactly_one_stage() -> None:
    """1. A label names exactly one stage ..."""
    assert weights("head: conv(4, 1) -> conv(4, 1)") == ["head", "0"]
    assert weights("conv(4, 1) -> head: conv(4, 1)") == ["0", "head"]


def test_1_to_label_a_chain_brace_it() -> None:
    """... to label a chain, brace it: `downsample: { conv(c, 1) -> batch_norm }`."""
    assert weights("downsample: { conv(4, 1) -> batch_norm }")[:2] == ["downsample.0", "downsample.1"]


@pytest.mark.parametrize(
    "word",
    ["for", "if", "in", "let", "as", "block", "arch", "conv", "relu", "add", "identity", "output", "else", "true"],
)
def test_1_any_word_before_a_colon_is_a_label(word: str) -> None:
    """Any word before `:` at the start of a stage is a label, keywords and op names too."""
    assert weights(f"{word}: conv(4, 1) -> relu -> conv(4, 1)") == [word, "1"]
    assert weights(f"relu -> {word}  : conv(4, 1)") == [word]


@pytest.mark.parametrize("word", ["forward", "train", "type", "_modules", "__init__", "weight", "lambda", "None"])
def test_1_also_words_that_mean_something_to_pytorch(word: str) -> None:
    net = module(arch(f"{word}: conv(4, 1)"))
    assert list(net.state_dict()) == [f"{word}.weight", f"{word}.bias"]
    assert net(X).shape == (2, 4, 8, 8)


# ---- 2


def test_2_labels_may_compute() -> None:
    """2. Labels may compute: `layer{i + 1}:`."""
    assert weights("for i in range(2) { layer{i + 1}: conv(4, 1) }") == ["layer1", "layer2"]
    assert weights("let a = [3, 5]\nn{a[0]}x{a[-1] * 2}: conv(4, 1)") == ["n3x10"]
    assert weights('let kind = "max"\nn{kind}: conv(4, 1)') == ["nmax"]


def test_2_one_that_is_no_identifier_is_a_string() -> None:
    """One that is no identifier is written as a string: `"block{i}-{j}":`, `"0":` ..."""
    found = weights('for i in [0, 1] { for j in [5] { "block{i}-{j}": conv(4, 1) } }\n"0": conv(4, 1)')
    assert found == ["block0-5", "block1-5", "0"]


@pytest.mark.parametrize("label", ['""', '"a.b"', '"."'])
def test_2_not_empty_no_dots(label: str) -> None:
    """... not empty, no dots."""
    assert [found.code for found in found_in(arch(f"{label}: conv(4, 1)"))] == ["E0502"]


def test_2_computed_labels_are_checked_too() -> None:
    refused(arch('let s = ""\n"{s}": conv(4, 1)'), "E0502", '"{s}"', "empty")
    refused(arch('let s = "a.b"\n"{s}": conv(4, 1)'), "E0502", '"{s}"', "a.b")


@pytest.mark.parametrize("stage", ["y", "x", "identity"])
def test_2_names_of_values_and_identity_cannot_be_labelled(stage: str) -> None:
    """Names of values, `in` and `identity` cannot be labelled."""
    refused(arch(f"relu as y\nlabel: {stage}"), "E0502", "label", f"`{stage}` cannot be labelled")


def test_2_nor_can_in() -> None:
    refused(arch("b", before="block b { relu -> label: in }"), "E0502", "label", "`in` cannot be labelled")


# ---- 3


def test_3_a_label_opens_a_scope_for_everything_its_stage_creates() -> None:
    """3. A label opens a scope, once, for everything its stage creates (also in the braces after an op) ..."""
    assert weights("a: { conv(4, 1); b: { conv(4, 1) -> c: conv(4, 1) } }") == ["a.0", "a.b.0", "a.b.c"]
    assert weights("a: repeat 2 { conv(4, 1) }") == ["a.0", "a.1"]
    assert weights("a: for i in [0, 1] { c{i}: conv(4, 1) }") == ["a.c0", "a.c1"]
    assert weights("a: if true { conv(4, 1) }") == ["a.0"]
    assert weights("a: add { l: conv(4, 1); conv(4, 1) } -> conv(4, 1)") == ["a.l", "a.0", "0"]
    join = "block join { input p, q; add { p; q } -> own: conv(4, 1) }"
    assert sorted(weights("a: join { l: conv(4, 1); conv(4, 1) }", join)) == ["a.0", "a.l", "a.own"]


def test_3_a_labelled_block_has_that_scope_and_no_second_one() -> None:
    """... a labelled block has that scope and no second one ..."""
    assert weights("a: unit", UNIT) == ["a.0", "a.2"]
    assert weights("a: { unit }", UNIT) == ["a.0.0", "a.0.2"]


def test_3_a_labelled_ops_own_weights_lie_directly_in_it() -> None:
    """... a labelled op's own weights lie directly in it (`down.weight`; `down: { conv(..) }` is `down.0.weight`)."""
    assert keys(arch("down: conv(4, 1)")) == ["down.weight"]
    assert keys(arch("down: { conv(4, 1) }")) == ["down.0.weight"]
    net = module(arch("m: multihead_attention(2) { q: linear(4); linear(4); identity }", x="[8, 4]"))
    assert set(net.m.state_dict()) >= {"in_proj_weight", "out_proj.weight", "q.weight", "0.weight"}


def test_3_an_unlabelled_block_opens_a_scope_named_by_its_index() -> None:
    """An unlabelled block opens a scope named by its index."""
    assert weights("unit -> conv(4, 1) -> unit", UNIT) == ["0.0", "0.2", "1", "2.0", "2.2"]


@pytest.mark.parametrize(
    "body",
    [
        "{ conv(4, 1) } -> { { conv(4, 1) } }",
        "for i in [1, 2] { conv(4, 1) }",
        "repeat 2 { conv(4, 1) }",
        "if true { conv(4, 1) } -> if false { relu } else { conv(4, 1) }",
        "add { conv(4, 1); conv(4, 1) }",
        "one -> one",
    ],
)
def test_3_nothing_else_opens_one(body: str) -> None:
    """Nothing else opens one: braces, `for`, `repeat`, `if`, merges and inline blocks are transparent."""
    assert weights(body, "inline block one { conv(4, 1) }") == ["0", "1"]


# ---- 4


def test_4_the_index_is_the_number_of_unlabelled_ops_and_blocks_before_it_in_its_scope() -> None:
    """4. An unlabelled op or block takes as index the number of unlabelled ops and blocks before it in its scope ..."""
    assert weights("conv(4, 1) -> unit -> conv(4, 1)", UNIT) == ["0", "1.0", "1.2", "2"]


def test_4_in_the_order_of_the_text_as_expanded() -> None:
    """... in the order of the text as expanded ..."""
    assert weights("relu as y; conv(4, 1)\ny -> conv(4, 1)") == ["1", "2"]
    assert weights("repeat 2 { relu; conv(4, 1) }") == ["1", "3"]
    body = "multihead_attention(2) { linear(4); identity; linear(4) } -> linear(3)"
    assert [k for k in keys(arch(body, x="[8, 4]")) if "proj" not in k] == ["1.weight", "2.weight", "3.weight"]


def test_4_branches_not_taken_left_out() -> None:
    """... branches not taken left out."""
    assert weights("if false { relu; relu } -> conv(4, 1)") == ["0"]
    assert weights("if false { relu; relu } else { tanh } -> conv(4, 1)") == ["1"]


def test_4_those_without_weights_count() -> None:
    """Those without weights count (as in `nn.Sequential`)."""
    found = weights("conv(4, 1) -> relu -> max_pool(2) -> dropout -> conv(4, 1) -> flatten -> linear(3)")
    net = nn.Sequential(
        nn.Conv2d(4, 4, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(64, 3)
    )
    assert [f"{path}.weight" for path in found] == [key for key in net.state_dict() if key.endswith("weight")]


@pytest.mark.parametrize(
    "stage",
    [
        "act: relu",
        "stage: { relu -> tanh }",
        "identity",
        "y",
        "add { identity; y }",
        "sub { identity; y }",
        "mul(0.5)",
        "div(2)",
        "concat { identity; y }",
        "{ chunk: chunk(2) as (u, v) } -> u -> concat { identity; v }",
        "{ constant([0, 1, 2, 3]) as q } -> y -> take(1) { identity; q }",
        "matmul { identity; y }",
        "{ p: parameter([4, 1, 1]) as q } -> y",
        "{ p: buffer(1) as q } -> y",
        "{ constant(1) as q } -> y",
    ],
)
def test_4_what_does_not_count(stage: str) -> None:
    """Labelled stages, `identity`, names, values of one's own and ops that only combine values do not count."""
    assert weights(f"relu as y\n{stage} -> conv(4, 1)")[-1] == "1"


def test_4_in_does_not_count() -> None:
    assert weights("b", "block b { relu -> in -> conv(4, 1) }") == ["0.1"]


# ---- 5


def test_5_an_inline_block_opens_no_scope_for_paths() -> None:
    """5. An `inline block` opens no scope for paths: its labels and indices belong to where it is used."""
    assert weights("conv(4, 1) -> bare -> conv(4, 1)", INLINE) == ["0", "1", "3", "4"]
    assert weights("unit -> shortcut -> conv(4, 1)", UNIT + "\ninline block shortcut { down: conv(4, 1) }") == [
        "0.0",
        "0.2",
        "down",
        "1",
    ]
    assert weights("a: bare", INLINE) == ["a.0", "a.2"], "with a label it has the label's scope"


def test_5_its_names_and_its_in_are_its_own() -> None:
    """Its names and its `in` are its own."""
    before = "inline block own { let n = 4; conv(n, 1) as y; add { y; in } }"
    net = module(arch("let n = 3\nrelu as y\ntanh -> own", before=before))
    t = torch.tanh(F.relu(X))
    close(net(X), net.get_submodule("2")(t) + t)
    refused(arch("own -> conv(n, 1)", before=before), "E0101", "n")


# ---- 6


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("a: conv(4, 1) -> a: relu -> conv(4, 1)", "a"),
        ("for i in [1, 2] { a: conv(4, 1) }", "a"),
        ('conv(4, 1) -> "0": conv(4, 1)', "0"),
        ("module a = conv(4, 1)\na: conv(4, 1) -> a", "a"),
        ("own: { a: conv(4, 1) } -> own: { b: conv(4, 1) }", "own"),
    ],
)
def test_6_two_modules_with_one_path_are_an_error_that_shows_both_places(body: str, path: str) -> None:
    """6. Two modules with one path: an error that shows both places."""
    (found,) = found_in(arch(body))
    assert found.code == "E0501"
    assert f"`{path}`" in found.message
    assert [label.span.source for label in found.related] == [found.primary.span.source]


# ---- 7


def test_7_own_parameters_then_buffers_then_modules_each_in_the_order_of_the_text() -> None:
    """7. The order is torch's: in each scope its own parameters, then its buffers, then its modules, in text order."""
    body = """
    b2: buffer(1) as i
    x -> m: conv(4, 1)
    p2: parameter([1]) as j
    b1: buffer(1) as k
    x -> s: { n: conv(4, 1); add { identity; q: parameter([1]) } }
    p1: parameter([1]) as l
    x -> add { identity; i; j; k; l }
    """
    found = list(module(arch(body)).state_dict())
    assert found == ["p2", "p1", "b2", "b1", "m.weight", "m.bias", "s.q", "s.n.weight", "s.n.bias"]


def test_7_text_need_not_follow_the_flow() -> None:
    """Text need not follow the flow: a statement may start from any named value."""
    body = "conv(4, 1) as a\na -> aux: { conv(2, 1) } as extra\na -> conv(3, 1) as main\noutput main, extra"
    assert weights(body) == ["0", "aux.0", "1"]
    net = module(arch(body))
    main, extra = net(X)
    a = net.get_submodule("0")(X)
    close(main, net.get_submodule("1")(a))
    close(extra, net.aux(a))


def test_elaboration_has_a_stack_of_its_own() -> None:
    """Elaboration wants an explicit stack: depth of the text costs no Python frames."""
    before = "block deep(n) { { repeat 1 { add { identity; { if n > 0 { deep(n - 1) } } } } } }"
    assert keys(arch("deep(190) -> c: conv(2, 1)", before=before)) == ["c.weight"]
