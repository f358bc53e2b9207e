"""A figure as DOT text: colours, fonts, and nothing from the network that is not escaped."""

from __future__ import annotations

import html
import re
import textwrap
from math import lcm
from typing import TYPE_CHECKING

from archc.compiler.diagram.picture import Box, Cluster, Drawing, Edge, Figure, boxes

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

FONT = "Helvetica,Arial,sans-serif"
SMALL = "9.5"  # points; everything else is larger
INK, FAINT, LINE = "#1b1f24", "#57606a", "#4a545e"

# Tints of Okabe and Ito's colours, which colour-blind readers tell apart; their greys differ too.
COLOURS = {
    "convolution": "#74b3dd",
    "linear": "#da864c",
    "norm": "#fbf3a6",
    "activation": "#b4e4d3",
    "pooling": "#e2b0ce",
    "regularisation": "#e9e4f2",
    "combine": "#c9ced3",
    "shape": "#f3f4f6",
    "resample": "#cfe8f7",
    "arithmetic": "#e3e6e9",
    "attention": "#f6cd6b",
    "recurrent": "#b5dcf3",
    "embedding": "#c8b6e2",
    "value": "#dcd6c8",
}
OTHER = "#dfe3e6"
BLOCK = "#ffffff"
NARROW = 4  # boxes beside each other in a detail, which then leaves no room for the network beside it
_INDEX = re.compile(r"[\d.–]*")  # a path that says no more than the order does


def dot_text(figure: Figure, *, direction: str = "tb", dpi: int | None = None) -> str:
    """Return the DOT text of a figure; the same figure gives the same text.

    `direction` is "tb" (top to bottom) or "lr" (left to right).
    """
    import graphviz

    graph = graphviz.Digraph(graph_attr=_graph_attributes(figure, direction, dpi))
    graph.attr("node", shape="plain", fontname=FONT, fontsize="10", fontcolor=INK)
    graph.attr("edge", fontname=FONT, fontsize=SMALL, fontcolor=INK, color=LINE)
    graph.attr("edge", arrowsize="0.55", penwidth="0.9", weight="2")
    for drawing in figure.drawings:
        # Graphviz forgets the labels of edges when it packs: they become boxes without a border then.
        _Drawing(graph, drawing, _style(figure, drawing, direction), apart=len(figure.drawings) > 1).write()
    _stack(graph, figure)
    return str(graph.source)


def escape(text: str) -> str:
    r"""Return text for an HTML-like label: what has a meaning to HTML or to Graphviz is written so that it has none.

    >>> print(escape("<b>&\\N"))
    &lt;b&gt;&amp;\\N
    """
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return html.escape(clean).replace("\\", "\\\\")


def plain(text: str) -> str:
    """Return text for an attribute that is shown as it is: no escapes of Graphviz, no entities, no control characters.

    >>> print(plain("a\\\\N & <b>"))
    a/N &amp; &lt;b&gt;
    """
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return html.escape(clean.replace("\\", "/"), quote=False)


def _graph_attributes(figure: Figure, direction: str, dpi: int | None) -> dict[str, str]:
    attributes = {
        "rankdir": direction.upper(),
        "bgcolor": "transparent",
        "fontname": FONT,
        "fontsize": SMALL,
        "fontcolor": INK,
        "nodesep": "0.14",
        "ranksep": "0.1",
        "pad": "0.1",
        "labelloc": "b",
        "outputorder": "edgesfirst",
        "label": _caption(figure),
        "tooltip": plain(figure.caption[0]),
    }
    if len(figure.drawings) > 1:
        attributes |= {"pack": "14", "packmode": "array_tu"}  # each is laid out for itself, all stand in a row
    return attributes | ({"dpi": str(dpi)} if dpi is not None else {})


def _caption(figure: Figure) -> str:
    head = textwrap.wrap(figure.caption[0], 60)
    lines = [f'<FONT POINT-SIZE="11"><B>{escape(line)}</B></FONT>' for line in head]
    lines += [escape(line) for text in figure.caption[1:] for line in textwrap.wrap(text, 100)]
    rows = "".join(f"<TR><TD>{line}</TD></TR>" for line in lines)
    swatches = "".join(
        f'<TD BORDER="1" COLOR="{LINE}" BGCOLOR="{COLOURS.get(role, OTHER)}">{escape(role)}</TD>'
        for role in figure.roles
    )
    if figure.partial:
        swatches += f'<TD BORDER="1" COLOR="{LINE}" STYLE="DASHED">some uses only</TD>'
    inner = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="4" CELLPADDING="2"><TR>{swatches}</TR></TABLE>'
    legend = f"<TR><TD>{inner}</TD></TR>" if swatches else ""
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{legend}{rows}</TABLE>>'


