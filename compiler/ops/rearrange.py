"""`rearrange("c h w -> (h w) c")`: splits, orders and joins axes by name; the batch is not written."""

import re
from itertools import pairwise
from typing import NamedTuple

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Field, joined
from archc.compiler.ops.kept import Kept
from archc.compiler.ops.kinds import TEXT
from archc.compiler.ops.rules import elements

TOKEN = r"\s*([()]|[A-Za-z_][A-Za-z0-9_]*(?:=\d{1,15})?|1(?![A-Za-z0-9_=]))\s*"
HELP = '`rearrange("c h w -> (h w) c")`; a size that the input does not tell is written once: "(p=4 q) c -> p q c"'


class Pattern(NamedTuple):
    """A pattern as read: the groups of names on both sides, and the sizes that it gives. A `1` is an empty group."""

    left: tuple[tuple[str, ...], ...]
    right: tuple[tuple[str, ...], ...]
    sizes: dict[str, int]


def read(text: str) -> Pattern:
    """Read a pattern.

    >>> read("c (h p=2) -> (p c) h")
    Pattern(left=(('c',), ('h', 'p')), right=(('p', 'c'), ('h',)), sizes={'p': 2})

    Raises:
        Problem: it is no pattern.
    """
    sides = text.split("->")
    if len(sides) != 2:
        raise _bad(f"has {len(sides) - 1} arrows")
    sizes: dict[str, int] = {}
    left, right = _side(sides[0], sizes), _side(sides[1], {})
    before, after = ([name for group in side for name in group] for side in (left, right))
    for names in (before, after):
        for name in names:
            if names.count(name) > 1:
                raise _bad(f"names `{name}` twice on one side")
    if set(before) != set(after):
        raise _bad(f"does not name {', '.join(f'`{name}`' for name in sorted(set(before) ^ set(after)))} on both sides")
    return Pattern(left, right, sizes)


def _side(text: str, sizes: dict[str, int]) -> tuple[tuple[str, ...], ...]:
    groups: list[tuple[str, ...]] = []
    group: list[str] | None = None
    at = 0
    text = text.strip()
    token = re.compile(TOKEN)
    while at < len(text):
        found = token.match(text, at)
        if found is None:
            raise _bad(f"has `{text[at : at + 10]}` where a name is expected")
        at = found.end()
        word = found[1]
        if word == "(":
            if group is not None:
                raise _bad("has brackets in brackets")
            group = []
        elif word == ")":
            if group is None:
                raise _bad("closes a bracket that is not open")
            groups.append(tuple(group))
            group = None
        else:
            name, _, size = word.partition("=")
            if size:
                sizes[name] = int(size)
            if name == "1":
                if group is None:
                    groups.append(())
            elif group is None:
                groups.append((name,))
            else:
                group.append(name)
    if group is not None:
        raise _bad("does not close a bracket")
    return tuple(groups)


def _bad(why: str) -> Problem:
    return Problem("E0205", f"this is no pattern: it {why}", f"it {why}", argument="pattern", help=HELP)


def _solved(call: Call) -> tuple[Pattern, dict[str, Size]]:
    """The pattern and the size of every name."""
    pattern = read(call.text("pattern"))
    if len(pattern.left) != len(call.x.shape):
        raise Problem(
            "E0303",
            f"the pattern has {len(pattern.left)} axes before the arrow, but the input {call.x} has {len(call.x.shape)}"
            + (" beside the batch" if call.x.batched else ""),
            f"the input is {call.x}",
            argument="pattern",
            help="the batch is not written" if call.x.batched else "",
        )
    sizes: dict[str, Size] = dict(pattern.sizes)
    for group, size in zip(pattern.left, call.x.shape, strict=True):
        open_names = [name for name in group if name not in sizes]
        known = 1
        for name in group:
            known *= pattern.sizes.get(name, 1)
        written = f"({' '.join(group)})" if len(group) != 1 else group[0]
        if len(open_names) > 1:
            raise Problem(
                "E0205",
                f"the pattern does not tell how {written} is split: {' and '.join(open_names)} are both unknown",
                "not decided",
                argument="pattern",
                help=f'write the size of one: "({" ".join(group[:-1])} {group[-1]}=2)"',
            )
        if known < 1 or not (call.divides(size, known) if open_names else call.equal(size, known)):
            raise Problem(
                "E0304",
                f"{written} of the pattern does not fit the size {size}: "
                + (f"it is not a multiple of {known}" if open_names else f"it is {known}"),
                f"the input is {call.x}",
                argument="pattern",
            )
        for name in open_names:
            sizes[name] = size // known
    return pattern, sizes


