"""Checking what a text claims about its network: `expect params == 11_689_512`, `expect output == [1000]`."""

from collections.abc import Sequence

from archc.compiler.algebra.sizes import Symbolic
from archc.compiler.analysis.cost import costs, total
from archc.compiler.elaboration.elaborate import Claim
from archc.compiler.elaboration.flow import Statements
from archc.compiler.elaboration.scope import Binding, Scope
from archc.compiler.elaboration.trampoline import run
from archc.compiler.ir import ShapedGraph
from archc.compiler.problems import Stop
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.node import Node


def check_claims(claims: Sequence[Claim], shaped: ShapedGraph, statements: Statements) -> list[Diagnostic]:
    """Return a diagnostic for every claim that does not hold.

    A claim sees the parameters of its arch, `params` and `macs` of the network, symbols of its inputs, and the sizes
    of each result as a list by its name; the only unnamed one is `output`.
    """
    if not claims:
        return []
    cost = total(costs(shaped))
    known: dict[str, object] = {"params": cost.params, "macs": cost.macs}
    for entry in shaped.graph.inputs:
        for size in entry.type.shape:
            if isinstance(size, Symbolic):
                known[str(size)] = size
    for output in shaped.graph.outputs:
        known[output.name] = list(shaped.types[output.value].shape)
    found = []
    for claim in claims:
        statement = claim.statement
        scope = Scope(claim.scope.unit, claim.scope)
        scope.names.update((name, Binding(value, statement.span)) for name, value in known.items())
        unknown = _uncounted(statement, shaped) if cost.unknown else None
        if unknown is not None:
            found.append(unknown)
            continue
        message = statement.message if isinstance(statement, ast.Require) else None
        try:
            run(statements.claim(statement.test, message, scope, "the network is not what its text expects"))
        except Stop as error:
            if error.diagnostic is not None:
                found.append(_named(error.diagnostic, shaped))
    return found


def _named(diagnostic: Diagnostic, shaped: ShapedGraph) -> Diagnostic:
    """Say what the results are called to who asks for `output`."""
    names = [output.name for output in shaped.graph.outputs]
    if diagnostic.code != "E0101" or diagnostic.primary.span.text != "output" or "output" in names:
        return diagnostic
    return diagnostic._replace(help="the results of this network are " + ", ".join(f"`{name}`" for name in names))


def _uncounted(claim: ast.Expect | ast.Require, shaped: ShapedGraph) -> Diagnostic | None:
    """A claim about a count is refused where a class of one's own is in the network, which nobody has counted."""
    waiting: list[object] = [claim.test]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Name) and part.text in ("params", "macs"):
            used = next(node for node in shaped.graph.nodes if node.op.external is not None)
            label = Label(used.span, f"nobody knows what is in `{used.op.name}` before it is loaded")
            message = f"`{part.text}` of this network is not known"
            help = "remove the claim, or make it about sizes: `expect output == [...]`"
            return Diagnostic("E0602", message, Label(part.span, "cannot be checked"), (label,), (), help)
        if isinstance(part, Node):
            waiting.extend(part.fields())
        elif type(part) is tuple:
            waiting.extend(part)
    return None
