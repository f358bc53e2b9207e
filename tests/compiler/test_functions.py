"""Functions in a block or an arch, and what an `expect` can say."""

import pytest

import archc
from archc.files import open_text
from archc.network import Network, given, network


def build(text: str, **parameters: object) -> Network:
    return network(open_text(text), given(parameters))


def message(text: str) -> str:
    with pytest.raises(archc.ArchError) as caught:
        build(text)
    return str(caught.value)


def widths(body: str, before: str = "") -> list[object]:
    """The channels of the convolutions of a body, in order."""
    built = build(f"{before}\narch A {{\ninput x: [4, 8, 8]\n{body}\n}}")
    return [node.arguments["out_channels"] for node in built.checked.shaped.graph.nodes if node.op.name == "conv"]


FUNCTIONS = {
    "it has parameters and defaults": ("let f(a, b = 2) = a * b\nconv(f(3), 1) -> conv(f(b=5, a=2), 1)", [6, 10]),
    "it sees the names before it": ("let n = 3\nlet f(a) = a * n\nconv(f(2), 1)", [6]),
    "it sees parameters and values of the network": ("let half() = x.channels // 2\nconv(half(), 1)", [2]),
    "it may call itself": ("let f(n) = 1 if n < 2 else n * f(n - 1)\nconv(f(4), 1)", [24]),
    "it may call one before it": ("let f(n) = n + 1\nlet g(n) = 2 * f(n)\nconv(g(3), 1)", [8]),
    "its parameters may hide names": ("let n = 3\nlet f(n) = n + 1\nconv(f(10), 1) -> conv(n, 1)", [11, 3]),
    "each round has its own": (
        "for k in [1, 2, 3] { let f(a) = a * k\nconv(f(2), 1) }",
        [2, 4, 6],
    ),
    "it is a value": ("let f(n) = 2 * n\nlet g = f\nconv(g(4), 1)", [8]),
    "it is seen in comprehensions": ("let f(n) = 2 * n\nfor c in [f(i) for i in [1, 2] if i > 1] { conv(c, 1) }", [4]),
    "it hides one of the file": ("let f(n) = n\nconv(f(4), 1)", [4]),
    "it makes no branch": ("concat { let f(n) = n + 1\nconv(f(1), 1); conv(f(2), 1) }", [2, 3]),
}


@pytest.mark.parametrize("rule", FUNCTIONS)
def test_a_function_of_a_block(rule: str) -> None:
    body, expected = FUNCTIONS[rule]
    assert widths(body, "let f(n) = 99" if "hides" in rule else "") == expected


def test_a_block_binds_its_own_function_for_each_use() -> None:
    block = "block b(c) { let f(n) = n * c\nconv(f(2), 1) }"
    assert widths("b(3) -> b(5) -> b(3)", block) == [6, 10, 6]


def test_a_function_that_calls_itself_often_is_computed_once_for_each_argument() -> None:
    assert widths("let f(n) = n if n < 2 else f(n - 1) + f(n - 2)\nconv(f(60) % 7, 1)") == [1548008755920 % 7]


def test_a_function_does_not_see_what_is_bound_after_it() -> None:
    found = message("arch A { input x: [4]\nlet f(n) = n * later\nlet later = 3\nlinear(f(2)) }")
    assert "`later` has no value here" in found
    assert "bound later" in found


def test_a_name_of_a_function_is_bound_once() -> None:
    assert "`f` is bound already" in message("arch A { input x: [4]\nlet f = 3\nlet f(n) = n\nlinear(f(2)) }")


def test_two_parameters_of_one_name() -> None:
    assert "`n` is bound already" in message("arch A { input x: [4]\nlet f(n, n) = n\nlinear(f(2, 3)) }")


def test_a_function_that_never_ends_is_refused() -> None:
    assert "error[E0701]" in message("arch A { input x: [4]\nlet f(n) = f(n + 1)\nlinear(f(2)) }")


def test_a_function_is_no_stage() -> None:
    assert "is a function" in message("arch A { input x: [4]\nlet f(n) = n\nf }")


# ---- expect

SIZES = "arch A(n = 10) {\ninput x: [3, H, W]\nconv(n, 3, padding=1) as fine\nmax_pool(2) as coarse\n"


@pytest.mark.parametrize(
    "claim", ["fine == [n, H, W]", "coarse == [10, H // 2, W // 2]", "coarse[0] == n", "fine[1:] == [H, W]"]
)
def test_a_claim_may_use_symbols_and_each_result_by_its_name(claim: str) -> None:
    build(SIZES + f"output fine, coarse\nexpect {claim} }}")


def test_a_false_claim_says_what_was_found_and_expected() -> None:
    found = message(SIZES + "output fine, coarse\nexpect coarse == [n, H // 3, W] }")
    assert "coarse is [10, H // 2, W // 2], expected [10, H // 3, W]" in found


def test_what_the_text_says_already_is_not_repeated() -> None:
    found = message(SIZES + "expect output == [11, H // 2, W // 2] }")
    assert "output is [10, H // 2, W // 2]\n" in found + "\n"
    assert "[11, H // 2, W // 2] is" not in found


def test_sizes_are_divided_by_whole_numbers() -> None:
    assert "a size has no fraction: divide it by `//`" in message(SIZES + "expect output == [n, H / 2, W / 2] }")


def test_several_results_have_no_output() -> None:
    found = message(SIZES + "output fine, coarse\nexpect output == [1] }")
    assert "the results of this network are `fine`, `coarse`" in found


def test_claims_of_a_special_case_are_about_it() -> None:
    text = SIZES + "}\narch B = A(n=12) { expect output == [12, H // 2, W // 2] }"
    assert network(open_text(text, name="B"), {}).name == "B"
