"""Text and places in it: every token, node and diagnostic points back through these two types."""

from bisect import bisect_right
from typing import NamedTuple


class Source:
    """One text with the name it is shown by.

    >>> source = Source("a.arch", "block x {\\n    relu\\n}")
    >>> source.position(14)
    (2, 5)
    >>> source.line(2)
    '    relu'
    """

    __slots__ = ("_starts", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] | None = None

    def _line_starts(self) -> list[int]:
        # Made at the first question: a text without mistakes is rarely asked.
        if self._starts is None:
            self._starts = [0]
            position = self.text.find("\n")
            while position >= 0:
                self._starts.append(position + 1)
                position = self.text.find("\n", position + 1)
        return self._starts

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column of an offset, both counted from 1, columns in code points."""
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return the text of a line, counted from 1, without its line end."""
        starts = self._line_starts()
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r")

    def __repr__(self) -> str:
        return f"Source({self.name!r})"


class Span(NamedTuple):
    """A stretch of a source, as offsets: `source.text[start:end]`.

    >>> span = Span(Source("a.arch", "relu -> gelu"), 8, 12)
    >>> span.text, span.line, span.column
    ('gelu', 1, 9)
    >>> str(span)
    'a.arch:1:9'
    """

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def to(self, other: "Span") -> "Span":
        """Return the span from the start of this one to the end of another.

        >>> source = Source("a.arch", "relu -> gelu")
        >>> Span(source, 0, 4).to(Span(source, 8, 12)).text
        'relu -> gelu'
        """
        return Span(self.source, self.start, other.end)

    def holds(self, other: "Span") -> bool:
        """Say whether another span lies in this one.

        >>> source = Source("a.arch", "relu -> gelu")
        >>> Span(source, 0, 12).holds(Span(source, 8, 12)), Span(source, 0, 4).holds(Span(source, 8, 12))
        (True, False)
        """
        return self.source is other.source and self.start <= other.start and other.end <= self.end

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"
