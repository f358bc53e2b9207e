"""Symbolic sizes against plain Python integers."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.compiler.algebra.carry import in_terms_of
from archc.compiler.algebra.sizes import NotExact, Size, Symbolic, evaluate, rename, split, symbol, symbols

ROOT = Path(__file__).resolve().parents[2]
H, W, C, N = symbol("H"), symbol("W"), symbol("C"), symbol("N")

Formula = Callable[[int], int]


def random_nest(choose: random.Random, depth: int) -> tuple[Size, Formula]:
    """A nest of sums, multiples, floors and remainders of H, beside the same thing on integers."""
    if depth == 0:
        return H, lambda n: n
    size, f = random_nest(choose, depth - 1)
    k = choose.choice((1, 2, 2, 3, 4, 5, 6))
    a = choose.randint(-9, 9)
    match choose.randrange(6):
        case 0:
            return size + a, lambda n: f(n) + a
        case 1:
            return size * -k if a < -6 else k * size, lambda n: f(n) * (-k if a < -6 else k)
        case 2:
            return a - size if a > 6 else size // k, lambda n: a - f(n) if a > 6 else f(n) // k
        case 3:
            return size % (k + 1), lambda n: f(n) % (k + 1)
        case 4:
            other, g = random_nest(choose, min(depth - 1, 2))
            return size + a * other, lambda n: f(n) + a * g(n)
        case _:
            return (size + 2 * a - k) // k + 1, lambda n: (f(n) + 2 * a - k) // k + 1


@pytest.mark.parametrize("seed", range(400))
def test_nests_agree_with_integers(seed: int) -> None:
    size, f = random_nest(random.Random(seed), 1 + seed % 6)
    values = [f(n) for n in range(1, 301)]
    assert [evaluate(size, {"H": n}) for n in range(1, 301)] == values
    assert isinstance(size, int) == (len(set(values)) == 1)
    formula = compile(str(size), "formula", "eval")
    assert [eval(formula, {"H": n}) for n in range(1, 301)] == values


@pytest.mark.parametrize("seed", range(200))
def test_a_size_in_terms_of_another_is_the_same_number(seed: int) -> None:
    choose = random.Random(seed)
    have = random_nest(choose, 1 + seed % 3)[0]
    want = random_nest(choose, 1 + seed % 4)[0]
    found = in_terms_of(want, {"have": have})
    values = [(evaluate(have, {"H": n}), evaluate(want, {"H": n})) for n in range(1, 400)]
    told = len(dict(values)) == len(set(values))  # one value of `want` for each of `have`
    if found is not None:
        assert told
        assert all(evaluate(found, {"have": a}) == b for a, b in values)
    elif told and isinstance(have, Symbolic):
        assert have.linear[0].direction() <= 0, (str(want), str(have))


def test_equality_is_equality_of_functions() -> None:
    choose = random.Random(7)
    nests = [random_nest(choose, 1 + i % 3) for i in range(160)]
    rows = [[f(n) for n in range(1, 1001)] for _, f in nests]  # longer than any period here
    equal = 0
    for (a, _), row in zip(nests, rows, strict=True):
        for (b, _), other in zip(nests, rows, strict=True):
            assert (a == b) == (row == other), (str(a), str(b))
            if a == b:
                equal += 1
                assert hash(a) == hash(b)
                assert str(a) == str(b)
    assert equal > 200


@pytest.mark.parametrize("seed", range(60))
def test_products_agree_with_integers(seed: int) -> None:
    choose = random.Random(seed)
    (a, f), (b, g), (c, h) = (random_nest(choose, choose.randint(1, 3)) for _ in range(3))
    b, k = rename(b, {"H": "W"}), choose.randint(-5, 5)
    size = a * b + k * (a + 1) * (b - 2) + c
    formula = compile(str(size), "formula", "eval")
    for n in range(1, 40, 3):
        for m in range(1, 40, 4):
            expected = f(n) * g(m) + k * (f(n) + 1) * (g(m) - 2) + h(n)
            assert evaluate(size, {"H": n, "W": m}) == expected
            assert eval(formula, {"H": n, "W": m}) == expected
    square = a * c
    assert [evaluate(square, {"H": n}) for n in range(1, 200)] == [f(n) * h(n) for n in range(1, 200)]
    expanded = (a + 2) * (b + 3) - 2 * b - 3 * a - 6
    assert expanded == a * b
    assert hash(expanded) == hash(a * b)


@pytest.mark.parametrize(
    ("size", "formula"),
    [
        (H, "H"),
        (H // 2 // 2, "H // 4"),
        (2 * (H // 2), "2*(H // 2)"),
        ((H + 2 * 1 - 1 * (3 - 1) - 1) // 2 + 1, "(H + 1) // 2"),
        ((H - 3) // 2 + 1, "(H - 1) // 2"),
        (H // 4 * 2 + 1, "2*(H // 4) + 1"),
        (H // 2 + 3, "H // 2 + 3"),
        (H - 4, "H - 4"),
        (5 - H, "5 - H"),
        (-(H // 2), "-(H // 2)"),
        (H % 4, "H - 4*(H // 4)"),
        (-H % 7, "7*((H + 6) // 7) - H"),
        (3 * H // 2, "H + H // 2"),
        (C * H * W, "C*H*W"),
        (64 * (H // 32) * (W // 32), "64*(H // 32)*(W // 32)"),
        ((W - 4) * (H - 4) * 3, "3*(H - 4)*(W - 4)"),
        ((H // 16) * (W // 16) + 1, "(H // 16)*(W // 16) + 1"),
        ((N // 16) ** 2 + 1, "(N // 16)*(N // 16) + 1"),
        ((H // 2) * W + (H + 1) // 2 * W, "H*W"),
        ((4 * H * W + 2 * H + 5) // 4, "H // 2 + H*W + 1"),
        ((2 * H + 4 * W) // 2, "H + 2*W"),
    ],
)
def test_formulas_are_what_a_student_would_write(size: Size, formula: str) -> None:
    values = {"H": 37, "W": 23, "C": 3, "N": 65}
    assert eval(str(size), dict(values)) == evaluate(size, values)
    assert str(size) == formula


def test_constant_results_are_integers() -> None:
    assert H - H == 0
    assert type(H - H) is int
    assert (2 * H) % 2 == 0
    assert (6 * H + 5) % 3 == 2
    assert (H + 1) // 2 + H // 2 - H == 0
    assert (H + 1) * (W + 1) - H * W - H - W == 1
    assert (H % 2) * (H % 2) - H % 2 == 0
    assert 0 * H == 0
    assert (N // 2) * ((N + 1) // 2) + (N // 2) * (N // 2) == N * (N // 2)
    assert H**0 == 1
    assert H // -2 == -((H + 1) // 2)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: H // W, "(H) // (W) divides by a size that is not known"),
        (lambda: H % W, "(H) % (W) divides by a size that is not known"),
        (lambda: 7 // H, "7 // (H) divides by a size that is not known"),
        (lambda: 7 % H, "7 % (H) divides by a size that is not known"),
        (lambda: H / 2, "(H) / (2) need not be a whole number; // rounds down"),
        (lambda: 1 / H, "1 / (H) divides by a size that is not known"),
        (lambda: H * W // 4, "(H*W) // 4 has no exact form"),
        (lambda: H**W, "(H) ** (W) has no exact form"),
        (lambda: H**9, "(H) ** (9) has no exact form"),
        (lambda: (H**8) * H, "a product of more than 8 sizes that are not known"),
        (lambda: H * 2**63, "a size of H that grows beyond 2**63"),
        (lambda: H + 2**63, "a size beyond 2**63"),
        (lambda: H * W * 2**40 * 2**40, "a size beyond 2**63"),
        (lambda: (H + W) // 2, "(H + W) // 2 rounds a sum of H and W, which has no exact form"),
        (lambda: H // 2**17, "a size of H that repeats only after 131072, beyond the limit of 65536"),
        (lambda: H // 257 + H // 256, "a size of H that repeats only after 65792, beyond the limit of 65536"),
        (lambda: H + H // 8192, "a size of H with too many steps before it repeats, beyond the limit of 4096"),
        (lambda: 3 * H // 8192, None),
        (lambda: 8191 * H // 8192, "a size of H with 8191 steps before it repeats, beyond the limit of 4096"),
        (lambda: sum(symbol(f"A{i}") for i in range(65)), "a sum of more than 64 sizes that are not known"),
    ],
)
def test_what_has_no_exact_form_says_so(compute: Callable[[], Size], message: str | None) -> None:
    if message is None:
        assert isinstance(compute(), Symbolic)
        return
    with pytest.raises(NotExact) as caught:
        compute()
    assert str(caught.value) == message


def test_division_by_zero_is_an_error_of_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        H // 0


def test_a_size_is_a_value() -> None:
    with pytest.raises(AttributeError):
        H.constant = 3
    assert len({H, symbol("H"), H // 1, H + 0, H + 1 - 1, (H // 2) * 2 + H % 2}) == 1
    assert len({H * W, W * H, rename(C * W, {"C": "H"})}) == 1
    assert H != 224
    assert H != W
    assert H * W != H * H
    assert symbols((H + 1) * W // 1 - 3) == {"H", "W"}


def test_a_product_splits_into_one_factor_per_symbol() -> None:
    assert split(6 * (H // 2 - 1) * (2 * W)) == (12, (H // 2 - 1, W))
    assert split(H * W + 1) is None
    assert split(H + W) is None
    assert split(7) == (7, ())


def test_a_thousand_layers_need_few_operations() -> None:
    """Counted by the interpreter, not by a clock: conv keeps the size, and one that changes it costs a fixed amount."""

    def calls(padding: int) -> int:
        count = 0

        def profile(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event == "call"

        size: Size = H // 32
        sys.setprofile(profile)
        for _ in range(1000):
            size = (size + 2 * padding - 1 * (3 - 1) - 1) // 1 + 1
        sys.setprofile(None)
        assert str(size) == ("H // 32" if padding else "(H - 64000) // 32")
        return count

    assert calls(1) < 20_000
    assert calls(0) < 20_000


def test_a_deep_chain_of_pools_and_its_way_back_stay_small() -> None:
    size: Size = H
    for _ in range(16):
        size = size // 2
    assert str(size) == "H // 65536"
    for _ in range(16):
        size = size * 2
    assert str(size) == "65536*(H // 65536)"
    assert isinstance(size, Symbolic)
    assert len(size.linear[0].places) == 1


def test_importing_sizes_loads_nothing_heavy() -> None:
    code = (
        "import sys; old = set(sys.modules); import archc.compiler.algebra.conditions; print(*set(sys.modules) - old)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "archc.compiler.algebra.sizes" in loaded
    assert not {"torch", "numpy", "networkx", "lark", "dataclasses", "fractions", "decimal", "random"} & loaded
    assert len(loaded) < 50
