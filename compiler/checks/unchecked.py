"""What a check does not reach: blocks that no architecture uses, of which only names and arguments can be checked."""

from collections.abc import Iterable
from typing import NamedTuple

from archc.compiler.checks.names import names
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
        name = item.name.text
        return f"arch `{name}` was not checked: give it its parameters, `archc check {file}:{name} {options}`"


def unchecked(program: Program, checked: Iterable[Definition]) -> list[Unchecked]:
    """Return what the architectures that were checked don't use, of the main file, in its order."""
    reached = {definition.item.span for definition in checked}
    waiting = list(checked)
    while waiting:
        definition = waiting.pop()
        if definition.unit is not program.main:
            continue  # what is imported uses nothing of the file that imports it
        for name in names(definition.item, definition.unit).outside:
            found = program.main.names.get(name.text)
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


def _mistakes(block: ast.Block, unit: Unit) -> Iterable[Diagnostic]:
    """Mistakes that do not depend on values: names bound to nothing, arguments that an op or block does not have."""
    used = names(block, unit)
    scope = Scope(unit, None, block.body)
    for name in used.outside:
        if name.text not in EVERYWHERE and name.text not in unit.names:
            found = unknown(name, scope).diagnostic
            if found is not None:
                yield found
    for use in used.stages:
        text = use.name.text
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
