"""Questions about the structure of a scope: what it is an instance of, its rounds, and runs of modules in it."""

import re
from bisect import bisect_left

from archc.compiler.ir import Region
from archc.compiler.source.names import variable
from archc.compiler.source.scopes import Scope, Step

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


def member_names(members: list[Step], parameters: tuple[str, ...]) -> list[str]:
    """Names for the numbered modules of a class: what each is, numbered where there are several."""
    kinds = [step.scope.region.name or "chain" if step.scope is not None else step.node.op.name for step in members]  # type: ignore[union-attr]
    names: list[str] = []
    for number, kind in enumerate(kinds):
        same = kinds.count(kind)
        wish = f"{kind}{kinds[: number + 1].count(kind)}" if same > 1 else kind
        names.append(variable(wish, {*names, *parameters, "x"}))
    return names
