"""What there is to draw: the structure of the text as a tree, repeats folded, uses of one text laid over each other.

Uses of one text (the rounds of a loop, the uses of a block) are merged by the place in the text: what stands at one
place is one part, whichever use made it. So a block is drawn once for all of its uses, and a part that only some of
them have is known to be one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from archc.compiler.analysis.cost import call_of
from archc.compiler.diagram import wording
from archc.compiler.diagram.wording import agree, agree_but_in_channels
from archc.compiler.ir import Region, ShapedGraph

# Which round of which fold something lies in, outermost first.
Trail: TypeAlias = tuple[tuple[int, int], ...]

DEEPEST = 30  # groups inside each other that are still looked into


class Use(NamedTuple):
    """One expansion of a text, and the folded rounds around it."""

    region: Region
    trail: Trail


class Leaf:
    """One application of an operator in the text; `nodes` are those that all uses of the text made of it."""

    __slots__ = ("nodes", "present")

    def __init__(self) -> None:
        self.nodes: list[tuple[int, Trail]] = []
        self.present: list[int] = []


class Group:
    """A block, a labelled group, or the rounds of a loop that are drawn as one.

    kind      "block", "label" or "fold"
    uses      the regions that are laid over each other
    present   which uses of the surrounding text have it
    count     how often it is repeated, fewest and most
    parallel  whether the repeats are branches beside each other
    paths     the paths of what it stands for
    parts     what is in it; empty at the deepest level
    """

    __slots__ = ("count", "kind", "parallel", "parts", "paths", "present", "title", "uses")

    def __init__(self, kind: str, title: str) -> None:
        self.kind = kind
        self.title = title
        self.uses: list[Use] = []
        self.present: list[int] = []
        self.count = (1, 1)
        self.parallel = False
        self.paths: list[str] = []
        self.parts: list[Part] = []

    @property
    def template(self) -> object:
        """What makes two groups expansions of one text."""
        return template(self.uses[0].region)

    def walk(self) -> "Iterator[Part]":
        """Yield all that is in it, outer before inner."""
        waiting: list[Part] = list(reversed(self.parts))
        while waiting:
            part = waiting.pop()
            yield part
            if isinstance(part, Group):
                waiting.extend(reversed(part.parts))


Part: TypeAlias = Leaf | Group


def template(region: Region) -> object:
    """Return the text that a region is an expansion of."""
    if region.definition is not None:
        span = region.definition.span
        return ("definition", span.source.name, span.start)
    return (region.kind, region.span.source.name, region.span.start)


class Outline:
    """Makes the tree of one network; `loose` also folds what differs in its numbers."""

    __slots__ = ("_folds", "_keys", "_labels", "_loose", "_shaped")

    def __init__(self, shaped: ShapedGraph, *, loose: bool) -> None:
        self._shaped = shaped
        self._loose = loose
        self._keys: dict[object, int] = {}
        self._labels: dict[int, str] = {}
        self._folds = 0

    def of(self, uses: Sequence[Use], title: str = "") -> Group:
        """Return the tree for uses of one text."""
        group = Group("block", title)
        group.uses = list(uses)
        self._fill(group, 0)
        return group

    def label(self, index: int) -> str:
        """What the box of a node says."""
        if index not in self._labels:
            node = self._shaped.graph.nodes[index]
            call = call_of(node, self._shaped)
            label = node.op.label(call) if node.op.label is not None else node.op.name
            self._labels[index] = wording.drawn(label)
        return self._labels[index]

    # ---- parts

    def _fill(self, group: Group, level: int) -> None:
        if level >= DEEPEST:
            return
        parts: dict[int, Part] = {}
        order: list[int] = []
        for number, use in enumerate(group.uses):
            last, seen = -1, set()
            for place, atom in self._atoms(use.region):
                key = place
                while key in seen:  # the same place again, in a round that is not folded
                    key = self._key(key, "again")
                seen.add(key)
                if key not in parts:
                    order.insert(order.index(last) + 1 if number and last in parts else len(order), key)
                    parts[key] = Leaf() if isinstance(atom, int) else _opened(atom)
                self._add(parts[key], atom, number, use.trail)
                last = key
        group.parts = [parts[key] for key in order]
        for part in group.parts:
            if isinstance(part, Group):
                self._fill(part, level + 1)
        group.parts = self._joined([_narrow(part, len(group.uses)) for part in group.parts])

    def _add(self, part: Part, atom: "int | Region | list[Region]", number: int, trail: Trail) -> None:
        part.present.append(number)
        if isinstance(part, Leaf):
            assert isinstance(atom, int)
            part.nodes.append((atom, trail))
        elif isinstance(atom, Region):
            part.uses.append(Use(atom, trail))
            part.paths.append(atom.path or "")
        else:
            assert isinstance(atom, list)
            fewest, most = (len(atom), len(atom)) if len(part.present) == 1 else part.count
            part.count = (min(fewest, len(atom)), max(most, len(atom)))
            part.parallel = all(each.inputs == atom[0].inputs for each in atom)
            self._folds += 1
            part.uses.extend(Use(each, (*trail, (self._folds, i))) for i, each in enumerate(atom))

    def _atoms(self, region: Region) -> "Iterator[tuple[int, int | Region | list[Region]]]":
        """Yield the nodes, the groups and the folded rounds of a region, each with its place in the text."""
        waiting: list[tuple[int, int | Region | list[Region]]] = [(0, piece) for piece in reversed(_pieces(region))]
        while waiting:
            key, piece = waiting.pop()
            if isinstance(piece, int):
                yield self._key(key, self._shaped.graph.nodes[piece].span), piece
            elif isinstance(piece, list):
                yield key, piece
            elif piece.path is not None:
                yield self._key(key, (piece.kind, piece.span)), piece
            elif piece.kind == "loop":
                inside = self._key(key, (piece.kind, piece.span))
                spliced: list[tuple[int, int | Region | list[Region]]] = []
                for number, run in enumerate(self._runs(piece)):
                    place = self._key(inside, number)
                    spliced.extend((place, each) for each in (_pieces(run[0]) if len(run) == 1 else [run]))
                waiting.extend(reversed(spliced))
            else:
                inside = self._key(key, (piece.kind, piece.span))
                waiting.extend((inside, each) for each in reversed(_pieces(piece)))

    def _key(self, outer: int, what: object) -> int:
        return self._keys.setdefault((outer, what), len(self._keys) + 1)

    # ---- folding

    def _runs(self, loop: Region) -> list[list[Region]]:
        """Put neighbouring rounds together that one drawing can stand for."""
        rounds = [part for part in loop.children if part.end > part.start]
        runs: list[list[Region]] = []
        shown: Mapping[int, str | int] = {}
        for part in rounds:
            said = self._said(part)
            if runs and self._alike(shown, said):
                runs[-1].append(part)
            else:
                runs.append([part])
                shown = said
        return runs

    def _said(self, region: Region) -> dict[int, str | int]:
        """The label of every node of a region and the rounds of every loop, by the place in the text of the region."""
        found: dict[int, str | int] = {}
        waiting = [(0, piece) for piece in reversed(_pieces(region))]
        while waiting:
            key, piece = waiting.pop()
            if isinstance(piece, int):
                place = self._key(key, self._shaped.graph.nodes[piece].span)
                while place in found:
                    place = self._key(place, "again")
                found[place] = self.label(piece)
            else:
                inside = self._key(key, (piece.kind, piece.span))
                if piece.kind == "loop":
                    found[inside] = len(piece.children)
                waiting.extend((inside, each) for each in reversed(_pieces(piece)))
        return found

    def _alike(self, a: Mapping[int, str | int], b: Mapping[int, str | int]) -> bool:
        """Whether one drawing can stand for both: one has at most more than the other has, and numbers are equal."""
        shared = a.keys() & b.keys()
        return 2 * len(shared) >= max(len(a), len(b)) and all(self._agree(a[key], b[key]) for key in shared)

    def _agree(self, a: str | int, b: str | int) -> bool:
        if isinstance(a, int) or isinstance(b, int):
            return a == b
        return agree(a, b) or (self._loose and agree_but_in_channels(a, b))

    def _joined(self, parts: list[Part]) -> list[Part]:
        """Fold groups of one text that follow each other, as rounds of a loop are folded."""
        runs: list[list[Part]] = []
        for part in parts:
            if runs and self._follows(runs[-1], part):
                runs[-1].append(part)
            else:
                runs.append([part])
        return [
            self._join([part for part in run if isinstance(part, Group)]) if len(run) > 1 else run[0] for run in runs
        ]

    def _follows(self, run: list[Part], part: Part) -> bool:
        first, last = run[0], run[-1]
        if not isinstance(first, Group) or not isinstance(last, Group) or not isinstance(part, Group):
            return False
        if part.kind != "block" or last.kind != "block" or part.template != last.template:
            return False
        if part.present != last.present or len(part.uses) != len(last.uses):
            return False
        if any(a.region.outputs != b.region.inputs for a, b in zip(last.uses, part.uses, strict=True)):
            return False
        return self._alike(self._said(first.uses[0].region), self._said(part.uses[0].region))

    def _join(self, run: list[Group]) -> Group:
        joined = Group("fold", run[0].title)
        joined.present = run[0].present
        joined.count = (len(run), len(run))
        self._folds += 1
        for number, part in enumerate(run):
            joined.uses.extend(use._replace(trail=(*use.trail, (self._folds, number))) for use in part.uses)
            joined.paths.extend(part.paths)
        self._fill(joined, 0)
        return joined


def _pieces(region: Region) -> list[int | Region]:
    """The nodes and the regions directly in a region, in order."""
    pieces: list[int | Region] = []
    at = region.start
    for child in region.children:
        pieces.extend(range(at, child.start))
        pieces.append(child)
        at = child.end
    pieces.extend(range(at, region.end))
    return pieces


def _opened(atom: Region | list[Region]) -> Group:
    if isinstance(atom, list):
        return Group("fold", "")
    if atom.definition is not None:
        return Group("block", atom.definition.name.text)
    return Group("label", "" if atom.kind == "label" else atom.name)


def _narrow(part: Part, uses: int) -> Part:
    """Let a label or a fold around one group alone be that group: `layer1: repeat 2 { basic }` is a basic x 2."""
    if not isinstance(part, Group) or part.kind == "block" or len(part.parts) != 1:
        return part
    inner = part.parts[0]
    if not isinstance(inner, Group) or len(set(inner.present)) < len(part.uses):
        return part
    if inner.parallel or (part.parallel and inner.count != (1, 1)):
        return part
    inner.count = (inner.count[0] * part.count[0], inner.count[1] * part.count[1])
    inner.parallel = part.parallel
    inner.paths = [path for path in part.paths if path] or inner.paths
    inner.present = part.present
    inner.kind = "fold" if inner.count != (1, 1) else inner.kind
    return inner
