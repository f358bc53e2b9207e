"""The table of a network: its modules as a tree, repeats folded, with sizes, parameters and multiply-adds."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from archc.compiler.algebra.sizes import Size, Symbolic, evaluate
from archc.compiler.analysis.cost import Cost, costs, total
from archc.compiler.ir import Initialisation, Node, Region, ShapedGraph, Tensor
from archc.compiler.ops.entry import REQUIRED
from archc.compiler.values import show

Row: TypeAlias = tuple[str, ...]
COLUMNS: Row = ("layer", "op", "output", "parameters", "multiply-adds")
VIEW_COLUMNS: Row = ("field", "stride")
VIEW_CONVENTION = (
    "field: places of the first input, along an axis, that one place of the output depends on, away from the edges; "
    "stride: from one field to the next"
)


class Entry(NamedTuple):
    """One row: a module, an op that is none, or a scope with the rows in it.

    `name` is the last part of the path; of folded rounds that of the first and of the last. `rounds` says how many
    rounds a row stands for: `output` is then that of the last, `cost` that of all, and `children` are those of the
    first. With `varying` the rounds differ in their sizes. `value` is the first value of the output.
    """

    name: str
    what: str
    output: tuple[Tensor, ...]
    cost: Cost
    children: tuple["Entry", ...] = ()
    rounds: int = 1
    varying: bool = False
    value: int | None = None


def entries(shaped: ShapedGraph, *, fold: bool = True) -> tuple[Entry, ...]:
    """Return the rows of the whole network, outermost first."""
    return _Table(shaped, fold).inside(shaped.graph.root)


class _Table:
    """The rows of a network, while they are made."""

    __slots__ = ("_costs", "_fold", "_shaped")

    def __init__(self, shaped: ShapedGraph, fold: bool) -> None:
        self._shaped = shaped
        self._fold = fold
        self._costs = costs(shaped)

    def inside(self, region: Region) -> tuple[Entry, ...]:
        """The rows of what a region holds; regions that open no scope put theirs where they stand."""
        # Regions nest as deeply as blocks do, so they are visited with a stack: inner ones first.
        done: dict[int, tuple[Entry, ...]] = {}
        for inner in reversed(list(region.walk())):
            if inner.kind == "loop" and self._fold:
                done[id(inner)] = self._folded([done[id(part)] for part in inner.children])
            else:
                done[id(inner)] = self._direct(inner, done)
        return done[id(region)]

    def _direct(self, region: Region, done: Mapping[int, tuple[Entry, ...]]) -> tuple[Entry, ...]:
        rows: list[Entry] = []
        at = region.start
        for child in region.children:
            rows.extend(self._node(i) for i in range(at, child.start))
            rows.extend(done[id(child)] if child.path is None else [self._scope(child, done[id(child)])])
            at = child.end
        rows.extend(self._node(i) for i in range(at, region.end))
        return tuple(rows)

    def _node(self, index: int) -> Entry:
        node = self._shaped.graph.nodes[index]
        output = tuple(self._shaped.types[value] for value in node.outputs)
        return Entry(node.path.rpartition(".")[2], written(node), output, self._costs[index], value=node.outputs[0])

    def _scope(self, region: Region, children: tuple[Entry, ...]) -> Entry:
        what = "" if region.kind == "label" else region.name + _values(region.arguments.values())
        output = tuple(self._shaped.types[value] for value in region.outputs)
        name = (region.path or "").rpartition(".")[2]
        value = region.outputs[0] if region.outputs else None
        return Entry(name, what, output, total(tuple(child.cost for child in children)), children, value=value)

    def _folded(self, rounds: list[tuple[Entry, ...]]) -> tuple[Entry, ...]:
        """Put neighbouring rounds together that are equal, else those that differ in their sizes only."""
        rows: list[Entry] = []
        at = 0
        while at < len(rounds):
            exact = _run(rounds, at, _same)
            alike = _run(rounds, at, _alike)
            # A first round that differs (stride 2, projection) stays visible; only long runs of growing sizes fold.
            end = alike if alike - at >= 3 and alike > exact else exact
            rows.extend(_fold(rounds[at:end], varying=end != exact) if end - at > 1 else rounds[at])
            at = end
        return tuple(rows)


def _run(rounds: list[tuple[Entry, ...]], at: int, equal: "object") -> int:
    end = at + 1
    while end < len(rounds) and equal(rounds[at], rounds[end]):  # type: ignore[operator]
        end += 1
    return end


def _same(a: tuple[Entry, ...], b: tuple[Entry, ...]) -> bool:
    """Whether two rounds are equal but for the names of their outermost rows."""
    return [_unnamed(row) for row in a] == [_unnamed(row) for row in b]


def _unnamed(row: Entry) -> Entry:
    """A row without what is its own in every round: its name, and which values it and its children leave."""
    children = tuple(_unnamed(child)._replace(name=child.name) for child in row.children)
    return row._replace(name="", value=None, children=children)


def _alike(a: tuple[Entry, ...], b: tuple[Entry, ...]) -> bool:
    """Whether two rounds are of the same ops and blocks, whatever their sizes; labelled groups stay apart."""
    return all(row.what for row in a) and [_skeleton(row, True) for row in a] == [_skeleton(row, True) for row in b]


def _skeleton(row: Entry, outermost: bool = False) -> object:
    what = row.what.partition("(")[0]
    return ("" if outermost else row.name, what, row.rounds, tuple(_skeleton(child) for child in row.children))


def _fold(rounds: list[tuple[Entry, ...]], *, varying: bool) -> list[Entry]:
    count = len(rounds)
    if len(rounds[0]) == 1 or all(not row.name for row in rounds[0][1:]):
        folded = []
        for column in zip(*rounds, strict=True):
            first, last = column[0], column[-1]
            name = f"{first.name}-{last.name}" if first.name != last.name else first.name
            cost = total(tuple(row.cost for row in column))
            row = first._replace(name=name, output=last.output, cost=cost, rounds=count, varying=varying)
            folded.append(row._replace(value=last.value))
        return folded
    rows = [row for part in rounds for row in part]
    names = [row.name for row in rows if row.name]
    name = f"{names[0]}-{names[-1]}" if names else ""
    cost = total(tuple(row.cost for row in rows))
    return [Entry(name, "", rows[-1].output, cost, rounds[0], count, varying, rows[-1].value)]


def written(node: Node) -> str:
    """Return a node as the language writes it, arguments equal to their defaults left out."""
    parts = []
    for parameter in node.op.parameters:
        value = node.arguments[parameter.name]
        if parameter.default is REQUIRED and value is not None:  # weights from a branch may determine it
            parts.append(show(value))
        elif parameter.default is not REQUIRED and value != parameter.default:
            parts.append(f"{parameter.name}={show(value)}")
    return node.op.name + (f"({', '.join(parts)})" if parts else "")


def _values(values: Iterable[object]) -> str:
    shown = ", ".join(show(value, 30) for value in values)
    return f"({shown})" if shown else ""


def depth(shaped: ShapedGraph, parts: tuple[Cost, ...]) -> int:
    """Return the number of layers with multiply-adds on the longest way through the network."""
    longest = [0] * shaped.graph.values
    for node, cost in zip(shaped.graph.nodes, parts, strict=True):
        length = max((longest[value] for value in node.inputs), default=0) + (cost.macs != 0)
        for value in node.outputs:
            longest[value] = length
    return max((longest[output.value] for output in shaped.graph.outputs), default=0)


def sized(shaped: ShapedGraph, sizes: Mapping[str, int]) -> ShapedGraph:
    """Return the graph with its symbols replaced by sizes: the same network for one size of input."""

    def put(tensor: Tensor) -> Tensor:
        return tensor._replace(shape=tuple(_put(size, sizes) for size in tensor.shape))

    inputs = tuple(entry._replace(type=put(entry.type)) for entry in shaped.graph.inputs)
    return ShapedGraph(shaped.graph._replace(inputs=inputs), tuple(put(tensor) for tensor in shaped.types), ())


def _put(size: Size, sizes: Mapping[str, int]) -> Size:
    return evaluate(size, sizes) if isinstance(size, Symbolic) else size


def headline(shaped: ShapedGraph) -> str:
    """Return what a network is in one line: parameters, multiply-adds, depth, and what its input must meet."""
    parts = costs(shaped)
    cost = total(parts)
    inputs = ", ".join(f"{entry.name} {entry.type}" for entry in shaped.graph.inputs)
    if isinstance(cost.macs, int):
        macs = f"{cost.macs:,} multiply-adds at {inputs}"
    else:
        macs = f"input {inputs}"
    line = f"{shaped.graph.name}: {cost.params:,} parameters, {macs}, depth {depth(shaped, parts)}"
    idle = [f"  {cost.idle:,} of the parameters are for training only"] if cost.idle else []
    return "\n".join([line, *idle, *_uncounted(shaped), *(f"  {condition}" for condition in shaped.conditions)])


def _uncounted(shaped: ShapedGraph) -> list[str]:
    names = dict.fromkeys(node.op.name for node in shaped.graph.nodes if node.op.external is not None)
    listed = ", ".join(f"`{name}`" for name in names)
    return [f"  not counted: what is in {listed}, known only when loaded"] if names else []


def table(shaped: ShapedGraph, *, levels: int | None = None, fold: bool = True, receptive: bool = False) -> str:
    """Return the table as text; `levels` says how deep the tree is shown.

    With `receptive` two columns more show the receptive field and the stride of each output in the first input, as
    numbers of places; lines below say what they are.

    >>> import archc
    >>> vgg = archc.compile("vgg16").checked.shaped
    >>> [line.split()[-2:] for line in table(vgg, receptive=True).splitlines() if "max_pool" in line][-1]
    ['212', '32']
    """
    columns = COLUMNS + VIEW_COLUMNS * receptive
    found = _rows(shaped, levels, fold, receptive)
    rows = [columns, *(("  " * level + row[0], *row[1:]) for level, row in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    lines = []
    for row in rows:
        left = "  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True))
        right = "  ".join(cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True))
        lines.append(f"{left}  {right}".rstrip())
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *([VIEW_CONVENTION] if receptive else [])])


def markdown(shaped: ShapedGraph, *, levels: int | None = None, fold: bool = True) -> str:
    """Return the table in Markdown, as code hosts and notebooks show it; `levels` says how deep the tree is shown.

    >>> import archc
    >>> print(markdown(archc.compile("d2l/lenet").checked.shaped).splitlines()[3])
    | 0 | conv(6, 5, padding=2) | 6x28x28 | 156 | 117,600 |
    """
    lines = [_cells(*COLUMNS), "|---|---|---|--:|--:|"]
    for level, row in _rows(shaped, levels, fold, receptive=False):
        name, *others = (cell.replace("|", "\\|") for cell in row)
        lines.append(_cells("&emsp;" * level + name, *others))
    return "\n".join(lines)


def _cells(*row: str) -> str:
    return f"| {' | '.join(row)} |"


def _rows(shaped: ShapedGraph, levels: int | None, fold: bool, receptive: bool) -> Iterator[tuple[int, Row]]:
    """The rows of the table below its head, each with its level in the tree; the last one is the total."""
    views = _views(shaped) if receptive else {}
    none = ("",) * len(VIEW_COLUMNS) * receptive
    for given in shaped.graph.inputs:
        yield 0, (given.name, "input", str(given.type), "", "", *none)
    found = entries(shaped, fold=fold)
    waiting = [(entry, 0) for entry in reversed(found)]
    while waiting:
        entry, level = waiting.pop()
        hidden = levels is not None and level + 1 >= levels
        times = f"{entry.rounds} x " if entry.rounds > 1 else ""
        what = f"{times}{entry.what}".rstrip()
        output = ", ".join(str(tensor) for tensor in entry.output)
        unknown = entry.cost.unknown
        counts = (_count(entry.cost.params, unknown), _count(entry.cost.macs, unknown))
        yield level, (entry.name, what, output, *counts, *views.get(entry.value, none))
        if not hidden and not entry.varying:
            waiting.extend((child, level + 1) for child in reversed(entry.children))
    cost = total(tuple(entry.cost for entry in found))
    params = _count(cost.params, cost.unknown) or "0"
    yield 0, ("total", "", "", params, _count(cost.macs, cost.unknown), *none)


def _views(shaped: ShapedGraph) -> dict[int | None, Row]:
    """Receptive field and stride of every value, as the table shows them."""
    from archc.compiler.analysis.receptive import described, receptive

    found: dict[int | None, Row] = {}
    for value, along in enumerate(receptive(shaped)):
        found[value] = tuple(_axes(sizes) for sizes in described(along))
    return found


def _axes(sizes: list[int | str | None]) -> str:
    """One number for each axis, or one for all of them; nothing where there is none."""
    if not any(sizes):
        return ""
    texts = ["?" if size is None else str(size) for size in sizes]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)


def as_csv(shaped: ShapedGraph) -> str:
    """Return the layers as comma-separated values, one operator a line, nothing folded; sizes as `64x56x56`.

    >>> import archc
    >>> print(as_csv(archc.compile("d2l/lenet").checked.shaped).splitlines()[0])
    path,op,inputs,output,params,macs,file,line
    """
    import csv
    from io import StringIO

    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "op", "inputs", "output", "params", "macs", "file", "line"))
    for node, part in zip(shaped.graph.nodes, costs(shaped), strict=True):
        inputs, outputs = (" ".join(str(shaped.types[value]) for value in one) for one in (node.inputs, node.outputs))
        place = (node.span.source.name, node.span.line)
        counts = ("", "") if part.unknown else (part.params, part.macs)
        writer.writerow((node.path, written(node), inputs, outputs, *counts, *place))
    return text.getvalue()


def _count(number: Size, unknown: bool) -> str:
    """A count as the table shows it; with `unknown` it is only a part of the whole."""
    if isinstance(number, Symbolic):
        return "by input"
    counted = f"{number:,}" if number else ""
    return " + ".join(filter(None, (counted, "?"))) if unknown else counted


def as_json(shaped: ShapedGraph) -> dict[str, object]:
    """Return the summary as data; sizes are without the batch, and strings where they depend on the input.

    `params` and `macs` of a class of one's own are `None`: nobody here knows them. The sums are those of all others.
    `receptive_field` and `stride` are those of the layer's first output in the first input, along each axis after the
    first: how many places one place depends on, away from the edges, and how far those of neighbours stand apart.
    """
    from archc.compiler.analysis.receptive import described, receptive

    parts = costs(shaped)
    cost = total(parts)
    seen = receptive(shaped)
    layers = []
    for node, part in zip(shaped.graph.nodes, parts, strict=True):
        field, stride = described(seen[node.outputs[0]])
        outputs = [_sizes(shaped.types[value]) for value in node.outputs]
        layers.append(
            {
                "path": node.path,
                "op": node.op.name,
                "args": {k: str(v) if isinstance(v, Initialisation) else v for k, v in node.arguments.items()},
                "inputs": [_sizes(shaped.types[value]) for value in node.inputs],
                "output": outputs[0] if len(outputs) == 1 else outputs,
                "params": None if part.unknown else part.params,
                "macs": None if part.unknown else _size(part.macs),
                "receptive_field": field,
                "stride": stride,
                "file": node.span.source.name,
                "line": node.span.line,
            }
        )
    return {
        "name": shaped.graph.name,
        "params": cost.params,
        "trainable_params": cost.params,
        "buffers": cost.buffers,
        "macs": _size(cost.macs),
        "inputs": {entry.name: _sizes(entry.type) for entry in shaped.graph.inputs},
        "outputs": {output.name: _sizes(shaped.types[output.value]) for output in shaped.graph.outputs},
        "layers": layers,
    }


def _size(size: Size) -> int | str:
    return size if isinstance(size, int) else str(size)


def _sizes(tensor: Tensor) -> list[int | str]:
    return [_size(size) for size in tensor.shape]
