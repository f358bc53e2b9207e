"""The names in `forward`: `x` for the flow, names of their own for arguments, branches and named values."""

import re
from collections.abc import Mapping

from archc.compiler.ir import Graph, Region
from archc.compiler.source.names import variable
from archc.compiler.source.nesting import WIDEST, Line
from archc.compiler.source.scopes import Scope, Step
from archc.compiler.values import ModuleValue
from archc.dsl import ast
from archc.dsl.source import Span

ROOM = 20  # columns for what stands beside the branches in the line of a merge
SHORT = 32  # columns of a branch beside a long one


def bindings(graph: Graph) -> dict[str, list[Span]]:
    """Return for each name that `as` binds the stages whose result gets it."""
    definitions = {id(r.definition): r.definition for r in graph.root.walk() if r.definition is not None}
    found: dict[str, list[Span]] = {}
    waiting: list[ast.Body | None] = [definition.body for definition in definitions.values()]
    while waiting:
        body = waiting.pop()
        for statement in body.statements if body is not None else ():
            if not isinstance(statement, ast.Pipeline):
                continue
            if statement.binding is not None:
                for name in _bound_names(statement.binding):
                    found.setdefault(name, []).append(statement.stages[-1].span)
            for stage in statement.stages:
                match stage.action:
                    case ast.Use(branches=inner):
                        waiting.append(inner)
                    case ast.If(then=then, otherwise=otherwise):
                        waiting += [then, otherwise]
                    case ast.Group(body=inner) | ast.For(body=inner) | ast.Repeat(body=inner):
                        waiting.append(inner)
    return found


def variables(graph: Graph) -> set[str]:
    """Return the names that the text gives to what may become a variable or an argument."""
    names = {*graph.names.values(), *(entry.name for entry in graph.inputs)}
    for region in graph.root.walk():
        names.update(region.arguments)
    return names


def _bound_names(pattern: ast.Pattern) -> list[str]:
    if isinstance(pattern, ast.Name):
        return [pattern.text]
    return [name for item in pattern.items for name in _bound_names(item)]


def _branches(region: Region) -> list[Region]:
    """Return the branches of a merge; each round of a loop in its braces is one."""
    found: list[Region] = []
    for child in region.children:
        found += [child] if child.kind == "branch" else _branches(child)
    return found


def flows_of(region: Region, steps: list[Step], lines: Mapping[int, Line]) -> tuple[dict[int, str], set[int]]:
    """Return the variable each step's result goes to, and the steps whose result is written in the merge that takes it.

    A merge with one long branch keeps that branch in `x`: a residual block reads `identity = x`, the layers, and the
    sum. With several long branches, each has a variable of its own. Branches of one line are written in the merge:
    `x + self.attention(self.norm(x))`.
    """
    flows: dict[int, str] = {}
    inlined: set[int] = set()
    waiting: list[tuple[Region, str]] = [(region, "x")]
    called = {step.scope.path for step in steps if step.scope is not None}
    starts = {step.start: index for index, step in enumerate(steps)}
    while waiting:
        current, flow = waiting.pop()
        branches = _branches(current) if current.kind == "merge" else []
        if not branches:
            inside_here = (child for child in current.children if child.path is None or child.path not in called)
            waiting.extend((child, flow) for child in inside_here)
            continue
        inside = [[starts[i] for i in range(b.start, b.end) if i in starts] for b in branches]
        within, is_long = _written_within(inside, lines)
        inlined |= within
        for number, (branch, indices) in enumerate(zip(branches, inside, strict=True)):
            if is_long[number] and sum(is_long) == 1:
                name = flow
            elif sum(is_long) == 1 and sum(map(bool, inside)) == 2:
                name = "identity"
            else:
                label = steps[indices[0]].key if len(indices) == 1 else ""
                own = f"branch{number + 1}" if flow == "x" else f"{flow}_{number + 1}"
                name = variable(label) if re.fullmatch(r"[a-z][a-z0-9_]*", label, re.ASCII) else own
            for index in indices:
                flows[index] = name
            waiting.append((branch, name))
    return flows, inlined


def _written_within(branches: list[list[int]], lines: Mapping[int, Line]) -> tuple[set[int], list[bool]]:
    """The steps of branches that are written in the merge, and for each branch whether it has lines of its own."""
    count = [sum(index in lines for index in indices) for indices in branches]
    columns = {indices[-1]: lines[indices[-1]].width for indices in branches if indices and indices[-1] in lines}
    if max(count) < 2 and sum(map(bool, count)) <= 2 and sum(columns.values()) <= WIDEST - ROOM:
        return set(columns), [False] * len(branches)
    is_long = [len(indices) > 1 for indices in branches]
    *_, last = branches
    if sum(is_long) == 1 and sum(map(bool, branches)) == 2 and len(last) == 1 and columns.get(last[0], WIDEST) <= SHORT:
        return {last[0]}, is_long  # what follows the long branch is no sooner needed
    return set(), is_long


def parameter_names(scope: Scope, graph: Graph) -> tuple[str, ...]:
    """Return the names of the arguments of a scope's `forward`: `x` for the flow, the text's own names for others."""
    own = _declared_inputs(scope.region)
    names: list[str] = []
    for number, value in enumerate(scope.inputs):
        if len(scope.inputs) == 1 or (not own and number == 0):
            wish = "x"
        elif value in own:
            wish = own[value]
        else:
            wish = graph.names.get(value, "x" if number == 0 else "y")
        names.append(variable(wish, names))
    return tuple(names)


def module_names(scope: Scope, parameters: tuple[str, ...]) -> dict[str, str]:
    """Return the names under which `forward` takes modules that lie outside, by their paths."""
    # A block calls a module as its parameter does, so that blocks with several modules share a class.
    called = {value.path: name for name, value in scope.region.arguments.items() if isinstance(value, ModuleValue)}
    names: dict[str, str] = {}
    for path in scope.taken:
        wish = called.get(path, path.rpartition(".")[2])
        names[path] = variable(wish, {"x", *parameters, *names.values()})
    return names


def _declared_inputs(region: Region) -> dict[int, str]:
    if region.definition is None:
        return {}
    declared = [s.name.text for s in region.definition.body.statements if isinstance(s, ast.Input)]
    return dict(zip(region.inputs, declared, strict=False))
