"""Long lists of numbers: constants of the module, each written once, as a rule where the numbers follow one."""

import textwrap
from collections.abc import Container, Iterable
from itertools import groupby, product

from archc.compiler.source.layout import WIDTH, Lines
from archc.compiler.source.names import literal, variable

SHORTEST = 24  # the fewest numbers that are written as a constant
MOST_RUNS = 6
VARIABLES = "abcdef"


class Tables:
    """The constants of a module; equal tables are one.

    >>> tables = Tables(("torch",))
    >>> tables.add([7 * i + j for i in range(7) for j in range(2)] * 2, "index"), tables.add([0] * 40, "index")
    ('INDEX', 'INDEX_2')
    >>> lines = Lines()
    >>> tables.write(lines)
    >>> print(lines.text().strip())
    INDEX = [7 * b + c for a in range(2) for b in range(7) for c in range(2)]
    INDEX_2 = [0] * 40
    """

    __slots__ = ("_constants", "_names", "_taken")

    def __init__(self, taken: Container[str]) -> None:
        self._taken = taken
        self._names: dict[str, str] = {}  # by what the list is written as
        self._constants: dict[str, str] = {}  # what each name is

    def add(self, value: list[object], hint: str) -> str:
        """Return the name of the constant that holds a table."""
        text = literal(value)
        if text not in self._names:
            wish = variable(hint).upper()
            axis = _grid_axis(value)
            if axis is not None:
                rule = _over(_nesting(value), self._name(axis, f"{wish}_AXIS"))
            else:
                rule = _runs(value) or _lattice(value) or text
            self._names[text] = self._named(rule, wish)
        return self._names[text]

    def _name(self, value: list[object], wish: str) -> str:
        text = literal(value)
        if text not in self._names:
            self._names[text] = self._named(text, wish)
        return self._names[text]

    def _named(self, rule: str, wish: str) -> str:
        name, number = wish, 2
        while name in self._constants or name in self._taken:
            name, number = f"{wish}_{number}", number + 1
        self._constants[name] = rule
        return name

    def write(self, lines: Lines) -> None:
        """Write the constants, those that others are made of before them."""
        if self._constants:
            lines.blank()
        for name, rule in self._constants.items():
            if len(name) + 3 + len(rule) <= WIDTH or " for " in rule:
                lines.add(f"{name} = {rule}")
                continue
            # A formatter would give each number a line of its own.
            filled = textwrap.wrap(rule[1:-1], WIDTH - 5, break_on_hyphens=False)
            lines.raw("\n".join(["# fmt: off", f"{name} = [", *(f"    {line}" for line in filled), "]", "# fmt: on"]))


def is_table(value: object) -> bool:
    """Say whether a value is written as a constant of the module.

    >>> is_table([[0, 1]] * 20), is_table([0, 1])
    (True, False)
    """
    return isinstance(value, list) and len(_flat(value)) >= SHORTEST


def _flat(value: object) -> list[object]:
    if not isinstance(value, list):
        return [value]
    return [number for item in value for number in _flat(item)]


def _nesting(value: object) -> tuple[int, ...]:
    """The lengths of nested lists, by the first of each level."""
    lengths = []
    while isinstance(value, list) and value:
        lengths.append(len(value))
        value = value[0]
    return tuple(lengths)


def _runs(value: list[object]) -> str:
    """A list of few different stretches: `[0] * 49 + [1] * 7`; empty if it is none."""
    runs = [(text, len(list(same))) for text, same in groupby(map(literal, value))]
    if len(runs) > MOST_RUNS or len(value) <= 2 * len(runs) or any(len(text) > 8 for text, _ in runs):
        return ""
    return " + ".join(f"[{text}] * {count}" if count > 1 else f"[{text}]" for text, count in runs)


def _lattice(value: list[object]) -> str:
    """A list of integers that grows evenly along each of a few axes, as nested rounds; empty if it is none."""
    lengths = _nesting(value)
    numbers = [number for number in _flat(value) if type(number) is int]
    axes = _axes(numbers) if len(numbers) == len(_flat(value)) else None
    if axes is None or len(axes) > len(VARIABLES):
        return ""
    # The lists within must end where rounds end.
    inner: list[list[tuple[str, int]]] = [[]]
    wanted = list(lengths)
    size = 1
    for letter, (rounds, _) in reversed(list(zip(VARIABLES, axes, strict=False))):
        if size == wanted[-1] and len(wanted) > 1:
            wanted.pop()
            inner.append([])
            size = 1
        inner[-1].insert(0, (letter, rounds))
        size *= rounds
    if len(inner) != len(lengths) or size != wanted[-1]:
        return ""
    text = _term(numbers[0], axes)
    for rounds_of_one in inner:
        text = f"[{' '.join([text, *(f'for {letter} in range({rounds})' for letter, rounds in rounds_of_one)])}]"
    return text


def _axes(numbers: list[int]) -> list[tuple[int, int]] | None:
    """How many steps each axis has, and how far each goes; the last axis is the fastest."""
    found: list[tuple[int, int]] = []
    rest = numbers
    while len(rest) > 1:
        step = rest[1] - rest[0]
        longest = next((i for i in range(1, len(rest)) if rest[i] - rest[i - 1] != step), len(rest))
        for length in range(longest, 1, -1):
            starts = rest[::length]
            if len(rest) % length == 0 and rest == [s + step * i for s in starts for i in range(length)]:
                found.insert(0, (length, step))
                rest = starts
                break
        else:
            return None
    steps = [[step * i for i in range(length)] for length, step in found]
    assert [numbers[0] + sum(moved) for moved in product(*steps)] == numbers
    return found


def _term(base: int, axes: Iterable[tuple[int, int]]) -> str:
    """The number at a place: `84 + 13 * a + b - 13 * c - d`."""
    text = str(base) if base else ""
    for letter, (_, step) in zip(VARIABLES, axes, strict=False):
        if not step:
            continue
        scaled = letter if abs(step) == 1 else f"{abs(step)} * {letter}"
        if text:
            text += f" {'-' if step < 0 else '+'} {scaled}"
        else:
            text = scaled if step > 0 else f"-{scaled}"
    return text or "0"


def _grid_axis(value: list[object]) -> list[object] | None:
    """The numbers of the one axis of which a list holds all pairs, row by row; `None` if it is none."""
    lengths = _nesting(value)
    if len(lengths) < 3 or lengths[-1] != 2 or lengths[-2] != lengths[-3] or any(n != 1 for n in lengths[:-3]):
        return None
    grid: object = value
    for _ in lengths[:-3]:
        assert isinstance(grid, list)
        grid = grid[0]
    assert isinstance(grid, list)
    axis = [pair[1] for pair in grid[0]]
    same = literal(grid) == literal([[[y, x] for x in axis] for y in axis])
    return axis if same else None


def _over(lengths: tuple[int, ...], axis: str) -> str:
    around = len(lengths) - 3
    return f"{'[' * around}[[[y, x] for x in {axis}] for y in {axis}]{']' * around}"
