"""Warnings about what compiles but is wrong: one file for each, which says what it warns of, why, and shows an example.

A lint is a pure function of a checked network. It is imported only where an operator of the network concerns it, so
that `archc check` does not pay for the others.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from archc.compiler.ir import Node, ShapedGraph
from archc.dsl.diagnostics import Diagnostic


class Lint(NamedTuple):
    """A row of the table: the file of this folder, and whether a network with such a node is worth looking at."""

    file: str
    concerns: Callable[[Node], bool]


def _twice(node: Node) -> bool:
    return len(node.inputs) > 1 and len(set(node.inputs)) < len(node.inputs)


def _left_over(shaped: ShapedGraph) -> bool:
    """Whether a node leaves what nobody takes."""
    taken = {output.value for output in shaped.graph.outputs}
    for node in shaped.graph.nodes:
        taken.update(node.inputs)
    return any(taken.isdisjoint(node.outputs) for node in shaped.graph.nodes)


def _several(node: Node, argument: str) -> bool:
    """Whether an argument, one number or one for each axis, is above 1 anywhere."""
    value = node.arguments.get(argument, 1)
    return any(n > 1 for n in value) if isinstance(value, list | tuple) else isinstance(value, int) and value > 1


def _strides(node: Node) -> bool:
    if "stride" not in node.arguments:
        return False
    return _several(node, "kernel_size" if node.arguments["stride"] is None else "stride")


LINTS = (
    Lint("bias_before_norm", lambda node: node.op.name == "batch_norm"),
    Lint("softmax_at_the_end", lambda node: node.op.name in ("softmax", "softmin")),
    Lint("unread_places", _strides),
    Lint("narrow_view", lambda node: node.op.role == "pooling" and "kernel_size" not in node.arguments),
    Lint("gridding", lambda node: _several(node, "dilation")),
    Lint("same_branches", _twice),
    Lint("labelled_chain", lambda node: node.labelled),
)


def lint(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return the warnings about a network, in the order of the lints."""
    found: list[Diagnostic] = []
    for row in LINTS:
        if any(row.concerns(node) for node in shaped.graph.nodes):
            found.extend(import_module(f"archc.compiler.lints.{row.file}").find(shaped))
    if _left_over(shaped):
        from archc.compiler.lints.unused_work import find  # few networks throw something away

        found.extend(find(shaped))
    return found
