"""The arguments of a class's constructor: the values in which its instances differ, and how each value is written."""

from collections.abc import Iterable, Sequence

from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import REQUIRED
from archc.compiler.source.decisions import COMPARISONS, comparisons
from archc.compiler.source.definitions import (
    ABSENT,
    Chain,
    Definition,
    Inner,
    Kept,
    Made,
    Progression,
    Run,
    Series,
    Vector,
    equal,
    is_definition,
    series,
)
from archc.compiler.source.forward import Forward
from archc.compiler.source.free import Free, Multiple
from archc.compiler.source.names import is_attribute, is_literal, literal, variable
from archc.compiler.source.parts import Hole
from archc.compiler.source.scopes import Scope
from archc.dsl import ast

LARGEST_FACTOR = 8
# What arguments are called that are numbers of channels or features.
COUNTS = frozenset({"in_channels", "out_channels", "channels", "in_features", "out_features", "size1", "start", "end"})


class Parameter:
    """One argument of a constructor, with its value in each instance.

    `attribute` is the name under which the class keeps the value, because its `forward` needs it; empty otherwise.
    """

    __slots__ = ("attribute", "default", "name", "values")

    def __init__(self, name: str, values: tuple[object, ...], default: object = REQUIRED) -> None:
        self.name = name
        self.values = values
        self.default = default
        self.attribute = ""

    @property
    def has_default(self) -> bool:
        return self.default is not REQUIRED

    @property
    def annotation(self) -> str:
        if isinstance(self.values[0], Scope):
            return "nn.Module"
        values = (*self.values, self.default) if self.has_default else self.values
        return _annotation(values)


