"""Questions about the structure of a scope: what it is an instance of, its rounds, and runs of modules in it."""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from archc.compiler.ir import Region
from archc.compiler.source.classes import Counted
from archc.compiler.source.definitions import Definition, skeleton
from archc.compiler.source.names import is_attribute, variable
from archc.compiler.source.scopes import Scope, Step

NUMBERED = re.compile(r"(.*?)(0|[1-9]\d*)", re.ASCII)
WIDEST_UNPACKING = 8  # so many modules get names for a `forward`
DEEPEST_INNER = 12  # how often a block that uses itself is handed to its own constructor
WHOLE = "*"  # stands for all modules of an `nn.Sequential` at once


def base_of(scope: Scope) -> tuple[object, str]:
    """What a scope is an instance of, and the name its class gets from that."""
    region = scope.region
    if region.definition is not None:
        return region.definition.name.span, region.name
    if region.kind == "block":
        return "", region.name
    label = scope.path.rpartition(".")[2]
    return region.span, re.sub(r"[\d_-]+$", "", label) or "block"


def recursions(scopes: Sequence[Scope], bases: Mapping[int, object]) -> set[int]:
    """The scopes that are handed to the constructor of the same block around them, by `id`."""
    found: set[int] = set()
    depth: dict[int, int] = {}
    for scope in scopes:
        inside = [
            step.scope
            for step in scope.steps
            if step.scope is not None and not step.shared and bases[id(step.scope)] == bases[id(scope)]
        ]
        if scope.region.kind != "block" or len(inside) != 1:
            continue
        depth[id(scope)] = depth.get(id(inside[0]), 0) + 1
        if depth[id(scope)] <= DEEPEST_INNER:
            found.add(id(inside[0]))
    return found


def rounds_of(scope: Scope) -> list[tuple[Region, list[Step]]]:
    """The rounds of the loop that a scope consists of, with the steps of each."""
    region = scope.region
    while len(region.children) == 1 and region.children[0].kind != "loop" and region.children[0].path is None:
        region = region.children[0]
    if len(region.children) != 1 or region.children[0].kind != "loop":
        return []
    loop = region.children[0]
    if (loop.start, loop.end) != (scope.region.start, scope.region.end):
        return []
    starts = [step.start for step in scope.steps]
    return [(one, scope.steps[bisect_left(starts, one.start) : bisect_left(starts, one.end)]) for one in loop.children]


def owners_of(key: str) -> list[str]:
    """The keys of what a module lies in: `a` and `a.b` for `a.b.c`."""
    parts = key.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def listed(keys: Sequence[str]) -> dict[str, int]:
    """The keys of labels that hold nothing but modules whose keys count from 0, and how many.

    >>> listed(["stem", "convs.0", "convs.1", "convs.2", "head.0", "head.norm"])
    {'convs': 3}
    """
    below: dict[str, list[str]] = {}
    for key in keys:
        for owner in owners_of(key):
            below.setdefault(owner, []).append(key.removeprefix(f"{owner}."))
    known = set(keys)
    return {
        owner: len(found)
        for owner, found in below.items()
        if len(found) > 1 and owner not in known and found == [str(number) for number in range(len(found))]
    }


def counted(steps: list[Step], definitions: list[Definition], start: int) -> tuple[Counted | None, int]:
    """How the keys from a place on count, and how many modules of one kind do so."""
    match = NUMBERED.fullmatch(steps[start].key)
    if match is None or not match[1]:
        return None, 1
    prefix, number = match[1], int(match[2])
    kind = skeleton(definitions[start])
    length = 1
    while (
        start + length < len(steps)
        and steps[start + length].key == f"{prefix}{number + length}"
        and skeleton(definitions[start + length]) == kind
    ):
        length += 1
    return Counted(prefix, number), length


def chained(scope: Scope, members: list[Step]) -> Scope | None:
    """The scope with one step for all its modules, when they are run one after the other on one value."""
    first, last = members[0], members[-1]
    start = scope.steps.index(first)
    run = scope.steps[start : start + len(members)]
    if run != members or len(first.inputs) != 1:
        return None
    value = first.inputs[0]
    for step in run:
        if step.inputs != (value,) or len(step.outputs) != 1 or not step.live or step.training:
            return None
        if step.node is not None and step.node.op.apply is not None:
            return None
        if step.scope is not None and step.scope.taken:
            return None
        value = step.outputs[0]
    between = {step.outputs[0] for step in run[:-1]}
    rest = [*scope.steps[:start], *scope.steps[start + len(run) :]]
    if not between.isdisjoint(scope.outputs) or any(not between.isdisjoint(step.inputs) for step in rest):
        return None
    whole = Scope(scope.region)
    whole.inputs, whole.outputs = scope.inputs, scope.outputs
    one = Step(
        first.start,
        WHOLE,
        first.place,
        first.inputs,
        last.outputs,
        span=last.span,
        scope=whole,
    )
    whole.steps = [*scope.steps[:start], one, *scope.steps[start + len(run) :]]
    return whole


def member_names(members: list[Step], parameters: tuple[str, ...], labels: Mapping[str, str] = {}) -> list[str]:
    """Names for the modules of a class: their labels, or what each is, numbered where there are several."""
    kinds = [labels.get(step.key) or _kind(step) for step in members]
    names: list[str] = []
    for number, kind in enumerate(kinds):
        same = kinds.count(kind)
        wish = f"{kind}{kinds[: number + 1].count(kind)}" if same > 1 else kind
        names.append(variable(wish, {*names, *parameters, "x"}))
    return names


def children(kept: list[Step], keys: Mapping[str, str], parameters: tuple[str, ...]) -> dict[str, str]:
    """Names for the modules of a class, where they are few and some have numbers, which no attribute is called."""
    steps = [step for step in kept if step.node is None or not step.node.op.own]
    labels = {step.key: keys[step.key] for step in steps if is_attribute(keys[step.key])}
    has_name = all(step.live and (step.key in labels or keys[step.key].isdecimal()) for step in steps)
    if not has_name or len(labels) == len(steps) or not 2 <= len(steps) <= WIDEST_UNPACKING:
        return {}
    return dict(zip((step.key for step in steps), member_names(steps, parameters, labels), strict=True))


def _kind(step: Step) -> str:
    if step.scope is not None:
        return step.scope.region.name or "chain"
    assert step.node is not None
    return step.node.op.name
