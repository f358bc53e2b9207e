"""Syntax tree to graph: names are resolved, loops unrolled, blocks expanded, every module gets its path."""

from collections.abc import Mapping
from typing import NamedTuple

from archc.compiler.algebra.sizes import Size, Symbolic, symbol
from archc.compiler.elaboration.arguments import bind, slots
from archc.compiler.elaboration.builder import MOST_LAYERS, Builder
from archc.compiler.elaboration.context import Context, Flow
from archc.compiler.elaboration.flow import Statements
from archc.compiler.elaboration.functions import BUILTINS
from archc.compiler.elaboration.names import unknown
from archc.compiler.elaboration.paths import Paths
from archc.compiler.elaboration.scope import Scope, is_symbol
from archc.compiler.elaboration.trampoline import Task, run
from archc.compiler.ir import Frame, Graph, Input, Output, Region, Tensor
from archc.compiler.problems import Stop, stop
from archc.compiler.program import Definition
from archc.compiler.shapes import Shapes
from archc.compiler.values import Given, Wire, show
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label, Use

DEEPEST_SPECIALISATION = 20
OTHER_DTYPES = {"long": "int64", "int": "int64", "float": "float32", "double": "float64", "half": "float16"}
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "bool")


class Claim(NamedTuple):
    """An `expect`: what the text claims about the whole network, to be checked when its sizes are known."""

    statement: ast.Expect | ast.Require
    scope: Scope


class Elaborated(NamedTuple):
    """The graph, and what was found to be wrong on the way to it; with errors the graph holds what could be made.

    `claims` are to be checked of the shaped graph; there are none when a parameter differs from its default.
    """

    graph: Graph
    diagnostics: tuple[Diagnostic, ...]
    claims: tuple[Claim, ...]


def elaborate(
    definition: Definition, parameters: Mapping[str, Given], shapes: Shapes, *, max_layers: int = MOST_LAYERS
) -> Elaborated:
    """Expand an architecture with the given parameters; `shapes` computes the sizes that the text asks for."""
    arch = definition.item
    assert isinstance(arch, ast.Arch | ast.Specialisation)
    expansion = _Expansion(Builder(shapes, max_layers))
    statements = expansion.statements
    try:
        run(expansion.arch(definition, parameters))
    except Stop as error:
        if error.diagnostic is not None:
            statements.diagnostics.append(error.diagnostic)
    builder = statements.builder
    root = builder.root or Region("arch", "", "", False, 0, {}, 0, 0, (), (), (), arch.span)
    graph = Graph(
        arch.name.text,
        arch.doc or definition.unit.file.doc,
        expansion.parameters,
        tuple(expansion.inputs),
        tuple(expansion.outputs),
        tuple(builder.nodes),
        builder.values,
        builder.names,
        root,
        definition.unit.file.source.name,
        tuple(statements.rules.found),
        tuple(expansion.arches),
    )
    claims = () if parameters else tuple(expansion.claims)
    found = statements.diagnostics or statements.unapplied.values()  # a mistake may be why nothing was applied
    return Elaborated(graph, tuple(found), claims)


