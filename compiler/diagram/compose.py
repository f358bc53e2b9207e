"""One drawing from its plan: which values flow between which boxes, and what the boxes say."""

import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from archc.compiler.analysis.cost import Cost, total
from archc.compiler.diagram import wording
from archc.compiler.diagram.chains import chains
from archc.compiler.diagram.outline import Group, Leaf, Outline, Trail
from archc.compiler.diagram.picture import Box, Cell, Cluster, Drawing, Edge
from archc.compiler.diagram.plan import Frame, Slot, is_small, node_of
from archc.compiler.diagram.turns import turned
from archc.compiler.folding import written
from archc.compiler.ir import Region, ShapedGraph, Tensor
from archc.compiler.values import show
from archc.dsl import ast
from archc.dsl.source import Span

IN_TRAINING = "(in training)"
LONGEST_ARGUMENT = 14  # characters; longer ones say little in a box


class Port:
    """Where a value comes in or goes out."""

    __slots__ = ("kind", "name", "number")

    def __init__(self, kind: str, name: str, number: int) -> None:
        self.kind = kind
        self.name = name
        self.number = number


End = Slot | Port


class Composer:
    """Makes the drawing of one frame."""

    def __init__(
        self, frame: Frame, shaped: ShapedGraph, outline: Outline, costs: Sequence[Cost], prefix: str, *, whole: bool
    ) -> None:
        self._frame = frame
        self._shaped = shaped
        self._graph = shaped.graph
        self._outline = outline
        self._costs = costs
        self._prefix = prefix
        self._whole = whole
        self._uses = frame.group.uses
        self._slots = list(frame.slots())
        self._ports: dict[tuple[str, int], Port] = {}
        self._wires: dict[tuple[End, End], list[tuple[int, int]]] = {}  # (use, value) of each edge
        self._texts: dict[tuple[End, End], str] = {}
        self._clusters = 0

    def drawing(self, title: str, *note: str) -> Drawing:
        """Return the drawing, under a title."""
        self._connect()
        groups = chains(self._frame, self._wires, self._small)
        ids: dict[End, str] = {}
        for number, members in enumerate(groups):
            ids.update((slot, f"{self._prefix}{number}") for slot in members)
        members_of = {f"{self._prefix}{number}": members for number, members in enumerate(groups)}
        for number, port in enumerate(self._ports.values()):
            ids[port] = f"{self._prefix}{port.kind}{number}"
        edges = self._edges(ids)
        content = self._content(self._frame, ids, members_of)
        inputs = tuple(self._port_box(port, ids[port]) for port in self._ports.values() if port.kind == "input")
        outputs = tuple(self._port_box(port, ids[port]) for port in self._ports.values() if port.kind == "output")
        cluster = Cluster(f"cluster_{self._prefix}", title, note, title, (*inputs, *content, *outputs))
        return Drawing(cluster, turned(self._turning(self._frame, ids), edges))

    def _small(self, leaf: Leaf) -> str:
        return node_of(leaf, self._graph).op.name if is_small(leaf, self._graph) else ""

    # ---- flow

    def _connect(self) -> None:
        where: dict[int, tuple[Slot, Trail]] = {}
        for slot in self._slots:
            where.update((index, (slot, trail)) for index, trail in slot.nodes())
        producers = {value: index for index, node in enumerate(self._graph.nodes) for value in node.outputs}
        for number, use in enumerate(self._uses):
            region = use.region
            inside = range(region.start, region.end)
            for index in inside:
                for value in self._graph.nodes[index].inputs:
                    self._wire(number, value, producers.get(value), inside, where, where.get(index))
            for place, (value, name) in enumerate(self._results(region.outputs)):
                port = self._ports.setdefault(("output", place), Port("output", name, place))
                source = producers.get(value)
                tail: End = where[source][0] if source is not None and source in inside else self._input(number, value)
                self._wires.setdefault((tail, port), []).append((number, value))

    def _wire(
        self,
        number: int,
        value: int,
        source: int | None,
        inside: range,
        where: Mapping[int, tuple[Slot, Trail]],
        target: tuple[Slot, Trail] | None,
    ) -> None:
        if target is None:
            return
        head, trail = target
        if source is None or source not in inside:
            self._wires.setdefault((self._input(number, value), head), []).append((number, value))
            return
        tail, before = where[source]
        rounds = dict(before)
        if tail is not head and all(rounds.get(fold, turn) == turn for fold, turn in trail):
            self._wires.setdefault((tail, head), []).append((number, value))

    def _input(self, number: int, value: int) -> Port:
        inputs = range(len(self._graph.inputs)) if self._whole else self._uses[number].region.inputs
        place = inputs.index(value) if value in inputs else len(inputs)
        if self._whole:
            name = self._graph.inputs[place].name
        else:
            names = _input_names(self._uses[number].region)
            name = names[place] if place < len(names) else "in" if value in inputs else "from outside"
        return self._ports.setdefault(("input", place), Port("input", name, place))

    def _results(self, outputs: tuple[int, ...]) -> list[tuple[int, str]]:
        if self._whole:
            return [
                (output.value, f"{output.name} {IN_TRAINING}" if output.training else output.name)
                for output in self._graph.outputs
            ]
        return [(value, "out") for value in outputs]

    # ---- sizes on edges

    def _edges(self, ids: Mapping[End, str]) -> tuple[Edge, ...]:
        first_in: dict[str, tuple[End, End]] = {}
        for pair in self._wires:
            first_in.setdefault(ids[pair[1]], pair)
        said: set[tuple[str, str]] = set()
        edges: dict[tuple[str, str], Edge] = {}
        for pair in self._wires:
            tail, head = ids[pair[0]], ids[pair[1]]
            if tail == head or (tail, head) in edges:
                continue
            text = self._sizes(pair)
            before = self._sizes(first_in[tail]) if tail in first_in else text
            label = text if text != before and (tail, text) not in said and isinstance(pair[1], Slot) else ""
            said.add((tail, text))
            edges[tail, head] = Edge(tail, head, label, self._some(pair))
        return tuple(edges.values())

    def _sizes(self, pair: tuple[End, End]) -> str:
        if pair not in self._texts:
            self._texts[pair] = self._described(self._wires[pair])
        return self._texts[pair]

    def _described(self, wires: Iterable[tuple[int, int]]) -> str:
        by_use: dict[int, Tensor] = {}
        for number, value in wires:
            tensor = self._shaped.types[value]
            if by_use.setdefault(number, tensor) != tensor:
                return ""
        if len(set(by_use.values())) == 1:
            return self._shape(next(iter(by_use.values())))
        outer = [self._flowing_in(number) for number in by_use]
        known = [tensor for tensor in outer if tensor is not None]
        return wording.relative(known, list(by_use.values())) if len(known) == len(outer) else ""

    def _shape(self, tensor: Tensor) -> str:
        return wording.shape(tensor, self._shaped.conditions)

    def _flowing_in(self, number: int) -> Tensor | None:
        inputs = self._uses[number].region.inputs
        return self._shaped.types[inputs[0]] if inputs else None

    def _some(self, pair: tuple[End, End]) -> bool:
        """Whether only some of the uses have this edge."""
        return any(isinstance(end, Slot) and end.partial is not None for end in pair)

    # ---- boxes

    def _content(
        self, frame: Frame, ids: Mapping[End, str], members_of: Mapping[str, list[Slot]]
    ) -> tuple[Box | Cluster, ...]:
        content: list[Box | Cluster] = []
        done = set()
        for part in frame.content:
            if isinstance(part, Frame):
                group = part.group
                self._clusters += 1
                name = f"cluster_{self._prefix}_{self._clusters}"
                inner = self._content(part, ids, members_of)
                note = tuple(filter(None, self._cost(group).split(", ")))
                content.append(Cluster(name, self._heading(group, frame), note, self._place(group), inner))
            elif ids[part] not in done:
                done.add(ids[part])
                content.append(self._box(ids[part], members_of[ids[part]], frame))
        return tuple(content)

    def _box(self, name: str, members: list[Slot], frame: Frame) -> Box:
        part = members[0].part
        if isinstance(part, Group):
            return self._block(name, members[0], part, frame)
        cells, notes = [], []
        paths: list[str] = []
        for slot in members:
            leaf = slot.part
            assert isinstance(leaf, Leaf)
            merged = wording.merge([self._outline.label(index) for index, _ in leaf.nodes])
            op = node_of(leaf, self._graph).op
            cells.append(Cell(merged.common or op.name, op.role, is_small(leaf, self._graph)))
            for text, speakers in merged.extras:
                numbers, nodes = zip(*((leaf.present[each], leaf.nodes[each][0]) for each in speakers), strict=True)
                notes.append(f"{text} in {self._names(slot.owner, numbers, nodes)}")
            if not paths or not is_small(leaf, self._graph):
                paths = [self._graph.nodes[index].path for index, _ in leaf.nodes]
        alias = members[0].groups[0] if members[0].groups else None
        if alias is not None and all(slot.groups[:1] == (alias,) for slot in members) and any(alias.paths):
            paths = alias.paths
        notes += self._only(members[0])
        count = _count(members[0].fold) if members[0].fold is not None else ""
        cost = (
            "" if len(self._uses) > 1 else wording.cost(self._total(index for s in members for index, _ in s.nodes()))
        )
        title = "; ".join(self._explained(slot) for slot in members)
        partial = members[0].partial is not None
        return Box(name, "layer", tuple(cells), self._relative(paths, frame), count, cost, tuple(notes), title, partial)

    def _block(self, name: str, slot: Slot, group: Group, frame: Frame) -> Box:
        notes = [*(self._first(group) if len(self._uses) == 1 else []), *self._only(slot)]
        cells = (Cell(group.title + _arguments(group), ""),)
        paths, partial = self._relative(group.paths, frame), slot.partial is not None
        cost, place = self._cost(group), self._place(group)
        return Box(name, "block", cells, paths, _count(group), cost, tuple(notes), place, partial)

    def _heading(self, group: Group, frame: Frame) -> str:
        what = group.title + _arguments(group)
        name = self._relative(group.paths, frame)
        words = [name if not what or not name.rpartition(".")[2].isdigit() else "", what, _count(group)]
        return " ".join(word for word in words if word)

    def _first(self, group: Group) -> list[str]:
        """What only the first of several repeats has."""
        if group.count == (1, 1) or len(group.uses) < 2:
            return []
        first, rest = group.uses[0].region.arguments, [use.region.arguments for use in group.uses[1:]]
        found = [
            f"{name}={show(value, 20)}"
            for name, value in first.items()
            if all(other.get(name) == rest[0].get(name) != value for other in rest)
        ]
        found = found if len(found) == 1 else []  # with more, each of them differs from the next
        for part in group.parts:
            if set(part.present) == {0}:
                paths = part.paths if isinstance(part, Group) else [self._graph.nodes[part.nodes[0][0]].path]
                names = [path.rpartition(".")[2] for path in paths[:1] if path]
                title = part.title if isinstance(part, Group) else node_of(part, self._graph).op.name.replace("_", " ")
                found += [f"with {title if name.isdigit() else name}" for name in names]
        return [f"first: {', '.join(found)}"] if found else []

    def _only(self, slot: Slot) -> list[str]:
        if slot.partial is None:
            return []
        owner, present = slot.partial
        starts = [owner.uses[number].region.start for number in present]
        return [f"only in {self._names(owner, present, starts)}"]

    def _names(self, owner: Group, numbers: Sequence[int], nodes: Sequence[int]) -> str:
        """Name uses by their paths: those of the block that is drawn, or of a group within it."""
        if len(self._uses) > 1:
            starts = [use.region.start for use in self._uses]
            owner, numbers = self._frame.group, [bisect_right(starts, node) - 1 for node in nodes]
        scopes = [_path(use.region, number).split(".")[:-1] for number, use in enumerate(owner.uses)]
        shared = [each[0] for each in takewhile(lambda level: len(set(level)) == 1, zip(*scopes, strict=False))]
        paths = [_path(owner.uses[number].region, number).split(".") for number in dict.fromkeys(numbers)]
        return wording.together([".".join(path[len(shared) :]) for path in paths])

    def _relative(self, paths: Sequence[str], frame: Frame) -> str:
        """Write paths as one, without the scope of the cluster around them."""
        scopes = {_scope(use.region) for use in frame.group.uses}
        whole = [path for path in paths if path]
        short = [_within(path, scopes) for path in whole]
        # An index alone says little: with it comes what it is an index in.
        alone = len(self._uses) == 1 and all(path.isdigit() for path in short)
        return wording.together(whole if alone else short) if whole else ""

    def _cost(self, group: Group) -> str:
        nodes = (index for use in group.uses for index in range(use.region.start, use.region.end))
        return wording.cost(self._total(nodes)) if len(self._uses) == 1 else ""

    def _total(self, nodes: Iterable[int]) -> Cost:
        return total(tuple(self._costs[index] for index in nodes))

    def _explained(self, slot: Slot) -> str:
        leaf = slot.part
        assert isinstance(leaf, Leaf)
        node = node_of(leaf, self._graph)
        path = f"{node.path}: " if node.path else ""
        output = ", ".join(str(self._shaped.types[value]) for value in node.outputs)
        more = f" and {len(leaf.nodes) - 1} more" if len(leaf.nodes) > 1 else ""
        return f"{path}{written(node)} to {output} at {_line(node.span)}{more}"

    def _place(self, group: Group) -> str:
        span = group.uses[0].region.span
        words = [group.title, wording.together([path for path in group.paths if path] or [""])]
        return f"{' '.join(filter(None, words))} at {_line(span)}"

    def _port_box(self, port: Port, name: str) -> Box:
        texts = [self._sizes(pair) for pair in self._wires if port in pair]
        sizes = texts[0] if texts else ""
        if port.kind == "input" and not self._whole and port.number == 0 and len(self._uses) > 1:
            tensors = [tensor for tensor in map(self._flowing_in, range(len(self._uses))) if tensor is not None]
            sizes = wording.axes(tensors) if len(set(tensors)) > 1 else sizes
        text = f"{port.name} {sizes}".rstrip()
        first, training, rest = text.partition(f" {IN_TRAINING}")
        cells = (Cell(first, ""), Cell(f"{IN_TRAINING}{rest}", "")) if training else (Cell(text, ""),)
        return Box(name, port.kind, cells, "", "", "", (), text, False)

    def _turning(self, frame: Frame, ids: Mapping[End, str]) -> list[tuple[set[str], set[str]]]:
        """For every block that contains itself: the boxes directly in it, and those of the inner one."""
        found = []
        waiting = [frame]
        while waiting:
            around = waiting.pop()
            name = around.group.template
            inner: set[str] = set()
            for part in around.content:
                if isinstance(part, Frame):
                    waiting.append(part)
                    inner |= {ids[slot] for slot in part.slots()} if part.group.template == name else set()
                elif any(group.template == name for group in part.groups):
                    inner.add(ids[part])
            if inner:
                found.append(({ids[slot] for slot in around.content if isinstance(slot, Slot)} - inner, inner))
        return found


