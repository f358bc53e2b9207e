"""Computing expressions at compile time, without Python's own recursion."""

from collections.abc import Callable, Mapping

from archc.compiler.algebra.sizes import NotExact, Size, Symbolic
from archc.compiler.elaboration.arguments import (
    Passed,
    bind,
    bind_block,
    bind_builtin,
    bind_extern,
    bind_initializer,
    bind_op,
    slots,
)
from archc.compiler.elaboration.budget import ITEMS_PER_WORK, Budget, size_of
from archc.compiler.elaboration.comparison import compare
from archc.compiler.elaboration.functions import BINARY, LONGEST_LIST, NoResult, bounded, number
from archc.compiler.elaboration.items import item_of, items_between, size_of_value
from archc.compiler.elaboration.names import of_the_language, unknown, unpack
from archc.compiler.elaboration.scope import Binding, Scope
from archc.compiler.elaboration.trampoline import Task
from archc.compiler.elaboration.types import check_type
from archc.compiler.problems import follow_on, stop
from archc.compiler.program import Definition, Unit
from archc.compiler.shapes import Shapes
from archc.compiler.values import (
    POISON,
    BlockValue,
    Builtin,
    ExternValue,
    FunctionValue,
    Given,
    InitializerValue,
    OpValue,
    Wire,
    kind_of,
    show,
)
from archc.dsl import ast
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span

DEEPEST_CALL = 200


