"""The gridding warning, on exact coverage: what a stack of convolutions cannot see, beside what gradients reach."""

import random
from itertools import product

import pytest
import torch

import archc
from archc.compiler.lints.gridding import Stack, hybrid, stacks
from archc.compiler.pipeline import check, choose
from archc.compiler.program import Program
from archc.dsl.render import render_text
from archc.dsl.source import Source
from tests.compiler.warned import codes, image

# ---- W0206: gridding


def chain(*rates: int, kernel: int = 3) -> str:
    return image(" -> ".join(f"conv(4, {kernel}, dilation={rate})" for rate in rates), "3, H, W")


@pytest.mark.parametrize(
    ("rates", "expected", "rule"),
    [
        ((1, 2, 5), [], 2),
        ((1, 2, 9), ["W0206"], 5),
        ((2, 2, 2), ["W0206"], 2),
        ((9, 2, 1), ["W0206"], 3),  # satisfies the rule
        ((1, 3, 1), [], 5),  # breaks it
        ((2,), [], 2),
    ],
)
def test_rates(rates: tuple[int, ...], expected: list[str], rule: int) -> None:
    assert codes(chain(*rates)) == expected
    assert hybrid(rates) == rule


def test_the_missed_places_are_named_and_the_rule_quoted() -> None:
    found = warned(chain(2, 2))
    assert (
        "56 of the 9x9 places that they span: in its own row a place sees 0, 2, 4, 6, 8 and misses 1, 3, 5, 7" in found
    )
    assert "rates 2, 2: their common divisor is 2" in found
    assert "rates 1, 2, 9: M_2 is 5, more than the kernel, 3" in warned(chain(1, 2, 9))
    assert "M_2" not in warned(chain(9, 2, 1))


def warned(text: str) -> str:
    return render_text(check(choose(Program(Source("a.arch", text))), {}).warnings)


ASPP = "concat {{ conv(8, 1); conv(8, 3, padding=6, dilation=6); conv(8, 3, padding=12, dilation=12){} }}"
POOLED = "; interpolate { global_avg_pool -> conv(8, 1); identity }"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (image(ASPP.format(""), "3, H, W"), ["W0206"]),
        (image(ASPP.format(POOLED), "3, H, W"), []),  # one branch sees everything
        (image("conv(4, 3, padding=1, stride=2) -> conv(4, 3, dilation=2) -> conv(4, 3, dilation=2)"), ["W0206"]),
        (image("conv(4, 3, dilation=2) -> max_pool(2) -> conv(4, 3, dilation=2)"), []),
        (
            image("conv(4, 3, dilation=2) -> conv(4, 3, dilation=2) -> global_avg_pool -> flatten", "3, 12, 12"),
            ["W0206"],
        ),
        (image("add { identity; conv(3, 3, padding=2, dilation=2) -> conv(3, 3, padding=2, dilation=2) }"), ["W0206"]),
        ("block b(c) { repeat 2 { conv(c, 3, dilation=2) } }\n" + image("conv(4, 3) -> b(4)"), ["W0206"]),
        (
            "block b(c) { conv(c, 1) -> conv(c, 3, padding=2, dilation=2) }\n"
            + image("conv(4, 3) -> repeat 3 { b(4) }"),
            [],
        ),
        (image("conv(4, 3, dilation=2) -> conv(4, 3, dilation=2)", "3, L"), ["W0206"]),
        (image("conv(4, 3, dilation=2) -> conv(4, 3, dilation=2)", "3, D, H, W"), ["W0206"]),
        (image("conv(4, 3, dilation=4000) -> conv(4, 3, dilation=5000)", "3, H, W"), []),  # more than is counted
    ],
)
def test_stacks(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def steps(rng: random.Random) -> list[str]:
    """Layers of stride 1 that keep the channels, some of them side by side."""

    def conv() -> str:
        k, d = rng.choice([(1, 1), (2, 2), (3, 1), (3, 2), (3, 3), (3, 5), (5, 2), (3, 4)])
        return f"conv(1, {k}, dilation={d}, padding={(k - 1) * d // 2}, bias=false)"

    def step() -> str:
        if rng.random() < 0.6:
            return conv()
        odd = [f"conv(1, 3, dilation={d}, padding={d}, bias=false)" for d in rng.sample(range(1, 7), 2)]
        return f"add {{ {rng.choice(['identity', odd[0]])}; {odd[1]} }}"

    return [*(step() for _ in range(rng.randint(1, 3))), "conv(1, 3, dilation=2, padding=2, bias=false)"]


@pytest.mark.parametrize("seed", range(300))
def test_random_stacks_see_what_gradients_reach(seed: int) -> None:
    rng = random.Random(seed)
    axes = 1 if seed % 3 else 2
    size = 121 if axes == 1 else 61
    text = image(" -> ".join(steps(rng)), f"1{f', {size}' * axes}")
    shaped = check(choose(Program(Source("a.arch", text))), {}).shaped
    model = archc.loads(text)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(1.0)
    x = torch.ones(1, 1, *(size,) * axes, dtype=torch.float64, requires_grad=True)
    y = model.double()(x)
    middle = tuple(n // 2 for n in y.shape[2:])
    y[(0, 0, *middle)].backward()
    assert x.grad is not None
    reached = {tuple(at[a] - middle[a] for a in range(axes)) for at in x.grad[0, 0].nonzero().tolist()}
    found = stacks(shaped, shaped.graph.root)
    if len(found) == 0:
        assert text.count("conv(1, ") - text.count("conv(1, 1,") == 1
        return
    (stack,) = found
    assert seen(stack) == reached, text
    spans = [max(at[a] for at in reached) - min(at[a] for at in reached) + 1 for a in range(axes)]
    assert stack.places.missed == torch.tensor(spans).prod() - len(reached)
    assert ("W0206" in codes(text)) == (stack.places.missed > 0)


def seen(stack: Stack) -> set[tuple[int, ...]]:
    ranges = [range(low, high + 1) for low, high in zip(stack.places.low, stack.places.high, strict=True)]
    return {at for at in product(*ranges) if stack.sees(at)}