def _path(region: Region, number: int) -> str:
    """How one use is named; rounds by the first thing in them that has a path."""
    return region.path or next((part.path for part in region.walk() if part.path), f"round {number + 1}")


def _scope(region: Region) -> str:
    """The path of the scope that a region's layers lie in."""
    if region.path is not None:
        return region.path
    return next((part.path.rpartition(".")[0] for part in region.walk() if part.path), "")


def _input_names(region: Region) -> list[str]:
    """The names that a block gives its inputs, where it has several."""
    if not isinstance(region.definition, ast.Block):
        return []
    return [part.name.text for part in region.definition.body.statements if isinstance(part, ast.Input)]


def _within(path: str, scopes: set[str]) -> str:
    around = path
    while around and around not in scopes:
        around = around.rpartition(".")[0]
    return path[len(around) + 1 :] if around and around != path else path


def _line(span: Span) -> str:
    """A line of the text by its file's name alone: from wherever it is drawn, the picture is the same."""
    return f"{span.source.name.replace(os.sep, '/').rpartition('/')[2]}:{span.line}"


def _count(group: Group) -> str:
    fewest, most = group.count
    if most == 1:
        return ""
    number = str(most) if fewest == most else f"{fewest}–{most}"
    return f"{number} branches" if group.parallel else f"× {number}"


def _arguments(group: Group) -> str:
    """The arguments that all uses of a block share, as it was used; those that equal a default are left out."""
    definition = group.uses[0].region.definition
    if not isinstance(definition, ast.Block):
        return ""
    shown = []
    for parameter in definition.parameters:
        values = [use.region.arguments.get(parameter.name.text) for use in group.uses]
        texts = {wording.rounded(show(value, 30)) for value in values}
        if len(texts) == 1:
            text = texts.pop()
            if parameter.default is None or parameter.default.span.text != text:
                shown.append(text if len(text) <= LONGEST_ARGUMENT else "…")
    return f"({', '.join(shown)})" if set(shown) - {"…"} else ""
