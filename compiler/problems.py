"""How a stage stops at a mistake: an exception that carries the diagnostic, and the way to make one."""

from collections.abc import Iterable
from functools import lru_cache

from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.source import Span


class Stop(Exception):
    """What stands here is wrong; `diagnostic` is `None` when the cause has been reported already."""

    def __init__(self, diagnostic: Diagnostic | None) -> None:
        super().__init__(diagnostic)
        self.diagnostic = diagnostic


class Limit(Stop):
    """The text asks for too much: nothing after this is looked at."""


def stop(
    code: str, span: Span, message: str, label: str = "", *, help: str = "", related: Iterable[Label] = ()
) -> Stop:
    """Make the exception for a mistake at a place."""
    return Stop(Diagnostic(code, message, Label(span, label), tuple(related), (), help))


def follow_on() -> Stop:
    """Make the exception for what is wrong only because something before it is."""
    return Stop(None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean `relu`?", or nothing when no known name is near.

    >>> did_you_mean("rleu", ["relu", "conv"])
    'did you mean `relu`?'
    """
    return _nearest(name, tuple(sorted(set(known))))


@lru_cache(maxsize=256)  # a mistake in a loop is made in each of its rounds
def _nearest(name: str, known: tuple[str, ...]) -> str:
    import difflib  # only when there is a mistake to explain

    small = {word.lower(): word for word in reversed(known)}  # `ReLU` is near to `relu`
    for near in difflib.get_close_matches(name.lower(), small, n=3, cutoff=0.6):
        # `plus` lies within `softplus`, and is another word.
        if abs(len(near) - len(name)) <= 2 or difflib.SequenceMatcher(None, name.lower(), near).ratio() >= 0.7:
            return f"did you mean `{small[near]}`?"
    return ""
