"""Which activations write over what they take, with `inplace=True`: no memory is taken, and no time to fill it.

A value can be written over that is made in the same `forward` as memory of its own, is read by nothing else and leaves
through no other way, and that the backward pass of what made it does not read again.
"""

from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import ShapedGraph
from archc.compiler.ops.entry import Expression
from archc.compiler.source.scopes import Scope, Step

# What these make is memory of its own, in eval mode, too; a dropout or a pooling may leave the very value it takes.
FRESH = frozenset({"convolution", "linear", "norm", "combine"})


def overwrites(step: Step, scope: Scope, shaped: ShapedGraph) -> bool:
    """Say whether a step of a scope is an activation that writes over its input."""
    if step.node is None or len(step.inputs) != 1 or step.training:
        return False
    call = call_of(step.node, shaped)
    return step.node.op.overwrites(call) and is_free(step.inputs[0], scope, shaped)


def is_free(value: int, scope: Scope, shaped: ShapedGraph, *, reads: int = 1) -> bool:
    """Say whether a value is made in a scope as memory of its own and is read there so many times."""
    if scope.reads(value) != reads or (reads and value in scope.outputs):
        return False
    maker = scope.maker(value)
    if maker is None or maker.shared or maker.training:
        return False
    if maker.scope is not None:
        return not maker.scope.taken and is_free(value, maker.scope, shaped, reads=0)
    assert maker.node is not None
    op, call = maker.node.op, call_of(maker.node, shaped)
    if op.role not in FRESH or (op.function is not None and op.function(call) == Expression("{0}")):
        return False
    kept = op.keeps(call)
    return not kept.outputs and not kept.view and len(maker.outputs) == 1
