"""W0210: a label that was meant for a chain and names its first layer only.

What: a layer with weights that has a label, and behind it, in the same chain of `->`, layers with weights and no label.

Why: a label names one stage. `downsample: conv(64, 1) -> batch_norm` gives the keys `downsample.weight` and `0.weight`;
torchvision's `downsample.0.weight` and `downsample.1.weight` need braces, `downsample: { conv(64, 1) -> batch_norm }`.

It is silent for layers without weights behind the label (`bn1: batch_norm -> relu`), where each has its label
(`conv1: conv(64, 1) -> bn1: batch_norm`), and where the label says what its layer is (`norm: batch_norm -> conv(8)`).

>>> from archc.compiler.lints.example import warnings
>>> warnings("arch A { input x: [3, 8, 8]; down: conv(4, 1, bias=false) -> batch_norm -> relu }")
['W0210 down: the label `down` names this `conv` only, not the `batch_norm` behind it']
>>> warnings("arch A { input x: [3, 8, 8]; down: { conv(4, 1, bias=false) -> batch_norm } }")
[]
"""

from archc.compiler.ir import ShapedGraph
from archc.compiler.lints.unused_work import WITH_WEIGHTS
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.node import Node as Tree
from archc.dsl.source import Span

# What labels of single layers hold, beside the words of the operator's name.
SHORT = ("bn", "ln", "gn", "fc", "proj", "lin", "emb", "dense")


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for each such label of a block or architecture that the network uses."""
    layers = {node.span: node for node in shaped.graph.nodes if node.op.role in WITH_WEIGHTS}
    definitions = {id(r.definition): r.definition for r in shaped.graph.root.walk() if r.definition is not None}
    found: list[Diagnostic] = []
    waiting: list[object] = [definition.body for definition in definitions.values()]
    while waiting:
        at = waiting.pop()
        if isinstance(at, ast.Pipeline):
            places = [place for place, stage in enumerate(at.stages) if stage.action.span in layers]
            labelled = [place for place in places if at.stages[place].label is not None]
            alone = [place for place in places if not layers[at.stages[place].action.span].labelled]
            if labelled and alone and labelled[0] < alone[0] and not _says_what(at.stages[labelled[0]]):
                found.append(_warning(at, at.stages[labelled[0]], at.stages[alone[0]]))
        if isinstance(at, Tree):
            waiting.extend(at.fields())
        elif isinstance(at, tuple) and not isinstance(at, Span):
            waiting.extend(at)
    return found


def _warning(chain: ast.Pipeline, first: ast.Stage, other: ast.Stage) -> Diagnostic:
    assert first.label is not None
    name = first.label.span.text
    named = [_name(stage) for stage in chain.stages[chain.stages.index(first) :]]
    return Diagnostic(
        "W0210",
        f"the label `{name}` names this `{named[0]}` only, not the `{_name(other)}` behind it",
        Label(first.label.span, "names one layer"),
        (Label(other.action.span, "has an index for a name"),),
        (),
        f"for all of them write `{name}: {{ {' -> '.join(named)} }}`; to name this one too, `NAME: {_name(other)}`",
    )


def _says_what(stage: ast.Stage) -> bool:
    """Whether a label is a name for one layer: `conv1`, `norm`, `fc`."""
    assert stage.label is not None
    label = stage.label.span.text.lower()
    kinds = (*_name(stage).split("_"), *SHORT)
    return any(kind in label for kind in kinds)


def _name(stage: ast.Stage) -> str:
    return stage.action.name.text if isinstance(stage.action, ast.Use) else "{ ... }"