def rearrange_shape(call: Call) -> tuple[Tensor, ...]:
    pattern, sizes = _solved(call)
    return (call.x._replace(shape=tuple(elements(sizes[name] for name in group) for group in pattern.right)),)


def rearrange_function(call: Call) -> Expression:
    """Write it as unflatten, permute and flatten, each where it is needed; no size but those of splits is fixed."""
    pattern, sizes = _solved(call)
    front = int(call.x.batched)
    text, values, names = "{0}", {}, list[str]()
    for group in pattern.left:
        place = front + len(names)
        if not group:
            text += f".squeeze({place})"
        elif len(group) > 1:
            fixed = [name in pattern.sizes for name in group]
            split = tuple(sizes[name] if fixed[i] or all(fixed) else -1 for i, name in enumerate(group))
            text += f".unflatten({place}, {{split{place}}})"
            values[f"split{place}"] = split
        names += group
    order = [names.index(name) for group in pattern.right for name in group]
    if order != sorted(order):
        text += f".permute({', '.join(str(dim) for dim in [*range(front), *(front + place for place in order)])})"
    for number, group in enumerate(pattern.right):
        place = front + number
        if not group:
            text += f".unsqueeze({place})"
        elif len(group) > 1:
            text += f".flatten({place}, {place + len(group) - 1})"
    return Expression(text, values)


def rearrange_field(call: Call, source: int, result: int) -> Field:
    """Axes that are not split are followed."""
    pattern, _ = _solved(call)
    sources = {name: place for place, group in enumerate(pattern.left) for name in group}
    groups = [tuple(sources[name] for name in group) for group in pattern.right]
    picked = tuple(place for place, group in enumerate(pattern.left) if not group)
    split = tuple(place for place, group in enumerate(pattern.left) if len(group) > 1)
    return joined(groups, picked, split)


def rearrange_keeps(call: Call) -> Kept:
    pattern, _ = _solved(call)
    names = [name for group in pattern.left for name in group]
    groups = [[names.index(name) for name in group] for group in pattern.right]
    order = [place for group in groups for place in group]
    if order == sorted(order):
        return Kept(view="joined" if any(len(group) > 1 for group in groups) else "ordered")
    # Axes that stand apart are joined in memory of their own.
    apart = any(b != a + 1 for group in groups for a, b in pairwise(group))
    return Kept(view="" if apart else "turned")


REARRANGE = Op(
    name="rearrange",
    role="shape",
    summary="Splits, orders and joins axes by name, as einops does; the batch is not written.",
    parameters=(Parameter("pattern", TEXT),),
    shape=rearrange_shape,
    function=rearrange_function,
    field=rearrange_field,
    keeps=rearrange_keeps,
    label=lambda call: call.text("pattern") if len(call.text("pattern")) <= 40 else "rearrange",
    examples=(
        Example('rearrange("c h w -> (h w) c")', ((3, 4, 5),)),
        Example('rearrange("c (h p=2) (w q=2) -> (h w) (p q c)")', ((3, 4, 6),)),
        Example('rearrange("(h w=5) c -> c h w")', ((20, 3),)),
        Example('rearrange("c 1 1 -> c")', ((8, 1, 1),)),
        Example('rearrange("l (n=4 d) -> n l d")', ((7, 16),)),
        Example('rearrange("a b -> b 1 (a)")', ((3, 4),)),
        Example('rearrange("a (b=2 c=3) -> a b c")', ((3, 6),)),
    ),
)

REARRANGEMENTS = (REARRANGE,)