class _Expansion:
    """The expansion of one architecture."""

    __slots__ = ("arches", "claims", "frame", "inputs", "outputs", "parameters", "statements")

    def __init__(self, builder: Builder) -> None:
        self.statements = Statements(builder)
        self.arches: list[ast.Arch | ast.Specialisation] = []
        self.claims: list[Claim] = []
        self.inputs: list[Input] = []
        self.outputs: list[Output] = []
        self.parameters: Mapping[str, object] = {}

    def arch(self, definition: Definition, given: Mapping[str, Given], depth: int = 0) -> Task[None]:
        """Expand an arch, or the one that it specialises."""
        arch = definition.item
        assert isinstance(arch, ast.Arch | ast.Specialisation)
        self.frame = Frame(Use(arch.name.text, arch.name.span), None)
        self.arches.append(arch)
        if depth > DEEPEST_SPECIALISATION:
            raise stop("E0701", arch.name.span, f"`{arch.name.text}` is a special case of itself", "leads back here")
        evaluator = self.statements.evaluator
        what = f"arch `{arch.name.text}`"
        scope = yield evaluator.open(
            arch.parameters, given, definition.unit, arch.body if isinstance(arch, ast.Arch) else None, what
        )
        if not depth:
            self.parameters = {name: binding.value for name, binding in scope.names.items()}
        if isinstance(arch, ast.Arch):
            yield self._body(arch, scope)
            claims: tuple[ast.Expect | ast.Require, ...] = tuple(
                statement for statement in arch.body.statements if isinstance(statement, ast.Expect)
            )
        else:
            passed = yield evaluator.arguments(arch.arguments, scope)
            target = definition.unit.names.get(arch.target.text)
            if target is None:
                raise unknown(arch.target, scope)
            if not isinstance(target.item, ast.Arch | ast.Specialisation):
                raise stop(
                    "E0103", arch.target.span, f"`{arch.target.text}` is not an arch", "only an arch can be specialised"
                )
            inner = bind(
                f"arch `{arch.target.text}`",
                slots(target.item.parameters),
                passed,
                arch.target.span,
                bound={},
                whole=True,
            )
            yield self.arch(target, inner, depth + 1)
            claims = arch.claims
        if not depth:
            self.claims.extend(Claim(statement, scope) for statement in claims)

    def _body(self, arch: ast.Arch, scope: Scope) -> Task[None]:
        builder = self.statements.builder
        parameters = dict(scope.names)

        def forecast() -> None:
            from archc.compiler.elaboration.forecast import refuse  # few networks are large enough to need it

            refuse(arch, parameters, scope.unit, builder.limit)

        builder.expect(forecast)
        declared = [statement for statement in arch.body.statements if isinstance(statement, ast.Input)]
        if not declared:
            raise stop(
                "E0405",
                arch.name.span,
                f"arch `{arch.name.text}` has no input",
                "what flows in?",
                help="declare it: `input image: [3, 224, 224]`",
            )
        values = [builder.value(statement.name.text) for statement in declared]
        inputs: dict[str, Flow] = {s.name.text: value for s, value in zip(declared, values, strict=True)}
        context = Context(scope, Paths(), self.frame, 0, [], inputs)
        self.statements.declare = self._declare
        start: Flow = values[0] if len(values) == 1 else None
        with builder.region(
            "arch",
            arch.name.text,
            tuple(values),
            arch.span,
            path="",
            arguments=self.parameters,
            definition=arch,
        ) as region:
            last = yield self.statements.body(arch.body.statements, start, context)
            if context.results:
                self._outputs(context)
            elif isinstance(last, int):
                self.outputs.append(Output("output", last, False))
            elif last is None:
                raise stop(
                    "E0403",
                    arch.name.span,
                    f"arch `{arch.name.text}` has no result",
                    "nothing flows",
                    help="begin a statement with the name of an input",
                )
            region.outputs = tuple(output.value for output in self.outputs)

    def _outputs(self, context: Context) -> None:
        """The results that `output` statements name; those of training come last, since they are not always there."""
        places: dict[str, ast.Name] = {}
        for name, training in sorted(context.results, key=lambda result: result[1]):
            if name.text in places:
                related = [Label(places[name.text].span, "here first")]
                raise stop("E0102", name.span, f"`{name.text}` is an output already", "here again", related=related)
            places[name.text] = name
            value = self.statements.output(name, context)
            if isinstance(value, int):
                self.outputs.append(Output(name.text, value, training))
        if all(training for _, training in context.results):
            name = context.results[0][0]
            help = "name the result too: `output NAME`"
            raise stop("E0405", name.span, "there is no result outside training", "in training only", help=help)

    def _declare(self, statement: ast.Input, context: Context) -> Task[None]:
        """Give an input of the arch its type, where the text declares it."""
        builder = self.statements.builder
        if builder.nodes:
            help = "write the inputs first"
            raise stop("E0405", statement.span, "an input is declared before the first stage", "after it", help=help)
        value = context.inputs[statement.name.text]
        assert isinstance(value, int)
        context.scope.bind(statement.name, Wire(value))
        tensor = yield self._input_type(statement, context.scope)
        self.inputs.append(Input(statement.name.text, tensor, statement.name.span))
        builder.shapes.add_input(value, tensor, statement.span)

    def _input_type(self, statement: ast.Input, scope: Scope) -> Task[Tensor]:
        if statement.sizes is None:
            raise stop(
                "E0405",
                statement.span,
                f"the input `{statement.name.text}` of an arch needs its sizes",
                "without sizes",
                help=f"write them without the batch: `input {statement.name.text}: [3, 224, 224]`",
            )
        sizes: list[Size] = []
        for expression in statement.sizes:
            if isinstance(expression, ast.Name) and is_symbol(expression, scope):
                sizes.append(symbol(expression.text))
                continue
            if isinstance(expression, ast.Name) and expression.text not in (*scope.known(), *BUILTINS):
                help = f"for any size write capitals, `{expression.text.upper()}`; a number is a parameter or a `let`"
                if expression is statement.sizes[0] and len(statement.sizes) > 2:
                    help = "the number of channels is a number, `[3, H, W]`; the sizes after it may be capitals"
                message = f"unknown name `{expression.text}`"
                raise stop("E0101", expression.span, message, "not known here", help=help)
            size = yield self.statements.evaluator.evaluate(expression, scope)
            if isinstance(size, Symbolic) or (type(size) is int and size >= 1):
                sizes.append(size)
                continue
            code = "E0205" if type(size) is int else "E0204"
            raise stop(
                code,
                expression.span,
                "a size is a whole number of at least 1",
                f"is {show(size)}",
                help="a name of capitals that is bound to nothing, such as H, stands for any size",
            )
        dtype = statement.dtype.text if statement.dtype is not None else "float32"
        if statement.dtype is not None and dtype not in DTYPES:
            other = OTHER_DTYPES.get(dtype)
            raise stop(
                "E0204",
                statement.dtype.span,
                f"`{dtype}` is not a type of numbers",
                "unknown",
                help=f"write `{other}`" if other else "the types are " + ", ".join(DTYPES),
            )
        return Tensor(tuple(sizes), dtype)