class _Drawing:
    """Writes one drawing."""

    def __init__(self, graph: graphviz.Digraph, drawing: Drawing, style: str, *, apart: bool) -> None:
        self._apart = apart
        self._graph = graph
        self._drawing = drawing
        self._style = style
        self._turns = any(edge.upward for edge in drawing.edges)
        self._sizes: dict[str, list[tuple[str, str]]] = {}  # what stands on the edges within each cluster
        self._forks: dict[str, list[str]] = {}  # the points in each cluster where a value forks
        self._around = _around(drawing.cluster)

    def write(self) -> None:
        for number, edge in enumerate(self._entered()):
            if edge.label and self._apart:
                pair = zip(self._around[edge.tail], self._around[edge.head], strict=False)
                shared = [a for a, b in pair if a == b]
                name = f"{self._drawing.cluster.id.removeprefix('cluster_')}s{number}"
                self._sizes.setdefault(shared[-1], []).append((name, edge.label))
                self._edge(edge._replace(head=name), first=True)
                self._edge(edge._replace(tail=name))
            else:
                self._edge(edge)
        self._cluster(self._graph, self._drawing.cluster)

    def _entered(self) -> list[Edge]:
        """The edges; a value that several boxes of a cluster take forks within it, so that its title stays clear."""
        forks: dict[tuple[str, str], list[Edge]] = {}
        for edge in self._drawing.edges:
            entered = [name for name in self._around[edge.head] if name not in self._around[edge.tail]]
            if entered and not self._turns:
                forks.setdefault((edge.tail, entered[0]), []).append(edge)
        found: dict[Edge, tuple[Edge, ...]] = {}
        for (tail, cluster), edges in forks.items():
            if len(edges) > 1:
                path = self._around[edges[0].head]
                point = f"{cluster.removeprefix('cluster_')}p{len(self._forks.setdefault(cluster, []))}"
                self._forks[cluster].append(point)
                self._around[point] = path[: path.index(cluster) + 1]
                label = next((edge.label for edge in edges if edge.label), "")
                found.update({edge: (edge._replace(tail=point, label=""),) for edge in edges})
                found[edges[0]] = (Edge(tail, point, label, all(edge.partial for edge in edges)), *found[edges[0]])
        return [each for edge in self._drawing.edges for each in found.get(edge, (edge,))]

    def _cluster(self, graph: graphviz.Digraph, cluster: Cluster) -> None:
        with graph.subgraph(name=cluster.id) as inner:
            inner.attr(style="rounded,filled", fillcolor="#0072b20f", color="#57606a80", penwidth="0.8", margin="7")
            # In a U the middle is free, otherwise the flow is in the middle.
            inner.attr(
                label=_title(cluster), labelloc="t", labeljust="c" if self._turns else "l", tooltip=plain(cluster.title)
            )
            if cluster is self._drawing.cluster and not cluster.name:
                inner.attr(style="invis", label="", margin="0")
            for part in cluster.content:
                if isinstance(part, Cluster):
                    self._cluster(inner, part)
                else:
                    inner.node(part.id, label=_box(part, self._style), tooltip=plain(part.title))
            for name in self._forks.get(cluster.id, ()):
                inner.node(name, label="", shape="point", width="0.03", color=LINE)
            for name, text in self._sizes.get(cluster.id, ()):
                inner.node(name, label=f"<{escape(text)}>", fontsize=SMALL, tooltip=plain(text))

    def _edge(self, edge: Edge, *, first: bool = False) -> None:
        first = first or any(edge.head in points for points in self._forks.values())
        attributes = {"style": "dashed"} if edge.partial else {}
        if any(edge.tail in points for points in self._forks.values()):
            attributes["weight"] = "1"  # less than the others: short branches stand with the ends of long ones
        if edge.label and not self._apart:
            attributes["label"] = f"<&#160;{escape(edge.label)}>"
        if edge.upward:
            self._graph.edge(edge.head, edge.tail, dir="none" if first else "back", **attributes)
        elif first:
            self._graph.edge(edge.tail, edge.head, dir="none", **attributes)
        else:
            self._graph.edge(edge.tail, edge.head, **attributes)


def _around(cluster: Cluster) -> dict[str, tuple[str, ...]]:
    """The clusters around every box, outermost first."""
    found: dict[str, tuple[str, ...]] = {}
    waiting: list[tuple[Cluster, tuple[str, ...]]] = [(cluster, ())]
    while waiting:
        around, outer = waiting.pop()
        names = (*outer, around.id)
        for part in around.content:
            if isinstance(part, Cluster):
                waiting.append((part, names))
            else:
                found[part.id] = names
    return found


def _title(cluster: Cluster) -> str:
    if not cluster.name:
        return ""
    lines = [f'<TR><TD ALIGN="LEFT"><FONT POINT-SIZE="10"><B>{escape(cluster.name)}</B></FONT></TD></TR>']
    for line in cluster.note:
        lines.append(f'<TR><TD ALIGN="LEFT"><FONT POINT-SIZE="{SMALL}" COLOR="{FAINT}">{escape(line)}</FONT></TD></TR>')
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{"".join(lines)}</TABLE>>'


