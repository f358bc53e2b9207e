"""What a class constructs, as data: calls whose arguments are values, or one value for each instance of the class."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeGuard

from archc.compiler.ops.entry import REQUIRED, Construct, Op

if TYPE_CHECKING:
    from archc.compiler.source.classes import Class


class Absent:
    """What stands for a value in an instance that does not have what the value belongs to."""

    __slots__ = ()


ABSENT = Absent()


class Vector(NamedTuple):
    """One value for each of several instances; `ABSENT` in those that have no use for it."""

    values: tuple[object, ...]

    @property
    def one(self) -> object:
        """The value of an instance that has one."""
        return next(value for value in self.values if value is not ABSENT)

    @property
    def same(self) -> bool:
        one = self.one
        return all(value is ABSENT or equal(value, one) for value in self.values)


class Progression(NamedTuple):
    """The value of round `i` of a loop: `base + step * i`."""

    base: object
    step: object


class Series(NamedTuple):
    """The values of the rounds of a loop, one after the other: those of one instance, or of each."""

    values: object


class Argument(NamedTuple):
    """An argument of a call; left out where its value is the default. `hint` is what it is called."""

    name: str | None
    value: object
    hint: str
    default: object = REQUIRED


class Made(NamedTuple):
    """A call of a module's class: one of torch's by its name, or one of the classes that are written."""

    callee: "str | Class"
    arguments: tuple[Argument, ...]
    optional: frozenset[str] = frozenset()  # arguments that may be absent, because their default is known


class Kept(NamedTuple):
    """A tensor that a module keeps: `own` is "parameter", "buffer" or "constant", `made` what makes it."""

    own: str
    made: Made


class Chain(NamedTuple):
    """`nn.Sequential(...)` over modules, or `nn.ModuleList([...])` of those that are `listed`."""

    items: tuple["Definition", ...]
    listed: bool = False


class Run(NamedTuple):
    """Several modules alike: `*[... for i in range(rounds)]` within a chain, or the rounds of a loop."""

    rounds: object
    item: "Definition"


class Inner(NamedTuple):
    """A module that is handed to the constructor: the same block once more, within itself."""

    scope: object


Definition: TypeAlias = Made | Kept | Chain | Run | Inner


def equal(a: object, b: object) -> bool:
    """Say whether two values are written alike: `1`, `1.0` and `True` are three values."""
    return type(a) is type(b) and a == b


def leaf(op: Op, built: Construct) -> Made:
    """Return the call that constructs an operator's module, every argument with the name it goes by."""
    defaults = {parameter.name: parameter.default for parameter in op.parameters}
    by_name = {name for name, _ in built.arguments}
    known = [name for name, default in defaults.items() if default is REQUIRED and name not in by_name]
    optional = frozenset(name for name, default in defaults.items() if default is not REQUIRED)
    positional = [value for name, value in built.arguments if name is None]
    # The sizes that the input determines come first: `in_channels` before the text's own `out_channels`.
    hints = known[: len(positional)]
    missing = len(positional) - len(hints)
    first = known[0] if known else ""
    determined = "in_" + first.removeprefix("out_") if first.startswith("out_") else "channels"
    hints = [determined] * missing + hints
    arguments = [Argument(None, value, hint) for value, hint in zip(positional, hints, strict=True)]
    for name, value in built.arguments:
        if name is not None:
            arguments.append(Argument(name, value, name, defaults.get(name, REQUIRED)))
    return Made(built.callee, tuple(arguments), optional)


def tensor(op: Op, built: Construct, name: str) -> Kept:
    """Return a value of the network's own with what makes it; a single argument is called as the value is."""
    return Kept(op.own, _made(built, name))


def _made(built: Construct, hint: str) -> Made:
    """The call that makes a tensor, and those within that make what it takes."""
    single = sum(name is None for name, _ in built.arguments) == 1
    arguments = []
    for position, (name, value) in enumerate(built.arguments):
        if isinstance(value, Construct):
            arguments.append(Argument(None, _made(value, hint), hint))
        else:
            arguments.append(Argument(name, value, name or (hint if single else f"size{position + 1}")))
    return Made(built.callee, tuple(arguments))


