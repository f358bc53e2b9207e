"""Statements, pipelines, groups and loops: what they do to the value that flows through them."""

from collections.abc import Callable, Sequence
from math import prod

from archc.compiler.elaboration.builder import Builder
from archc.compiler.elaboration.context import Branch, Context, Flow, as_value, wires
from archc.compiler.elaboration.declarations import declare_init, declare_module
from archc.compiler.elaboration.expressions import Evaluator
from archc.compiler.elaboration.externs import operator
from archc.compiler.elaboration.names import unknown, unpack
from archc.compiler.elaboration.paths import Paths, Tag
from archc.compiler.elaboration.rules import Rules
from archc.compiler.elaboration.scope import Binding, Scope
from archc.compiler.elaboration.trampoline import Task
from archc.compiler.elaboration.uses import head, use_stage
from archc.compiler.ops.entry import Op
from archc.compiler.problems import Limit, Stop, follow_on, stop
from archc.compiler.values import POISON, ExternValue, Wire, kind_of, show
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.source import Span

MOST_MISTAKES = 200  # nobody reads on after these


class Statements:
    """Runs statements over a value, and adds what they make to the builder."""

    __slots__ = (
        "_externs",
        "_seen",
        "builder",
        "declare",
        "diagnostics",
        "evaluator",
        "rules",
        "unapplied",
    )

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.evaluator = Evaluator(builder.shapes)
        self.diagnostics: list[Diagnostic] = []
        self._seen: dict[tuple[str, Span], Diagnostic] = {}
        self.unapplied: dict[str, Diagnostic] = {}  # modules that are declared and not applied yet, by path
        self.declare: Callable[[ast.Input, Context], Task[None]]  # set by who expands an arch
        self._externs: dict[int, Op] = {}  # by the number of their declaration
        self.rules = Rules(builder.nodes)

    def operator(self, value: ExternValue) -> Op:
        """The operator that an extern declares: one for each declaration."""
        key = id(value.extern)
        if key not in self._externs:
            self._externs[key] = operator(value, self.evaluator)
        return self._externs[key]

    # ---- statements

    def body(self, statements: tuple[ast.Statement, ...], value: Flow, context: Context) -> Task[Flow]:
        """Run statements in order, each on what the one before left; a wrong one is reported, the rest goes on.

        An `init` holds for all that these braces make, also before it.
        """
        start = len(self.builder.nodes)
        self.rules.open.append([])
        for statement in statements:
            try:
                value = yield self._statement(statement, value, context)
            except Limit:
                raise
            except Stop as error:
                self.report(error, statement, context)
                if isinstance(statement, ast.Pipeline):
                    value = POISON
        self.rules.close(start)
        return value

    def report(self, error: Stop, statement: ast.Statement | None, context: Context) -> None:
        """Keep the diagnostic of a mistake, with the blocks it happened in.

        What the wrong statement would have bound is bound to `POISON`, so that its names are not reported as unknown.
        """
        if error.diagnostic is not None:
            found = error.diagnostic._replace(trace=context.frame.trace())
            # In a loop the same line is wrong in every round: the first time says it all.
            if self._seen.setdefault((found.code, found.primary.span), found) is found:
                self.diagnostics.append(found)
            if len(self.diagnostics) > MOST_MISTAKES:
                raise Limit(error.diagnostic)
        waiting: list[ast.Pattern | None] = []
        if isinstance(statement, ast.Pipeline):
            waiting.append(statement.binding)
        elif isinstance(statement, ast.Let):
            waiting.append(statement.pattern)
        elif isinstance(statement, ast.Input):
            waiting.append(statement.name)
        elif isinstance(statement, ast.Module) and all(isinstance(part, str) for part in statement.label.parts):
            waiting.append(ast.Name("".join(map(str, statement.label.parts)), statement.label.span))
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.TuplePattern):
                waiting.extend(part.items)
            elif part is not None:
                context.scope.names.setdefault(part.text, Binding(POISON, part.span))

    def _statement(self, statement: ast.Statement, value: Flow, context: Context) -> Task[Flow]:
        match statement:
            case ast.Pipeline():
                return (yield self._pipeline(statement, value, context))
            case ast.Let():
                found = yield self.evaluator.evaluate(statement.value, context.scope)
                unpack(statement.pattern, found, context.scope.bind)
            case ast.Require():
                yield self.claim(statement.test, statement.message, context.scope, "this requirement does not hold")
            case ast.Input():
                _directly("an input", statement.span, context)
                if not context.depth:
                    yield self.declare(statement, context)
                elif statement.sizes is not None:
                    help = f"write `input {statement.name.text}`"
                    raise stop("E0405", statement.span, "an input of a block has no sizes", "has sizes", help=help)
                else:
                    context.scope.bind(statement.name, as_value(context.inputs[statement.name.text]))
            case ast.Output():
                context.results.extend((name, statement.training) for name in statement.names)
            case ast.Expect():
                _directly("an `expect`", statement.span, context)  # checked when the whole network stands
                if context.depth:
                    help = "in a block, write `require`"
                    raise stop("E0405", statement.span, "an `expect` is about a whole network", "in a block", help=help)
            case ast.Module():
                yield declare_module(self, statement, context)
            case ast.Init():
                yield declare_init(self, statement, context)
            case ast.Function():
                context.scope.bind(statement.name, self.evaluator.function(statement, context.scope))
        return value

    def claim(self, test: ast.Expression, message: ast.Template | None, scope: Scope, title: str) -> Task[None]:
        """Check a `require` or an `expect`."""
        if (yield self.evaluator.truth(test, scope)):
            return
        said = title if message is None else (yield self.evaluator.template(message, scope))
        found: list[str] = []
        if isinstance(test, ast.Comparison):
            for side in (test.first, *(operand for _, operand in test.rest)):
                value = yield self.evaluator.evaluate(side, scope)
                # Long numbers as one types them: 11_689_512.
                shown = f"{value:_}" if type(value) is int else show(value)
                if "".join(side.span.text.split()) != "".join(shown.split()) and not isinstance(side, ast.Literal):
                    if found and [operator for operator, _ in test.rest] == ["=="]:
                        found[-1] += f", expected {shown}"
                    else:
                        found.append(f"{side.span.text} is {shown}")
        raise stop("E0601", test.span, said, "; ".join(found) or "is false")

    # ---- pipelines

    def _pipeline(self, pipeline: ast.Pipeline, value: Flow, context: Context) -> Task[Flow]:
        for stage in pipeline.stages:
            if isinstance(value, tuple):
                names = ", ".join("abcdefgh"[: len(value)])
                raise stop(
                    "E0402",
                    stage.span,
                    f"{len(value)} values come before this, and a stage takes one",
                    "which of them?",
                    help=f"end the statement before this with `as ({names})`; the next one goes on from `a`",
                )
            try:
                value = yield self._stage(stage, value, context)
            except Limit:
                raise
            except Stop as error:  # what is wrong in the stages after it is found too
                self.report(error, None, context)
                value = POISON
        if pipeline.binding is not None:
            self._name(pipeline.binding, value, context.scope)
        elif isinstance(value, tuple):
            names = ", ".join("abcdefgh"[: len(value)])
            raise stop(
                "E0402",
                pipeline.stages[-1].span,
                f"this leaves {len(value)} values, which need names",
                "several values",
                help=f"end the statement with `as ({names})`",
            )
        return value[0] if isinstance(value, tuple) else value

    def _name(self, pattern: ast.Pattern, value: Flow, scope: Scope) -> None:
        if value is POISON:
            raise follow_on()
        if value is None:
            raise stop("E0403", pattern.span, "there is no value here to name", "nothing flows")
        if isinstance(pattern, ast.Name) and isinstance(value, tuple):
            names = ", ".join((pattern.text, *"abcdefgh"[: len(value) - 1]))
            help = f"write {len(value)} names in parentheses: `as ({names})`"
            raise stop("E0402", pattern.span, f"{len(value)} values cannot have one name", "one name", help=help)

        def bind(name: ast.Name, wire: object) -> None:
            assert isinstance(wire, Wire)
            scope.bind(name, wire)
            self.builder.names.setdefault(wire.value, name.text)

        unpack(pattern, tuple(map(Wire, value)) if isinstance(value, tuple) else as_value(value), bind)

    def _stage(self, stage: ast.Stage, value: Flow, context: Context) -> Task[Flow]:
        self.builder.step(stage.span)
        tag = None
        if stage.label is not None:
            tag = Tag((yield self.evaluator.template(stage.label, context.scope)), stage.label.span)
        action = stage.action
        if isinstance(action, ast.Use):
            return (yield use_stage(self, action, tag, value, context))
        if tag is None:
            return (yield self._grouped(action, value, context))
        path = context.paths.label(tag)
        with self.builder.region("label", tag.text, value, stage.span, path=path, labelled=True) as region:
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
                name = "for" if isinstance(action, ast.For) else "repeat"
                with self.builder.region("loop", name, value, action.span) as region:
                    items, inner = yield self._rounds(action, inner)
                    for item in items:
                        value = yield self._round(action, item, value, inner)
                    region.outputs = value
                return value

    # ---- loops

    def _rounds(self, loop: ast.For | ast.Repeat, context: Context) -> Task[tuple[Sequence[object], Context]]:
        """What a loop goes over, and what it gives to its rounds; loops in loops are counted before they run."""
        items = yield self._items(loop, context)
        rounds = (*context.rounds, len(items))
        if prod(rounds) > self.builder.limit:
            self.builder.look_ahead()
            if len(items) > self.builder.limit:
                message, help = f"this loop has {len(items):,} rounds", "`--max-layers` raises the limit"
                label = f"more than {self.builder.limit:,}, the most layers of a network"
                raise Limit(stop("E0702", loop.span, message, label, help=help).diagnostic)
        return items, context._replace(rounds=rounds)

    def _items(self, loop: ast.For | ast.Repeat, context: Context) -> Task[Sequence[object]]:
        if isinstance(loop, ast.For):
            return (yield self.evaluator.items(loop.iterable, context.scope))
        count = yield self.evaluator.evaluate(loop.count, context.scope)
        if type(count) is not int:
            message = f"`repeat` takes a whole number, and this is {kind_of(count)}"
            raise stop("E0204", loop.count.span, message, f"is {show(count)}")
        if count < 0:
            raise stop("E0205", loop.count.span, "`repeat` cannot run fewer than 0 times", f"is {count}")
        return range(count)

    def _round(self, loop: ast.For | ast.Repeat, item: object, value: Flow, context: Context) -> Task[Flow]:
        self.builder.step(loop.span)
        inner = Scope(context.scope.unit, context.scope)
        if isinstance(loop, ast.For):
            unpack(loop.pattern, item, inner.bind)
        elif loop.name is not None:
            inner.bind(loop.name, item)
        seen = tuple((name, show(binding.value, 24)) for name, binding in inner.names.items())
        frame = context.frame._replace(loops=context.frame.loops + seen, round=loop.span)
        with self.builder.region("round", "", value, loop.body.span) as region:
            region.outputs = yield self.body(loop.body.statements, value, context._replace(scope=inner, frame=frame))
        return region.outputs

    # ---- branches

    def branches(self, body: ast.Body, value: Flow, context: Context) -> Task[list[Branch]]:
        """Run the branches in the braces after an op or block, each from the value before it."""
        inner = context._replace(top=False)
        results: list[Branch] = []
        for statement in body.statements:
            if isinstance(statement, ast.Init):
                help = "write it in the braces of the arch, block or group around"
                self.report(stop("E0405", statement.span, "an `init` is no branch", "here", help=help), None, context)
        for statement in body.statements:
            try:
                if isinstance(statement, ast.Pipeline):
                    results.extend((yield self._branch(statement, value, inner)))
                elif not isinstance(statement, ast.Init):
                    yield self._statement(statement, value, inner)
            except Limit:
                raise
            except Stop as error:
                self.report(error, statement, context)
                results.append(Branch(POISON))
        return results

    def _branch(self, pipeline: ast.Pipeline, value: Flow, context: Context) -> Task[list[Branch]]:
        """Run a statement as a branch; a loop that is the whole statement makes one branch per round."""
        stage, span = pipeline.stages[0], pipeline.span
        action = stage.action
        open_if = _without_else(action) if isinstance(action, ast.If) else None
        if open_if is not None:
            raise stop(
                "E0404",
                open_if.span,
                "a branch always needs a value, and this `if` has no `else`",
                "what when it is false?",
                help="add `else { identity }` for the value itself",
            )
        sole = len(pipeline.stages) == 1 and pipeline.binding is None
        if not (isinstance(action, ast.For | ast.Repeat) and sole):
            last = pipeline.stages[-1].action
            place = head(last) if isinstance(last, ast.Use) else None
            before = self.builder.values
            left = yield self._one(self._pipeline(pipeline, value, context), value, span)
            if isinstance(left, int) and left < before:  # it was made elsewhere, and is seen here
                line = span.text.partition("\n")[0].rstrip()
                place = place or Span(span.source, span.start, span.start + len(line))
            return [Branch(left, place)]
        if stage.label is None:
            return (yield self._rounds_as_branches(action, value, context, span))
        tag = Tag((yield self.evaluator.template(stage.label, context.scope)), stage.label.span)
        path = context.paths.label(tag)
        with self.builder.region("label", tag.text, value, span, path=path, labelled=True) as region:
            inside = context._replace(paths=Paths(path))
            results: list[Branch] = yield self._rounds_as_branches(action, value, inside, span)
            region.outputs = tuple(wire for branch in results for wire in wires(branch.value))
        return results

    def _rounds_as_branches(
        self, loop: ast.For | ast.Repeat, value: Flow, context: Context, span: Span
    ) -> Task[list[Branch]]:
        results = []
        with self.builder.region("loop", "for" if isinstance(loop, ast.For) else "repeat", value, span):
            items, inner = yield self._rounds(loop, context)
            for item in items:
                results.append(Branch((yield self._one(self._round(loop, item, value, inner), value, span))))
        return results

    def _one(self, task: Task[Flow], value: Flow, span: Span) -> Task[Flow]:
        with self.builder.region("branch", "", value, span) as region:
            result = region.outputs = yield task
        if result is None:
            help = "begin the branch with the name of an input"
            raise stop("E0403", span, "there is no value in this branch", "nothing flows", help=help)
        return result

    # ---- results

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
            raise unknown(name, context.scope, output=True)
        if binding.value is POISON:
            return POISON
        if not isinstance(binding.value, Wire):
            label = f"is {kind_of(binding.value)}"
            raise stop("E0405", name.span, f"`{name.text}` is not a value of the network", label)
        return binding.value.value


def _without_else(action: ast.If) -> ast.If | None:
    """The last `if` of a chain of `else if` that no `else` ends; one in braces of its own is not of the chain."""
    while action.otherwise is not None:
        match action.otherwise.statements:
            case (ast.Pipeline(stages=(ast.Stage(action=ast.If() as following),)),) if (
                following.span == action.otherwise.span
            ):
                action = following
            case _:
                return None
    return action


def _directly(what: str, span: Span, context: Context) -> None:
    if not context.top:
        raise stop("E0405", span, f"{what} is declared directly in an arch or block", "stands inside braces")
