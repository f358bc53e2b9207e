"""How each part of an outline is drawn: as a cluster, as one box that is explained beside, or as plain layers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from archc.compiler.diagram.outline import Group, Leaf, Part, Trail
from archc.compiler.ir import Graph, Node

# Operators that are drawn together with the one they follow (or, before a convolution, precede).
SMALL = frozenset({"norm", "activation", "regularisation", "shape"})


Missing: TypeAlias = tuple[Group, tuple[int, ...]]  # a group, and those of its uses that have something


class Slot:
    """One thing to draw: a leaf, or a group as one box.

    owner    the group whose uses have it or do not
    fold     the folded rounds it stands for, when it is drawn once for them among other layers
    partial  the group, and which of its uses have it, when not all of them do
    groups   the simple groups whose layer it is, outermost first
    """

    __slots__ = ("fold", "groups", "owner", "part", "partial")

    def __init__(self, part: Part, owner: Group, partial: Missing | None) -> None:
        self.part = part
        self.owner = owner
        self.fold: Group | None = None
        self.partial = partial
        self.groups: tuple[Group, ...] = ()

    def nodes(self) -> Iterator[tuple[int, Trail]]:
        """Yield all nodes that are drawn as this."""
        if isinstance(self.part, Leaf):
            yield from self.part.nodes
        else:
            for use in self.part.uses:
                yield from ((index, use.trail) for index in range(use.region.start, use.region.end))


class Frame:
    """A group that is drawn as a cluster, and what is directly in it."""

    __slots__ = ("content", "group")

    def __init__(self, group: Group) -> None:
        self.group = group
        self.content: list[Slot | Frame] = []

    def slots(self) -> Iterator[Slot]:
        """Yield all slots in it and in the frames in it."""
        waiting: list[Slot | Frame] = [self]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Slot):
                yield part
            else:
                waiting.extend(reversed(part.content))


Templates: TypeAlias = Mapping[object, object]


def node_of(leaf: Leaf, graph: Graph) -> Node:
    """Return the first node of a leaf; all are of one place in the text."""
    return graph.nodes[leaf.nodes[0][0]]


def is_small(leaf: Leaf, graph: Graph) -> bool:
    """Say whether an operator is drawn together with its neighbour."""
    node = node_of(leaf, graph)
    return node.op.role in SMALL and len(node.inputs) == 1


def is_simple(group: Group, graph: Graph) -> bool:
    """Say whether a group is one layer: at most one operator of weight, with the small ones around it."""
    if len(group.parts) == 1 and isinstance(group.parts[0], Group):
        return (group.count == (1, 1) or group.parts[0].count == (1, 1)) and is_simple(group.parts[0], graph)
    leaves = [part for part in group.parts if isinstance(part, Leaf)]
    weighty = [leaf for leaf in leaves if not is_small(leaf, graph)]
    one_way = all(len(node_of(leaf, graph).inputs) == 1 for leaf in leaves)
    return 0 < len(leaves) == len(group.parts) and len(weighty) <= 1 and one_way


def recursive(root: Group) -> set[object]:
    """Return the texts that are used within themselves."""
    found: set[object] = set()
    waiting: list[tuple[Group, frozenset[object]]] = [(root, frozenset())]
    while waiting:
        group, around = waiting.pop()
        name = group.template
        if name in around:
            found.add(name)
        inner = around | {name}
        waiting.extend((part, inner) for part in group.parts if isinstance(part, Group))
    return found


def plan(root: Group, graph: Graph, *, explained: Templates, levels: int, whole: bool) -> tuple[Frame, list[Group]]:
    """Return the clusters of one drawing, and the groups that are boxes there and are to be explained beside.

    A text that occurs more than once is one of those, and one that is explained anyway. `levels` says how many levels
    of groups are opened: those beyond are boxes without an explanation. Only the `whole` network shows labelled groups.
    """
    inside_itself = recursive(root)
    boxes: set[object] = {name for name in explained if name not in inside_itself and name != root.template}
    while True:
        counted: Counter[object] = Counter()
        first: list[object] = []
        for group in _open_groups(root, graph, boxes, levels):
            counted[group.template] += 1
            first.append(group.template)
        again = next((name for name in first if counted[name] > 1 and name not in inside_itself), None)
        if again is None:
            break
        boxes.add(again)
    frame = Frame(root)
    found: list[Group] = []
    _place(root, frame, graph, boxes, levels, found, whole)
    return frame, found


def _open_groups(root: Group, graph: Graph, boxes: set[object], levels: int) -> Iterator[Group]:
    """Yield the groups that would be clusters, outer before inner."""
    waiting = [(root, 0)]
    while waiting:
        group, level = waiting.pop(0)
        for part in group.parts:
            if not isinstance(part, Group) or is_simple(part, graph) or part.template in boxes or not part.parts:
                continue
            if level < levels:
                yield part
                waiting.append((part, level + 1))


def _place(
    group: Group, frame: Frame, graph: Graph, boxes: set[object], levels: int, found: list[Group], whole: bool
) -> None:
    for part in group.parts:
        partial = _partial(part, group)
        if isinstance(part, Leaf):
            frame.content.append(Slot(part, group, partial))
        elif is_simple(part, graph):
            _splice(part, frame, None, partial, ())
        elif part.template in boxes or levels <= 0 or not part.parts:
            frame.content.append(Slot(part, group, partial))
            if levels > 0 and part.parts:
                found.append(part)
        elif part.kind == "label" and not whole:
            _place(part, frame, graph, boxes, levels, found, whole)
        else:
            inner = Frame(part)
            frame.content.append(inner)
            _place(part, inner, graph, boxes, levels - 1, found, whole)


def _splice(group: Group, frame: Frame, fold: Group | None, partial: Missing | None, groups: tuple[Group, ...]) -> None:
    """Put the layers of a simple group among those of the group around it."""
    fold = group if group.count != (1, 1) else fold
    groups = (*groups, group)
    for part in group.parts:
        missing = partial or _partial(part, group)
        if isinstance(part, Group):
            _splice(part, frame, fold, missing, groups)
        else:
            slot = Slot(part, group, missing)
            slot.fold, slot.groups = fold, groups
            frame.content.append(slot)


def _partial(part: Part, owner: Group) -> Missing | None:
    present = tuple(dict.fromkeys(part.present))
    return (owner, present) if len(present) < len(owner.uses) else None
