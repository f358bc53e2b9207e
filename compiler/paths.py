"""The names of modules in the `state_dict`: labels, indices, and the scopes that labels and blocks open."""

from archc.compiler.problems import stop
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span


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
        return self.label(str(self._count - 1), span)

    def label(self, text: str, span: Span) -> str:
        """Take a label, and return the path it makes.

        Raises:
            Stop: it is empty or holds a dot, or the path is taken; then both places are shown.
        """
        if not text or "." in text:
            found = "is empty" if not text else "has a dot"
            raise stop(
                "E0502",
                span,
                f'"{text}" cannot be a label',
                found,
                help="dots separate the parts of a path; label each part where it stands",
            )
        path = f"{self.prefix}.{text}" if self.prefix else text
        if text in self._taken:
            raise stop(
                "E0501",
                span,
                f"two modules have the path `{path}`",
                "here again",
                related=[Label(self._taken[text], "here first")],
                help=f"give one of them another label; in a loop let the label count: `{text}{{i}}:`",
            )
        self._taken[text] = span
        return path
