"""What the examples of the lints and their tests use: the warnings about a text, one line each."""

from archc.compiler.pipeline import check, choose
from archc.compiler.program import Program
from archc.dsl.source import Source


def warnings(text: str, name: str = "") -> list[str]:
    """Return code, place and message of each warning about a text.

    >>> warnings("arch A { input x: [3, 8, 8]; relu -> softmax }")
    ['W0202 softmax: the network ends with a `softmax`, and cross-entropy takes the softmax itself']
    """
    checked = check(choose(Program(Source("example.arch", text)), name), {})
    return [f"{found.code} {found.primary.span.text}: {found.message}" for found in checked.warnings]
