"""How many layers a network must have at least, worked out before it is expanded: an expansion that is counted first
costs nothing.

Each block is counted once for each set of arguments, and a loop whose rounds are alike once for all of them. What is
not known before the expansion, such as the sizes of values, is left open: an `if` on it counts as its smaller side, a
loop over it as no round. So a count is never too high, and no network of a legal size is refused.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from archc.compiler.elaboration.arguments import Passed, bind_block, bind_op
from archc.compiler.elaboration.budget import Budget
from archc.compiler.elaboration.builder import MOST_STEPS, STEPS_PER_LAYER
from archc.compiler.elaboration.expressions import Evaluator
from archc.compiler.elaboration.functions import BUILTINS
from archc.compiler.elaboration.names import unpack
from archc.compiler.elaboration.scope import Binding, Scope
from archc.compiler.elaboration.trampoline import Task, run
from archc.compiler.ops import OPS
from archc.compiler.problems import Limit, Stop, stop
from archc.compiler.program import Unit
from archc.compiler.shapes import Shapes
from archc.compiler.values import POISON, BlockValue, Given, OpValue
from archc.dsl import ast
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span

MOST_WORK = 50_000  # a forecast that needs more gives up; the expansion is counted in any case
DEEPEST = 200
ROUNDS_LOOKED_AT = 64  # of a loop, each with its own value; beyond, all are taken to be alike
SHOWN_FACTORS = 4
SHOWN_PLACES = 2


class Count(NamedTuple):
    """The least number of layers and of steps (stages and rounds), and what makes most of them."""

    layers: int
    steps: int
    factor: "Factor | None" = None


class Factor(NamedTuple):
    """What multiplies: a loop, or a block that is used several times in one body; `inner` is counted `times` times."""

    block: str  # "" for a loop
    times: int
    places: tuple[Span, ...]
    inner: Count


def refuse(arch: ast.Arch, parameters: Mapping[str, Binding], unit: Unit, limit: int) -> None:
    """Refuse an arch with the given parameters when it must have more layers than the limit.

    Raises:
        Limit: it must, or it must take more steps than a network of so many layers may; the message shows what
            multiplies.
    """
    try:
        count = run(_Forecast().arch(arch, parameters, unit))
    except Limit:
        return  # too much to find out beforehand
    most_steps = MOST_STEPS + STEPS_PER_LAYER * limit
    if count.layers <= limit and count.steps <= most_steps:
        return
    chain = _chain(count)
    place = Label(chain[0].places[0], _times(chain[0])) if chain else Label(arch.name.span, "made here")
    related = [Label(factor.places[0], _times(factor)) for factor in chain[1:SHOWN_FACTORS]]
    if count.layers > limit:
        message = f"the network has at least {_figure(count.layers)} layers, and the limit is {limit:,}"
        hint = "`--max-layers` raises the limit"
    else:
        message = f"this text takes too long to expand: at least {_figure(count.steps)} stages and rounds"
        hint = "look for blocks or loops that repeat each other without making layers"
    shown = [_shown(factor) for factor in chain]
    if len(shown) > SHOWN_FACTORS:
        shown = [*shown[: SHOWN_FACTORS - 1], "...", shown[-1]]
    product = " x ".join(shown) + f" = {_powers(chain)}; " if len(chain) > 1 else ""
    error = stop("E0702", place.span, message, place.text, help=product + hint, related=related)
    raise Limit(error.diagnostic)


def _chain(count: Count) -> list[Factor]:
    """What multiplies, from the outside in, along the way that makes most."""
    chain = []
    factor = count.factor
    while factor is not None:
        if factor.times > 1:
            chain.append(factor)
        factor = factor.inner.factor
    return chain


def _times(factor: Factor) -> str:
    return f"`{factor.block}` is used {_often(factor.times)}" if factor.block else f"{factor.times:,} rounds"


def _often(times: int) -> str:
    return "twice" if times == 2 else f"{times:,} times"


def _shown(factor: Factor) -> str:
    places = ", ".join(f"{place.line}:{place.column}" for place in factor.places)
    if factor.block:
        return f"`{factor.block}` {_often(factor.times)} ({places}{', ...' * (factor.times > len(factor.places))})"
    return f"`{factor.places[0].text}` at {places}"


def _powers(chain: list[Factor]) -> str:
    """The product of the chain as one writes it by hand: `10^3 x 2`."""
    parts = []
    for times, equal in groupby(factor.times for factor in chain):
        exponent = len(list(equal))
        parts.append(f"{times:,}^{exponent}" if exponent > 1 else f"{times:,}")
    return " x ".join(parts)


def _figure(number: int) -> str:
    """A number as one reads it: in full while it is short, then as a power.

    >>> _figure(1_000_000), _figure(10**12), _figure(2**60), _figure(2**60 - 1)
    ('1,000,000', '10^12', '2^60', '1.1 x 10^18')
    """
    if number < 10**9:
        return f"{number:,}"
    if number & (number - 1) == 0:
        return f"2^{number.bit_length() - 1}"
    exponent = number.bit_length() * 3 // 10  # of a power of ten that is not larger
    while 10 ** (exponent + 1) <= number:
        exponent += 1
    tenths = number // 10 ** (exponent - 1)
    return f"10^{exponent}" if tenths == 10 else f"{tenths // 10}.{tenths % 10} x 10^{exponent}"


class _Tally:
    """The sum over the statements of a body; `parts` are its loops and blocks, those of one kind together."""

    __slots__ = ("layers", "parts", "steps")

    def __init__(self) -> None:
        self.layers = 0
        self.steps = 0
        self.parts: dict[object, Factor] = {}

    def use(self, key: object, block: str, place: Span, inner: Count) -> None:
        """Count the use of a block."""
        self.layers += inner.layers
        self.steps += inner.steps
        before = self.parts.get(key)
        if before is None:
            self.parts[key] = Factor(block, 1, (place,), inner)
        else:
            places = (*before.places, place)[:SHOWN_PLACES]
            self.parts[key] = before._replace(times=before.times + 1, places=places)

    def join(self, other: "_Tally") -> None:
        """Count what was counted apart."""
        self.layers += other.layers
        self.steps += other.steps
        self.parts.update(other.parts)

    def count(self) -> Count:
        """The sum, with the part that makes most of it."""
        return Count(self.layers, self.steps, max(self.parts.values(), key=_weight, default=None))


def _weight(factor: Factor) -> tuple[int, int]:
    return factor.times * factor.inner.layers, factor.times * factor.inner.steps


class _Forecast:
    """Counts bodies; names whose value is not known before the expansion are bound to `POISON`."""

    __slots__ = ("_budget", "_busy", "_depth", "_evaluator", "_known", "_results")

    def __init__(self) -> None:
        self._budget = Budget([], MOST_WORK)
        self._evaluator = Evaluator(Shapes(), self._budget)
        self._results: dict[object, Count] = {}
        self._busy: set[object] = set()
        self._depth = 0
        self._known: list[object] = []  # values whose `id` is part of a key, which must not be used again

    def arch(self, arch: ast.Arch, parameters: Mapping[str, Binding], unit: Unit) -> Task[Count]:
        """Count an arch."""
        scope = Scope(unit, None, arch.body)
        scope.names.update(parameters)
        tally = _Tally()
        yield self._body(arch.body, scope, tally)
        return tally.count()

    # ---- statements

    def _body(self, body: ast.Body, scope: Scope, tally: _Tally) -> Task[None]:
        for statement in body.statements:
            self._budget.spend(1, statement.span)
            match statement:
                case ast.Pipeline():
                    for stage in statement.stages:
                        yield self._stage(stage, scope, tally)
                    if statement.binding is not None:
                        self._bind(statement.binding, POISON, scope)
                case ast.Let():
                    self._bind(statement.pattern, (yield self._value(statement.value, scope)), scope)
                case ast.Input():
                    self._set(statement.name, POISON, scope)
                case ast.Function():
                    self._set(statement.name, self._evaluator.function(statement, scope), scope)
                case ast.Module():
                    yield self._module(statement, scope)
                case _:
                    pass  # makes nothing and names nothing

    def _module(self, statement: ast.Module, scope: Scope) -> Task[None]:
        if not all(isinstance(part, str) for part in statement.label.parts):
            return
        found = yield self._found(statement.use.name, scope)
        given = yield self._given(found, statement.use, scope)
        if isinstance(found, BlockValue | OpValue):
            found = POISON if given is None else found._replace(bound=given)
        name = ast.Name("".join(map(str, statement.label.parts)), statement.label.span)
        self._set(name, found, scope)

    def _stage(self, stage: ast.Stage, scope: Scope, tally: _Tally) -> Task[None]:
        self._budget.spend(1, stage.span)
        tally.steps += 1
        action = stage.action
        match action:
            case ast.Use():
                yield self._use(action, scope, tally)
            case ast.Group(body=body):
                yield self._body(body, scope, tally)
            case ast.If():
                yield self._if(action, scope, tally)
            case ast.For() | ast.Repeat():
                yield self._loop(action, scope, tally)

    def _if(self, action: ast.If, scope: Scope, tally: _Tally) -> Task[None]:
        test = yield self._value(action.test, scope)
        bodies = [action.then, action.otherwise]
        if isinstance(test, bool):
            body = bodies[not test]
            if body is not None:
                yield self._body(body, scope, tally)
            return
        sides = []
        for body in bodies:
            side, inner = _Tally(), Scope(scope.unit, scope)
            if body is not None:
                yield self._body(body, inner, side)
            sides.append(side)
            for name, binding in inner.names.items():  # whichever side is taken: it may bind them
                scope.names[name] = binding._replace(value=POISON)
        smaller = min(sides, key=lambda side: side.layers)
        smaller.steps = min(side.steps for side in sides)
        tally.join(smaller)

    def _loop(self, loop: ast.For | ast.Repeat, scope: Scope, tally: _Tally) -> Task[None]:
        if isinstance(loop, ast.For):
            found = yield self._value(loop.iterable, scope)
            items: Sequence[object] = found if type(found) in (list, tuple) else ()
            pattern: ast.Pattern | None = loop.pattern
        else:
            found = yield self._value(loop.count, scope)
            items = range(found) if type(found) is int and found > 0 else ()
            pattern = loop.name
        if not items:
            return
        alike = pattern is None or len(items) > ROUNDS_LOOKED_AT
        total = _Tally()
        heaviest = Count(0, 0)
        for item in [POISON] if alike else items:
            inner, round = Scope(scope.unit, scope), _Tally()
            if pattern is not None:
                self._bind(pattern, item, inner)
            yield self._body(loop.body, inner, round)
            times = len(items) if alike else 1
            total.layers += times * round.layers
            total.steps += times * (round.steps + 1)
            heaviest = max(heaviest, round.count(), key=lambda count: (count.layers, count.steps))
        head = Span(loop.span.source, loop.span.start, loop.body.span.start)
        head = head._replace(end=head.start + len(head.text.rstrip()))
        total.parts[id(loop)] = Factor("", len(items), (head,), heaviest)
        tally.join(total)

    # ---- uses

    def _use(self, use: ast.Use, scope: Scope, tally: _Tally) -> Task[None]:
        if use.branches is not None:
            yield self._body(use.branches, scope, tally)
        found = yield self._found(use.name, scope)
        if isinstance(found, OpValue):
            tally.layers += 1
        elif isinstance(found, BlockValue):
            given = yield self._given(found, use, scope)
            if given is not None:
                key = (id(found.block), *((name, self._key(value)) for name, (value, _) in given.items()))
                counted = yield self._block(found, given, key)
                tally.use(key, found.block.name.text, use.name.span, counted)

    def _block(self, found: BlockValue, given: Mapping[str, Given], key: object) -> Task[Count]:
        if key in self._results:
            return self._results[key]
        if key in self._busy or self._depth >= DEEPEST:
            return Count(0, 0)
        self._busy.add(key)
        self._depth += 1
        try:
            scope = yield self._open(found.block, found.unit, given)
            tally = _Tally()
            yield self._body(found.block.body, scope, tally)
        finally:
            self._busy.discard(key)
            self._depth -= 1
        self._results[key] = tally.count()
        return self._results[key]

    def _open(self, block: ast.Block, unit: Unit, given: Mapping[str, Given]) -> Task[Scope]:
        scope = Scope(unit, None, block.body)
        for parameter in block.parameters:
            argument = given.get(parameter.name.text)
            if argument is not None:
                value = argument.value
            else:
                value = POISON if parameter.default is None else (yield self._value(parameter.default, scope))
            self._set(parameter.name, value, scope)
        scope.names["in"] = Binding(POISON, block.name.span)
        return scope

    def _given(self, found: object, use: ast.Use, scope: Scope) -> Task[dict[str, Given] | None]:
        """The arguments of a use, by name; `None` where they do not fit, which the expansion reports."""
        if not isinstance(found, BlockValue | OpValue):
            return None
        passed = []
        for argument in use.arguments or ():
            passed.append(Passed(argument.name, (yield self._value(argument.value, scope)), argument.span))
        try:
            if isinstance(found, BlockValue):
                return bind_block(found, passed, use.span, whole=False)
            return bind_op(found, passed, use.span, whole=False)
        except Stop:
            return None

    def _found(self, name: ast.Name, scope: Scope) -> Task[object]:
        """What a name stands for as a stage, as `uses` looks it up."""
        if name.text == "identity":
            return POISON
        if scope.find(name.text) is None and name.text not in scope.unit.names:
            if name.text in OPS:
                return OpValue(OPS[name.text], {})
            if name.text not in BUILTINS:
                return POISON
        return (yield self._value(name, scope))

    # ---- values

    def _value(self, expression: ast.Expression, scope: Scope) -> Task[object]:
        """The value of an expression, or `POISON` when it is not known yet or wrong."""
        try:
            return (yield self._evaluator.evaluate(expression, scope))
        except Limit:
            raise
        except Stop:
            return POISON

    def _bind(self, pattern: ast.Pattern, value: object, scope: Scope) -> None:
        try:
            unpack(pattern, value, lambda name, part: self._set(name, part, scope))
        except Stop:
            names = [pattern]
            while names:
                part = names.pop()
                if isinstance(part, ast.Name):
                    self._set(part, POISON, scope)
                else:
                    names.extend(part.items)

    def _set(self, name: ast.Name, value: object, scope: Scope) -> None:
        scope.names[name.text] = Binding(value, name.span)

    def _key(self, value: object) -> object:
        """What two values share only if a block does the same with both."""
        if value is None or isinstance(value, bool | int | float | str):
            return (type(value), value)
        if isinstance(value, OpValue) and not value.bound:
            return value.op.name
        if isinstance(value, BlockValue) and not value.bound:
            return id(value.block)
        if type(value) in (list, tuple) and all(isinstance(item, int | float | str) for item in value):  # type: ignore[attr-defined]
            return (type(value), tuple((type(item), item) for item in value))  # type: ignore[attr-defined]
        self._known.append(value)
        return id(value)
