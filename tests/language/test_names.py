"""Section "The language", "Compile time", second half: where names are visible, what a bare name is, recursion."""

import pytest
import torch
import torch.nn.functional as F

from archc.compiler.pipeline import check, choose
from archc.compiler.program import Program
from archc.dsl.diagnostics import ArchError
from archc.dsl.render import render_text
from archc.dsl.source import Source
from tests.language.texts import arch, built, close, found_in, keys, module, refused, sizes

X = torch.randn(2, 4, 8, 8)

# ---- where names are visible


def test_only_blocks_arches_and_rounds_open_a_scope_for_names() -> None:
    """Only blocks, arches and the bodies of `for` and `repeat` (each round anew) open a scope; braces do not."""
    for body in (
        "{ let n = 3 }\nconv(n, 1)",
        "add { let n = 3\n{ conv(4, 1) as c }; identity }\nc -> conv(n, 1)",
        "if true { let n = 3 }\nconv(n, 1)",
        "if false { let n = 2 } else { let n = 3 }\nconv(n, 1)",
        "a: { let n = 3 }\nconv(n, 1)",
        "for i in [3] { let n = i; { let m = n }\nconv(m, 1) }",
    ):
        assert sizes(arch(body)) == (3, 16, 16)


@pytest.mark.parametrize(
    "body",
    [
        "for i in [3] { let n = i }\nconv(n, 1)",
        "for i in [3] { relu as n }\nn",
        "for n in [3] { relu }\nconv(n, 1)",
        "repeat 3 as n { relu }\nconv(n, 1)",
        "concat { for n in [3] { relu }; conv(n, 1) }",
    ],
)
def test_a_name_of_a_loop_is_not_seen_after_it(body: str) -> None:
    refused(arch(body), "E0104", "n", "`n`")


def test_each_round_binds_anew() -> None:
    assert sizes(arch("for i in [1, 2] { let n = i + 1; conv(n, 1) as y }")) == (3, 16, 16)
    refused(arch("for i in [1, 2] { if i == 1 { let n = 3 }\nconv(n, 1) }"), "E0104", "n")


def test_a_name_is_visible_from_where_it_is_bound_to_the_end_of_that_scope() -> None:
    """A name bound by `let`, `as`, `for` or `repeat` is visible from there to the end of that scope."""
    refused(arch("conv(n, 1)\nlet n = 3"), "E0104", "n", "bound later")
    refused(arch("add { identity; later }\nrelu as later"), "E0104", "later")
    assert sizes(arch("let n = 3\nrepeat 1 { for i in [1] { { conv(n, 1) } } }")) == (3, 16, 16)


def test_within_a_block_a_name_is_bound_once() -> None:
    """Within a block a name is bound once; binding it again, also in a loop inside, shows both places."""
    for body, place in {
        "let n = 1\nlet n = 2\nrelu": "n",
        "relu as n\nlet n = 2": "n",
        "let n = 1\nfor i in [1] { let n = n + 1 }\nrelu": "n",
        "let n = 1\nfor n in [1] { relu }": "n",
        "let n = 1\nrepeat 1 as n { relu }": "n",
        "relu as x": "x",
        "let (n, n) = (1, 2)\nrelu": "n",
        "module n = relu\nlet n = 1\nn": "n",
    }.items():
        found = refused(arch(body), "E0102", place, "bound already")
        assert [label.span.text for label in found.related] == [place], body
        assert found.related[0].span.start < found.primary.span.start


def test_a_parameter_is_a_name_of_the_block() -> None:
    found = refused(arch("b(1)", before="block b(n) { let n = 2; relu }"), "E0102", "n")
    assert found.related[0].span.start == len("block b(")


