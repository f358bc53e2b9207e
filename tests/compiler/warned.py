"""Texts that give warnings, and the codes of what they give."""

from archc.compiler.lints.example import warnings


def codes(text: str, name: str = "") -> list[str]:
    """The codes of a text's warnings, in order."""
    return [line.partition(" ")[0] for line in warnings(text, name)]


def image(body: str, size: str = "3, 32, 32") -> str:
    """An architecture of one body."""
    return f"arch A {{ input x: [{size}]; {body} }}"
