"""Section "The language", "Compile time": values, functions, parameters."""

import math

import pytest
import torch

from tests.language.texts import arch, built, close, found_in, keys, module, refused, sizes

X = torch.randn(2, 4, 8, 8)


def value(expression: str, before: str = "") -> None:
    """Check that an expression of the language is true."""
    built(arch(f"require {expression}\nrelu", before=before, x="[4, 8, 8]"))


# ---- values


@pytest.mark.parametrize(
    "claim",
    [
        "64 == 6_4 and 1_000 == 10 ** 3",
        "0.5 == 1 / 2 and 1e-3 == 0.001 and .5 == 5e-1",
        '"same" != "valid" and "a" + "b" == "ab"',
        "true and not false",
        "none == none and none != 0",
        "[1, 2] != [2, 1] and [] == [] and [1, [2]][1] == [2]",
        "(1, 2) == (1, 2) and (1,)[0] == 1 and () == ()",
        "unit == unit and relu == relu and unit != relu",
    ],
)
def test_values_are(claim: str) -> None:
    """Values: integers, floats, strings, booleans, `none`, lists, tuples, blocks and ops."""
    value(claim, before="block unit(c) { conv(c, 1) }")


def test_blocks_and_ops_as_parameters() -> None:
    """... blocks and ops (as parameters too) ..."""
    before = "block unit(c, norm, act) { conv(c, 1) -> norm -> act }\nblock twice(body) { body -> body }"
    assert keys(arch("unit(3, batch_norm, relu)", before=before))[:2] == ["0.0.weight", "0.1.weight"]
    close(module(arch("twice(tanh)", before=before))(X), torch.tanh(torch.tanh(X)))
    close(module(arch("let acts = [relu, tanh]\nlet f = acts[1]\nf"))(X), torch.tanh(X))


def test_with_arguments_bound_the_rest_is_given_where_it_is_used() -> None:
    """... with arguments bound: `norm = group_norm(32)`; the rest is given where it is used ..."""
    before = """
    block unit(c, norm = group_norm(2), down = max_pool(2), conv3 = conv(kernel_size=3, padding=1)) {
        conv3(c, bias=false) -> norm -> down
    }
    block residual(body: block) { add { identity; body(4) } }
    block scaled(c, by) { conv(c, 1) -> mul(by) }
    """
    net = module(arch("u: unit(6)", before=before))
    assert (net.u[0].padding, net.u[0].bias, net.u[1].num_groups, net.u[2].kernel_size) == ((1, 1), None, 2, 2)
    assert sizes(arch("unit(6, norm=group_norm(3), down=relu)", before=before)) == (6, 16, 16)
    assert sizes(arch("residual(scaled(by=2))", before=before)) == (4, 16, 16)


def test_identity_is_a_value_too() -> None:
    """`identity` may be given where an op or block is asked for: it makes nothing and takes no index."""
    block = "block unit(norm, act: op, body: block) { conv(4, 1) -> norm -> act -> body -> last: norm -> conv(2, 1) }"
    text = arch("u: unit(identity, identity, body=identity)", before=block)
    assert keys(text) == ["u.0.weight", "u.1.weight"]
    net = module(text)
    close(net(X), net.u(X))
    refused(arch("unit(identity(2), relu, relu)", before=block), "E0204", "identity")
    refused(arch("add(identity, relu)"), "E0401", "identity", "add { identity; relu }")


def test_giving_one_twice_is_an_error() -> None:
    """... giving one twice is an error."""
    before = "block unit(norm = group_norm(2)) { norm(num_groups=4) }"
    refused(arch("unit", before=before), "E0203", "num_groups=4", "num_groups")
    refused(arch("conv(8, 1, out_channels=8)"), "E0203", "out_channels=8", "out_channels")


# ---- let, functions, expressions


