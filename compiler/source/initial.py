"""The lines that give weights their first values, after the network is constructed.

A loop over the modules of the whole network, or of a part of it, does so where all modules of one class start alike;
those that differ from the ones around them are named one by one.
"""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import NamedTuple

from archc.compiler.analysis.cost import call_of
from archc.compiler.analysis.starts import starts
from archc.compiler.ir import Initialisation, ShapedGraph
from archc.compiler.source.classes import Class
from archc.compiler.source.definitions import Chain
from archc.compiler.source.keys import access
from archc.compiler.source.names import literal
from archc.dsl.source import Span

Line = tuple[int, str, Span | None]  # how deep it stands, its text, and where it comes from


FEW = 12  # so many lines stand together, whatever else could be


class Item(NamedTuple):
    """A weight: the path of its module, the module's class, its name there, how it starts, and whether that is done."""

    path: str
    callee: str
    weight: str
    start: Initialisation | None
    span: Span | None
    done: bool = False


def initial_lines(shaped: ShapedGraph, classes: Sequence[Class]) -> dict[str, list[Line]]:
    """Return the lines of constructors that follow what is constructed, by the name of the class.

    All stand in the network's own, the last of the classes, apart from what another one says in fewer lines.
    """
    items, main, lists = _items(shaped), classes[-1].name, _lists(classes)
    found = {main: _lines(items, lists)}
    for one in classes[:-1]:
        if len(one.scopes) < 2 or len(found[main]) <= FEW:
            continue
        own, rest = _divided(items, [scope.path for scope in one.scopes])
        path = f"{one.scopes[0].path}."
        inside = _lines(own, {key.removeprefix(path) for key in lists if key.startswith(path)})
        outside = _lines(rest, lists)
        if own and len(inside) + len(outside) < len(found[main]):
            found[one.name], found[main], items = inside, outside, rest
    return found


def _divided(items: list[Item], paths: list[str]) -> tuple[list[Item], list[Item]]:
    """The weights of a class whose instances all start alike, by their paths in it; and all weights, these done."""
    below: dict[str, list[Item]] = {path: [] for path in paths}
    for item in items:
        for path in paths:
            if item.path.startswith(f"{path}."):
                below[path].append(item._replace(path=item.path[len(path) + 1 :]))
    first, *others = below.values()
    if any(other != first for other in others):
        return [], items
    starts = tuple(f"{path}." for path in paths)
    return first, [item._replace(done=True) if item.path.startswith(starts) else item for item in items]


def _lists(classes: Sequence[Class]) -> set[str]:
    """The paths of what is an `nn.Sequential` whose modules have numbers, or an `nn.ModuleList`."""
    found: set[str] = set()
    for one in classes:
        for scope in one.scopes:
            if one.plan.form in ("chain", "unpacked"):
                found.add(scope.path)
                continue
            below = f"{scope.path}." if scope.path else ""
            found.update(f"{below}{key}" for key, made in one.plan.members if isinstance(made, Chain))
    return found


def _lines(items: list[Item], lists: Container[str]) -> list[Line]:
    lines: list[Line] = []
    waiting = [("", items)]
    while waiting:
        prefix, items = waiting.pop()
        looped: dict[str, list[Item]] = {}
        alone: list[Line] = []
        rest: list[Item] = []
        for group in _grouped(items, lambda item: f"{item.callee} {item.weight}").values():
            chosen = _chosen(group, items)
            if chosen is None:
                rest += group
                continue
            rest += [item._replace(done=item.start == chosen.start) for item in group]
            holder = access(chosen.path, lists=lists)
            if len(group) == 1 and "[" not in holder:  # mypy knows no attributes of what an index finds
                alone += [(depth, text, chosen.span) for depth, text in _guarded(2, holder, chosen, items)]
            else:
                looped.setdefault(chosen.callee, []).append(chosen)
        lines += [*_loop(access(prefix, lists=lists) if prefix else "self", looped, items), *alone]
        parts = _grouped(rest, partial(_part, prefix))
        waiting += [(part, inside) for part, inside in reversed(parts.items()) if any(map(_is_open, inside))]
    return lines


def _chosen(group: list[Item], items: list[Item]) -> Item | None:
    """The one of the weights of one class and name whose start a loop gives to all of them; others follow after it."""
    first = group[0]
    if any(item.done or item.start is None for item in group):
        return None
    if first.weight not in ("weight", "bias") and _lacking(first, items):
        return None  # an attribute that not all modules of the class have
    counts = Counter(item.start for item in group)
    most = counts.most_common(1)[0][0]
    return next(item for item in group if item.start == most)


def _lacking(one: Item, items: list[Item]) -> bool:
    """Say whether some module of a class has no weight of this name: it is `None` there, such as a bias."""
    alike = [item for item in items if item.callee == one.callee]
    return len({item.path for item in alike}) > sum(item.weight == one.weight for item in alike)


def _is_open(item: Item) -> bool:
    return item.start is not None and not item.done


def _part(prefix: str, item: Item) -> str:
    """The path one step below a prefix on the way to a weight."""
    depth = len(prefix.split(".")) + 1 if prefix else 1
    return ".".join(item.path.split(".")[:depth])


def _items(shaped: ShapedGraph) -> list[Item]:
    items = []
    for index, weight, rule in starts(shaped):
        node = shaped.graph.nodes[index]
        assert node.op.module is not None, "operators with weights have a module"
        path, callee, name = node.path, node.op.module(call_of(node, shaped)).callee, weight.name
        if "." in name:  # a linear layer within a module of torch, such as the `out_proj` of attention
            inner, _, name = name.rpartition(".")
            path, callee = f"{path}.{inner}", "nn.Linear"
        start, span = (rule.initialisation, rule.span) if rule is not None else (None, None)
        items.append(Item(path, callee, name, start, span))
    return items


def _loop(holder: str, looped: dict[str, list[Item]], items: list[Item]) -> list[Line]:
    """The loop over the modules of a part; classes that start alike stand together."""
    alike: dict[tuple[tuple[int, str], ...], list[str]] = {}
    origins: dict[str, Span | None] = {}
    for callee, chosen in looped.items():
        body: list[tuple[int, str]] = []
        origins[callee] = chosen[0].span
        for item in chosen:
            body += _guarded(4, "module", item, items)
        alike.setdefault(tuple(body), []).append(callee)
    lines: list[Line] = []
    for statements, callees in alike.items():
        origin = origins[callees[0]]
        if not lines:
            lines.append((2, f"for module in {holder}.modules():", origin))
        kind = callees[0] if len(callees) == 1 else f"({', '.join(callees)})"
        lines.append((3, f"{'if' if len(lines) == 1 else 'elif'} isinstance(module, {kind}):", origin))
        lines += [(depth, text, origin) for depth, text in statements]
    return lines


def _guarded(depth: int, holder: str, item: Item, items: list[Item]) -> list[tuple[int, str]]:
    """The statement that starts a weight, under a condition where it may be `None`."""
    # The bias of a convolution may be, for the checker of types.
    if not _lacking(item, items) and not (item.weight == "bias" and item.callee.startswith("nn.Conv")):
        return [(depth, _statement(holder, item))]
    return [(depth, f"if {holder}.{item.weight} is not None:"), (depth + 1, _statement(holder, item))]


def _statement(holder: str, item: Item) -> str:
    assert item.start is not None
    listed = "".join(f", {name}={literal(value)}" for name, value in item.start.arguments)
    return f"nn.init.{item.start.name}_({holder}.{item.weight}{listed})"


def _grouped(items: list[Item], key: Callable[[Item], str]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
