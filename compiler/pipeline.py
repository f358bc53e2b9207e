"""The way from text to a checked network, one function for each step.

text --parse--> ast.File --elaborate--> ir.Graph --infer--> ir.ShapedGraph --write--> PyTorch source
"""

from collections.abc import Mapping
from typing import NamedTuple

from archc.compiler.analysis.starts import check_starts
from archc.compiler.checks.bindings import check_bindings
from archc.compiler.checks.habits import check_habits
from archc.compiler.checks.sharing import check_sharing
from archc.compiler.elaboration.arguments import Passed, bind, slots
from archc.compiler.elaboration.builder import MOST_LAYERS, Builder
from archc.compiler.elaboration.claims import check_claims
from archc.compiler.elaboration.elaborate import elaborate
from archc.compiler.elaboration.flow import Statements
from archc.compiler.infer import infer
from archc.compiler.ir import ShapedGraph
from archc.compiler.lints import lint
from archc.compiler.problems import Stop, did_you_mean
from archc.compiler.program import Definition, Program
from archc.compiler.shapes import Shapes
from archc.compiler.values import Given
from archc.dsl import ast
from archc.dsl.diagnostics import ArchError, Diagnostic, Label, bounded
from archc.dsl.garbage import uncollected
from archc.dsl.source import Span


class RequestError(ArchError):
    """What was asked of a file is wrong, its architecture or the parameters of it, not its text."""


class Checked(NamedTuple):
    """A network without errors, and the warnings about it."""

    shaped: ShapedGraph
    warnings: tuple[Diagnostic, ...]


def choose(program: Program, name: str = "") -> Definition:
    """Return the architecture to compile: the one named, else the file's only one, else the one named like the file.

    Raises:
        RequestError: there is none of that name, or several and none was named.
        ArchError: the file has none.
    """
    unit = program.main
    source = unit.file.source
    place = Label(Span(source, 0, 0), "")
    arches = unit.arches()
    listed = ", ".join(f"`{arch}`" for arch in arches)
    known = {n: found for n, found in unit.names.items() if isinstance(found.item, ast.Arch | ast.Specialisation)}
    if name:
        if name in known:
            return known[name]
        help = did_you_mean(name, known) or (f"it has {listed}" if arches else "")
        raise RequestError([Diagnostic("E0109", f"{source.name} has no architecture `{name}`", place, (), (), help)])
    if len(arches) == 1:
        return next(iter(arches.values()))
    stem = _plain(source.name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".arch"))
    alike = [arch for arch in arches if _plain(arch) == stem]
    if len(alike) == 1:
        return arches[alike[0]]
    if not arches:
        help = "an architecture begins with `arch NAME { input ... }`"
        raise ArchError([Diagnostic("E0109", f"{source.name} has no architecture", place, (), (), help)])
    help = f"name one of them, for example `{source.name}:{next(iter(arches))}`"
    related = tuple(Label(arch.span, "one of them") for arch in arches.values())
    message = f"{source.name} has several architectures: {listed}"
    raise RequestError([Diagnostic("E0109", message, place, related, (), help)])


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


@uncollected()
def check(definition: Definition, passed: Mapping[str, Given], *, max_layers: int = MOST_LAYERS) -> Checked:
    """Elaborate and infer an architecture with the given parameters.

    Raises:
        RequestError: a parameter is unknown, missing, or of the wrong type.
        ArchError: with all independent mistakes, in the order of the text.
    """
    arch = definition.item
    assert isinstance(arch, ast.Arch | ast.Specialisation)
    bound = _bind(arch, passed)
    shapes = Shapes()
    elaborated = elaborate(definition, bound, shapes, max_layers=max_layers)
    diagnostics = list(elaborated.diagnostics)
    try:
        shaped = infer(elaborated.graph, shapes)
    except ArchError as error:
        types = [shapes.of(value) for value in range(elaborated.graph.values)]
        habits = _silenced(list(check_habits(elaborated.graph, types)), definition)
        raise _error([*diagnostics, *error.diagnostics, *habits], passed) from None
    diagnostics.extend(check_sharing(shaped))
    diagnostics.extend(check_starts(shaped))
    diagnostics.extend(check_habits(shaped.graph, shaped.types))
    if not any(diagnostic.severity == "error" for diagnostic in diagnostics):
        diagnostics.extend(check_claims(elaborated.claims, shaped, Statements(Builder(shapes))))
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        raise _error(_silenced(diagnostics, definition), passed)
    diagnostics.extend(check_bindings(definition.unit))  # with a mistake, a name may be unused because of it
    diagnostics.extend(lint(shaped))
    return Checked(shaped, bounded(_ordered(_allowed(diagnostics, definition, shaped, whole=not passed))))


def _bind(arch: ast.Arch | ast.Specialisation, passed: Mapping[str, Given]) -> dict[str, Given]:
    """Give the parameters of an architecture their values from outside."""
    given = [Passed(ast.Name(name, argument.span), argument.value, argument.span) for name, argument in passed.items()]
    try:
        return bind(f"arch `{arch.name.text}`", slots(arch.parameters), given, arch.name.span, bound={}, whole=True)
    except Stop as error:
        found = error.diagnostic
        assert found is not None
        if found.code == "E0201":
            missing = [parameter.name.text for parameter in arch.parameters if parameter.default is None]
            name = next(name for name in missing if name not in passed)
            found = found._replace(help=f"give it, `-p {name}=...`, or write a default in the text, `{name} = ...`")
        raise RequestError([found]) from None


def _allowed(found: list[Diagnostic], definition: Definition, shaped: ShapedGraph, *, whole: bool) -> list[Diagnostic]:
    """Leave out the warnings that a comment on their line allows, and add those about such comments."""
    units = [definition.unit, *(other.unit for other in definition.unit.names.values())]
    if not found and not any("archc: allow" in unit.file.source.text for unit in units):
        return found
    from archc.compiler.lints.allow import allowances, silenced, wrong  # only when there is something to allow

    allowed = allowances(definition)
    left, used = silenced(found, allowed)
    return [*left, *wrong(allowed, used, definition, shaped, whole=whole)]


def _silenced(found: list[Diagnostic], definition: Definition) -> list[Diagnostic]:
    """Leave out the warnings that a comment on their line allows, beside errors."""
    if all(diagnostic.severity == "error" for diagnostic in found):
        return found
    from archc.compiler.lints.allow import allowances, silenced  # only when there is something to allow

    return silenced(found, allowances(definition))[0]


def _error(found: list[Diagnostic], passed: Mapping[str, Given]) -> ArchError:
    assert found, "a network is refused for a reason"
    outside = {argument.span.source for argument in passed.values()}
    wrong = [diagnostic for diagnostic in found if diagnostic.primary.span.source in outside]
    return RequestError(wrong) if wrong else ArchError(_ordered(found))


def _ordered(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """One diagnostic per cause, in the order of the text.

    A wrong line of a block that is used often is reported for its first use.
    """
    first: dict[tuple[str, Span], Diagnostic] = {}
    for found in diagnostics:
        first.setdefault((found.code, found.primary.span), found)
    return sorted(first.values(), key=lambda found: (found.primary.span.source.name, found.primary.span.start))
