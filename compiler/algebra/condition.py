"""What the size of an input must meet, as it is printed and as it is enforced."""

from collections.abc import Mapping
from typing import NamedTuple


class Condition(NamedTuple):
    """What an input size must meet: n % multiple == remainder, from minimum to maximum (None: no end), both allowed."""

    symbol: str
    multiple: int
    remainder: int
    minimum: int
    causes: tuple[object, ...]
    maximum: int | None = None

    def __str__(self) -> str:
        if self.minimum == self.maximum:
            return f"{self.symbol} must be {self.minimum}"
        if self.multiple == 1:
            words = []
        elif (self.multiple, self.remainder) == (2, 1):
            words = ["odd"]
        elif self.remainder == 0:
            words = [f"a multiple of {self.multiple}"]
        else:
            words = [f"{self.remainder} more than a multiple of {self.multiple}"]
        if self.maximum is None:
            words.append(f"at least {self.minimum}")
        elif self.minimum == 1:
            words.append(f"at most {self.maximum}")
        else:
            words.append(f"from {self.minimum} to {self.maximum}")
        return f"{self.symbol} must be {', '.join(words)}"

    @property
    def symbols(self) -> tuple[str, ...]:
        return (self.symbol,)

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the sizes of the symbols meet it.

        >>> Condition("H", 16, 0, 32, ()).holds({"H": 48})
        True
        """
        size = sizes[self.symbol]
        within = self.minimum <= size and (self.maximum is None or size <= self.maximum)
        return within and size % self.multiple == self.remainder

    def python(self, expression: str) -> str:
        """The check as Python over an expression that gives the size, an integer of at least 1.

        >>> Condition("H", 16, 0, 32, ()).python("x.shape[-2]")
        'x.shape[-2] % 16 == 0 and x.shape[-2] >= 32'
        """
        if self.minimum == self.maximum:
            return f"{expression} == {self.minimum}"
        checks = []
        if self.multiple > 1:
            checks.append(f"{expression} % {self.multiple} == {self.remainder}")
        if self.minimum > (self.remainder or self.multiple):  # the smallest value with this remainder needs no check
            checks.append(f"{expression} >= {self.minimum}")
        if self.maximum is not None:
            checks.append(f"{expression} <= {self.maximum}")
        return " and ".join(checks)


class Relation(NamedTuple):
    """Two input sizes that must be equal."""

    left: str
    right: str
    causes: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.left} must equal {self.right}"

    @property
    def symbols(self) -> tuple[str, ...]:
        return (self.left, self.right)

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the sizes of the symbols meet it."""
        return sizes[self.left] == sizes[self.right]

    def python(self, left: str, right: str) -> str:
        """The check as Python over the expressions that give the two sizes.

        >>> Relation("H", "W", ()).python("x.shape[-2]", "x.shape[-1]")
        'x.shape[-2] == x.shape[-1]'
        """
        return f"{left} == {right}"
