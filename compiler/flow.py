"""Statements, stages, blocks and loops: what they do to the value that flows through them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from archc.compiler.arguments import bind_block, bind_op
from archc.compiler.builder import Builder, Flow, Limit
from archc.compiler.expressions import Evaluator
from archc.compiler.functions import BUILTINS
from archc.compiler.ir import Frame
from archc.compiler.names import unknown, unpack
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import REQUIRED, Parameter
from archc.compiler.paths import Paths
from archc.compiler.problems import Stop, follow_on, stop
from archc.compiler.scope import Binding, Scope
from archc.compiler.trampoline import Task
from archc.compiler.values import POISON, BlockValue, Given, OpValue, Poison, Wire, kind_of, show
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label, Use
from archc.dsl.source import Span

DEEPEST_BLOCK = 200


class Context(NamedTuple):
    """What the text around a statement gives it.

    `depth` counts the blocks around, `results` collects the names of an `output` statement, `inputs` are the values
    of the declared inputs, and `top` says that the statement stands directly in an arch or block.
    """

    scope: Scope
    paths: Paths
    frame: Frame
    depth: int
    results: list[tuple[ast.Name, bool]]
    inputs: dict[str, Flow]
    top: bool = True


class Statements:
    """Runs statements over a value, and adds what they make to the builder."""

    __slots__ = ("builder", "diagnostics", "evaluator")

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.evaluator = Evaluator(builder.shapes)
        self.diagnostics: list[Diagnostic] = []

    # ---- statements

    def body(self, statements: tuple[ast.Statement, ...], value: Flow, context: Context) -> Task[Flow]:
        """Run statements in order, each on what the one before left; a wrong one is reported, the rest goes on."""
        for statement in statements:
            try:
                value = yield self._statement(statement, value, context)
            except Limit:
                raise
            except Stop as error:
                self.report(error, context.frame)
                self._poison(statement, context.scope)
                if isinstance(statement, ast.Pipeline):
                    value = POISON
        return value

    def report(self, error: Stop, frame: Frame) -> None:
        """Keep the diagnostic of a mistake, with the blocks it happened in."""
        if error.diagnostic is not None:
            self.diagnostics.append(error.diagnostic._replace(trace=frame.trace()))

    def _poison(self, statement: ast.Statement, scope: Scope) -> None:
        """Bind what a wrong statement would have bound, so that its names are not reported as unknown."""
        waiting: list[ast.Pattern | None] = []
        if isinstance(statement, ast.Pipeline):
            waiting.append(statement.binding)
        elif isinstance(statement, ast.Let):
            waiting.append(statement.pattern)
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.TuplePattern):
                waiting.extend(part.items)
            elif part is not None:
                scope.names.setdefault(part.text, Binding(POISON, part.span))

    def _statement(self, statement: ast.Statement, value: Flow, context: Context) -> Task[Flow]:
        match statement:
            case ast.Pipeline():
                return (yield self._pipeline(statement, value, context))
            case ast.Let():
                found = yield self.evaluator.evaluate(statement.value, context.scope)
                unpack(statement.pattern, found, self._binder(context.scope))
            case ast.Require():
                yield self.claim(statement.test, statement.message, context.scope, "this requirement does not hold")
            case ast.Input():
                if not context.top or statement.name.text not in context.inputs:
                    raise stop(
                        "E0405",
                        statement.span,
                        "an input is declared directly in an arch or block",
                        "stands inside braces",
                    )
                context.scope.bind(statement.name, _wire(context.inputs[statement.name.text]))
            case ast.Output():
                if not context.top:
                    raise stop(
                        "E0405",
                        statement.span,
                        "an output is declared directly in an arch or block",
                        "stands inside braces",
                    )
                context.results.extend((name, statement.training) for name in statement.names)
            case ast.Expect():
                pass  # about the whole network: checked when it stands
        return value

    def _binder(self, scope: Scope) -> Callable[[ast.Name, object], None]:
        return lambda name, value: scope.bind(name, value)

    def claim(self, test: ast.Expression, message: ast.Template | None, scope: Scope, title: str) -> Task[None]:
        """Check a `require` or an `expect`."""
        if (yield self.evaluator.truth(test, scope)):
            return
        said = title if message is None else (yield self.evaluator.template(message, scope))
        found = []
        if isinstance(test, ast.Comparison):
            for side in (test.first, *(operand for _, operand in test.rest)):
                if not isinstance(side, ast.Literal):
                    found.append(f"{side.span.text} is {show((yield self.evaluator.evaluate(side, scope)))}")
        raise stop("E0601", test.span, said, "; ".join(found) or "is false")

    # ---- pipelines

    def _pipeline(self, pipeline: ast.Pipeline, value: Flow, context: Context) -> Task[Flow]:
        for stage in pipeline.stages:
            if isinstance(value, tuple):
                raise stop(
                    "E0402",
                    stage.span,
                    f"{len(value)} values come before this, and a stage takes one",
                    "which of them?",
                    help="end the statement before this with `as (a, b)`, and go on from one of the names",
                )
            value = yield self._stage(stage, value, context)
        if pipeline.binding is not None:
            self._name(pipeline.binding, value, context.scope)
        elif isinstance(value, tuple):
            raise stop(
                "E0402",
                pipeline.stages[-1].span,
                f"this leaves {len(value)} values, which need names",
                "several values",
                help="end the statement with `as (" + ", ".join("abcdefgh"[: len(value)]) + ")`",
            )
        return value[0] if isinstance(value, tuple) else value

    def _name(self, pattern: ast.Pattern, value: Flow, scope: Scope) -> None:
        if value is POISON:
            raise follow_on()
        if value is None:
            raise stop("E0403", pattern.span, "there is no value here to name", "nothing flows")
        if isinstance(pattern, ast.Name) and isinstance(value, tuple):
            raise stop(
                "E0402",
                pattern.span,
                f"{len(value)} values cannot have one name",
                "one name",
                help="write as many names in brackets: `as (a, b)`",
            )

        def bind(name: ast.Name, wire: object) -> None:
            assert isinstance(wire, int)
            scope.bind(name, Wire(wire))
            self.builder.names.setdefault(wire, name.text)

        unpack(pattern, value, bind)

    def _stage(self, stage: ast.Stage, value: Flow, context: Context) -> Task[Flow]:
        self.builder.step(stage.span)
        label = None if stage.label is None else (yield self.evaluator.template(stage.label, context.scope))
        action = stage.action
        if isinstance(action, ast.Use):
            return (yield self._use(action, stage.label, label, value, context))
        if stage.label is None or label is None:
            return (yield self._grouped(action, value, context))
        path = context.paths.label(label, stage.label.span)
        with self.builder.region("label", label, value, stage.span, path=path, labelled=True) as region:
            region.outputs = yield self._grouped(action, value, context._replace(paths=Paths(path)))
        return region.outputs

    def _grouped(self, action: ast.Group | ast.For | ast.Repeat | ast.If, value: Flow, context: Context) -> Task[Flow]:
        inner = context._replace(top=False)
        match action:
            case ast.Group(body=body):
                return (yield self.body(body.statements, value, inner))
            case ast.If():
                if (yield self.evaluator.truth(action.test, context.scope)):
                    return (yield self.body(action.then.statements, value, inner))
                if action.otherwise is not None:
                    return (yield self.body(action.otherwise.statements, value, inner))
                return value
            case ast.For() | ast.Repeat():
                with self.builder.region(
                    "loop", "for" if isinstance(action, ast.For) else "repeat", value, action.span
                ) as region:
                    for item in (yield self._rounds(action, context)):
                        value = yield self._round(action, item, value, inner)
                    region.outputs = value
                return value

    # ---- loops

    def _rounds(self, loop: ast.For | ast.Repeat, context: Context) -> Task[list[object] | tuple[object, ...] | range]:
        """What a loop goes over."""
        if isinstance(loop, ast.For):
            return (yield self.evaluator.items(loop.iterable, context.scope))
        count = yield self.evaluator.evaluate(loop.count, context.scope)
        if type(count) is not int:
            raise stop(
                "E0204",
                loop.count.span,
                f"`repeat` takes a whole number, and this is {kind_of(count)}",
                f"is {show(count)}",
            )
        if count < 0:
            raise stop("E0205", loop.count.span, "`repeat` cannot run fewer than 0 times", f"is {count}")
        return range(count)

    def _round(self, loop: ast.For | ast.Repeat, item: object, value: Flow, context: Context) -> Task[Flow]:
        self.builder.step(loop.span)
        inner = Scope(context.scope.unit, context.scope)
        if isinstance(loop, ast.For):
            unpack(loop.pattern, item, self._binder(inner))
        elif loop.name is not None:
            inner.bind(loop.name, item)
        seen = tuple((name, show(binding.value, 24)) for name, binding in inner.names.items())
        use = context.frame.use
        frame = context.frame._replace(use=use._replace(loops=use.loops + seen))
        with self.builder.region("round", "", value, loop.body.span) as region:
            region.outputs = yield self.body(loop.body.statements, value, context._replace(scope=inner, frame=frame))
        return region.outputs

    # ---- names as stages

    def _use(
        self, use: ast.Use, label_at: ast.Template | None, label: str | None, value: Flow, context: Context
    ) -> Task[Flow]:
        found = yield self._lookup(use.name, value, context)
        if isinstance(found, BlockValue):
            return (yield self._block(found, use, label_at, label, value, context))
        if isinstance(found, OpValue):
            return (yield self._op(found, use, label_at, label, value, context))
        what = f"`{use.name.text}`"
        if not isinstance(found, Wire):
            if found is POISON:
                return POISON
            raise stop(
                "E0103",
                use.name.span,
                f"{what} is not a stage",
                f"is {kind_of(found)}: {show(found, 40)}",
                help="a stage is an op, a block, or the name of a value",
            )
        if label_at is not None:
            raise stop(
                "E0502",
                label_at.span,
                f"{what} cannot be labelled",
                "labels name modules",
                help=f"to name this value, write `{use.name.text} as NAME`",
            )
        if use.arguments is not None or use.branches is not None:
            raise stop("E0103", use.span, f"{what} is a value, and takes neither arguments nor branches", "is a value")
        return found.value

    def _lookup(self, name: ast.Name, value: Flow, context: Context) -> Task[object]:
        """Look up a name that stands as a stage: in the block, in the file, then among the ops."""
        text = name.text
        if text == "identity":
            return _wire(self._flowing(value, name.span))
        if context.scope.find(text) is None and text not in context.scope.unit.names:
            if text in OPS:
                return OpValue(OPS[text], {})
            if text not in BUILTINS:
                raise unknown(name, context.scope)
        return (yield self.evaluator.name(name, context.scope))

    def _flowing(self, value: Flow, span: Span) -> Flow:
        """The value that flows here; a mistake when there is none yet."""
        if value is None:
            raise stop(
                "E0403",
                span,
                "there is no value here",
                "nothing flows yet",
                help="begin the statement with the name of an input",
            )
        return value

    def _branches(self, body: ast.Body, value: Flow, context: Context) -> Task[list[Flow]]:
        """Run the branches in the braces after an op or block, each from the value before it."""
        inner = context._replace(top=False)
        results: list[Flow] = []
        for statement in body.statements:
            try:
                if not isinstance(statement, ast.Pipeline):
                    yield self._statement(statement, value, inner)
                    continue
                action = statement.stages[0].action
                sole = len(statement.stages) == 1 and statement.binding is None and statement.stages[0].label is None
                if isinstance(action, ast.For | ast.Repeat) and sole:
                    for item in (yield self._rounds(action, inner)):
                        results.append(
                            (yield self._branch(self._round(action, item, value, inner), value, action.span))
                        )
                    continue
                if isinstance(action, ast.If) and action.otherwise is None:
                    raise stop(
                        "E0404",
                        action.span,
                        "a branch always needs a value, and this `if` has no `else`",
                        "what when it is false?",
                        help="add `else { identity }` for the value itself",
                    )
                results.append((yield self._branch(self._pipeline(statement, value, inner), value, statement.span)))
            except Limit:
                raise
            except Stop as error:
                self.report(error, context.frame)
                self._poison(statement, context.scope)
                results.append(POISON)
        return results

    def _branch(self, task: Task[Flow], value: Flow, span: Span) -> Task[Flow]:
        with self.builder.region("branch", "", value, span) as region:
            result = region.outputs = yield task
        if result is None:
            raise stop(
                "E0403",
                span,
                "there is no value in this branch",
                "nothing flows",
                help="begin the branch with the name of an input",
            )
        return result

    def _op(
        self,
        found: OpValue,
        use: ast.Use,
        label_at: ast.Template | None,
        label: str | None,
        value: Flow,
        context: Context,
    ) -> Task[Flow]:
        op = found.op
        place = self.builder.place()
        passed = yield self.evaluator.arguments(use.arguments or (), context.scope)
        given = bind_op(found, passed, _head(use), whole=True)
        arguments = {parameter.name: _argument(op.name, parameter, given) for parameter in op.parameters}
        path, inner = "", context
        if label is not None and label_at is not None:
            path = context.paths.label(label, label_at.span)
            inner = context._replace(paths=Paths(path))
        elif op.counts:
            path = context.paths.index(use.name.span)
        least, most = op.inputs
        if use.branches is None:
            if least > 1:
                raise stop(
                    "E0401",
                    _head(use),
                    f"`{op.name}` takes several values",
                    "one value flows here",
                    help=f"write them as branches: `{op.name} {{ ...; ... }}`",
                )
            results = [self._flowing(value, use.name.span)]
            if results[0] is POISON:
                return POISON
        else:
            with self.builder.region("merge", op.name, value, use.span, place=place) as region:
                results = yield self._branches(use.branches, value, inner)
                if POISON in results:
                    return POISON
                if len(results) < least or (most is not None and len(results) > most):
                    wanted = (
                        f"{least}" if most == least else f"at least {least}" if most is None else f"{least} to {most}"
                    )
                    raise stop(
                        "E0401", use.branches.span, f"`{op.name}` takes {wanted} values", f"{len(results)} given"
                    )
                region.outputs = self._apply(found, arguments, given, results, path, label, place, use, context)
            return region.outputs
        return self._apply(found, arguments, given, results, path, label, place, use, context)

    def _apply(
        self,
        found: OpValue,
        arguments: Mapping[str, object],
        given: Mapping[str, Given],
        results: list[Flow],
        path: str,
        label: str | None,
        place: int,
        use: ast.Use,
        context: Context,
    ) -> Flow:
        inputs = tuple(result for result in results if isinstance(result, int))
        assert len(inputs) == len(results), "a branch leaves one value"
        return self.builder.node(
            found.op,
            arguments,
            {name: argument.span for name, argument in given.items()},
            inputs,
            path=path,
            labelled=label is not None,
            place=place,
            frame=context.frame,
            span=_head(use),
        )

    def _block(
        self,
        found: BlockValue,
        use: ast.Use,
        label_at: ast.Template | None,
        label: str | None,
        value: Flow,
        context: Context,
    ) -> Task[Flow]:
        block = found.block
        name, place = block.name.text, self.builder.place()
        if context.depth >= DEEPEST_BLOCK:
            raise Limit(_endless(use, context.frame))
        passed = yield self.evaluator.arguments(use.arguments or (), context.scope)
        given = bind_block(found, passed, _head(use), whole=True)
        paths, path = context.paths, None
        if label is not None and label_at is not None:
            path = context.paths.label(label, label_at.span)
        elif not block.inline:
            path = context.paths.index(use.name.span)
        if path is not None:
            paths = Paths(path)
        declared = [statement.name for statement in block.body.statements if isinstance(statement, ast.Input)]
        if use.branches is not None:
            if not declared:
                raise stop(
                    "E0401",
                    use.branches.span,
                    f"block `{name}` takes one value",
                    "has branches",
                    related=[Label(block.name.span, "declares no `input`")],
                    help=f"declare them in the block: `input a, b`, or write `-> {name}` without braces",
                )
            flows = yield self._branches(
                use.branches, value, context._replace(paths=paths) if label is not None else context
            )
            if len(flows) != len(declared):
                raise stop(
                    "E0401",
                    use.branches.span,
                    f"block `{name}` takes {len(declared)} values",
                    f"{len(flows)} given",
                    related=[Label(part.span, "an input") for part in declared],
                )
        else:
            if len(declared) > 1:
                raise stop(
                    "E0401",
                    _head(use),
                    f"block `{name}` takes {len(declared)} values",
                    "one value flows here",
                    help=f"write them as branches: `{name} {{ ...; ... }}`",
                )
            flows = [self._flowing(value, use.name.span)]
        inputs = {part.text: flow for part, flow in zip(declared, flows, strict=False)}
        frame = Frame(Use(name, use.name.span), context.frame)
        scope = yield self.evaluator.open(block.parameters, given, found.unit, block.body, f"block `{name}`")
        shown = {parameter: binding.value for parameter, binding in scope.names.items()}
        if not declared:
            scope.names["in"] = Binding(_wire(flows[0]), use.span)
        inner = Context(scope, paths, frame, context.depth + 1, [], inputs)
        start = flows[0] if len(flows) == 1 else None
        taken: Flow = POISON if POISON in flows else tuple(flow for flow in flows if isinstance(flow, int))
        with self.builder.region(
            "inline" if block.inline else "block",
            name,
            taken,
            use.span,
            path=path,
            labelled=label is not None,
            place=place,
            arguments=shown,
            definition=block,
        ) as region:
            result = yield self.body(block.body.statements, start, inner)
            if inner.results:
                result = self.results(inner)
            region.outputs = result
        return result

    def results(self, context: Context) -> Flow:
        """The values that the `output` statements of a block name."""
        found = []
        for name, training in context.results:
            if training:
                raise stop("E0405", name.span, "only an arch has outputs for training", "in a block")
            found.append(self.output(name, context))
        if POISON in found:
            return POISON
        values = tuple(value for value in found if isinstance(value, int))
        return values[0] if len(values) == 1 else values

    def output(self, name: ast.Name, context: Context) -> Flow:
        """The value that an `output` statement names."""
        binding = context.scope.find(name.text)
        if binding is None:
            raise unknown(name, context.scope)
        if binding.value is POISON:
            return POISON
        if not isinstance(binding.value, Wire):
            raise stop(
                "E0405", name.span, f"`{name.text}` is not a value of the network", f"is {kind_of(binding.value)}"
            )
        return binding.value.value


def _wire(flow: Flow) -> object:
    return Wire(flow) if isinstance(flow, int) else POISON


def _head(use: ast.Use) -> Span:
    """The place of an op or block with its arguments, without its branches."""
    return Span(
        use.name.span.source, use.name.span.start, use.branches.span.start if use.branches is not None else use.span.end
    )


def _argument(op: str, parameter: Parameter, given: Mapping[str, Given]) -> object:
    """The value of an op's parameter, checked against its kind."""
    if parameter.name not in given:
        assert parameter.default is not REQUIRED, "`bind` reports what is missing"
        return parameter.default
    value, span = given[parameter.name]
    if not parameter.kind.accepts(value):
        raise stop(
            "E0204" if _wrong_type(value) else "E0205",
            span,
            f"`{parameter.name}` of `{op}` must be {parameter.kind.words}",
            f"is {show(value)}",
        )
    return value


def _wrong_type(value: object) -> bool:
    """Whether a refused value is of another type, rather than out of range."""
    return isinstance(value, bool | str | BlockValue | OpValue | Poison | Wire) or value is None


def _endless(use: ast.Use, frame: Frame) -> Diagnostic:
    chain = [use.name.text, *(step.block for step in frame.trace()[:12])]
    cycle = chain[: chain.index(chain[0], 1) + 1] if chain[0] in chain[1:] else chain
    error = stop(
        "E0701",
        use.name.span,
        f"more than {DEEPEST_BLOCK} blocks lie inside each other: " + " in ".join(f"`{name}`" for name in cycle),
        "the innermost",
        help="give the recursion an end: `if depth > 0 { ... }`",
    )
    assert error.diagnostic is not None
    return error.diagnostic._replace(trace=frame.trace()[: len(cycle)])