def test_so_let_cannot_pretend_to_count() -> None:
    """(so `let n = n + 1` cannot pretend to count: use `enumerate`, slices and `sum`)."""
    refused(arch("let n = 1\nrepeat 2 { let n = n + 1; conv(n, 1) }"), "E0102", "n")
    body = "let growth = [1, 2, 3]\nfor (i, g) in enumerate(growth) { conv(sum(growth[:i + 1]), 1) }"
    assert sizes(arch(body)) == (6, 16, 16)


def test_a_block_sees_its_parameters_its_own_names_and_the_files_never_its_users() -> None:
    """A block sees its parameters, its own names and the file's, never its user's."""
    before = "let of_file = 2\nblock b(p) { let own = 1; conv(p + own + of_file, 1) }"
    assert sizes(arch("let secret = 9\nb(3)", before=before)) == (6, 16, 16)
    refused(arch("let secret = 9\nb(3)", before="block b(p) { conv(secret, 1) }"), "E0101", "secret")
    refused(arch("relu as secret\nb", before="block b { add { identity; secret } }"), "E0101", "secret")
    refused(arch("c(3)", before="block b { conv(p, 1) }\nblock c(p) { b }"), "E0101", "p")
    refused(arch("b", before="inline block b { add { identity; x } }"), "E0101", "x")


def test_names_of_the_file_and_of_ops_may_be_hidden() -> None:
    """Names of the file ... may be hidden ..."""
    before = "let k = 2\nblock unit { conv(5, 1) }\nblock other { conv(7, 1) }"
    assert sizes(arch("let k = 3\nconv(k, 1)", before=before)) == (3, 16, 16)
    assert sizes(arch("let unit = other\nunit", before=before)) == (7, 16, 16)
    assert found_in(arch("let k = 3\nb(k)", before="let k = 2\nblock b(c, n = k) { conv(c * n, 1) }")) == ()
    assert sizes(arch("b(k=3)", before=before + "\nblock b(k) { conv(k, 1) }")) == (3, 16, 16)


HIDDEN = {
    arch("relu", before="block relu { conv(3, 1) }"): "relu",
    arch("conv(3, 1) as relu\nrelu"): "relu",
    arch("let flatten = 3\nconv(flatten, 1)"): "flatten",
    arch("for linear in [3] { conv(linear, 1) }"): "linear",
    arch("b(3)", before="block b(c, relu: op = tanh) { conv(c, 1) -> relu }"): "relu",
    arch("conv(slice, 1)", before="let slice = 3"): "slice",
}


@pytest.mark.parametrize(("text", "place"), HIDDEN.items())
def test_ops_with_a_warning(text: str, place: str) -> None:
    """... ops with a warning."""
    refused(text, "W0101", place)


def test_a_parameter_that_is_a_number_hides_no_op_by_mistake() -> None:
    assert found_in(arch("b(3)", before="block b(c, dropout = 0.1) { conv(c, 1) -> mul(dropout) }")) == ()


@pytest.mark.parametrize("text", HIDDEN)
def test_what_is_hidden_is_not_found(text: str) -> None:
    assert sizes(text) == (3, 16, 16)


def test_labels_are_not_names() -> None:
    """Labels are not names: they are never looked up ..."""
    refused(arch("stem: conv(4, 1)\nadd { identity; stem }"), "E0101", "stem", "is a label, not the name of a value")
    assert sizes(arch("relu: conv(3, 1)\nrelu")) == (3, 16, 16), "the op, without a warning"
    assert found_in(arch("relu: conv(3, 1)\nrelu")) == ()


def test_except_a_modules() -> None:
    """... except a `module`'s."""
    net = module(arch("module stem = conv(4, 1)\nstem -> relu -> stem"))
    close(net(X), net.stem(F.relu(net.stem(X))))


LOOK_UP = """
let file_value = 3
block unit { conv(5, 1) }
block other { conv(6, 1) }
"""


