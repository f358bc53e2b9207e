"""What a network is: in one line, as a table of its modules, as data."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from archc.compiler.algebra.sizes import Size, Symbolic, evaluate
from archc.compiler.analysis.cost import Cost, costs, total
from archc.compiler.folding import Entry, entries, page, used, written
from archc.compiler.ir import Initialisation, Region, ShapedGraph, Tensor
from archc.compiler.values import show

Row: TypeAlias = tuple[str, ...]
COLUMNS: Row = ("layer", "op", "output", "parameters", "multiply-adds")
VIEW_COLUMNS: Row = ("field", "stride")
CONVENTION = "multiply-adds: of convolutions, linear layers, matrix products and attention, for one input in evaluation"
VIEW_CONVENTION = (
    "field: places of the first input, along an axis, that one place of the output depends on, away from the edges; "
    "stride: from one field to the next"
)


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


def headline(shaped: ShapedGraph, *, noted: bool = True) -> str:
    """Return what a network is in one line: parameters, multiply-adds, depth; below it what its input must meet.

    Unless `noted`, what `notes` says is left out.
    """
    parts = costs(shaped)
    cost = total(parts)
    inputs = ", ".join(f"{entry.name} {entry.type}" for entry in shaped.graph.inputs)
    if isinstance(cost.macs, int):
        macs = f"{cost.macs:,} multiply-adds at {inputs}"
    else:
        macs = f"input {inputs}"
    line = f"{shaped.graph.name}: {cost.params:,} parameters, {macs}, depth {depth(shaped, parts)}"
    below = [*(notes(shaped, parts) if noted else ()), *_uncounted(shaped), *map(str, shaped.conditions)]
    return "\n".join([line, *(f"  {each}" for each in below)])


def _uncounted(shaped: ShapedGraph) -> list[str]:
    names = dict.fromkeys(node.op.name for node in shaped.graph.nodes if node.op.external is not None)
    listed = ", ".join(f"`{name}`" for name in names)
    return [f"not counted: what is in {listed}, known only when loaded"] if names else []


class Exceptions(NamedTuple):
    """The modules that are not used once: those that evaluation never runs, those that are used several times.

    Of each the parameters, and the paths below which all modules with weights are such.
    """

    never_run: int
    never_run_paths: tuple[str, ...]
    shared: int
    shared_paths: tuple[str, ...]


def exceptions(shaped: ShapedGraph, parts: tuple[Cost, ...] | None = None) -> Exceptions:
    """Return which parameters evaluation never uses, and which it uses several times; `parts` are its costs.

    >>> import archc
    >>> found = exceptions(archc.compile("googlenet").checked.shaped)
    >>> found.never_run, found.never_run_paths
    (6379984, ('aux1', 'aux2'))
    """
    own: dict[str, Cost] = {}
    uses: dict[str, int] = {}
    for node, part in zip(shaped.graph.nodes, parts or costs(shaped), strict=True):
        if part.params or node.path in own:
            own.setdefault(node.path, part)
            uses[node.path] = uses.get(node.path, 0) + 1
    idle = {path for path, part in own.items() if part.idle}
    shared = {path for path, count in uses.items() if count > 1}
    counts = [sum(own[path].params for path in paths) for paths in (idle, shared)]
    return Exceptions(counts[0], _scopes(idle, own), counts[1], _scopes(shared, own))


def _scopes(chosen: set[str], paths: Iterable[str]) -> tuple[str, ...]:
    """The outermost scopes that hold chosen paths only, in the order of the paths."""
    held = {scope for path in paths if path not in chosen for scope in _prefixes(path)}
    return tuple(dict.fromkeys(next(s for s in _prefixes(path) if s not in held) for path in paths if path in chosen))


def _prefixes(path: str) -> list[str]:
    words = path.split(".")
    return [".".join(words[:length]) for length in range(1, len(words) + 1)]


def notes(shaped: ShapedGraph, parts: tuple[Cost, ...] | None = None) -> list[str]:
    """Return a line for the parameters that evaluation never uses, and one for those of modules used several times."""
    found = exceptions(shaped, parts)
    lines = []
    if found.never_run:
        lines.append(
            f"never run in evaluation: {found.never_run:,} of the parameters, in {_few(found.never_run_paths)}"
        )
    if found.shared:
        lines.append(
            f"shared: {found.shared:,} of the parameters are used several times, in {_few(found.shared_paths)}"
        )
    return lines


def _few(paths: tuple[str, ...]) -> str:
    return ", ".join(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")


# ---- the table


def table(shaped: ShapedGraph, *, levels: int | None = None, full: bool = False, receptive: bool = False) -> str:
    """Return the table as text; `levels` says how deep the tree is shown, with `full` nothing is folded.

    Rounds of a loop that are equal, or differ in their sizes only, are one row. Where a whole tree would take more
    than a page, blocks that stand for several sizes are closed, unless `levels` or `full` say otherwise. With
    `receptive` two columns more show the receptive field and the stride of each output in the first input, as numbers
    of places. Lines below say what the numbers are.

    >>> import archc
    >>> vgg = archc.compile("vgg16").checked.shaped
    >>> [line.split()[-2:] for line in table(vgg, receptive=True).splitlines() if "max_pool" in line][-1]
    ['212', '32']
    """
    found = _rows(shaped, levels, full, receptive)
    rows = [found.head, *(("  " * level + row[0], *row[1:]) for level, row in found.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(found.head))]
    lines = []
    for row in rows:
        left = "  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True))
        right = "  ".join(cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True))
        lines.append(f"{left}  {right}".rstrip())
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *found.below])


def markdown(shaped: ShapedGraph, *, levels: int | None = None, full: bool = False, receptive: bool = False) -> str:
    """Return the table in Markdown, as code hosts and notebooks show it; the arguments are those of `table`.

    >>> import archc
    >>> print(markdown(archc.compile("d2l/lenet").checked.shaped).splitlines()[3])
    | 0 | conv(6, 5, padding=2) | 6x28x28 | 156 | 117,600 |
    """
    found = _rows(shaped, levels, full, receptive)
    lines = [_cells(*found.head), "|---|---|---" + "|--:" * (len(found.head) - 3) + "|"]
    for level, row in found.rows:
        name, *others = (cell.replace("|", "\\|") for cell in row)
        lines.append(_cells("&emsp;" * level + name, *others))
    return "\n".join([*lines, "", *(f"{line}  " for line in found.below)]).rstrip()


def _cells(*row: str) -> str:
    return f"| {' | '.join(row)} |"


class _Rows(NamedTuple):
    """A table: its head, its rows with their level in the tree, the last one the total, and the lines below."""

    head: Row
    rows: list[tuple[int, Row]]
    below: list[str]


def _rows(shaped: ShapedGraph, levels: int | None, full: bool, receptive: bool) -> _Rows:
    views = _views(shaped) if receptive else {}
    none = ("",) * len(VIEW_COLUMNS) * receptive
    found = entries(shaped, fold=not full)
    shown, closed = page(found) if levels is None and not full else (found, [])
    rows = [(0, (entry.name, "input", str(entry.type), "", "", *none)) for entry in shaped.graph.inputs]
    waiting = [(entry, 0) for entry in reversed(shown)]
    while waiting:
        entry, level = waiting.pop()
        times = f"{entry.rounds} x " if entry.rounds > 1 else ""
        what = f"{times}{entry.what}".rstrip()
        rows.append((level, (entry.name, what, entry.sizes, *_counts(entry), *views.get(entry.value, none))))
        if levels is None or level + 1 < levels:
            waiting.extend((child, level + 1) for child in reversed(entry.children))
    cost = total(tuple(entry.cost for entry in found))
    params = _count(cost.params, cost.unknown) or "0"
    rows.append((0, ("total", "", "", params, _count(cost.macs, cost.unknown), *none)))
    opens = [f"not opened: {', '.join(closed)}; --depth N opens N levels, --full everything"] if closed else []
    conventions = [CONVENTION, *([VIEW_CONVENTION] if receptive else [])]
    return _Rows(COLUMNS + VIEW_COLUMNS * receptive, rows, [*notes(shaped), *opens, *conventions])


def _counts(entry: Entry) -> Row:
    """Parameters and multiply-adds as the table shows them, as a range where rounds differ."""
    least, most = entry.least or entry.cost, entry.cost
    pairs = ((least.params, most.params), (least.macs, most.macs))
    cells = [(_count(low, most.unknown), _count(high, most.unknown)) for low, high in pairs]
    return tuple(high if low == high else f"{low or '0'}..{high}" for low, high in cells)


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


def as_csv(shaped: ShapedGraph, *, levels: int | None = None, receptive: bool = False) -> str:
    """Return the layers as comma-separated values, nothing folded; sizes as `64x56x56`.

    Each line is an operator or, with `levels`, a whole block or group at that depth of the tree.

    >>> import archc
    >>> print(as_csv(archc.compile("d2l/lenet").checked.shaped).splitlines()[0])
    path,op,inputs,output,params,macs,file,line
    """
    import csv
    from io import StringIO

    views = _views(shaped) if receptive else {}
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    more = ("receptive_field", "stride") if receptive else ()
    writer.writerow(("path", "op", "inputs", "output", "params", "macs", *more, "file", "line"))
    for layer in _layers(shaped, levels):
        inputs, outputs = (" ".join(map(str, tensors)) for tensors in (layer.inputs, layer.outputs))
        counts = ("", "") if layer.cost.unknown else (layer.cost.params, layer.cost.macs)
        seen = views.get(layer.value, ("", "")) if receptive else ()
        writer.writerow((layer.path, layer.text, inputs, outputs, *counts, *seen, layer.file, layer.line))
    return text.getvalue()


class _Layer(NamedTuple):
    """An operator, or a block or group as a whole."""

    path: str
    op: str
    text: str
    arguments: Mapping[str, object]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    cost: Cost
    value: int | None
    file: str
    line: int


def _layers(shaped: ShapedGraph, levels: int | None) -> Iterator[_Layer]:
    """The operators of a network in order; with `levels`, what lies deeper in the tree as a whole."""
    parts = costs(shaped)
    types = shaped.types
    waiting: list[tuple[int, Region | range]] = [(0, shaped.graph.root)]
    while waiting:
        level, part = waiting.pop()
        if isinstance(part, range):
            for index in part:
                node = shaped.graph.nodes[index]
                values = tuple(types[v] for v in node.inputs), tuple(types[v] for v in node.outputs)
                place = (node.span.source.name, node.span.line)
                yield _Layer(
                    node.path,
                    node.op.name,
                    written(node),
                    node.arguments,
                    *values,
                    parts[index],
                    node.outputs[0],
                    *place,
                )
        elif level == levels:
            values = tuple(types[v] for v in part.inputs), tuple(types[v] for v in part.outputs)
            cost = total(parts[part.start : part.end])
            value = part.outputs[0] if part.outputs else None
            place = (part.span.source.name, part.span.line)
            yield _Layer(part.path or "", part.name, used(part), part.arguments, *values, cost, value, *place)
        else:
            inside: list[tuple[int, Region | range]] = []
            at = part.start
            for child in part.children:
                inside += [(level, range(at, child.start)), (level + (child.path is not None), child)]
                at = child.end
            waiting += reversed([*inside, (level, range(at, part.end))])


def _count(number: Size, unknown: bool) -> str:
    """A count as the table shows it; with `unknown` it is only a part of the whole."""
    if isinstance(number, Symbolic):
        return "by input"
    counted = f"{number:,}" if number else ""
    return " + ".join(filter(None, (counted, "?"))) if unknown else counted


def as_json(shaped: ShapedGraph, *, levels: int | None = None) -> dict[str, object]:
    """Return the summary as data; sizes are without the batch, and strings where they depend on the input.

    Each of `layers` is an operator or, with `levels`, a whole block or group at that depth of the tree.
    `params` and `macs` of a class of one's own are `None`: nobody here knows them. The sums are those of all others.
    `receptive_field` and `stride` are those of the layer's first output in the first input, along each axis after the
    first: how many places one place depends on, away from the edges, and how far those of neighbours stand apart.
    """
    from archc.compiler.analysis.receptive import described, receptive

    cost = total(costs(shaped))
    seen = receptive(shaped)
    special = exceptions(shaped)
    layers = []
    for layer in _layers(shaped, levels):
        field, stride = ([], []) if layer.value is None else described(seen[layer.value])
        outputs = [_sizes(tensor) for tensor in layer.outputs]
        layers.append(
            {
                "path": layer.path,
                "op": layer.op,
                "args": {k: _plain(v) for k, v in layer.arguments.items()},
                "inputs": [_sizes(tensor) for tensor in layer.inputs],
                "output": outputs[0] if len(outputs) == 1 else outputs,
                "params": None if layer.cost.unknown else layer.cost.params,
                "macs": None if layer.cost.unknown else _size(layer.cost.macs),
                "receptive_field": field,
                "stride": stride,
                "file": layer.file,
                "line": layer.line,
            }
        )
    return {
        "name": shaped.graph.name,
        "params": cost.params,
        "trainable_params": cost.params,
        "never_run_params": special.never_run,
        "shared_params": special.shared,
        "buffers": cost.buffers,
        "macs": _size(cost.macs),
        "inputs": {entry.name: _sizes(entry.type) for entry in shaped.graph.inputs},
        "outputs": {output.name: _sizes(shaped.types[output.value]) for output in shaped.graph.outputs},
        "layers": layers,
    }


def _plain(value: object) -> object:
    """An argument as JSON has it; what it has not is written as in the language."""
    if isinstance(value, list | tuple) and not isinstance(value, Initialisation):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | str | None) else show(value)


def _size(size: Size) -> int | str:
    return size if isinstance(size, int) else str(size)


def _sizes(tensor: Tensor) -> list[int | str]:
    return [_size(size) for size in tensor.shape]
