"""How weights start: which `init` holds for which weight, and whether it can."""

from collections.abc import Iterator
from typing import NamedTuple

from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import Rule, ShapedGraph
from archc.compiler.ops.entry import Weight
from archc.compiler.ops.initial import INITIALIZERS
from archc.compiler.problems import did_you_mean
from archc.dsl.diagnostics import Diagnostic, Label


class Start(NamedTuple):
    """A weight of a node, and the rule that it starts by; `None` for torch's own."""

    node: int
    weight: Weight
    rule: Rule | None


def starts(shaped: ShapedGraph) -> list[Start]:
    """Return every weight of a network with the rule it starts by; nothing when the text has no `init`."""
    if not shaped.graph.rules:
        return []
    owned: dict[tuple[int, str], Rule] = {}
    weights = dict(_weights(shaped))
    for rule in shaped.graph.rules:
        for index in range(rule.start, rule.end):
            if shaped.graph.nodes[index].op is rule.op:
                for weight in weights.get(index, ()):
                    if _holds(rule, weight):
                        owned.setdefault((index, weight.name), rule)
    return [Start(i, weight, owned.get((i, weight.name))) for i, kept in weights.items() for weight in kept]


def _weights(shaped: ShapedGraph) -> Iterator[tuple[int, tuple[Weight, ...]]]:
    """The learned weights of modules, each module once."""
    seen: set[str] = set()
    for index, node in enumerate(shaped.graph.nodes):
        if node.path and node.path not in seen and not node.op.own:
            kept = tuple(weight for weight in node.op.weights(call_of(node, shaped)) if not weight.buffer)
            if kept:
                seen.add(node.path)
                yield index, kept


def _holds(rule: Rule, weight: Weight) -> bool:
    # Layers with several weights call them `weight_ih_l0`, `in_proj_weight`, `out_proj.weight`.
    return weight.name == rule.parameter or (not rule.parameter and "weight" in weight.name)


def check_starts(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a diagnostic for every `init` that cannot hold for a weight, or names one that its op does not have."""
    found = []
    names: dict[str, set[str]] = {}
    for node, weight, rule in starts(shaped):
        op = shaped.graph.nodes[node].op
        names.setdefault(op.name, {"weight", "bias"}).add(weight.name)
        if rule is None:
            continue
        name, arguments = rule.initialisation
        misfit = INITIALIZERS[name].misfit(dict(arguments), weight.shape)
        if misfit:
            sizes = "x".join(map(str, weight.shape))
            message = f"{misfit}, but the {weight.name} of this `{op.name}` is {sizes}"
            label = Label(shaped.graph.nodes[node].span, f"its {weight.name} is {sizes}")
            trace = shaped.graph.nodes[node].frame.trace()
            found.append(Diagnostic("E0303", message, Label(rule.span, "cannot hold"), (label,), trace))
    for rule in shaped.graph.rules:
        known = names.get(rule.op.name, set())
        if rule.parameter and known and rule.parameter not in known:
            listed = ", ".join(f"`{name}`" for name in sorted(known))
            help = did_you_mean(rule.parameter, known) or f"it has {listed}"
            message = f"`{rule.op.name}` has no weight `{rule.parameter}`"
            found.append(Diagnostic("E0202", message, Label(rule.span, "unknown"), (), (), help))
    return found