def test_let_also_with_patterns() -> None:
    """`let x = ...`, also with patterns."""
    body = (
        "let (a, (b, c)) = (1, [2, 3])\nlet d = [a, b, c]\nlet (e,) = (9,)\nrequire [a, b, c, e] == [1, 2, 3, 9]\nrelu"
    )
    built(arch(body))
    value("widths == [8, 16] and (p, q) == (1, 2)", "let widths = [8, 16]\nlet (p, q) = (1, 2)")
    refused(arch("let (a, b) = [1, 2, 3]\nrelu"), "E0204", "(a, b)", "needs 2 values, and there are 3")


def test_functions_of_one_pure_expression() -> None:
    """Functions `let f(a, b = 1) = ...` of one pure expression ..."""
    before = "let k = 10\nlet f(a, b = 1) = a * k + b\nlet g(n: int) = f(n, b=f(0))"
    value("f(2) == 21 and f(2, 3) == 23 and f(b=0, a=1) == 10 and g(1) == 11", before)
    refused(arch("conv(f(), 1)", before=before), "E0201", "f()", "`f` needs `a`")


def test_a_function_stands_also_in_a_block() -> None:
    body = "let half(n) = n // 2\nlet again(n) = half(half(n))\nrequire again(8) == 2\nrelu"
    built(arch(body))


def test_which_may_recurse() -> None:
    """... which may recurse."""
    two = "let even(n) = n == 0 or odd(n - 1)\nlet odd(n) = n != 0 and even(n - 1)"
    value("fact(5) == 120 and even(10)", "let fact(n) = 1 if n < 2 else n * fact(n - 1)\n" + two)
    before = "let endless(n) = endless(n + 1)"
    assert [found.code for found in found_in(arch("conv(endless(1), 1)", before=before))] == ["E0701"]


def test_pure_functions_called_again_cost_nothing() -> None:
    before = "let fib(n) = n if n < 2 else fib(n - 1) + fib(n - 2)"
    value("fib(80) == 23416728348467685", before)


@pytest.mark.parametrize(
    "claim",
    [
        "[i * j for i in [1, 2] for j in range(i)] == [0, 0, 2]",
        "[i for i in range(10) if i % 2 == 1 if i > 4] == [5, 7, 9]",
        "[(i, j) for i in range(3) if i > 0 for j in range(i)] == [(1, 0), (2, 0), (2, 1)]",
        "[a + b for (a, b) in [(1, 2), (3, 4)]] == [3, 7]",
        "[[j for j in range(i)] for i in range(3)] == [[], [0], [0, 1]]",
    ],
)
def test_comprehensions_with_several_for_and_if(claim: str) -> None:
    """Comprehensions with several `for` and `if`."""
    assert eval(claim)
    value(claim)


@pytest.mark.parametrize(
    "claim",
    [
        "n[1:3] == [2, 3]",
        "n[:-1] == [1, 2, 3]",
        "n[-2] == 3",
        "n[::-1] == [4, 3, 2, 1]",
        "n[1::2] == [2, 4]",
        "n[9:] == []",
    ],
)
def test_slices_and_negative_indices(claim: str) -> None:
    """Slices and negative indices."""
    assert eval(claim, {"n": [1, 2, 3, 4]})
    value(claim, "let n = [1, 2, 3, 4]")


def test_an_index_that_is_not_there_is_refused() -> None:
    refused(arch("conv([1, 2][2], 1)"), "E0205", "2", "there is no item 2")


def test_a_if_c_else_b() -> None:
    """`a if c else b`."""
    value("(1 if 2 > 1 else 1 // 0) == 1 and (1 if false else 2 if false else 3) == 3")


