"""The graph while it grows: values, nodes and the regions they lie in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from archc.compiler.elaboration.context import Flow, wires
from archc.compiler.ir import Frame, Node, Region
from archc.compiler.ops.entry import Op
from archc.compiler.problems import Limit, stop
from archc.compiler.shapes import Shapes
from archc.dsl import ast
from archc.dsl.source import Span

MOST_LAYERS = 200_000
MOST_STEPS = 20_000  # stages and rounds of a network that has no layers yet
STEPS_PER_LAYER = 10
FORECAST_AFTER = 1_000  # steps: smaller networks are made before they could be counted


class OpenRegion:
    """A region while what it holds is being made; `outputs` is set before it is closed."""

    __slots__ = ("arguments", "children", "inputs", "outputs", "path")

    def __init__(self, path: str | None, arguments: Mapping[str, object], inputs: Flow) -> None:
        self.path = path
        self.arguments = arguments
        self.inputs = inputs
        self.outputs: Flow = None
        self.children: list[Region] = []


class Builder:
    """Collects the nodes and regions of a network in the order in which they are made."""

    __slots__ = ("_forecast", "_open", "_place", "_steps", "limit", "names", "nodes", "root", "shapes", "values")

    def __init__(self, shapes: Shapes, limit: int = MOST_LAYERS) -> None:
        self.shapes = shapes
        self.nodes: list[Node] = []
        self.names: dict[int, str] = {}
        self.values = 0
        self.root: Region | None = None
        self._open: list[OpenRegion] = []
        self._place = 0
        self._steps = 0
        self.limit = limit
        self._forecast: Callable[[], None] | None = None

    def place(self) -> int:
        """Return the next place in the order of the text."""
        self._place += 1
        return self._place

    def expect(self, forecast: Callable[[], None]) -> None:
        """Set what refuses the network beforehand when it is going to be too large."""
        self._forecast = forecast

    def look_ahead(self) -> None:
        """Refuse the network now if it is going to be too large; that is worked out once.

        Raises:
            Limit: it is.
        """
        forecast, self._forecast = self._forecast, None
        if forecast is not None:
            forecast()

    def step(self, span: Span) -> None:
        """Count one stage or round.

        Raises:
            Limit: there were more than a network of the largest size can need.
        """
        self._steps += 1
        layers = len(self.nodes)
        if self._steps == FORECAST_AFTER:
            self.look_ahead()
        if layers > self.limit:
            message, help = f"the network has more than {self.limit:,} layers", "`--max-layers` raises the limit"
            raise Limit(stop("E0702", span, message, "the first one beyond", help=help).diagnostic)
        if self._steps > MOST_STEPS + STEPS_PER_LAYER * layers:
            found = f"{self._steps:,} stages and rounds so far, and only {layers:,} layers"
            help = "look for blocks or loops that repeat each other without making layers"
            raise Limit(stop("E0702", span, "this text takes too long to expand", found, help=help).diagnostic)

    def value(self, name: str = "") -> int:
        """Return the number of a new value."""
        self.values += 1
        if name:
            self.names[self.values - 1] = name
        return self.values - 1

    def node(
        self,
        op: Op,
        arguments: Mapping[str, object],
        argument_spans: Mapping[str, Span],
        inputs: tuple[int, ...],
        *,
        path: str,
        labelled: bool,
        place: int,
        frame: Frame,
        span: Span,
        branches: tuple[Span | None, ...],
    ) -> Flow:
        """Add an application of an operator and return what it leaves."""
        outputs = tuple(self.value() for _ in range(op.outputs(arguments)))
        node = Node(op, arguments, argument_spans, inputs, outputs, path, labelled, place, frame, span, branches)
        self.nodes.append(node)
        self.shapes.add(node)
        return outputs if len(outputs) > 1 else outputs[0]

    @contextmanager
    def region(
        self,
        kind: str,
        name: str,
        inputs: Flow,
        span: Span,
        *,
        path: str | None = None,
        labelled: bool = False,
        place: int | None = None,
        arguments: Mapping[str, object] | None = None,
        definition: ast.Block | ast.Arch | None = None,
    ) -> Iterator[OpenRegion]:
        """Hold what is made within: `with builder.region(...) as region: ...; region.outputs = value`."""
        opened = OpenRegion(path, arguments or {}, inputs)
        if place is None:
            place = self.place()
        start = len(self.nodes)
        self._open.append(opened)
        try:
            yield opened
        finally:
            self._open.pop()
            region = Region(
                kind,
                name,
                path,
                labelled,
                place,
                opened.arguments,
                start,
                len(self.nodes),
                wires(opened.inputs),
                wires(opened.outputs),
                tuple(opened.children),
                span,
                definition,
            )
            if self._open:
                self._open[-1].children.append(region)
            else:
                self.root = region
