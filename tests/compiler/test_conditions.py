"""Conditions on inputs, against trying every input."""

import operator
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from archc.compiler.algebra.condition import Condition, Relation
from archc.compiler.algebra.conditions import Conditions, RelationSign
from archc.compiler.algebra.sizes import NotExact, Size, evaluate, symbol

H, W, C, N = symbol("H"), symbol("W"), symbol("C"), symbol("N")
LIMIT = 400
SIGNS: dict[RelationSign, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def conv(size: Size, k: int, *, stride: int = 1, padding: int = 0) -> Size:
    return (size + 2 * padding - (k - 1) - 1) // stride + 1


def random_size(choose: random.Random) -> Size:
    size: Size = H
    for _ in range(choose.randint(0, 4)):
        match choose.randrange(5):
            case 0:
                size = size // choose.choice((2, 2, 3, 4))
            case 1:
                size = size * choose.choice((2, 2, 3))
            case 2:
                size = size + choose.randint(-6, 4)
            case 3:
                size = conv(size, choose.choice((1, 3, 5)), stride=choose.choice((1, 2)), padding=choose.choice((0, 1)))
            case _:
                size = size - choose.choice((2, 4)) * (H // choose.choice((2, 4)))
    return size


def admits(condition: Condition | None, n: int) -> bool:
    if condition is None:
        return True
    beyond = condition.maximum is not None and n > condition.maximum
    return n >= condition.minimum and not beyond and n % condition.multiple == condition.remainder


def is_residue_class(members: list[int]) -> bool:
    """Whether the members up to LIMIT are one residue class, without end or with one."""
    steps = {b - a for a, b in pairwise(members)}
    return len(steps) <= 1


@pytest.mark.parametrize("seed", range(300))
def test_random_systems_agree_with_trying_every_input(seed: int) -> None:
    choose = random.Random(seed)
    conditions = Conditions()
    left = set(range(1, LIMIT + 1))
    recorded = []
    for i in range(choose.randint(1, 4)):
        a, b, k = random_size(choose), random_size(choose), choose.choice((1, 2, 3, 4, 6, 8))
        match choose.randrange(4):
            case 0:
                meets = {n for n in left if evaluate(a, {"H": n}) == evaluate(b, {"H": n})}
                answer = conditions.require_equal(a, b, cause=i)
            case 1:
                low = choose.choice((1, 1, 2, 7, 30))
                meets = {n for n in left if evaluate(a, {"H": n}) >= low}
                answer = conditions.require_at_least(a, low, cause=i)
            case 2:
                meets = {n for n in left if evaluate(a, {"H": n}) % k == 0}
                answer = conditions.require_multiple(a, k, cause=i)
            case _:
                answer, meets = True, left
                pairs = [(evaluate(a, {"H": n}), evaluate(b, {"H": n})) for n in left]
                for sign, holds in SIGNS.items():
                    truths = {holds(x, y) for x, y in pairs}
                    expected = truths.pop() if len(truths) == 1 else None
                    assert conditions.decide(sign, a, b) == expected, (sign, str(a), str(b))
        assert answer == bool(meets), (str(a), str(b), k)
        if meets:
            if meets != left:
                recorded.append(i)
            left = meets
    (condition,) = conditions.summary() or (None,)
    if condition is None:
        assert left == set(range(1, LIMIT + 1))
        return
    assert set(condition.causes) >= set(recorded)
    shown = {n for n in range(1, LIMIT + 1) if admits(condition, n)}
    assert condition.minimum in shown
    assert condition.maximum is None or condition.maximum in shown
    assert shown <= left
    if is_residue_class(sorted(left)) and condition.multiple < LIMIT // 4:  # longer periods do not show in this range
        assert shown == left, (str(condition), sorted(left)[:20])
    check = compile(condition.python("n"), "check", "eval")
    assert {n for n in range(1, LIMIT + 1) if eval(check, {"n": n})} == shown


def test_stride_two_conv_beside_max_pool_needs_an_even_size() -> None:
    conditions = Conditions()
    assert conditions.decide("==", conv(H, 3, stride=2, padding=1), H // 2) is None
    assert conditions.require_equal(conv(H, 3, stride=2, padding=1), H // 2, cause="add")
    assert conditions.summary() == (Condition("H", 2, 0, 2, ("add",)),)
    assert conditions.decide("==", conv(H, 3, stride=2, padding=1), H // 2) is True


def test_padded_unet_needs_a_multiple_of_sixteen() -> None:
    conditions = Conditions()
    down: list[Size] = [H]
    for _ in range(4):
        assert conditions.require_at_least(down[-1], 2, cause="max_pool")
        down.append(down[-1] // 2)
    up: Size = down.pop()
    while down:
        up = 2 * up
        assert conditions.require_equal(down.pop(), up, cause=f"concat {len(down)}")
    (condition,) = conditions.summary()
    assert condition[:4] == ("H", 16, 0, 16)
    assert str(condition) == "H must be a multiple of 16, at least 16"
    assert condition.python("x.shape[-2]") == "x.shape[-2] % 16 == 0"
    assert condition.causes[-4:] == ("concat 3", "concat 2", "concat 1", "concat 0")


def test_valid_unet_needs_twelve_more_than_a_multiple_of_sixteen() -> None:
    """The network of the paper, without padding and with its crops, wants even sizes before each pool."""
    conditions = Conditions()
    size: Size = H
    skips = []
    for _ in range(4):
        size = size - 4
        skips.append(size)
        assert conditions.require_multiple(size, 2, cause="max_pool")
        size = size // 2
    size = size - 4
    while skips:
        size = 2 * size
        assert conditions.require_at_least(skips.pop() - size, 0, cause="crop")
        size = size - 4
    assert conditions.require_at_least(size, 1, cause="output")
    (condition,) = conditions.summary()
    assert str(condition) == "H must be 12 more than a multiple of 16, at least 188"
    assert condition.python("h") == "h % 16 == 12 and h >= 188"
    assert evaluate(size, {"H": 572}) == 388


@pytest.mark.parametrize(
    ("require", "text", "python"),
    [
        (lambda c: c.require_at_least(H - 6, 1, cause=0), "H must be at least 7", "n >= 7"),
        (lambda c: c.require_equal(H, 224, cause=0), "H must be 224", "n == 224"),
        (lambda c: c.require_equal(H // 32, 7, cause=0), "H must be from 224 to 255", "n >= 224 and n <= 255"),
        (lambda c: c.require_at_least(9 - H, 0, cause=0), "H must be at most 9", "n <= 9"),
        (lambda c: c.require_multiple(H + 1, 2, cause=0), "H must be odd, at least 1", "n % 2 == 1"),
        (
            lambda c: c.require_multiple(H, 8, cause=0) and c.require_at_least(H // 4, 7, cause=0),
            "H must be a multiple of 8, at least 32",
            "n % 8 == 0 and n >= 32",
        ),
        (
            lambda c: c.require_multiple(H, 16, cause=0) and c.require_equal(H // 32, 7, cause=0),
            "H must be a multiple of 16, from 224 to 240",
            "n % 16 == 0 and n >= 224 and n <= 240",
        ),
        (  # 0, 1, 2 modulo 4 would do: of these, the multiples of the smallest number
            lambda c: c.require_at_least(H // 4 - (H + 1) // 4, 0, cause=0),
            "H must be a multiple of 2, at least 2",
            "n % 2 == 0",
        ),
        (lambda c: c.require_equal((N // 16) * (N // 16), 196, cause=0), "N must be from 224 to 239", None),
        (lambda c: c.require_at_least(H, 10**12, cause=0), f"H must be at least {10**12}", None),
        (lambda c: c.require_at_least(10**12 - H, 1, cause=0), f"H must be at most {10**12 - 1}", None),
        (lambda c: c.require_equal((C - 64) * H * W, 0, cause=0), "C must be 64", "n == 64"),
    ],
)
def test_conditions_are_written_plainly(require: Callable[[Conditions], bool], text: str, python: str | None) -> None:
    conditions = Conditions()
    assert require(conditions)
    (condition,) = conditions.summary()
    assert str(condition) == text
    if python is not None:
        assert condition.python("n") == python


def test_what_cannot_hold_is_refused_and_leaves_no_trace() -> None:
    conditions = Conditions()
    assert conditions.require_multiple(H, 4, cause="first")
    before = conditions.summary()
    assert not conditions.require_equal(H, 6, cause="second")
    assert not conditions.require_equal(2 * (H // 2), H - 1, cause="third")
    assert not conditions.require_at_least(3 - H, 0, cause="fourth")
    assert not conditions.require_multiple(H + 1, 2, cause="fifth")
    assert not conditions.require_equal(H * W, 0, cause="sixth")
    assert not conditions.require_equal(H - 5, H, cause="seventh")
    assert conditions.summary() == before
    assert conditions.causes(H + W) == ("first",)


def test_integers_decide_at_once() -> None:
    conditions = Conditions()
    assert conditions.require_equal(3, 3, cause=None)
    assert not conditions.require_equal(3, 4, cause=None)
    assert conditions.require_at_least(3, 3, cause=None)
    assert not conditions.require_at_least(2, 3, cause=None)
    assert conditions.require_multiple(6, 3, cause=None)
    assert not conditions.require_multiple(7, 3, cause=None)
    assert conditions.decide("<", 3, 4) is True
    assert conditions.decide("!=", 3, 3) is False
    assert conditions.summary() == ()


def test_what_always_holds_is_not_recorded() -> None:
    conditions = Conditions()
    assert conditions.require_at_least(H, 1, cause=1)
    assert conditions.require_equal((H + 1) // 2 + H // 2, H, cause=2)
    assert conditions.require_multiple(H * W * 64, 64, cause=3)
    assert conditions.require_at_least(H * W, 1, cause=4)
    assert conditions.summary() == ()
    assert conditions.causes(H) == ()


def test_two_sizes_that_must_be_equal_become_one() -> None:
    conditions = Conditions()
    assert conditions.require_multiple(W, 4, cause="w")
    assert conditions.require_multiple(H, 6, cause="h")
    assert conditions.require_equal(W, H, cause="matmul")
    assert conditions.relations() == (Relation("H", "W", ("matmul",)),)
    assert str(conditions.relations()[0]) == "H must equal W"
    assert [str(one) for one in conditions.summary()] == [
        "H must be a multiple of 12, at least 12",
        "W must be a multiple of 12, at least 12",
    ]
    assert conditions.causes(W) == ("h", "w", "matmul")
    assert conditions.decide("==", H * H, W * W) is True
    assert conditions.require_equal(N, W, cause="again")
    assert not conditions.require_equal(N, 8, cause="never")
    assert conditions.require_equal(N, 24, cause="exactly")
    assert conditions.decide("==", H + W, 48) is True


def test_sizes_that_halve_evenly_are_equal_when_their_halves_are() -> None:
    conditions = Conditions()
    with pytest.raises(NotExact, match=r"^H // 2 - W // 2 == 0 ties H and W together"):
        conditions.require_equal(H // 2, W // 2, cause=0)
    assert conditions.require_multiple(H, 2, cause=1)
    assert conditions.require_multiple(W, 2, cause=2)
    assert conditions.require_equal(H // 2, W // 2, cause=3)
    assert conditions.decide("==", H, W) is True


def test_two_sizes_without_a_common_value_are_never_equal() -> None:
    conditions = Conditions()
    assert conditions.require_multiple(H, 2, cause=0)
    assert conditions.require_multiple(W + 1, 2, cause=1)
    assert not conditions.require_equal(H, W, cause=2)
    assert conditions.relations() == ()


def test_conditions_settle_products() -> None:
    """Windows of 7: the tokens of a padded map are those of its windows once both sides divide."""
    conditions = Conditions()
    windows = (H // 7) * (W // 7) * 49
    assert conditions.decide("==", windows, H * W) is None
    assert conditions.decide("<=", windows, H * W) is None
    assert conditions.require_multiple(H, 7, cause=0)
    assert conditions.require_multiple(W, 7, cause=1)
    assert conditions.decide("==", windows, H * W) is True
    assert conditions.require_equal(windows, H * W, cause=2)
    assert conditions.require_multiple(H * W, 49, cause=3)
    assert conditions.require_at_least((H - 6) * (W - 6), 1, cause=4)
    assert conditions.decide(">", (H - 6) * (W - 6), 0) is True
    assert conditions.decide("==", H + W, 13) is False
    assert conditions.decide("<", H + W, 14) is False
    assert conditions.decide("<", H + W, 15) is None


@pytest.mark.parametrize(
    "require",
    [
        lambda c: c.require_equal(H * W, 36, cause=0),
        lambda c: c.require_equal(H, 2 * W, cause=0),
        lambda c: c.require_at_least(H + W, 5, cause=0),
        lambda c: c.require_multiple(H + W, 2, cause=0),
        lambda c: c.require_multiple(H * W, 2, cause=0),
        lambda c: c.require_multiple(H, 10**6, cause=0),
        lambda c: c.require_multiple(H, 257, cause=0) and c.require_multiple(H, 256, cause=0),
    ],
)
def test_what_cannot_be_followed_exactly_is_said(require: Callable[[Conditions], bool]) -> None:
    conditions = Conditions()
    with pytest.raises(NotExact, match=r"archc can only follow|archc cannot follow|beyond the limit"):
        require(conditions)
    assert len(conditions.causes(H)) <= 1


@pytest.mark.parametrize("seed", range(60))
def test_products_of_one_symbol_are_compared_exactly(seed: int) -> None:
    choose = random.Random(seed)

    def factor() -> Size:
        return choose.choice((1, 1, -1)) * (H // choose.randint(1, 4)) + choose.randint(-9, 9)

    size = factor() * factor() + choose.randint(-40, 40) + choose.randint(-3, 3) * (H % choose.randint(2, 4))
    expected = [n for n in range(1, LIMIT) if evaluate(size, {"H": n}) >= 0]
    conditions = Conditions()
    if not conditions.require_at_least(size, 0, cause="here"):
        assert not expected
        return
    for n in range(1, LIMIT):
        decided = conditions.require_equal(H, n, cause="then")
        assert decided == (n in expected), (str(size), n)
        conditions = Conditions()
        conditions.require_at_least(size, 0, cause="here")