def skeleton(definition: Definition) -> object:
    """Return what has to be equal for two definitions to differ in values only."""
    match definition:
        case Made(callee, arguments, optional):
            if isinstance(callee, str):
                fixed = tuple(
                    (a.name, skeleton(a.value)) if is_definition(a.value) else a.name
                    for a in arguments
                    if a.name not in optional
                )
                return (callee, fixed)
            return (callee.number, tuple(skeleton(a.value) for a in arguments if is_definition(a.value)))
        case Kept(own, made):
            return (own, skeleton(made))
        case Chain(items, listed):
            return ("list" if listed else "chain", *map(skeleton, items))
        case Run(_, item):
            return ("run", skeleton(item), _progressions(item))
        case Inner():
            return "inner"


def _progressions(definition: Definition) -> tuple[object, ...]:
    if isinstance(definition, Made):
        return tuple((type(a.value), a.hint) for a in definition.arguments if isinstance(a.value, Progression | Series))
    if isinstance(definition, Chain):
        return tuple(map(_progressions, definition.items))
    return ()


def is_definition(value: object) -> TypeGuard[Definition]:
    """Say whether an argument is a module of its own."""
    return isinstance(value, Made | Kept | Chain | Run | Inner)


def merged(definitions: Sequence[Definition]) -> Definition:
    """Return one definition for several with the same skeleton; every value becomes a vector."""
    first = definitions[0]
    match first:
        case Made(callee, _, optional):
            return Made(callee, tuple(_merged_arguments([d.arguments for d in definitions])), optional)  # type: ignore[union-attr]
        case Kept(own, _):
            made = merged([d.made for d in definitions])  # type: ignore[union-attr]
            assert isinstance(made, Made)
            return Kept(own, made)
        case Chain(items, listed):
            each = tuple(merged([d.items[i] for d in definitions]) for i in range(len(items)))  # type: ignore[union-attr]
            return Chain(each, listed)
        case Run():
            return Run(
                Vector(tuple(d.rounds for d in definitions)),  # type: ignore[union-attr]
                merged([d.item for d in definitions]),  # type: ignore[union-attr]
            )
        case Inner():
            return Inner(tuple(d.scope for d in definitions))  # type: ignore[union-attr]


def _merged_arguments(rows: Sequence[tuple[Argument, ...]]) -> list[Argument]:
    named: list[dict[str | int, Argument]] = [
        {argument.name or position: argument for position, argument in enumerate(row)} for row in rows
    ]
    keys = list(named[0])
    for row in named[1:]:
        if list(row) != keys:
            keys = _interleaved(keys, list(row))
    result = []
    for key in keys:
        present = next(row[key] for row in named if key in row)
        values = [row[key].value if key in row else present.default for row in named]
        value: object
        if all(map(is_definition, values)):
            value = merged([one for one in values if is_definition(one)])
        elif all(isinstance(value, Series) for value in values):
            value = Series(Vector(tuple(one.values for one in values if isinstance(one, Series))))
        elif any(isinstance(value, Progression) for value in values):
            pairs = [value if isinstance(value, Progression) else Progression(value, 0) for value in values]
            value = Progression(Vector(tuple(p.base for p in pairs)), Vector(tuple(p.step for p in pairs)))
        else:
            value = Vector(tuple(values))
        result.append(present._replace(value=value))
    return result


def _interleaved(a: list[str | int], b: list[str | int]) -> list[str | int]:
    """Return all of two lists, in an order that both agree with."""
    result: list[str | int] = []
    rest = list(b)
    for key in a:
        if key in rest:
            cut = rest.index(key)
            result += [k for k in rest[:cut] if k not in a]
            rest = rest[cut + 1 :]
        result.append(key)
    return result + [k for k in rest if k not in a]


def mapped(definition: Definition, change: Callable[[object], object]) -> Definition:
    """Return a definition with every value changed."""
    match definition:
        case Made(callee, arguments, optional):
            changed = []
            for argument in arguments:
                value = argument.value
                new = mapped(value, change) if is_definition(value) else change(value)
                changed.append(argument._replace(value=new))
            return Made(callee, tuple(changed), optional)
        case Kept(own, made):
            new_made = mapped(made, change)
            assert isinstance(new_made, Made)
            return Kept(own, new_made)
        case Chain(items, listed):
            return Chain(tuple(mapped(item, change) for item in items), listed)
        case Run(rounds, item):
            return Run(change(rounds), mapped(item, change))
        case Inner():
            return definition


