"""The scopes of paths with the steps of each: what becomes a module, and what it computes in which order."""

from collections.abc import Iterator

from archc.compiler.ir import Graph, Node, Region
from archc.dsl.source import Span


class Step:
    """One step of a scope: an operator, or the use of a scope within.

    `key` is the module's name in the scope, empty where there is none. A step whose results reach no output is not
    `live`: its module exists, but is not run. One in `training` reaches only outputs of training.
    """

    __slots__ = ("inputs", "key", "live", "node", "outputs", "place", "scope", "span", "start", "training")

    def __init__(
        self,
        start: int,
        key: str,
        place: int,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        *,
        span: Span,
        node: Node | None = None,
        scope: "Scope | None" = None,
    ) -> None:
        self.start = start
        self.key = key
        self.place = place
        self.inputs = inputs
        self.outputs = outputs
        self.span = span
        self.node = node
        self.scope = scope
        self.live = True
        self.training = False


class Scope:
    """A region that opens a scope of paths: its steps in the order of computing, and the values that cross it."""

    __slots__ = ("inputs", "outputs", "path", "region", "steps")

    def __init__(self, region: Region) -> None:
        self.region = region
        self.path = region.path or ""
        self.steps: list[Step] = []
        self.inputs: tuple[int, ...] = ()
        self.outputs: tuple[int, ...] = ()

    @property
    def is_block(self) -> bool:
        return self.region.kind in ("block", "arch")

    def members(self) -> list[Step]:
        """The steps that have a key, once each, in the order of the text."""
        found: dict[str, Step] = {}
        for step in self.steps:
            if step.key and (step.key not in found or step.place < found[step.key].place):
                found[step.key] = step
        # What lies in the module of an operator comes after that module.
        return sorted(found.values(), key=lambda step: (step.place, step.key.count(".")))


def scopes(graph: Graph) -> list[Scope]:
    """Return all scopes of a graph, inner before outer; the last one is the network itself."""
    return _Builder(graph).build()


class _Builder:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.paths = {node.path for node in graph.nodes if node.path}
        eval_values = [output.value for output in graph.outputs if not output.training]
        self.always = self._needed(eval_values)
        self.needed = self._needed([output.value for output in graph.outputs])
        self.last_use: dict[int, int] = {}
        self.made: dict[int, int] = {}
        for index, node in enumerate(graph.nodes):
            for value in node.outputs:
                self.made[value] = index
            if not self.needed.isdisjoint(node.outputs):
                for value in node.inputs:
                    self.last_use[value] = index
        for output in graph.outputs:
            self.last_use[output.value] = len(graph.nodes)
        self.done: list[Scope] = []
        self.by_path: dict[str, Scope] = {}

    def _needed(self, values: list[int]) -> set[int]:
        needed = set(values)
        for node in reversed(self.graph.nodes):
            if not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
        return needed

    def build(self) -> list[Scope]:
        root = Scope(self.graph.root)
        frames: list[tuple[Region, Scope, Iterator[Region]]] = [(root.region, root, iter(root.region.children))]
        cursor = 0
        while frames:
            region, scope, children = frames[-1]
            child = next(children, None)
            limit = region.end if child is None else child.start
            while cursor < limit:
                self._add_node(scope, cursor)
                cursor += 1
            if child is not None:
                # The scope of a labelled operator is the operator's own module: what stands in its braces lies in it.
                opens = child.path is not None and child.path not in self.paths
                inner = Scope(child) if opens else scope
                frames.append((child, inner, iter(child.children)))
                continue
            frames.pop()
            if not frames or frames[-1][1] is not scope:
                self._close(scope)
                if frames:
                    self._add_scope(frames[-1][1], scope)
        root.inputs = tuple(range(len(self.graph.inputs)))
        root.outputs = tuple(output.value for output in self.graph.outputs)
        return self.done

    def _add_node(self, scope: Scope, index: int) -> None:
        node = self.graph.nodes[index]
        key = _below(node.path, scope.path) if node.path else ""
        if node.op.own == "constant":
            key = f".{index}"  # no key of the `state_dict`: any attribute can hold it
        step = Step(index, key, node.place, node.inputs, node.outputs, span=node.span, node=node)
        scope.steps.append(self._judged(step))

    def _judged(self, step: Step) -> Step:
        """Say of a step which outputs of the network need it."""
        step.live = not self.needed.isdisjoint(step.outputs)
        step.training = step.live and self.always.isdisjoint(step.outputs)
        return step

    def _close(self, scope: Scope) -> None:
        region = scope.region
        outside: dict[int, None] = {}
        leaving: dict[int, None] = {}
        for step in scope.steps:
            if step.live:
                outside.update((value, None) for value in step.inputs if self.made.get(value, -1) < region.start)
            leaving.update((value, None) for value in step.outputs if self.last_use.get(value, -1) >= region.end)
        scope.inputs = _ordered(outside, region.inputs)
        scope.outputs = _ordered(leaving, region.outputs)
        if not scope.steps and region.path:
            return
        # A module that is applied again is the one that was made first.
        if scope.path not in self.by_path:
            self.by_path[scope.path] = scope
            self.done.append(scope)

    def _add_scope(self, parent: Scope, scope: Scope) -> None:
        if not scope.steps:
            return
        region = scope.region
        key = _below(scope.path, parent.path)
        first = self.by_path[scope.path]
        step = Step(region.start, key, region.place, scope.inputs, scope.outputs, span=region.span, scope=first)
        parent.steps.append(self._judged(step))


def _below(path: str, scope: str) -> str:
    if not scope:
        return path
    assert path.startswith(f"{scope}."), f"{path} is used in {scope}, but does not lie in it"
    return path[len(scope) + 1 :]


def _ordered(values: dict[int, None], first: tuple[int, ...]) -> tuple[int, ...]:
    ahead = [value for value in dict.fromkeys(first) if value in values]
    return (*ahead, *(value for value in values if value not in ahead))
