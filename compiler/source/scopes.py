"""The scopes of paths with the steps of each: what becomes a module, and what it computes in which order."""

from collections.abc import Iterator

from archc.compiler.ir import Graph, Node, Region
from archc.dsl.source import Span


class Step:
    """One step of a scope: an operator, or the use of a scope within.

    `key` is the module's name in the scope, empty where there is none. A step whose results reach no output is not
    `live`: its module exists, but is not run. One in `training` reaches only outputs of training. `shared` is the path
    of a module that another scope makes (a `module` that is applied elsewhere), empty for all others.
    """

    __slots__ = ("inputs", "key", "live", "node", "outputs", "place", "scope", "shared", "span", "start", "training")

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
        self.shared = ""
        self.live = True
        self.training = False

    def taking(self, inputs: tuple[int, ...]) -> "Step":
        """This step on other values."""
        if inputs == self.inputs:
            return self
        step = Step(
            self.start, self.key, self.place, inputs, self.outputs, span=self.span, node=self.node, scope=self.scope
        )
        step.shared, step.live, step.training = self.shared, self.live, self.training
        return step


class Scope:
    """A region that opens a scope of paths: its steps in the order of computing, and the values that cross it.

    `taken` are the paths of the modules that lie outside and are applied within: `forward` takes them as arguments.
    """

    __slots__ = ("_makers", "_reads", "inputs", "outputs", "path", "region", "steps", "taken")

    def __init__(self, region: Region) -> None:
        self.region = region
        self.path = region.path or ""
        self.steps: list[Step] = []
        self.taken: dict[str, None] = {}
        self.inputs: tuple[int, ...] = ()
        self.outputs: tuple[int, ...] = ()
        self._makers: dict[int, Step] = {}
        self._reads: dict[int, int] = {}

    def maker(self, value: int) -> Step | None:
        """The step that leaves a value, if one of this scope does; to be asked when all scopes are there."""
        if not self._makers:
            self._makers = {output: step for step in self.steps for output in step.outputs}
        return self._makers.get(value)

    def reads(self, value: int) -> int:
        """How often the steps of this scope take a value; to be asked when all scopes are there."""
        if not self._reads:
            for step in self.steps:
                for taken in step.inputs:
                    self._reads[taken] = self._reads.get(taken, 0) + 1
        return self._reads.get(value, 0)

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
        self.always = graph.needed(eval_values)
        self.needed = graph.needed([output.value for output in graph.outputs])
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
        self.open: list[Scope] = []
        self.made_late = False
        self.uses: list[tuple[Step, Region]] = []
        self.shared: set[tuple[int, str]] = set()

    def build(self) -> list[Scope]:
        root = Scope(self.graph.root)
        frames: list[tuple[Region, Scope, Iterator[Region]]] = [(root.region, root, iter(root.region.children))]
        self.open.append(root)
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
                if opens:
                    self.open.append(inner)
                frames.append((child, inner, iter(child.children)))
                continue
            frames.pop()
            if not frames or frames[-1][1] is not scope:
                self.open.pop()
                self._close(scope)
                if frames:
                    self._add_scope(frames[-1][1], scope)
        for step, region in self.uses:
            # Every use takes and leaves what the module does, in the order of the first one.
            assert step.scope is not None
            step.inputs = _there(step.scope.inputs, step.scope.region.inputs, region.inputs)
            step.outputs = _there(step.scope.outputs, step.scope.region.outputs, region.outputs)
        for scope in self.done:
            # Where all of a module is for training, whoever applies it asks.
            if all(step.training for step in scope.steps if step.live):
                for step in scope.steps:
                    step.training = False
        root.inputs = tuple(range(len(self.graph.inputs)))
        root.outputs = tuple(output.value for output in self.graph.outputs)
        return _inner_first(root) if self.made_late else self.done

    def _add_node(self, scope: Scope, index: int) -> None:
        node = self.graph.nodes[index]
        if node.path and self._lies_elsewhere(node.path, scope):
            step = Step(index, "", node.place, node.inputs, node.outputs, span=node.span, node=node)
            if node.op.module is not None and (node.op.given is None or len(node.inputs) == 1):
                self._share(step, node.path, scope)
            else:
                scope.steps.append(self._judged(step))  # a function, which is written where it is applied
            return
        key = _below(node.path, scope.path) if node.path else ""
        if node.op.given is not None and len(node.inputs) > 1:
            key = ""  # its weights come from branches: no module, also where the same one has weights of its own
        elif node.op.own == "constant":
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
        first = self.by_path.setdefault(scope.path, scope)
        if first is scope:
            self.done.append(scope)
            return
        # It does what any of its uses needs.
        for made, again in zip(first.steps, scope.steps, strict=False):
            if again.live:
                made.training = again.training and (made.training or not made.live)
                made.live = True
        first.inputs = _merged(first.inputs, scope.inputs, first.region.inputs, region.inputs)
        first.outputs = _merged(first.outputs, scope.outputs, first.region.outputs, region.outputs)

    def _add_scope(self, parent: Scope, scope: Scope) -> None:
        if not scope.steps:
            return
        region = scope.region
        first = self.by_path[scope.path]
        for path in first.taken:
            if not _is_below(path, parent.path):
                parent.taken[path] = None
        elsewhere = self._lies_elsewhere(scope.path, parent)
        key = "" if elsewhere else _below(scope.path, parent.path)
        step = Step(region.start, key, region.place, scope.inputs, scope.outputs, span=region.span, scope=first)
        self.uses.append((step, region))
        if elsewhere:
            self._share(step, scope.path, parent)
            return
        parent.steps.append(self._judged(step))

    # ---- modules that are applied where they are not declared

    def _lies_elsewhere(self, path: str, scope: Scope) -> bool:
        """Say whether a module that a scope applies is made by another one."""
        owner = path.rpartition(".")[0]
        return not _is_below(path, scope.path) or (owner != scope.path and owner in self.by_path)

    def _share(self, step: Step, path: str, scope: Scope) -> None:
        """Add the use of a module to a scope, and the module itself to the scope that declares it."""
        step.shared = path
        scope.steps.append(self._judged(step))
        if not _is_below(path, scope.path):
            scope.taken[path] = None
        owner = self._owner(path)
        key = _below(path, owner.path)
        if (id(owner), key) in self.shared:
            return
        self.shared.add((id(owner), key))
        # Made there and not run there, so it takes and leaves nothing.
        made = Step(step.start, key, step.place, (), (), span=step.span, node=step.node, scope=step.scope)
        made.live = False
        owner.steps.append(made)
        self.made_late = self.made_late or owner not in self.open

    def _owner(self, path: str) -> Scope:
        """The innermost scope that a path lies in."""
        around = {scope.path: scope for scope in self.open}
        owner = path.rpartition(".")[0]
        while owner and owner not in around and owner not in self.by_path:
            owner = owner.rpartition(".")[0]
        return around.get(owner) or self.by_path[owner]


