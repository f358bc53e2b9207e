"""How much may be worked out before a text is refused: the work is counted while it is done, and bounded.

An endless calculation cannot be told from a long one, but no network needs a long one.
"""

from collections.abc import Sized

from archc.compiler.problems import Limit, stop
from archc.dsl.source import Span

MOST_WORK = 500_000  # expressions computed before the first layer
WORK_PER_LAYER = 20
FIRST_LAYERS = 500  # these may cost more: a table of relative positions takes 50,000 expressions for a dozen layers
WORK_PER_FIRST_LAYER = 3_000
ITEMS_PER_WORK = 10  # so many items of a list are copied in the time that one expression takes


class Budget:
    """Counts the work of one compilation; `layers` are those made so far, `most` is allowed without any.

    >>> from archc.dsl.source import Source
    >>> Budget([]).spend(MOST_WORK, Span(Source("a.arch", "f(1)"), 0, 4))
    """

    __slots__ = ("_layers", "_most", "_spent")

    def __init__(self, layers: Sized, most: int = MOST_WORK) -> None:
        self._layers = layers
        self._most = most
        self._spent = 0

    def spend(self, work: int, span: Span) -> None:
        """Count work.

        Raises:
            Limit: it is more than a network of this many layers can need.
        """
        self._spent += work
        if self._spent > self._most and self._spent > self._most + _allowed(layers := len(self._layers)):
            error = stop(
                "E0702",
                span,
                "this text takes too long to work out",
                f"{self._spent:,} steps of calculation, for {layers:,} layers",
                help="look for a function or a loop that repeats itself more often than it was meant to",
            )
            raise Limit(error.diagnostic)


def _allowed(layers: int) -> int:
    return WORK_PER_LAYER * layers + WORK_PER_FIRST_LAYER * min(layers, FIRST_LAYERS)


def size_of(*values: object) -> int:
    """Return the work of handling values: one, and more for long lists and texts.

    >>> size_of(3, [0] * 1000)
    101
    """
    return 1 + sum(len(value) for value in values if isinstance(value, str | list | tuple)) // ITEMS_PER_WORK