class Parameters:
    """The arguments of one class; `text` writes any value of it as Python.

    `keys` are the names of the class's modules, which no kept value may take.
    """

    __slots__ = (
        "_block",
        "_comparisons",
        "_extra",
        "_flag",
        "_inner",
        "_keys",
        "_rounds",
        "_taken_in",
        "_used",
        "ordered",
    )

    def __init__(self, scopes: Sequence[Scope], keys: Iterable[str], types: Sequence[Tensor], free: Free) -> None:
        taken = [scope.inputs[0] if scope.inputs else None for scope in scopes]
        shapes = [() if value is None else free.shapes.get(value, types[value].shape) for value in taken]
        ranks = {len(shape) for shape in shapes}
        # What the sizes of the input are called: the first one in maps, the last one where there are two or more kinds.
        first, last = (tuple(shape[end] if shape else None for shape in shapes) for end in (0, -1))
        self._taken_in = [("in_features" if ranks == {1} else "in_channels", first), ("in_features", last)]
        self._block = _block_parameters(scopes, free)
        self._comparisons = comparisons(scopes[0].region.definition)
        self._extra: list[Parameter] = []
        self._inner: Parameter | None = None
        self._flag: Parameter | None = None
        self._keys = set(keys)
        self._used: set[str] = set()
        self._rounds: dict[str, str] = {}  # the variables of loops over numbers, by what the numbers are called
        self.ordered: tuple[Parameter, ...] = ()

    def visit(self, definition: Definition) -> None:
        """Find the values that differ in what a class constructs."""
        match definition:
            case Made(_, arguments):
                for argument in arguments:
                    if is_definition(argument.value):
                        self.visit(argument.value)
                    elif not is_default(argument.value, argument.default):
                        self.text(argument.value, argument.hint)
            case Kept(_, made):
                self.visit(made)
            case Chain(items):
                for item in items:
                    self.visit(item)
            case Run(rounds, item):
                listed = series(item)
                if listed is None:
                    self.text(rounds, "depth")
                else:
                    self.rounds(*listed)
                self.visit(item)
            case Inner(scope):
                assert isinstance(scope, tuple)
                if self._inner is None:
                    self._inner = Parameter(self._name("inner"), scope)

    def visit_forward(self, bodies: Sequence[Forward]) -> None:
        """Find the values that differ in `forward`: they are kept as attributes."""
        for hole in holes(bodies):
            self.text(hole.value, hole.hint, kept=True)

    def arrange(self) -> None:
        """Fix the order: what the input determines, the block's own, a module within; those with a default last."""
        used = [*self._extra, *(parameter for parameter in self._block if parameter.name in self._used)]
        used += [parameter for parameter in (self._inner, self._flag) if parameter is not None]
        for parameter in used:
            if parameter.has_default and not any(equal(_number(one), parameter.default) for one in parameter.values):
                parameter.default = REQUIRED
        self.ordered = tuple(sorted(used, key=lambda parameter: parameter.has_default))

    @property
    def inner(self) -> str:
        """The name of the module that is handed in."""
        assert self._inner is not None
        return self._inner.name

    def text(self, value: object, hint: str, *, kept: bool = False) -> str:
        """Return a value as Python over the arguments; one that no argument gives becomes an argument itself."""
        if isinstance(value, Progression):
            return self._progression(value, hint)
        if isinstance(value, Series):
            return self._rounds[hint]
        assert isinstance(value, Vector)
        sources = [*self._block, *self._extra]
        if value.same and not isinstance(value.one, Multiple):
            # Numbers of channels follow from the arguments, also in the only instance that has some part.
            is_partial = hint in COUNTS and ABSENT in value.values
            sources = [one for one in sources if is_partial and not Vector(one.values).same]
            if not any(_alike(one.values, value.values) for one in sources):
                return literal(value.one)
        for parameter in sources:
            if _alike(parameter.values, value.values):
                return self._use(parameter, kept)
        for parameter in self._block:
            index = _element(parameter.values, value.values)
            if index is not None:
                return f"{self._use(parameter, kept)}[{index}]"
        for parameter in sources:
            factor = _factor(parameter.values, value.values)
            if factor:
                return f"{factor} * {self._use(parameter, kept)}"
        for parameter in self._extra:
            divisor = _factor(value.values, parameter.values)
            if divisor:
                return f"{self._use(parameter, kept)} // {divisor}"
        for parameter in sources:
            if hint == "padding" and _is_half(parameter.values, value.values):
                return f"{self._use(parameter, kept)} // 2"
        for parameter in sources:
            less = _less(parameter.values, value.values) if hint == "depth" else 0
            if less:
                return f"{self._use(parameter, kept)} - {less}"
        name, values, factor = self._determined(value.values, hint)
        parameter = Parameter(self._name(name), *_filled(values))
        self._extra.append(parameter)
        used = self._use(parameter, kept)
        return used if factor == 1 else f"{factor} * {used}"

    def flag(self, values: tuple[bool, ...], name: str, *, kept: bool) -> str:
        """Return what says whether an instance has an optional part: a condition of the text, else an argument.

        One that is `kept` is an attribute of that name.
        """
        for parameter in self._block if not kept else ():
            if _alike(parameter.values, values):
                return self._use(parameter, kept=False)
            for operator, number in self._comparisons.get(parameter.name, ()):
                if all(type(value) in (int, float) for value in parameter.values):
                    holds = tuple(COMPARISONS[operator](value, number) for value in parameter.values)
                    if holds == values:
                        return f"{self._use(parameter, kept=False)} {operator} {literal(number)}"
        self._flag = Parameter(self._name(name), values, default=False)
        self._flag.attribute = name if kept else ""
        return self._flag.name

    def _progression(self, value: Progression, hint: str) -> str:
        step = self.text(value.step, "step")
        scaled = "i" if step == "1" else f"{step} * i"
        base = self.text(value.base, hint)
        if base == step and base != "1":
            return f"{base} * (i + 1)"
        return scaled if base == "0" else f"{base} + {scaled}"

    def rounds(self, found: Series, hint: str) -> tuple[str, str]:
        """Return the variable of a loop over numbers, and what it goes through."""
        if hint not in self._rounds:
            self._rounds[hint] = self._name(hint)
        assert isinstance(found.values, Vector)
        lists = [list(values) if isinstance(values, tuple) else [] for values in found.values.values]
        if all(equal(one, lists[0]) for one in lists):
            return self._rounds[hint], literal(lists[0])
        for parameter in (*self._block, *self._extra):
            longer = [value for value in parameter.values if isinstance(value, list)]
            starts = {len(a) - len(b) for a, b in zip(longer, lists, strict=False)}
            if len(longer) == len(lists) and len(starts) == 1 and min(starts) >= 0:
                (start,) = starts
                if _alike([value[start:] for value in longer], lists):
                    name = self._use(parameter, kept=False)
                    return self._rounds[hint], f"{name}[{start}:]" if start else name
        parameter = Parameter(self._name(f"{hint}s"), tuple(lists))
        self._extra.append(parameter)
        return self._rounds[hint], self._use(parameter, kept=False)

    def _use(self, parameter: Parameter, kept: bool) -> str:
        self._used.add(parameter.name)
        if not kept:
            return parameter.name
        if not parameter.attribute:
            parameter.attribute = parameter.name if is_attribute(parameter.name) else f"{parameter.name}_"
            while parameter.attribute in self._keys:
                parameter.attribute += "_"
        return f"self.{parameter.attribute}"

    def _determined(self, values: tuple[object, ...], hint: str) -> tuple[str, tuple[object, ...], int]:
        """The argument that gives some values: its name, its own values, and by which factor they are multiplied.

        That is the channels or features of the input where the values are those, or numbers of weights by them.
        """
        for name, sizes in self._taken_in:
            if _alike(sizes, values):
                return name, sizes, 1
        for name, sizes in self._taken_in:
            factor = _factor(sizes, values) if hint in COUNTS else 0
            if factor:
                return name, sizes, factor
        return hint, values, 1

    def _name(self, hint: str) -> str:
        names = {parameter.name for parameter in (*self._block, *self._extra)}
        return variable(hint, {"i", *self._rounds.values(), *names})