@pytest.mark.parametrize(
    ("body", "channels"),
    [
        ("conv(9, 1) as unit\nconv(8, 1)\nunit", 9),
        ("module unit = conv(8, 1)\nunit", 8),
        ("let unit = other\nunit", 6),
        ("let unit = conv(7, kernel_size=1)\nunit", 7),
        ("hides(other)", 6),
        ("unit", 5),
        ("relu", 4),
        ("for unit in [other] { unit }", 6),
    ],
)
def test_a_bare_name_as_a_stage_is_looked_up_innermost_first(body: str, channels: int) -> None:
    """A bare name is looked up: a value, a module, a block or op bound to a name, a block of the file, an op."""
    assert sizes(arch(body, before=LOOK_UP + "block hides(unit) { unit }"))[0] == channels


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ("file_value", "file_value", "3"),
        ("let s = 2.5\nrelu -> s", "s", "2.5"),
        ("let s = [1]\ns", "s", "list"),
        ("range", "range", "function"),
        ("double", "double", "function"),
        ("Other", "Other", "arch"),
        ('let s = "relu"\ns', "s", "text"),
    ],
)
def test_anything_else_is_an_error_that_says_what_the_name_is(body: str, place: str, words: str) -> None:
    """... anything else is an error that says what the name is."""
    before = LOOK_UP + "let double(n) = 2 * n\narch Other { input x: [3]; relu }"
    program = Program(Source("a.arch", before + "\n" + arch(body)))
    with pytest.raises(ArchError) as caught:
        check(choose(program, "A"), {})
    (found,) = caught.value.diagnostics
    assert (found.code, found.primary.span.text) == ("E0103", place)
    assert words in render_text([found])


def test_a_name_that_is_nothing_is_unknown() -> None:
    refused(arch("reluu"), "E0101", "reluu", "did you mean `relu`?")


# ---- recursion, conditions on sizes


def test_a_block_may_use_itself() -> None:
    """A block may use itself ..."""
    before = "block nest(n) { conv(n, 1); if n > 1 { nest(n - 1) } }"
    assert keys(arch("nest(3)", before=before)) == ["0.0.weight", "0.1.0.weight", "0.1.1.0.weight"]
    even = "block even(n) { if n > 0 { odd(n - 1) } else { relu } }\n"
    odd = "block odd(n) { if n > 0 { even(n - 1) } else { tanh } }"
    close(module(arch("even(5)", before=even + odd))(X), torch.tanh(X))


def test_more_than_200_blocks_inside_each_other_are_an_error_that_shows_the_cycle() -> None:
    """... more than 200 blocks inside each other are an error that shows the cycle."""
    before = "block down(n) { if n > 0 { down(n - 1) } }"
    built(arch("down(199)", before=before))
    refused(arch("down(200)", before=before), "E0701", "down", "`down` in `down`")
    refused(
        arch("a", before="block a { relu -> b }\nblock b { a }"), "E0701", "a", "`a`", "`b`", "more than 200 blocks"
    )


def test_an_if_on_a_symbolic_size_that_is_not_decided_for_all_inputs_is_an_error() -> None:
    """An `if` on a symbolic size that is not decided for all inputs is an error."""
    refused(arch("if x.height > 8 { relu }", x="[3, H, W]"), "E0207", "x.height > 8", "H")
    refused(arch("if x.height == x.width { relu }", x="[3, H, W]"), "E0207", "x.height == x.width")
    refused(arch("conv(3 if x.height > 8 else 4, 1)", x="[3, H, W]"), "E0207", "x.height > 8")
    for body in (
        "if x.height > 0 { conv(5, 1) }",
        "max_pool(2) as y\nif y.height <= x.height { conv(5, 1) }",
        "if x.channels == 3 { conv(5, 1) }",
        "relu as y\nif y.width == x.width { conv(5, 1) }",
    ):
        assert sizes(arch(body, x="[3, H, W]"))[0] == 5
    assert sizes(arch("if x.height == x.width { conv(5, 1) }", x="[3, H, H]"))[0] == 5
