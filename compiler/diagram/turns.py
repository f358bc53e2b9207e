"""The flow through blocks that contain themselves: down on the left, back up on the right, level by level."""

from archc.compiler.diagram.picture import Cluster, Edge


def turned(
    cluster: Cluster, nests: list[tuple[set[str], set[str]]], edges: tuple[Edge, ...]
) -> tuple[Edge, ...]:
    """Mark the edges that lead back up, and those between boxes at one height.

    Each nest is the boxes directly in such a block, and all boxes of the block in it.
    """
    result = {(edge.tail, edge.head): edge for edge in edges}
    for direct, inner in nests:
        later = _after(inner, direct, edges)
        # Where the value from before the inner block comes in again, as with U-Net's skips.
        joins = {edge.head for edge in edges if edge.head in later and edge.tail in direct - later}
        level = joins | _after(joins, direct, edges)
        for edge in edges:
            if edge.head not in later:
                continue
            if edge.tail in inner or edge.tail in later - level:
                result[edge.tail, edge.head] = edge._replace(upward=True)
            elif edge.tail in direct:
                result[edge.tail, edge.head] = edge._replace(level=True)
    return tuple(result.values())


def _after(start: set[str], within: set[str], edges: tuple[Edge, ...]) -> set[str]:
    found: set[str] = set()
    grown = True
    while grown:
        grown = False
        for edge in edges:
            if edge.head in within and edge.head not in found and (edge.tail in start or edge.tail in found):
                found.add(edge.head)
                grown = True
    return found