@pytest.mark.parametrize(
    "expression",
    [
        "-2 ** 2",
        "2 ** 3 ** 2",
        "2 ** -1",
        "-7 // 2",
        "-7 % 3",
        "7 % -3",
        "7 / 2",
        "7.5 // 2",
        "1 + 2 * 3 - 4 / 2",
        "round(2.5)",
        "round(3.5)",
        "round(-0.5)",
        "round(2.675, 2)",
        "int(-2.7)",
        "0.1 + 0.2",
        "1 < 2 < 3 != 4",
        "not 1 == 2",
        "3 in [1, 2] or 2 in (1, 2)",
        "1 not in [2]",
        "True",
    ],
)
def test_arithmetic_rounding_and_precedence_are_pythons(expression: str) -> None:
    """Python's arithmetic, rounding and precedence."""
    ours = expression.replace("True", "true")
    theirs = repr(eval(expression)).replace("True", "true").replace("False", "false")
    value(f"({ours}) == {theirs}")


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("len([1, 2])", "2"),
        ("range(3)", "[0, 1, 2]"),
        ("range(1, 7, 2)", "[1, 3, 5]"),
        ("range(3, 0, -1)", "[3, 2, 1]"),
        ("enumerate([5, 6])", "[(0, 5), (1, 6)]"),
        ("zip([1, 2, 3], [4, 5])", "[(1, 4), (2, 5)]"),
        ("min(3, 1, 2) + min([4, 5])", "5"),
        ("max(3, 1, 2) + max([4, 5])", "8"),
        ("sum([1, 2, 3])", "6"),
        ("abs(-3)", "3"),
        ("round(2.6)", "3"),
        ("floor(-2.5)", str(math.floor(-2.5))),
        ("ceil(2.1)", str(math.ceil(2.1))),
        ("int(2.9)", "2"),
        ("reversed([1, 2, 3])", "[3, 2, 1]"),
        ("sqrt(16)", "4.0"),
        ("exp(0)", "1.0"),
        ("log(1)", "0.0"),
        ("log2(8)", "3.0"),
    ],
)
def test_the_functions_are(call: str, result: str) -> None:
    """`len range enumerate zip min max sum abs round floor ceil int reversed sqrt exp log log2`."""
    value(f"{call} == {result}")


def test_there_are_no_others() -> None:
    refused(arch("conv(eval(3), 1)"), "E0101", "eval")


# ---- parameters


def test_parameters_have_defaults() -> None:
    """Parameters have defaults ..."""
    before = "block unit(c, k = 1, d = k) { conv(c, k, dilation=d) }"
    assert sizes(arch("unit(3)", before=before)) == (3, 16, 16)
    refused(arch("unit", before=before), "E0201", "unit", "`c`")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", "3", "3.5"),
        ("float", "0.5", '"a"'),
        ("float", "1", "true"),
        ("str", '"a"', "1"),
        ("bool", "true", "1"),
        ("list", "[1]", "1"),
        ("tuple", "(1, 2)", "[1, 2]"),
        ("block", "other", "relu"),
        ("op", "relu", "other"),
        ("op", "conv(3, 1)", "3"),
    ],
)
def test_an_optional_type(kind: str, good: str, bad: str) -> None:
    """... an optional type (`n: int`, `unit: block`, `act: op`) ..."""
    before = f"block unit(p: {kind}) {{ relu }}\nblock other {{ tanh }}"
    built(arch(f"unit({good})", before=before))
    refused(arch(f"unit({bad})", before=before), "E0204", bad, "`p` of block `unit` must be")
    built(arch("unit", before=before.replace(f"p: {kind}", f"p: {kind} = {good}")))


def test_they_bind_by_position_then_by_name() -> None:
    """... and bind by position, then by name."""
    before = "block unit(a, b = 2, c = 3) { require [a, b, c] == [1, 5, 3]; relu }"
    for use in ("unit(1, 5)", "unit(1, b=5)", "unit(b=5, a=1)", "unit(1, c=3, b=5)"):
        built(arch(use, before=before))
    refused(arch("unit(1, 2, 3, 4)", before=before), "E0203", "4")
    refused(arch("unit(1, d=4)", before=before), "E0202", "d", "`d`")
    refused(arch("unit(1, a=1)", before=before), "E0203", "a=1", "`a`")


def test_no_position_after_a_name() -> None:
    before = "block unit(a, b = 2) { relu }"
    assert [found.code for found in found_in(arch("unit(a=1, 5)", before=before))] == ["E0203"]


def test_relu_and_relu_with_empty_parentheses_are_the_same_stage() -> None:
    """`relu` and `relu()` are the same stage."""
    before = "block unit(c = 2) { conv(c, 1) }"
    plain, called = (built(arch(body, before=before)) for body in ("relu -> unit", "relu() -> unit()"))
    assert plain.source() == called.source()
