"""Checking what a text claims about its network: `expect params == 11_689_512`, `expect output == [1000]`."""

from collections.abc import Iterable

from archc.compiler.cost import costs, total
from archc.compiler.elaboration.elaborate import Claim
from archc.compiler.elaboration.flow import Statements
from archc.compiler.elaboration.scope import Binding, Scope
from archc.compiler.elaboration.trampoline import run
from archc.compiler.ir import ShapedGraph
from archc.compiler.problems import Stop
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic


def check_claims(claims: Iterable[Claim], shaped: ShapedGraph, statements: Statements) -> list[Diagnostic]:
    """Return a diagnostic for every claim that does not hold.

    A claim sees the parameters of its arch, `params` and `macs` of the network, and the sizes of each result as a
    list by its name; the only unnamed one is `output`.
    """
    cost = total(costs(shaped))
    known: dict[str, object] = {"params": cost.params, "macs": cost.macs}
    for output in shaped.graph.outputs:
        known[output.name] = list(shaped.types[output.value].shape)
    found = []
    for claim in claims:
        statement = claim.statement
        scope = Scope(claim.scope.unit, claim.scope)
        scope.names.update((name, Binding(value, statement.span)) for name, value in known.items())
        message = statement.message if isinstance(statement, ast.Require) else None
        try:
            run(statements.claim(statement.test, message, scope, "the network is not what its text expects"))
        except Stop as error:
            if error.diagnostic is not None:
                found.append(error.diagnostic)
    return found
