"""The flow through blocks that contain themselves: down on the left, back up on the right."""

from archc.compiler.diagram.picture import Edge


def turned(nests: list[tuple[set[str], set[str]]], edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Mark the edges that lead back up.

    Each nest is the boxes directly in such a block, and all boxes of the block in it. What comes after the inner block
    stands beside what comes before it, so the picture of a U-Net is a U.
    """
    upward: set[tuple[str, str]] = set()
    for direct, inner in nests:
        later = _after(inner, direct, edges)
        upward |= {(edge.tail, edge.head) for edge in edges if edge.head in later and edge.tail in inner | later}
    return tuple(edge._replace(upward=(edge.tail, edge.head) in upward) for edge in edges)


def _after(start: set[str], within: set[str], edges: tuple[Edge, ...]) -> set[str]:
    """The boxes of a set that can be reached from others."""
    onward: dict[str, list[str]] = {}
    for edge in edges:
        onward.setdefault(edge.tail, []).append(edge.head)
    found: set[str] = set()
    waiting = sorted(start)
    while waiting:
        for head in onward.get(waiting.pop(), ()):
            if head in within and head not in found:
                found.add(head)
                waiting.append(head)
    return found