def _inner_first(root: Scope) -> list[Scope]:
    """All scopes that a scope consists of, each after those that lie within it."""
    found: dict[int, Scope] = {}
    waiting = [(root, False)]
    while waiting:
        scope, is_done = waiting.pop()
        if is_done:
            found.setdefault(id(scope), scope)
        elif id(scope) not in found:
            waiting.append((scope, True))
            inside = [step.scope for step in scope.steps if step.scope is not None and not step.shared]
            waiting.extend((inner, False) for inner in reversed(inside))
    return list(found.values())


def _is_below(path: str, scope: str) -> bool:
    return not scope or path.startswith(f"{scope}.")


def _below(path: str, scope: str) -> str:
    if not scope:
        return path
    assert path.startswith(f"{scope}."), f"{path} is used in {scope}, but does not lie in it"
    return path[len(scope) + 1 :]


def _ordered(values: dict[int, None], first: tuple[int, ...]) -> tuple[int, ...]:
    ahead = [value for value in dict.fromkeys(first) if value in values]
    return (*ahead, *(value for value in values if value not in ahead))


def _there(values: tuple[int, ...], first: tuple[int, ...], again: tuple[int, ...]) -> tuple[int, ...]:
    """What stands for the values of a module's first use in another one."""
    if first is again:
        return values
    there = dict(zip(first, again, strict=True))
    return tuple(there.get(value, value) for value in values)


def _merged(
    first: tuple[int, ...], again: tuple[int, ...], first_all: tuple[int, ...], again_all: tuple[int, ...]
) -> tuple[int, ...]:
    """The values that the first use of a module or another one takes or leaves, as those of the first one."""
    shared = [one for one, other in zip(first_all, again_all, strict=True) if other in again]
    others = [value for value in again if value not in again_all]
    return _ordered(dict.fromkeys((*first, *shared, *others)), first_all)