def absent(definition: Definition) -> Definition:
    """Return a definition as it stands for an instance that does not have the module."""

    def change(value: object) -> object:
        if isinstance(value, Progression):
            return Progression(ABSENT, ABSENT)
        return Series(ABSENT) if isinstance(value, Series) else ABSENT

    return mapped(definition, change)


class Irregular(Exception):
    """Values that follow no rule."""


def regular(definitions: Sequence[Definition], *, listed: bool = False) -> Definition | None:
    """Return the definition of round `i` when several differ by arithmetic progressions only, else `None`.

    With `listed` they may differ in one number that follows no rule instead, which is then a `Series`.
    """
    if len({skeleton(definition) for definition in definitions}) > 1:
        return None
    found: set[object] = set()

    def change(value: object) -> object:
        if isinstance(value, Progression):
            if (
                isinstance(value.base, Vector)
                and isinstance(value.step, Vector)
                and value.base.same
                and value.step.same
            ):
                return Progression(value.base.values[0], value.step.values[0])
            raise Irregular
        if isinstance(value, Series):
            if isinstance(value.values, Vector) and value.values.same:
                return Series(value.values.values[0])
            raise Irregular
        assert isinstance(value, Vector)
        if value.same:
            return value.values[0]
        if listed and all(type(number) is float for number in value.values):
            found.add(value.values)
            return Series(value.values)
        numbers = [number for number in value.values if type(number) is int]
        steps = {b - a for a, b in pairwise(numbers)}
        if len(numbers) < len(value.values) or len(steps) > 1:
            raise Irregular
        return Progression(numbers[0], steps.pop())

    try:
        one = mapped(merged(definitions), change)
    except Irregular:
        return None
    return None if len(found) > 1 or (found and _has(one, Progression)) else one


def series(definition: Definition) -> tuple[Series, str] | None:
    """The numbers of the rounds of a loop that follow no rule, and what they are called; `None` if there are none."""
    match definition:
        case Made(_, arguments):
            for argument in arguments:
                if isinstance(argument.value, Series):
                    return argument.value, argument.hint
                inner = series(argument.value) if is_definition(argument.value) else None
                if inner is not None:
                    return inner
        case Chain(items):
            return next((inner for item in items if (inner := series(item)) is not None), None)
    return None


def folded(items: Sequence[Definition]) -> Chain:
    """Return a chain in which modules that follow each other and are alike are one `Run`."""
    result: list[Definition] = []
    position = 0
    while position < len(items):
        end = position + 1
        if not _is_plain(items[position]):
            kind = skeleton(items[position])
            while end < len(items) and skeleton(items[end]) == kind:
                end += 1
        result.extend(_runs(items[position:end]))
        position = end
    return Chain(tuple(result))


def _runs(items: Sequence[Definition]) -> list[Definition]:
    """Fold modules with one skeleton: all of them by a progression, or neighbours that are equal or follow a list."""
    whole = regular(items, listed=True) if len(items) > 1 else None
    if whole is not None and (len(items) > 2 or series(whole) is not None):
        return [Run(len(items), whole)]
    result: list[Definition] = []
    start = 0
    while start < len(items):
        length, alike = _stretch(items, start)
        result.append(items[start] if alike is None else Run(length, alike))
        start += length
    return result


def _stretch(items: Sequence[Definition], start: int) -> tuple[int, Definition | None]:
    """How many modules from a place on can be written once, and as what."""
    length, step, found = 1, 1, None
    while step:  # twice as far each time, then back
        end = start + length + step
        longer = regular(items[start:end], listed=True) if end <= len(items) else None
        if longer is not None and not _has(longer, Progression):
            length, step, found = length + step, 2 * step, longer
        else:
            step //= 2
    return length, found


def _is_plain(definition: Definition) -> bool:
    return isinstance(definition, Inner) or (isinstance(definition, Made) and isinstance(definition.callee, str))


def _has(definition: Definition, kind: type) -> bool:
    found: list[bool] = []

    def look(value: object) -> object:
        found.append(isinstance(value, kind))
        return value

    mapped(definition, look)
    return any(found)
