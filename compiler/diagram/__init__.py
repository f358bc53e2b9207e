"""Diagrams: a checked network as SVG, PNG, PDF or DOT text. What lays them out is imported when one is drawn."""

from archc.compiler.ir import ShapedGraph

FORMATS = ("svg", "png", "pdf", "dot")
DIRECTIONS = ("tb", "lr")
_PNG_DPI = 192  # twice the resolution of a screen


def draw(shaped: ShapedGraph, form: str, *, direction: str = "tb", depth: int | None = None) -> bytes:
    """Return the diagram of a network as a file of one of `FORMATS`; the same network gives the same bytes.

    `direction` is "tb" (top to bottom) or "lr" (left to right). `depth` says how many levels of blocks are opened:
    with 1 every block is a box; without it each different block is drawn in detail once.

    Raises:
        LayoutProblem: nothing is installed that lays a diagram out.
        TooLarge: it has more different parts than a picture can show.

    >>> import archc
    >>> draw(archc.compile("d2l/lenet").checked.shaped, "dot")[:9]
    b'digraph {'
    """
    from archc.compiler.diagram.dot import dot_text
    from archc.compiler.diagram.figure import figure
    from archc.compiler.diagram.layout import lay_out

    assert form in FORMATS, form
    assert direction in DIRECTIONS, direction
    text = dot_text(figure(shaped, depth=depth), direction=direction, dpi=_PNG_DPI if form == "png" else None)
    return text.encode() if form == "dot" else lay_out(text, form)


def svg(shaped: ShapedGraph) -> str:
    """Return the diagram of a network as SVG text.

    Raises:
        LayoutProblem: as for `draw`.

    >>> import archc
    >>> "linear 10" in svg(archc.compile("d2l/lenet").checked.shaped)
    True
    """
    return draw(shaped, "svg").decode()
