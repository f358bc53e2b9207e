"""W0208: two branches of one operator that are the same value under two names.

What: two branches of `add`, `sub`, `maximum`, `minimum`, `concat` or `stack`, each a name alone, that are one value.

Why: `identity` is the value that flows, which is what the statement before has left. After a statement that is named
with `as out`, `add { out; identity }` adds `out` to itself: the shortcut of a residual block is meant to be the
block's input, `in`, or a value that was named before.

It is silent where the text says the same name twice (`concat { grey; grey; grey }`), where both names are the inputs
of a block, and where a branch is what an `if` or a block leaves: these depend on parameters.

>>> from archc.compiler.lints.example import warnings
>>> warnings("arch A { input x: [3, 8, 8]; conv(3, 1) as y; add { y; identity } }")
['W0208 add: branches 1 and 2 of `add` are the same value: `y` is what flows here']
>>> warnings("arch A { input x: [3, 8, 8]; conv(3, 1); add { x; identity } }")
[]
"""

from collections.abc import Iterator

from archc.compiler.ir import Region, ShapedGraph
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label

OPERATORS = ("add", "sub", "maximum", "minimum", "concat", "stack")
FLOWS = "identity"


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for each operator with such branches."""
    found: list[Diagnostic] = []
    waiting: list[tuple[Region, Region]] = [(shaped.graph.root, shaped.graph.root)]
    while waiting:
        region, around = waiting.pop()
        if region.kind == "merge" and region.name in OPERATORS:
            found.extend(_of(region, around, shaped))
        around = around if region.definition is None else region
        waiting.extend((child, around) for child in region.children)
    return found


def _of(merge: Region, around: Region, shaped: ShapedGraph) -> Iterator[Diagnostic]:
    """The first two branches with one value and two names; `around` is the block or architecture."""
    assert around.definition is not None
    body = around.definition.body
    declared = [statement.name.text for statement in body.statements if isinstance(statement, ast.Input)]
    branches = [branch for branch in merge.children if branch.kind == "branch"]
    first: dict[tuple[int, ...], int] = {}
    for number, branch in enumerate(branches):
        text = branch.span.text
        if branch.children or branch.start < branch.end or not text.isidentifier():
            continue  # a chain, an `if` or a block
        earlier = first.setdefault(branch.outputs, number)
        one = branches[earlier].span.text
        if one == text or (one in declared and text in declared):
            continue
        node = shaped.graph.nodes[merge.end - 1]
        name = text if one == FLOWS else one
        flows = FLOWS in (one, text)
        message = f"branches {earlier + 1} and {number + 1} of `{merge.name}` are the same value"
        yield Diagnostic(
            "W0208",
            f"{message}: `{name}` is what flows here" if flows else message,
            Label(node.span, "takes one value twice"),
            tuple(Label(branches[place].span, _said(branches[place].span.text, shaped)) for place in (earlier, number)),
            node.frame.trace(),
            _help(name, merge.name, flows=flows, block=around.kind in ("block", "inline") and not declared),
        )
        return


def _said(text: str, shaped: ShapedGraph) -> str:
    if text == FLOWS:
        return "the value before this statement"
    return "the input of the block" if text == "in" else f"the value that is named `{text}`"


def _help(name: str, operator: str, *, flows: bool, block: bool) -> str:
    if not flows or name == "in":
        return "write the name of the other value that is meant, or leave one branch out"
    other = "write `in`, the input of the block" if block else "name the value before them, `... as NAME`"
    return f"make the layers that leave `{name}` a branch, `{operator} {{ identity; {{ ... }} }}`, or {other}"
