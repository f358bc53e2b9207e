"""What a check does not reach: blocks that no architecture uses, of which only names and arguments can be checked."""

from collections.abc import Iterable
from typing import NamedTuple

from archc.compiler.elaboration.arguments import Passed, bind_block, bind_op
from archc.compiler.elaboration.functions import BUILTINS
from archc.compiler.elaboration.names import unknown
from archc.compiler.elaboration.scope import Scope
from archc.compiler.ops import OPS
from archc.compiler.ops.initial import INITIALIZERS
from archc.compiler.problems import Stop
from archc.compiler.program import Definition, Program, Unit
from archc.compiler.values import POISON, BlockValue, OpValue
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.node import Node

# Fields that bind names, and those that hold a word which is not looked up as a name.
BINDS: dict[type[Node], tuple[str, ...]] = {
    ast.Parameter: ("name",),
    ast.Pipeline: ("binding",),
    ast.Let: ("pattern",),
    ast.For: ("pattern",),
    ast.ForClause: ("pattern",),
    ast.Repeat: ("name",),
    ast.Input: ("name",),
    ast.Function: ("name",),
}
WORDS: dict[type[Node], tuple[str, ...]] = {
    ast.Parameter: ("type",),
    ast.Attribute: ("name",),
    ast.Argument: ("name",),
    ast.Input: ("dtype",),
    ast.Init: ("parameter",),
}
EVERYWHERE = frozenset(("in", "identity")) | OPS.keys() | BUILTINS.keys() | INITIALIZERS.keys()


class Unchecked(NamedTuple):
    """A definition of the main file that was not elaborated, and the mistakes that its text alone shows."""

    definition: Definition
    diagnostics: tuple[Diagnostic, ...]

    def __str__(self) -> str:
        item = self.definition.item
        if isinstance(item, ast.Block):
            what = f"block `{item.name.text}` is used by no architecture that was checked"
            return f"{what}: only its names and arguments were looked at"
        assert isinstance(item, ast.Arch | ast.Specialisation)
        needed = [parameter.name.text for parameter in item.parameters if parameter.default is None]
        options = " ".join(f"-p {name}=..." for name in needed)
        file = item.span.source.name
        return f"arch `{item.name.text}` was not checked: `archc build {file}:{item.name.text} {options}` does that"


def unchecked(program: Program, checked: Iterable[Definition]) -> list[Unchecked]:
    """Return what the architectures that were checked don't use, of the main file, in its order."""
    reached = {definition.item.span for definition in checked}
    waiting = list(checked)
    while waiting:
        definition = waiting.pop()
        for name in _read(definition.item).used:
            found = definition.unit.names.get(name.text)
            if found is not None and found.item.span not in reached:
                reached.add(found.item.span)
                waiting.append(found)
    own = [found for found in program.main.names.values() if found.unit is program.main]
    left = [found for found in own if found.item.span not in reached]
    return [
        Unchecked(found, tuple(_mistakes(found.item, found.unit)) if isinstance(found.item, ast.Block) else ())
        for found in left
        if isinstance(found.item, ast.Block | ast.Arch | ast.Specialisation)
    ]


class _Read(NamedTuple):
    """The names that an item binds anywhere in it, those that it looks up, and its stages that name something."""

    bound: set[str]
    used: list[ast.Name]
    stages: list[ast.Use]


def _read(item: ast.Item) -> _Read:
    read = _Read(set(), [], [])
    waiting: list[object] = [item]
    while waiting:
        node = waiting.pop()
        if type(node) is tuple:
            waiting.extend(reversed(node))
        elif isinstance(node, ast.Name):
            read.used.append(node)
        elif isinstance(node, Node):
            if isinstance(node, ast.Use):
                read.stages.append(node)
            if isinstance(node, ast.Module):
                read.bound.add("".join(part for part in node.label.parts if isinstance(part, str)))
            bound = BINDS.get(type(node), ())
            skipped = (*bound, *WORDS.get(type(node), ()))
            for field in bound:
                _bind(getattr(node, field), read.bound)
            fields: tuple[str, ...] = type(node).__match_args__
            waiting.extend(getattr(node, field) for field in reversed(fields) if field not in skipped)
    return read


def _bind(pattern: object, bound: set[str]) -> None:
    waiting = [pattern]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Name):
            bound.add(part.text)
        elif isinstance(part, ast.TuplePattern):
            waiting.extend(part.items)


def _mistakes(block: ast.Block, unit: Unit) -> Iterable[Diagnostic]:
    """Mistakes that do not depend on values: names bound to nothing, arguments that an op or block does not have."""
    read = _read(block)
    scope = Scope(unit, None, block.body)
    for name in read.used:
        if name.text not in read.bound | EVERYWHERE | unit.names.keys():
            found = unknown(name, scope).diagnostic
            if found is not None:
                yield found
    for use in read.stages:
        text = use.name.text
        if text in read.bound:
            continue
        passed = [Passed(argument.name, POISON, argument.span) for argument in use.arguments or ()]
        definition = unit.names.get(text)
        try:
            if definition is None and text in OPS:
                bind_op(OpValue(OPS[text], {}), passed, use.span, whole=False)
            elif definition is not None and isinstance(definition.item, ast.Block):
                bind_block(BlockValue(definition.item, definition.unit, {}), passed, use.span, whole=False)
        except Stop as error:
            if error.diagnostic is not None:
                yield error.diagnostic
