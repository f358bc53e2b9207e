"""The words of a diagram: several labels as one, names in a row, sizes and costs in short."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from archc.compiler.algebra.condition import Condition
from archc.compiler.algebra.sizes import Size, Symbolic, evaluate, symbols
from archc.compiler.analysis.cost import Cost
from archc.compiler.ir import Tensor

_NUMBER = re.compile(r"\d+(?:\.\d+)?")  # in a label: `dropout 0.5`
_INDEX = re.compile(r"\d+")  # in a path: `layer2.0`
_FORMULA = re.compile(r"[A-Z]")  # in a size: a symbol of the input
_LONG = re.compile(r"\d+\.\d{5,}")
_POINTS = 64  # as many sizes are tried before a formula without floors is believed
_AXES = {1: ("C",), 2: ("C", "L"), 3: ("C", "H", "W"), 4: ("C", "D", "H", "W")}


class Merged:
    """Several labels as one: what all of them say, and what only some of them say, with who says it."""

    __slots__ = ("common", "extras")

    def __init__(self, common: str, extras: tuple[tuple[str, tuple[int, ...]], ...]) -> None:
        self.common = common
        self.extras = extras


def merge(labels: Sequence[str]) -> Merged:
    """Merge labels part by part; numbers that differ become a range.

    >>> merged = merge(["conv 3×3, 64", "conv 3×3, 128, stride 2"])
    >>> merged.common, merged.extras
    ('conv 3×3, 64–128', (('stride 2', (1,)),))
    """
    said: dict[str, list[tuple[int, str]]] = {}
    for index, label in enumerate(labels):
        for part in label.split(", "):
            said.setdefault(_NUMBER.sub("#", part), []).append((index, part))
    common, extras = [], []
    for found in said.values():
        text = _ranged([part for _, part in found], _NUMBER)
        speakers = tuple(index for index, _ in found)
        if len(set(speakers)) == len(labels):
            common.append(text)
        else:
            extras.append((text, speakers))
    return Merged(", ".join(common), tuple(extras))


def drawn(label: str) -> str:
    """Write the label of an operator for a box: numbers in short, no size that only the input determines.

    >>> drawn("crop to 2*((H - 124) // 16)×8"), drawn("mul 0.1767766952966369")
    ('crop', 'mul 0.1768')
    """
    what, to, size = label.partition(" to ")
    return what if to and _FORMULA.search(size) else rounded(label)


def rounded(text: str) -> str:
    """Write the long fractions in a text with four digits.

    >>> rounded("[0.037500000000000006, 0.05]")
    '[0.0375, 0.05]'
    """
    return _LONG.sub(lambda match: f"{float(match.group()):.4g}", text)


def agree(a: str, b: str) -> bool:
    """Say whether two labels differ at most in parts that one of them has in addition.

    >>> agree("conv 3×3, 64, stride 2", "conv 3×3, 64"), agree("conv 3×3, 64", "conv 3×3, 128")
    (True, False)
    """
    if a == b:
        return True
    merged = merge([a, b])
    return bool(merged.common) and "–" not in merged.common


def agree_but_in_channels(a: str, b: str) -> bool:
    """Say whether two labels begin alike, whatever numbers follow.

    >>> agree_but_in_channels("conv 3×3, 64", "conv 3×3, 128"), agree_but_in_channels("conv 3×3, 64", "conv 1×1, 64")
    (True, False)
    """
    first, _, more = a.partition(", ")
    return first == b.partition(", ")[0] or (not more and _NUMBER.sub("#", a) == _NUMBER.sub("#", b))


def together(texts: Sequence[str]) -> str:
    """Write names that differ in numbers as one, others one after the other.

    >>> together(["layer1", "layer2", "layer3"]), together(["a", "b"]), together(["inception3a", "inception3b"])
    ('layer1–3', 'a, b', 'inception3a–3b')
    """
    different = list(dict.fromkeys(texts))
    if len({_INDEX.sub("#", text) for text in different}) == 1:
        return _ranged(different, _INDEX)
    first, last = different[0], different[-1]
    start = re.match(r"[^\d]*", first)
    prefix = start.group() if start else ""
    if prefix and len(prefix) < len(first) and all(text.startswith(prefix) for text in different):
        return f"{first}–{last[len(prefix) :]}"
    return ", ".join(different[:3]) + (", …" if len(different) > 3 else "")


def named(paths: Sequence[str]) -> str:
    """Write paths as one, without the scopes that all of them share.

    >>> named(["features.transition1", "features.transition2"]), named(["layer2.0", "layer3.0"])
    ('transition1–2', 'layer2–3.0')
    """
    parts = [path.split(".") for path in paths]
    shared = 0
    while all(len(part) > shared + 1 and part[shared] == parts[0][shared] for part in parts):
        shared += 1
    return together([".".join(part[shared:]) for part in parts])


def _ranged(texts: Sequence[str], number: re.Pattern[str]) -> str:
    slots = zip(*(number.findall(text) for text in texts), strict=True)
    ranges = iter([_range(slot) for slot in slots])
    return number.sub(lambda match: next(ranges), texts[0])


def _range(numbers: Iterable[str]) -> str:
    values = sorted(set(numbers), key=float)
    return values[0] if len(values) == 1 else f"{values[0]}–{values[-1]}"


def shape(tensor: Tensor, conditions: Iterable[object] = ()) -> str:
    """Write the sizes of a value with a multiplication sign; what the conditions allow to say without floors is.

    >>> shape(Tensor((64, 56, 56)))
    '64×56×56'
    """
    texts = [_fraction(size, conditions) if isinstance(size, Symbolic) else str(size) for size in tensor.shape]
    return "×".join(f"({text})" if " " in text else text for text in texts) or "scalar"


def _fraction(size: Symbolic, conditions: Iterable[object]) -> str:
    """A size of one symbol without floors, where the sizes that the conditions allow leave nothing to round."""
    names = symbols(size)
    for condition in conditions:
        if isinstance(condition, Condition) and names == {condition.symbol} and condition.maximum is None:
            first = condition.minimum + (condition.remainder - condition.minimum) % condition.multiple
            points = [first + condition.multiple * i for i in range(_POINTS)]
            found = [evaluate(size, {condition.symbol: point}) for point in points]
            slope = Fraction(found[1] - found[0], condition.multiple)
            offset = found[0] - slope * first
            if slope > 0 and all(slope * x + offset == y for x, y in zip(points, found, strict=True)):
                return _linear(condition.symbol, slope, offset)
    return str(size).replace(" - ", " − ")


def _linear(symbol: str, slope: Fraction, offset: Fraction) -> str:
    top = symbol if slope.numerator == 1 else f"{slope.numerator}{symbol}"
    text = top if slope.denominator == 1 else f"{top}/{slope.denominator}"
    return text if offset == 0 else f"{text} {'+' if offset > 0 else '−'} {abs(offset)}"


def relative(outer: Sequence[Tensor], inner: Sequence[Tensor]) -> str:
    """Write sizes that differ from use to use by what they have to do with the sizes that flow in.

    Returns an empty text where that differs from use to use too.

    >>> small, large = Tensor((64, 8, 8)), Tensor((128, 4, 4))
    >>> relative([small, large], [Tensor((96, 8, 8)), Tensor((160, 4, 4))])
    '(C + 32)×H×W'
    """
    ranks = {len(tensor.shape) for tensor in (*outer, *inner)}
    if len(ranks) != 1 or not ranks <= _AXES.keys():
        return ""
    parts = []
    for axis, name in enumerate(_AXES[ranks.pop()]):
        before, after = ([tensor.shape[axis] for tensor in tensors] for tensors in (outer, inner))
        part = _related(name, before, after)
        if not part:
            return ""
        parts.append(f"({part})" if " " in part else part)
    return "×".join(parts)


def _related(name: str, before: Sequence[Size], after: Sequence[Size]) -> str:
    pairs = list(zip(before, after, strict=True))
    if all(a == b for a, b in pairs):
        return name
    if all(b == after[0] for b in after):
        return str(after[0])
    numbers = [(a, b) for a, b in pairs if isinstance(a, int) and isinstance(b, int)]
    if len(numbers) < len(pairs):
        return ""
    differences = {b - a for a, b in numbers}
    if len(differences) == 1:
        difference = differences.pop()
        return f"{name} {'+' if difference > 0 else '−'} {abs(difference)}"
    for factor in range(2, 17):
        if all(b == factor * a for a, b in numbers):
            return f"{factor}{name}"
        if all(a // factor == b for a, b in numbers):
            return f"{name}/{factor}"
    return ""


def axes(tensors: Sequence[Tensor]) -> str:
    """Name the axes of values that differ in their sizes: `C×H×W`; a size that they share is written."""
    ranks = {len(tensor.shape) for tensor in tensors}
    if len(ranks) != 1 or not ranks <= _AXES.keys():
        return ""
    return "×".join(_AXES[ranks.pop()])


def count(number: int) -> str:
    """Write a large number in short.

    >>> count(950), count(9408), count(118_013_952), count(11_689_512)
    ('950', '9.4 k', '118 M', '11.7 M')
    """
    value = float(number)
    for unit in ("", " k", " M", " G", " T"):
        if value < 999.5:
            return f"{value:.0f}{unit}" if unit == "" or value >= 99.95 else f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:,.0f} P"


def cost(found: Cost) -> str:
    """Write parameters and multiply-adds in short; nothing where there are none."""
    words = [f"{count(found.params)} params"] if found.params else []
    if found.macs != 0 and not isinstance(found.macs, Symbolic):
        words.append(f"{count(found.macs)} macs")
    return ", ".join(words)