class Evaluator:
    """Computes expressions; knows the sizes of the network's values, and how deep functions are in functions."""

    __slots__ = ("_budget", "_busy", "_depth", "_results", "shapes")

    def __init__(self, shapes: Shapes, budget: Budget | None = None) -> None:
        self.shapes = shapes
        self._depth = 0
        self._budget = budget or Budget(shapes)
        self._results: dict[tuple[object, ...], object] = {}  # of functions, which are pure
        self._busy: dict[tuple[str, str], Span] = {}  # `let`s of files that are being computed

    def evaluate(self, expression: ast.Expression, scope: Scope) -> Task[object]:
        """Compute an expression.

        Raises:
            Stop: it has no value; or it rests on something that was reported already.
        """
        self._budget.spend(1, expression.span)
        match expression:
            case ast.Literal(value=value):
                return value
            case ast.Name():
                return (yield self.name(expression, scope))
            case ast.ListOf(items=items):
                return list((yield self._all(items, scope)))
            case ast.TupleOf(items=items):
                return tuple((yield self._all(items, scope)))
            case ast.Unary():
                return (yield self._unary(expression, scope))
            case ast.Binary(operator="and" | "or"):
                return (yield self._logical(expression, scope))
            case ast.Binary():
                left = yield self.evaluate(expression.left, scope)
                right = yield self.evaluate(expression.right, scope)
                return self._compute(BINARY[expression.operator], (left, right), expression)
            case ast.Comparison():
                return (yield self._comparison(expression, scope))
            case ast.Conditional():
                test = yield self.truth(expression.test, scope)
                return (yield self.evaluate(expression.then if test else expression.otherwise, scope))
            case ast.Call():
                return (yield self._call(expression, scope))
            case ast.Index():
                return (yield self._index(expression, scope))
            case ast.Slice():
                return (yield self._slice(expression, scope))
            case ast.Attribute():
                return (yield self._attribute(expression, scope))
            case ast.Comprehension():
                return (yield self._comprehension(expression, scope))

    def _all(self, items: tuple[ast.Expression, ...], scope: Scope) -> Task[list[object]]:
        values = []
        for item in items:
            values.append((yield self.evaluate(item, scope)))
        return values

    # ---- names

    def name(self, name: ast.Name, scope: Scope) -> Task[object]:
        """Look a name up: in the block, then in the file, then among the functions and ops of the language."""
        text = name.text
        binding = scope.find(text)
        if binding is not None:
            if binding.value is POISON:
                raise follow_on()
            return binding.value
        definition = scope.unit.names.get(text)
        if definition is not None:
            return (yield self._defined(definition, name))
        found = of_the_language(text)
        if found is None:
            raise unknown(name, scope)
        return found

    def function(self, function: ast.Function, scope: Scope) -> FunctionValue:
        """Return a function of a block or arch: it sees the names that are bound so far, and its own."""
        seen = scope.seen()
        self._budget.spend(1 + len(seen.names) // ITEMS_PER_WORK, function.span)
        value = FunctionValue(function, scope.unit, seen)
        seen.names[function.name.text] = Binding(value, function.name.span)
        return value

    def _defined(self, definition: Definition, name: ast.Name) -> Task[object]:
        item, unit = definition.item, definition.unit
        match item:
            case ast.Block():
                return BlockValue(item, unit, {})
            case ast.Function():
                return FunctionValue(item, unit, None)
            case ast.Extern():
                return ExternValue(item, unit, {})
            case ast.Let():
                if name.text not in unit.values:
                    key = (unit.file.source.name, name.text)
                    if key in self._busy:
                        label = Label(self._busy[key], "needed here first")
                        raise stop(
                            "E0701", name.span, f"`{name.text}` needs its own value", "here again", related=[label]
                        )
                    self._busy[key] = name.span
                    try:
                        value = yield self.evaluate(item.value, Scope(unit))
                        unpack(item.pattern, value, lambda part, value: unit.values.__setitem__(part.text, value))
                    finally:
                        del self._busy[key]
                return unit.values[name.text]
            case _:
                raise stop(
                    "E0103",
                    name.span,
                    f"`{name.text}` is an architecture, not a value",
                    "an arch is used by `arch NAME = ...` only",
                    help="move what you want to use into a block",
                )

    # ---- operators

    def _compute(
        self, function: Callable[..., object], values: tuple[object, ...], expression: ast.Expression
    ) -> object:
        try:
            result = bounded(function(*values))
            self._budget.spend(size_of(result, *values), expression.span)
            return result
        except NoResult as error:
            found = " and ".join(show(value) for value in values)
            raise stop(
                "E0206",
                expression.span,
                "this has no result",
                f"{error}",
                help=f"it is computed from {found}" if found else "",
            ) from None
        except NotExact as error:
            raise stop("E0207", expression.span, "this size cannot be followed exactly", str(error)) from None
        except OverflowError:
            raise stop("E0206", expression.span, "this has no result", "the result is too large") from None

    def _unary(self, expression: ast.Unary, scope: Scope) -> Task[object]:
        if expression.operator == "not":
            return not (yield self.truth(expression.operand, scope))
        value = yield self.evaluate(expression.operand, scope)
        if isinstance(value, Symbolic):
            return -value if expression.operator == "-" else value
        return self._compute((lambda x: -number(x)) if expression.operator == "-" else number, (value,), expression)

    def _logical(self, expression: ast.Binary, scope: Scope) -> Task[object]:
        left = yield self.truth(expression.left, scope)
        if left is (expression.operator == "or"):
            return left
        return (yield self.truth(expression.right, scope))

    def truth(self, expression: ast.Expression, scope: Scope) -> Task[bool]:
        """Compute an expression that has to be true or false.

        Raises:
            Stop: it is neither. Unlike in Python, numbers and lists are no conditions.
        """
        value = yield self.evaluate(expression, scope)
        if isinstance(value, bool):
            return value
        raise stop(
            "E0204",
            expression.span,
            f"a condition is true or false, and this is {kind_of(value)}",
            f"is {show(value)}",
            help="compare it with something, for example `!= 0`",
        )

    def _comparison(self, expression: ast.Comparison, scope: Scope) -> Task[object]:
        left = yield self.evaluate(expression.first, scope)
        for operator, operand in expression.rest:
            right = yield self.evaluate(operand, scope)
            if not compare(operator, left, right, expression.span, self.shapes.conditions):
                return False
            left = right
        return True

    # ---- calls

    def arguments(self, arguments: tuple[ast.Argument, ...], scope: Scope) -> Task[list[Passed]]:
        """Compute the arguments of a call, in order."""
        passed = []
        for argument in arguments:
            value = yield self.evaluate(argument.value, scope)
            passed.append(Passed(argument.name, value, argument.span))
        return passed

    def _call(self, call: ast.Call, scope: Scope) -> Task[object]:
        function = yield self.evaluate(call.function, scope)
        passed = yield self.arguments(call.arguments, scope)
        match function:
            case Builtin():
                return self._builtin(function, passed, call)
            case FunctionValue():
                return (yield self._apply(function, passed, call))
            case BlockValue():
                return function._replace(bound=bind_block(function, passed, call.span, whole=False))
            case ExternValue():
                return function._replace(bound=bind_extern(function, passed, call.span, whole=False))
            case OpValue():
                return function._replace(bound=bind_op(function, passed, call.span, whole=False))
            case InitializerValue():
                return function._replace(bound=bind_initializer(function, passed, call.span, whole=False))
            case _:
                raise stop("E0204", call.function.span, f"{kind_of(function)} cannot be called", f"is {show(function)}")

    def _builtin(self, function: Builtin, passed: list[Passed], call: ast.Call) -> object:
        return self._compute(function.apply, bind_builtin(function, passed, call.span), call)

    def _apply(self, function: FunctionValue, passed: list[Passed], call: ast.Call) -> Task[object]:
        definition = function.function
        what = f"function `{definition.name.text}`"
        given = bind(what, slots(definition.parameters), passed, call.span, bound={}, whole=True)
        if self._depth >= DEEPEST_CALL:
            raise stop(
                "E0701",
                call.span,
                f"{what} calls itself more than {DEEPEST_CALL} times",
                "the last call",
                help="give the recursion an end: `... if n > 0 else ...`",
            )
        # A function in a block sees that block's names, so its results belong to its scope, which the key keeps alive.
        key = (id(definition), function.scope, *((name, type(value), value) for name, (value, _) in given.items()))
        known = all(isinstance(value, int | float | str | None) for value, _ in given.values())
        if known and key in self._results:
            return self._results[key]
        self._depth += 1
        try:
            inner = yield self.open(definition.parameters, given, function.unit, None, what, around=function.scope)
            result = yield self.evaluate(definition.value, inner)
        finally:
            self._depth -= 1
        if known:
            self._results[key] = result
        return result

    def open(
        self,
        parameters: tuple[ast.Parameter, ...],
        given: Mapping[str, Given],
        unit: Unit,
        body: ast.Body | None,
        what: str,
        around: Scope | None = None,
    ) -> Task[Scope]:
        """Open the scope of a block, arch or function: its parameters bound to what was given, or to their defaults.

        `around` is what a function in a block sees of that block; its parameters may hide names of it.
        """
        inner = Scope(unit, around, body)
        for parameter in parameters:
            argument = given.get(parameter.name.text)
            if argument is None:
                assert parameter.default is not None, "`bind` reports what is missing"
                value = yield self.evaluate(parameter.default, inner)
                span = parameter.default.span
            else:
                value, span = argument
            if parameter.type is not None and value is not POISON:
                check_type(parameter.type, parameter.name.text, value, span, what)
            if parameter.name.text in inner.names:
                inner.bind(parameter.name, value)  # which says that the name is there twice
            inner.names[parameter.name.text] = Binding(value, parameter.name.span)
        return inner

    # ---- parts

    def _index(self, expression: ast.Index, scope: Scope) -> Task[object]:
        value = yield self.evaluate(expression.value, scope)
        index = yield self.evaluate(expression.index, scope)
        return item_of(value, index, expression)

    def _slice(self, expression: ast.Slice, scope: Scope) -> Task[object]:
        value = yield self.evaluate(expression.value, scope)
        bounds = []
        for part in (expression.start, expression.stop, expression.step):
            bounds.append(None if part is None else (yield self.evaluate(part, scope)))
        return items_between(value, bounds, expression)

    def _attribute(self, expression: ast.Attribute, scope: Scope) -> Task[object]:
        value = yield self.evaluate(expression.value, scope)
        if not isinstance(value, Wire):
            raise stop(
                "E0204",
                expression.value.span,
                f"only values of the network have `.{expression.name.text}`",
                f"this is {kind_of(value)}",
            )
        return size_of_value(self.sizes(value), expression)

    def sizes(self, wire: Wire) -> tuple[Size, ...]:
        """Return the sizes of a value of the network; `Stop` when they are not known because of a mistake."""
        tensor = self.shapes.of(wire.value)
        if tensor is None:
            raise follow_on()
        return tensor.shape

    def _comprehension(self, expression: ast.Comprehension, scope: Scope) -> Task[object]:
        # The rounds of the clauses so far: one scope for each way through them.
        rounds = [Scope(scope.unit, scope)]
        for depth, clause in enumerate(expression.clauses):
            following = []
            for inner in rounds:
                if isinstance(clause, ast.IfClause):
                    if (yield self.truth(clause.test, inner)):
                        following.append(inner)
                    continue
                for item in (yield self.items(clause.iterable, inner)):
                    deeper = Scope(inner.unit, inner)
                    unpack(clause.pattern, item, deeper.bind)
                    following.append(deeper)
                    self._budget.spend(2 + depth // ITEMS_PER_WORK, expression.span)
                if len(following) > LONGEST_LIST:
                    message = f"this list has more than {LONGEST_LIST} items"
                    raise stop("E0206", expression.span, message, "the loops multiply")
            rounds = following
        values = []
        for inner in rounds:
            values.append((yield self.evaluate(expression.element, inner)))
        return values

    def items(self, expression: ast.Expression, scope: Scope) -> Task[list[object] | tuple[object, ...]]:
        """Compute what a `for` goes over."""
        value = yield self.evaluate(expression, scope)
        if type(value) in (list, tuple):
            return value
        help = f"for numbers from 0, write `range({show(value)})`" if isinstance(value, int) else ""
        raise stop(
            "E0204",
            expression.span,
            f"`for` goes over a list, and this is {kind_of(value)}",
            f"is {show(value)}",
            help=help,
        )

    def template(self, template: ast.Template, scope: Scope) -> Task[str]:
        """Compute a label or message whose text holds expressions in braces."""
        parts = []
        for part in template.parts:
            if isinstance(part, str):
                parts.append(part)
            else:
                value = yield self.evaluate(part, scope)
                parts.append(value if isinstance(value, str) else show(value))
                self._budget.spend(size_of(value), part.span)
        return "".join(parts)