def _style(figure: Figure, drawing: Drawing, direction: str) -> str:
    """How boxes are written.

    "line" is on one line, "rows" has the cost below, "column" the small operators too, "stacked" breaks long labels,
    "narrow" breaks wherever it can.
    """
    if direction == "lr":
        return "stacked"  # boxes stand in a row, so width is what there is least of
    widest = max(max(_rows(each)) for each in figure.drawings)
    if len(figure.drawings) == 1 and widest == 1:
        return "line"
    if max(_rows(drawing)) > 1 and not any(edge.upward for edge in drawing.edges):
        return "narrow" if max(_rows(drawing)) >= NARROW and len(figure.drawings) > 1 else "stacked"
    return "column" if widest > 2 or max(_rows(drawing)) > 1 else "rows"


def _box(box: Box, style: str) -> str:
    if box.kind in ("input", "output"):
        return f"<{'<BR/>'.join(f'<I>{escape(cell.text)}</I>' for cell in box.cells)}>"
    padding = 3 if box.kind == "block" else 2
    lines = _lines(box, style)
    name = box.name if box.kind == "layer" and not _INDEX.fullmatch(box.name) else ""
    first = [" · ".join(filter(None, [name, box.cost]))] if style in ("line", "rows") else [name, box.cost]
    small = [*first, *box.notes]
    space = "&#160;" if box.kind == "block" else ""  # between the text and the round corners
    small = [
        f'<FONT POINT-SIZE="{SMALL}" COLOR="{FAINT}">{space}{escape(text)}{space}</FONT>' for text in small if text
    ]
    columns = lcm(*map(len, lines))
    rows = []
    for line in lines:
        span = f' COLSPAN="{columns // len(line)}"' if len(line) < columns else ""
        rows.append("".join(f"<TD{span}{cell}</TD>" for cell in line))
    if style == "line":
        rows[0] += "".join(f"<TD>{text}</TD>" for text in small)
    else:
        span = f' COLSPAN="{columns}"' if columns > 1 else ""
        side = "" if box.kind == "block" else 'ALIGN="LEFT" '
        rows += [f'<TD{span} {side}CELLPADDING="{padding - 1}">{text}</TD>' for text in small]
    shape = ["ROUNDED"] if box.kind == "block" else []
    form = f' STYLE="{",".join(shape + ["DASHED"] * box.partial)}"' if shape or box.partial else ""
    look = f'COLOR="{LINE}" BGCOLOR="{BLOCK}"{form}'
    table = f'<TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{padding}" {look}>'
    return f"<{table}{''.join(f'<TR>{row}</TR>' for row in rows)}</TABLE>>"


def _folded(label: str, style: str) -> str:
    """A label on two lines where it is long and has two parts."""
    room = {"stacked": 18, "narrow": 12}.get(style, len(label))
    first, comma, rest = label.rpartition(", ")
    return f"{escape(first + ',')}<BR/>{escape(rest)}" if comma and len(label) > room else escape(label)


def _lines(box: Box, style: str) -> list[list[str]]:
    """The cells of a box, line by line, each as what follows `<TD`."""
    count = [f"><B>{escape(box.times)}</B>"] if box.times else []
    if box.kind == "block":
        words = [f"<B>{escape(box.name)}</B>"] if box.name else []
        words += [escape(box.cells[0].text)] if box.cells[0].text else []
        if style in ("column", "stacked", "narrow") and len(words) > 1:
            return [[f">{word}"] for word in [f"{words[0]} {''.join(each[1:] for each in count)}".rstrip(), *words[1:]]]
        return [[f">{' '.join([*words, *(each[1:] for each in count)])}"]]
    texts = [_folded(cell.text, style) for cell in box.cells]
    cells = [f' BGCOLOR="{COLOURS.get(cell.role, OTHER)}">{t}' for cell, t in zip(box.cells, texts, strict=True)]
    if style in ("line", "rows") or len(cells) == 1:
        return [cells + count]
    lines: list[list[str]] = []
    for i, text in enumerate(cells):
        if i and box.cells[i].small and box.cells[i - 1].small and style != "narrow":
            lines[-1].append(text)
        else:
            lines.append([text])
    lines[-1] += count
    return lines


def _stack(graph: graphviz.Digraph, figure: Figure) -> None:
    """Put the details below each other, in columns as high as the network beside them."""
    heights = [len(_rows(drawing)) for drawing in figure.drawings]
    column, last = 0, ""
    for drawing, height in zip(figure.drawings[1:], heights[1:], strict=True):
        shown = boxes(drawing.cluster)
        if last and column + height <= max(heights[0], height):
            graph.edge(last, shown[0].id, style="invis")
            column += height
        else:
            column = height
        last = shown[-1].id


def _rows(drawing: Drawing) -> list[int]:
    """How many boxes stand beside each other, from top to bottom."""
    import networkx as nx

    flow: nx.DiGraph[str] = nx.DiGraph()
    flow.add_nodes_from(box.id for box in boxes(drawing.cluster))
    flow.add_edges_from((edge.tail, edge.head) for edge in drawing.edges if not edge.upward)
    return [len(generation) for generation in nx.topological_generations(flow)]
