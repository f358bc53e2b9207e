"""Names of a file that are never used (W0102), and names that hide an operator (W0101), found in its text alone.

Only the file that is compiled is looked at, and only when it has an architecture: in a library, everything may be used
by others. Names that begin with `_` are never reported, nor those of rounds (`for x in xs`) and of comprehensions, nor
the parameters of a block that is handed to others, which share them.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from archc.compiler.checks.names import Bound, names, takes_a_stage
from archc.compiler.ops import OPS
from archc.compiler.program import Unit, bound_names
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label


@lru_cache(maxsize=4)  # a file is asked about for each of its architectures
def check_bindings(unit: Unit) -> tuple[Diagnostic, ...]:
    """Return the warnings about names of a file, in the order of the text."""
    items = unit.file.items
    arches = [item for item in items if isinstance(item, ast.Arch | ast.Specialisation)]
    if not arches:
        return ()
    # An architecture that takes a block offers a choice, which the others of the file are.
    choice = any(takes_a_stage(parameter) for arch in arches for parameter in arch.parameters)
    read = [names(item, unit) for item in items]
    wanted = [{name.text for name in own.outside} for own in read]
    passed = {name for own in read for name in own.passed}
    users = Counter(name for outside in wanted for name in outside)
    found: list[Diagnostic] = []
    for item, inner, outside in zip(items, read, wanted, strict=True):
        kept = {bound.pattern for bound in inner.bound if bound.name.span in inner.used}
        shared = isinstance(item, ast.Block | ast.Function) and item.name.text in passed
        interface = shared or (choice and isinstance(item, ast.Block))
        for bound in inner.bound:
            if bound.kind == "comprehension":
                continue
            unused = bound.pattern not in kept and not (interface and bound.kind == "parameter")
            found.extend(_of(bound, unused=unused and bound.kind in UNUSED))
        own = list(_defined(item))
        # A block that only uses itself is not used.
        used = {bound.name for bound in own if users[bound.name.text] > (bound.name.text in outside)}
        for bound in own:
            alone = bound.name not in used if isinstance(item, ast.Import) else not used
            offered = choice and bound.kind in ("block", "extern")
            found.extend(_of(bound, unused=alone and not offered and bound.kind in UNUSED))
    return tuple(sorted(found, key=lambda warning: warning.primary.span.start))


# What is said of a name that is never used, by what it is: the message, and what to do.
UNUSED: dict[str, tuple[str, str]] = {
    "value": (
        "the value `{}` is never used",
        "go on from it, `{} -> ...`, or make it a branch; where the flow goes on anyway, remove `as {}`",
    ),
    "let": ("`{}` is never used", "remove this `let`, or use the name"),
    "function": ("the function `{}` is never used", "remove it, or call it: `{}(...)`"),
    "parameter": ("the parameter `{}` is never used", "whoever sets it changes nothing: use it, or remove it"),
    "counter": ("`{}` is never used", "write `repeat` without `as {}`"),
    "input": ("the input `{}` is never used", "remove it, or begin a statement with it: `{} -> ...`"),
    "import": ("`{}` is imported and never used", "remove it from the import"),
    "block": ("block `{}` is never used", "remove it, or use it as a stage: `{}`"),
    "extern": ("`{}` is declared and never used", "remove it, or use it as a stage: `{}`"),
}


def _of(bound: Bound, *, unused: bool) -> Iterator[Diagnostic]:
    """The warnings about one name."""
    text, span = bound.name.text, bound.name.span
    if text.startswith("_"):
        return
    if text in OPS and bound.stage:
        help = f"give it another name: where this one is seen, the op `{text}` cannot be reached"
        yield Diagnostic("W0101", f"`{text}` hides the op `{text}`", Label(span, "bound here"), help=help)
    if unused:
        message, help = UNUSED[bound.kind]
        help = help.replace("{}", text)
        yield Diagnostic("W0102", message.replace("{}", text), Label(span, "never used"), help=help)


def _defined(item: ast.Item) -> Iterator[Bound]:
    """The names that an item gives to the file."""
    match item:
        case ast.Import(names=names):
            yield from (Bound(name, "import", name.span) for name in names)
        case ast.Let(pattern=pattern):
            yield from (Bound(name, "let", pattern.span) for name in bound_names(pattern))
        case ast.Function(name=name):
            yield Bound(name, "function", name.span)
        case ast.Block(name=name):
            yield Bound(name, "block", name.span)
        case ast.Extern(name=name):
            yield Bound(name, "extern", name.span)
        case _:
            yield Bound(item.name, "arch", item.name.span, stage=False)
