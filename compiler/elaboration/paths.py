"""The names of modules in the `state_dict`: labels, indices, and the scopes that labels and blocks open."""

from typing import NamedTuple

from archc.compiler.problems import stop
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span

# A module cannot have this name: `nn.Module.train` assigns to `self.training`, which torch then refuses.
IMPOSSIBLE_LABELS = frozenset({"training"})


class Tag(NamedTuple):
    """A label with its expressions computed, and its place."""

    text: str
    span: Span


class Paths:
    """One scope of paths: what is taken in it, and how many unlabelled ops and blocks it has seen."""

    __slots__ = ("_count", "_taken", "prefix")

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self._count = 0
        self._taken: dict[str, Span] = {}

    def index(self, span: Span) -> str:
        """Take the next index, and return the path it makes."""
        self._count += 1
        return self._take(str(self._count - 1), span)

    def label(self, tag: Tag) -> str:
        """Take a label, and return the path it makes.

        Raises:
            Stop: it is empty or holds a dot, or the path is taken; then both places are shown.
        """
        if not tag.text or "." in tag.text:
            found = "has a dot" if tag.text else "is empty"
            help = "dots separate the parts of a path; label each part where it stands"
            raise stop("E0502", tag.span, f'"{tag.text}" cannot be a label', found, help=help)
        if tag.text in IMPOSSIBLE_LABELS:
            help = "every module of torch has that attribute, and sets it; any other word works"
            raise stop("E0502", tag.span, f"`{tag.text}` cannot be a label", "taken by torch", help=help)
        return self._take(tag.text, tag.span)

    def _take(self, text: str, span: Span) -> str:
        path = f"{self.prefix}.{text}" if self.prefix else text
        if text in self._taken:
            raise stop(
                "E0501",
                span,
                f"two modules have the path `{path}`",
                "here again",
                related=[Label(self._taken[text], "here first")],
                help=self._another(text),
            )
        self._taken[text] = span
        return path

    def _another(self, text: str) -> str:
        """What to write instead of a label that is taken."""
        if text.isidentifier():
            return f"give one of them another label; in a loop let the label count: `{text}{{i}}:`"
        if text.isdigit():
            free = next(str(number) for number in range(len(self._taken) + 1) if str(number) not in self._taken)
            return f'unlabelled stages are numbered from 0, and so are these: write `"{free}":`, or label all of them'
        return f'give one of them another label; in a loop let the label count: `"{text}-{{i}}":`'
