"""A whole diagram of a network: the network on one page, and each block that occurs more than once in detail."""

from archc.compiler.algebra.sizes import Symbolic
from archc.compiler.analysis.cost import costs, total
from archc.compiler.diagram import wording
from archc.compiler.diagram.compose import Composer
from archc.compiler.diagram.outline import DEEPEST, Group, Outline, Use
from archc.compiler.diagram.picture import Drawing, Figure, boxes
from archc.compiler.diagram.plan import Frame, plan
from archc.compiler.ir import ShapedGraph

MOST = 1000  # boxes that are still laid out within seconds
READABLE = 24  # boxes beyond which what differs only in its numbers is folded too


class TooLarge(Exception):
    """A network with so many different parts that no diagram can show them."""


def figure(shaped: ShapedGraph, *, depth: int | None = None) -> Figure:
    """Return what the diagram of a network shows; `depth` says how many levels of blocks are opened.

    Raises:
        TooLarge: it has more boxes than can be laid out.
    """
    drawings = _drawings(shaped, depth, loose=False)
    if _size(drawings) > READABLE:
        folded = _drawings(shaped, depth, loose=True)
        drawings = folded if _size(folded) < _size(drawings) else drawings
    shown = [box for drawing in drawings for box in boxes(drawing.cluster)]
    if len(shown) > MOST:
        raise TooLarge(
            f"the diagram would have {len(shown)} boxes, and {MOST} is the most: `--depth 1` closes the blocks"
        )
    roles = tuple(dict.fromkeys(cell.role for box in shown for cell in box.cells if cell.role))
    return Figure(drawings, _caption(shaped), roles, any(box.partial for box in shown))


def _size(drawings: tuple[Drawing, ...]) -> int:
    return sum(len(boxes(drawing.cluster)) for drawing in drawings)


def _drawings(shaped: ShapedGraph, depth: int | None, *, loose: bool) -> tuple[Drawing, ...]:
    outline = Outline(shaped, loose=loose)
    levels = DEEPEST if depth is None else depth - 1
    network = outline.of([Use(shaped.graph.root, ())])
    explained: dict[object, tuple[Group, int]] = {}
    # What a detail refers to is explained in turn, with the uses of all that refer to it.
    while True:
        frames = [plan(network, shaped.graph, explained=explained, levels=levels, whole=True)]
        uses: dict[object, tuple[list[Group], int]] = {}
        _collect(frames[0][1], levels, uses)
        for group, left in explained.values():
            frames.append(plan(group, shaped.graph, explained=explained, levels=left, whole=False))
            _collect(frames[-1][1], left, uses)
        merged = {name: (groups, left) for name, (groups, left) in uses.items()}
        if {name: len(_regions(groups)) for name, (groups, _) in merged.items()} == {
            name: len(group.uses) for name, (group, _) in explained.items()
        }:
            break
        explained = {name: (_over(outline, groups), left) for name, (groups, left) in merged.items()}
    return tuple(_drawing(frame, shaped, outline, number) for number, (frame, _) in enumerate(frames))


def _collect(groups: list[Group], levels: int, uses: dict[object, tuple[list[Group], int]]) -> None:
    for group in groups:
        found, left = uses.get(group.template, ([], 0))
        uses[group.template] = ([*found, group], max(left, levels - 1))


def _regions(groups: list[Group]) -> list[Use]:
    regions = {id(use.region): Use(use.region, ()) for group in groups for use in group.uses}
    return sorted(regions.values(), key=lambda use: use.region.start)


def _over(outline: Outline, groups: list[Group]) -> Group:
    paths = [path for group in groups for path in group.paths if path]
    explained = outline.of(_regions(groups), groups[0].title)
    explained.paths = paths
    return explained


def _drawing(frame: Frame, shaped: ShapedGraph, outline: Outline, number: int) -> Drawing:
    composer = Composer(frame, shaped, outline, costs(shaped), f"n{number}_" if number else "n", whole=number == 0)
    if number == 0:
        return composer.drawing("")
    group = frame.group
    where = wording.named(group.paths) if group.paths else ""
    return composer.drawing(group.title or where, f"in {where}" if group.title else "each round")


def _caption(shaped: ShapedGraph) -> tuple[str, ...]:
    cost = total(costs(shaped))
    doc = shaped.graph.doc.strip().partition("\n")[0].strip()
    inputs = ", ".join(f"{entry.name} {wording.shape(entry.type)}" for entry in shaped.graph.inputs)
    if isinstance(cost.macs, Symbolic):
        macs = f"multiply-adds depend on the input {inputs}"
    else:
        macs = f"{cost.macs:,} multiply-adds at {inputs}"
    name = shaped.graph.name
    told = _letters(doc).startswith(_letters(name))
    head = doc.removesuffix(".") if told else f"{name}: {doc}".removesuffix(".") if doc else name
    idle = f" ({cost.idle:,} for training only)" if cost.idle else ""
    lines = [head, f"{cost.params:,} parameters{idle}, {macs}"]
    lines.extend(str(condition) for condition in shaped.conditions)
    lines.append("macs: multiply-adds of convolutions, linear layers, matrix products and attention, one sample")
    return tuple(lines)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))