def holes(bodies: Sequence[Forward]) -> list[Hole]:
    """Return the values of several bodies that differ in values only, as vectors."""
    rows = [[part for s in body.statements for part in s.parts if isinstance(part, Hole)] for body in bodies]
    return [Hole(Vector(tuple(hole.value for hole in column)), column[0].hint) for column in zip(*rows, strict=True)]


def is_default(value: object, default: object) -> bool:
    """Say whether an argument can be left out in every instance."""
    if not isinstance(value, Vector) or default is REQUIRED:
        return False
    return all(one is ABSENT or equal(one, default) for one in value.values)


def _block_parameters(scopes: Sequence[Scope], free: Free) -> list[Parameter]:
    """The block's parameters whose values can be written, under names that Python takes."""
    definition = scopes[0].region.definition
    defaults: dict[str, object] = {}
    if definition is not None:
        for declared in definition.parameters:
            if isinstance(declared.default, ast.Literal):
                defaults[declared.name.text] = declared.default.value
    found: list[Parameter] = []
    regions = [scope.region for scope in scopes]
    for name in regions[0].arguments:
        values = tuple(free.arguments.get(id(one), {}).get(name, one.arguments.get(name)) for one in regions)
        if all(is_literal(_number(value)) for value in values):
            taken = {"i", *(parameter.name for parameter in found)}
            default = _number(values[0]) if regions[0].kind == "arch" else defaults.get(name, REQUIRED)
            found.append(Parameter(variable(name, taken), values, default))
    return found


def _filled(values: tuple[object, ...]) -> tuple[tuple[object, ...], object]:
    """The values of an argument and its default: instances that have no use for it leave it out."""
    if ABSENT not in values:
        return values, REQUIRED
    one = _number(next(value for value in values if value is not ABSENT))
    nothing = type(one)() if isinstance(one, int | float | str | list) else one
    return tuple(nothing if value is ABSENT else value for value in values), nothing


def _pairs(a: Sequence[object], b: Sequence[object]) -> list[tuple[object, object]]:
    """The values of two rows where both have one."""
    return [(x, y) for x, y in zip(a, b, strict=True) if x is not ABSENT and y is not ABSENT]


def _alike(a: Sequence[object], b: Sequence[object]) -> bool:
    return all(equal(x, y) for x, y in _pairs(a, b))


def _element(sequences: Sequence[object], values: Sequence[object]) -> int | None:
    """The index at which every sequence holds its value."""
    lists = [one for one in sequences if isinstance(one, list | tuple)]
    if len(lists) < len(sequences):
        return None
    shortest = min(map(len, lists))
    return next((i for i in range(shortest) if _alike([one[i] for one in lists], values)), None)


def _factor(smaller: Sequence[object], larger: Sequence[object]) -> int:
    """The one small factor by which all of some numbers are larger than others, else 0."""
    factors = set()
    for a, b in _pairs(smaller, larger):
        if isinstance(a, Multiple) and isinstance(b, Multiple):
            if a.parameter != b.parameter or b.factor % a.factor:
                return 0
            factors.add(b.factor // a.factor)
            continue
        if type(a) is not int or type(b) is not int or a < 1 or b % a or not 1 < b // a <= LARGEST_FACTOR:
            return 0
        factors.add(b // a)
    return factors.pop() if len(factors) == 1 else 0


def _less(larger: Sequence[object], smaller: Sequence[object]) -> int:
    """By how much all of some numbers are smaller than others, where that is a little; else 0."""
    pairs = _pairs(larger, smaller)
    differences = {a - b if type(a) is int and type(b) is int else 0 for a, b in pairs}
    return differences.pop() if len(differences) == 1 and differences <= {1, 2} else 0


def _is_half(whole: Sequence[object], half: Sequence[object]) -> bool:
    """Say whether integers are the halves of others, as the padding is that keeps a map's size."""
    return all(type(a) is int and type(b) is int and a > 0 and a // 2 == b for a, b in _pairs(whole, half))


def _number(value: object) -> object:
    return value.value if isinstance(value, Multiple) else value


def _annotation(values: Sequence[object]) -> str:
    kinds = {_kind(value) for value in values}
    if kinds == {"int", "float"}:
        return "float"
    if len(kinds) > 1 and all(kind.startswith("tuple[int") for kind in kinds):
        return "tuple[int, ...]"
    return " | ".join(sorted(kinds - {"None"}) + (["None"] if "None" in kinds else []))


def _kind(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, Multiple):
        return "int"
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_kind, value))}]" if value else "tuple[()]"
    if isinstance(value, list):
        return f"list[{_annotation(value)}]" if value else "list[int]"
    return type(value).__name__
