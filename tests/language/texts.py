"""What the tests of the language share: networks from texts, their keys, and what is said of a wrong one."""

from typing import Any

import torch

from archc import ArchError
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.render import render_text
from archc.files import open_text
from archc.network import Network, given, network


def arch(body: str, *, before: str = "", x: str = "[4, 16, 16]") -> str:
    """Return the text of an arch `A` with the input `x`, after what stands `before` it in the file.

    >>> print(arch("relu", x="[3]"))
    arch A {
    input x: [3]
    relu
    }
    """
    return f"{before}\narch A {{\ninput x: {x}\n{body}\n}}".lstrip("\n")


def built(text: str, **parameters: object) -> Network:
    """Check a text and return its network."""
    return network(open_text(text), given(parameters))


def module(text: str, **parameters: object) -> Any:
    """Compile a text and load it; any, since torch types what a module holds as a tensor or a module."""
    return built(text, **parameters).module()


def sizes(text: str, **parameters: object) -> tuple[object, ...]:
    """Return the sizes of the only result."""
    (found,) = built(text, **parameters).outputs.values()
    return found


def keys(text: str, **parameters: object) -> list[str]:
    """Return the keys of the `state_dict`, biases left out: a layer is its weight."""
    return [key for key in module(text, **parameters).state_dict() if not key.endswith(("bias", "num_batches_tracked"))]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare two results of the same calculation, made in another order perhaps."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def found_in(text: str, **parameters: object) -> tuple[Diagnostic, ...]:
    """Return all that is said of a text: its mistakes, or else its warnings."""
    try:
        return built(text, **parameters).warnings
    except ArchError as error:
        return error.diagnostics


def refused(text: str, code: str, place: str, *words: str, **parameters: object) -> Diagnostic:
    """Check that a text has exactly one mistake, of this code, at this place, said with these words.

    The words may stand anywhere in the whole message: its title, its labels, its trace, its help.
    """
    found = found_in(text, **parameters)
    said = render_text(found)
    assert [one.code for one in found] == [code], f"{text}\n{said or 'nothing was found'}"
    assert found[0].primary.span.text == place, said
    for word in words:
        assert word in said, f"{word!r} is not said:\n{said}"
    return found[0]
