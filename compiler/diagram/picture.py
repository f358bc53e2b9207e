"""What a diagram shows: boxes, the clusters they stand in, and the edges between them; no layout, no colours."""

from typing import NamedTuple


class Cell(NamedTuple):
    """One coloured part of a box: what is done, the role of the operator (empty for a block), whether it is small."""

    text: str
    role: str
    small: bool = False


class Box(NamedTuple):
    """A box.

    kind    "layer" (operators that follow each other), "block" (drawn in detail elsewhere), "input" or "output"
    cells   what it does, in order
    name    its path in the `state_dict`
    times   how often it is repeated, as text; empty for once
    cost    parameters and multiply-adds, as text
    notes   what holds for some of its uses only
    title   what a screen reader says: where it stands in the text, its operators in full
    partial whether only some of the uses of the surrounding text have it
    """

    id: str
    kind: str
    cells: tuple[Cell, ...]
    name: str
    times: str
    cost: str
    notes: tuple[str, ...]
    title: str
    partial: bool


class Cluster(NamedTuple):
    """A block or labelled group that is drawn with what is in it; `name` is empty for a drawing as a whole.

    `note` are the lines below its name.
    """

    id: str
    name: str
    note: tuple[str, ...]
    title: str
    content: "tuple[Box | Cluster, ...]"


class Edge(NamedTuple):
    """A value on its way from one box to another, with its sizes where they changed.

    `upward` says that it leads back up, on the right side of a block that contains itself.
    """

    tail: str
    head: str
    label: str
    partial: bool
    upward: bool = False


class Drawing(NamedTuple):
    """The network, or one block in detail."""

    cluster: Cluster
    edges: tuple[Edge, ...]


class Figure(NamedTuple):
    """A whole diagram: the network first, then the blocks it refers to; `caption` are the lines below."""

    drawings: tuple[Drawing, ...]
    caption: tuple[str, ...]
    roles: tuple[str, ...]
    partial: bool


def boxes(cluster: Cluster) -> tuple[Box, ...]:
    """Return all boxes of a cluster, those of the clusters in it included."""
    found: list[Box] = []
    waiting: list[Box | Cluster] = [cluster]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Box):
            found.append(part)
        else:
            waiting.extend(reversed(part.content))
    return tuple(found)
