"""The body of `forward`: one statement per step, in few variables, named as a person would."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import Formatter
from typing import NamedTuple

from archc.compiler.ir import ShapedGraph
from archc.compiler.ops.entry import Call, Expression, Statements
from archc.compiler.source.flows import flows_of
from archc.compiler.source.keys import access as attribute
from archc.compiler.source.names import variable
from archc.compiler.source.nesting import WIDEST, alone, nested
from archc.compiler.source.overwriting import is_free, overwrites
from archc.compiler.source.parts import Code, Hole, Mark, Parts, join, shape, width
from archc.compiler.source.scopes import Scope, Step
from archc.dsl.source import Span


class Statement(NamedTuple):
    """One statement of `forward`, and the place in the text it comes from."""

    parts: Parts
    origin: Span | None


class Forward(NamedTuple):
    """The names of the arguments of `forward`, values and then modules, and its statements."""

    parameters: tuple[str, ...]
    statements: tuple[Statement, ...]
    modules: tuple[str, ...] = ()


def skeleton(forward: Forward) -> object:
    """Return what has to be equal for two bodies to differ in values only."""
    return forward.parameters, forward.modules, tuple(shape(statement.parts) for statement in forward.statements)


def anonymous(forward: Forward) -> Forward:
    """Return a body without the places it comes from, so that equal text compares equal."""
    statements = (
        Statement(tuple(Mark(None) if isinstance(part, Mark) else part for part in statement.parts), None)
        for statement in forward.statements
    )
    return forward._replace(statements=tuple(statements))


def words(forward: Forward | None) -> set[str]:
    """Return the names that a body uses, which no class may have."""
    if forward is None:
        return set()
    text = " ".join(part for statement in forward.statements for part in statement.parts if isinstance(part, str))
    return {*re.findall(r"\w+", text), *forward.parameters, *forward.modules}


def forward(
    scope: Scope,
    shaped: ShapedGraph,
    bound: Mapping[str, list[Span]],
    access: Mapping[str, str],
    parameters: tuple[str, ...],
    modules: Mapping[str, str],
    *,
    taken: Iterable[str] = (),
    result: str = "",
) -> Forward:
    """Write the body of a scope's `forward`.

    Args:
        bound: what `bindings` returns.
        access: how each module of the scope is written, by its key.
        parameters: the names of the scope's inputs.
        modules: the names of the modules that lie outside and are handed in, by their paths.
        taken: names that are in use.
        result: the class of the named tuple of several results.
    """
    return _Body(scope, shaped, bound, access, parameters, modules, taken, result).write()


class _Body:
    def __init__(
        self,
        scope: Scope,
        shaped: ShapedGraph,
        bound: Mapping[str, list[Span]],
        access: Mapping[str, str],
        parameters: tuple[str, ...],
        modules: Mapping[str, str],
        taken: Iterable[str],
        result: str,
    ) -> None:
        self.scope = scope
        self.shaped = shaped
        self.bound = bound
        self.access = access
        self.result = result
        self.modules = modules
        self.reserved = {*taken, *modules.values()}
        self.parameters = parameters
        self.same: dict[int, int] = {}  # what does nothing leaves the value it takes
        self.steps = list(self._working(scope.steps))
        self.outputs = tuple(self.same.get(value, value) for value in scope.outputs)
        self.names: dict[int, str] = dict(zip(scope.inputs, parameters, strict=True))
        self.holder: dict[str, int] = {name: value for value, name in self.names.items()}
        for step in scope.steps:
            if step.live and step.node is not None and step.node.op.own:
                self.names[step.outputs[0]] = access[step.key]
        self.pending: dict[int, tuple[Code, Span]] = {}  # what is written where it is used
        self.reads: dict[int, tuple[int, ...]] = {}  # which values that reads
        self.last: dict[int, int] = {}
        self.uses: dict[int, int] = {}
        for index, step in enumerate(self.steps):
            for value in step.inputs:
                self.last[value] = index
                self.uses[value] = self.uses.get(value, 0) + 1
        for value in self.outputs:
            self.last[value] = len(self.steps)
            self.uses[value] = self.uses.get(value, 0) + 1
        self.calls = [self._call(step) for step in self.steps]
        self.alone = [alone(*each, self._module(each[0])) for each in zip(self.steps, self.calls, strict=True)]
        named = {
            value
            for step in self.steps
            for value in step.outputs
            if value in self.outputs or self.uses.get(value) != 1 or self._name_in_text(step, value)
        }
        self.lines = nested(self.steps, self.alone, named)
        self.flows, self.inlined = flows_of(scope.region, self.steps, self.lines)
        results = {index: self.steps[index].outputs for index in self.inlined}
        self.inlined = {index for index, values in results.items() if len(values) == 1 and values[0] not in named}
        made = {step.outputs[0]: index for index, step in enumerate(self.steps) if index in self.lines}
        self.added = {index for index in range(len(self.steps)) if self._is_added(index, made)}
        self.lines.update((index, self.alone[index]) for index in self.added)
        self.statements: list[Statement] = []

    def _working(self, steps: Iterable[Step]) -> Iterator[Step]:
        """The steps that are written: all that do something, apart from values of the network's own.

        These are attributes, written where they are used.
        """
        for one in steps:
            if not one.live or (one.node is not None and one.node.op.own):
                continue
            step = one.taking(tuple(self.same.get(value, value) for value in one.inputs))
            if self._does_nothing(step):
                self.same[step.outputs[0]] = step.inputs[0]
            else:
                yield step

    def _does_nothing(self, step: Step) -> bool:
        """Say whether a step leaves what it takes, as padding by zero does."""
        if step.node is None or step.node.op.function is None or step.training or self._module(step):
            return False
        return step.node.op.function(call_of(step, self.shaped)) == Expression("{0}")

    def _is_added(self, index: int, made: Mapping[int, int]) -> bool:
        """Say whether a sum is written as `x += y`: behind a branch of several lines, whose result nobody reads again.

        `made` says which step leaves a value on a line of its own.
        """
        step, types, flow = self.steps[index], self.shaped.types, self.flows.get(index, "x")
        if self.calls[index] != Expression("{0} + {1}", atomic=False) or step.training:
            return False
        (first, second), result = step.inputs, step.outputs[0]
        if result in self.outputs or index in self.inlined or self._name_in_text(step, result):
            return False
        maker, other = made.get(first, -1), made.get(second, -1)
        if self.flows.get(maker) != flow or maker in self.inlined or self._name_in_text(self.steps[maker], first):
            return False
        if other > maker and other not in self.inlined and self.flows.get(other) == flow:
            return False  # the first value has been moved to another variable
        return types[first] == types[result] and is_free(first, self.scope, self.shaped)

    def write(self) -> Forward:
        for index, step in enumerate(self.steps):
            self._step(index, step)
        self._return()
        return Forward(self.parameters, tuple(self.statements), tuple(self.modules.values()))

    # ---- one step

    def _step(self, index: int, step: Step) -> None:
        code = self._code(index, step)
        origin = step.span
        if isinstance(code, list):
            self.statements.extend(Statement(parts, origin) for parts in code)
            return
        outputs = [value for value in step.outputs if value in self.last]
        if self._is_inside(index, code):
            (value,) = step.outputs
            self.pending[value] = code, origin
            self.reads[value] = tuple(read for one in step.inputs for read in self.reads.get(one, (one,)))
            for read in self.reads[value]:
                self.last[read] = max(self.last.get(read, 0), self.last[value])
            return
        if (
            index == len(self.steps) - 1
            and not step.training
            and tuple(step.outputs) == self.outputs
            and not self.result
        ):
            self.statements.append(Statement(join(["return ", *code.parts]), origin))
            self.names.update(dict.fromkeys(step.outputs, ""))
            return
        targets = self._targets(index, step)
        for name, value in zip(targets, step.outputs, strict=True):
            if value in outputs:
                self._bind(name, value)
        parts = [", ".join(targets), " = ", *code.parts]
        if index in self.added and targets == [self.names[step.inputs[0]]]:
            parts = [*targets, " += ", *self._input(step.inputs[1], bracket=False)]
        if step.training:
            parts.append(" if self.training else None")
        self.statements.append(Statement(join(parts), origin))

    def _bind(self, name: str, value: int) -> None:
        self.names[value] = name
        self.holder[name] = value

    def _targets(self, index: int, step: Step) -> list[str]:
        """Choose the variables of a step's results, each another one."""
        targets: list[str] = []
        for value in step.outputs:
            targets.append(self._target(index, value, targets) if value in self.last else "_")
        return targets

    def _target(self, index: int, value: int, beside: Sequence[str]) -> str:
        """Choose the variable of a result, none of those `beside` it, and save what is in it when still needed."""
        text = self._name_in_text(self.steps[index], value)
        produced_here = value not in self.outputs or self.uses[value] > 1
        if text is not None and (produced_here or self.result):
            live = {name for name, held in self.holder.items() if self.last.get(held, -1) > index}
            return variable(text, live | self.reserved | set(beside))
        flow = self.flows.get(index, "x")
        if flow in self.reserved:
            flow = variable(flow, self.reserved)
        if flow in beside:
            return self._fresh("y", index, beside)
        held = self.holder.get(flow)
        if held is not None and held != value and self.last.get(held, -1) > index:
            if flow not in ("x", *self.parameters):
                return self._fresh(flow, index)
            saved = self._fresh("identity", index)
            self.statements.append(Statement((f"{saved} = {flow}",), self.steps[index].span))
            self._bind(saved, held)
        return flow

    def _name_in_text(self, step: Step, value: int) -> str | None:
        """The name that `as` gives to a step's result where the step stands, not in a block around or within it."""
        name = self.shaped.graph.names.get(value)
        for span in self.bound.get(name or "", ()):
            if span.source is step.span.source and span.start <= step.span.start and step.span.end <= span.end:
                return name
        return None

    def _fresh(self, name: str, index: int, beside: Iterable[str] = ()) -> str:
        live = {held_by for held_by, held in self.holder.items() if self.last.get(held, -1) >= index}
        return variable(name, live | self.reserved | set(beside))

    def _is_inside(self, index: int, code: Code) -> bool:
        """Say whether a result is written where it is used instead of getting a name."""
        if index in self.inlined:
            return True
        return index not in self.lines and width(code.parts) + self.alone[index + 1].width <= WIDEST

    # ---- expressions

    def _call(self, step: Step) -> Expression | Statements:
        """How a step is written, `{module}` for its module."""
        node = step.node
        plain = ", ".join(f"{{{number}}}" for number in range(len(step.inputs)))
        if node is None:
            assert step.scope is not None
            handed = "".join(f", {self._reached(path)}" for path in step.scope.taken)
            return Expression(f"{{module}}({(plain + handed).removeprefix(', ')})")
        found = call_of(step, self.shaped)
        is_given = node.op.given is not None and len(step.inputs) > 1
        if self._module(step):
            applied = node.op.apply(found) if node.op.apply is not None else None
            if applied is not None:
                return applied
            if not is_given:
                return Expression(f"{{module}}({plain})")
        if is_given:
            assert node.op.given is not None
            return node.op.given(found)
        assert node.op.function is not None, f"{node.op.name} can be applied neither as a module nor as a function"
        written = node.op.function(found)
        if overwrites(step, self.scope, self.shaped):
            return written._replace(template=f"{written.template.removesuffix(')')}, inplace=True)")
        return written

    def _code(self, index: int, step: Step) -> Code | list[Parts]:
        call, module = self.calls[index], self._module(step)
        if isinstance(call, Statements):
            return self._several(index, step, call, module)
        return Code(join(self._filled(call.template, step, call.values, module)), call.atomic)

    def _module(self, step: Step) -> str:
        """How the module of a step is written; empty where it has none."""
        if step.shared:
            return self._reached(step.shared)
        return self.access.get(step.key, "") if step.key else ""

    def _reached(self, path: str) -> str:
        """How a module that another scope makes is written: an argument of `forward`, or what lies below this one."""
        if path in self.modules:
            return self.modules[path]
        below = path.removeprefix(f"{self.scope.path}.") if self.scope.path else path
        return attribute(below)

    def _filled(
        self, template: str, step: Step, values: Mapping[str, object], module: str, outputs: Mapping[str, str] = {}
    ) -> Parts:
        parts: list[str | Hole | Mark] = []
        is_call = re.match(r"(\{module\}|[\w.]+)\(\{0\}[,)]", template) is not None
        for text, name, _, _ in Formatter().parse(template):
            parts.append(text)
            if name is None:
                continue
            if name == "module":
                parts.append(module)
            elif name in outputs:
                parts.append(outputs[name])
            elif name.isdigit():
                parts.extend(self._input(step.inputs[int(name)], bracket=not is_call))
            else:
                hint = name
                if re.fullmatch(r"[as]\d+", name):
                    hint = "size"
                parts.append(Hole(values[name], hint))
        return tuple(parts)

    def _input(self, value: int, *, bracket: bool) -> Parts:
        if value not in self.pending:
            return (self.names[value],)
        code, origin = self.pending[value]
        parts = (Mark(origin), *code.parts, Mark(None))
        return ("(", *parts, ")") if bracket and not code.atomic else parts

    def _several(self, index: int, step: Step, call: Statements, module: str) -> list[Parts]:
        # The inputs are read before the outputs get their names.
        before = dict(self.names)
        targets = {f"y{i}": target for i, target in enumerate(self._targets(index, step))}
        after = self.names
        self.names = before | {v: n for v, n in after.items() if v in step.inputs}
        lines = [join(self._filled(line, step, getattr(call, "values", {}), module, targets)) for line in call.lines]
        self.names = after
        for name, value in zip(targets.values(), step.outputs, strict=True):
            if value in self.last:
                self._bind(name, value)
        return lines

    # ---- the end

    def _return(self) -> None:
        outputs = self.outputs
        if self.statements and self.statements[-1].parts and str(self.statements[-1].parts[0]).startswith("return "):
            return
        if not self.result:
            text = ", ".join(self.names[value] for value in outputs)
            self.statements.append(Statement((f"return {text}",), None))
            return
        graph = self.shaped.graph
        names = {output: self.names[self.same.get(output.value, output.value)] for output in graph.outputs}
        always = [names[output] for output in graph.outputs if not output.training]
        plain = always[0] if len(always) == 1 else f"{self.result}({', '.join(always)})"
        everything = ", ".join(names[output] for output in graph.outputs)
        if len(always) < len(graph.outputs):
            self.statements.append(Statement(("if self.training:",), None))
            self.statements.append(Statement((f"    return {self.result}({everything})",), None))
        self.statements.append(Statement((f"return {plain}",), None))


def call_of(step: Step, shaped: ShapedGraph) -> Call:
    """Return the use of an operator as its rules see it."""
    assert step.node is not None
    types = shaped.types
    return Call(
        step.node.arguments, tuple(types[v] for v in step.node.inputs), tuple(types[v] for v in step.node.outputs)
    )
