"""A checked network: its sizes, cost, source and diagram, and the module it becomes."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from archc.compiler.algebra.sizes import Size
from archc.compiler.analysis.cost import Cost, costs, total
from archc.compiler.elaboration.builder import MOST_LAYERS
from archc.compiler.pipeline import Checked, check
from archc.compiler.values import Given
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.source import Source, Span
from archc.files import Opened
from archc.problems import EnvironmentProblem, UsageProblem

if TYPE_CHECKING:
    import networkx as nx
    from torch import nn


class Network:
    """A checked network: what `archc.compile` returns. Made without torch.

    >>> import archc
    >>> network = archc.compile("resnet18")
    >>> network.params, network.macs
    (11689512, 1814073344)
    >>> network.outputs
    {'output': (1000,)}
    """

    __slots__ = ("_cost", "checked", "files")

    def __init__(self, checked: Checked, files: Mapping[str, str]) -> None:
        self.checked = checked
        self.files = files
        self._cost: Cost | None = None

    @property
    def name(self) -> str:
        return self.checked.shaped.graph.name

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return self.checked.warnings

    @property
    def cost(self) -> Cost:
        """Parameters, buffers and multiply-adds (of convolutions, linear layers, matrix products, attention)."""
        if self._cost is None:
            self._cost = total(costs(self.checked.shaped))
        return self._cost

    @property
    def params(self) -> int:
        return self.cost.params

    @property
    def macs(self) -> Size:
        """Multiply-adds for one sample; a formula when the input's size is symbolic."""
        return self.cost.macs

    @property
    def inputs(self) -> dict[str, tuple[Size, ...]]:
        """The inputs and their sizes, without the batch."""
        return {entry.name: entry.type.shape for entry in self.checked.shaped.graph.inputs}

    @property
    def outputs(self) -> dict[str, tuple[Size, ...]]:
        """The results and their sizes, without the batch; a single unnamed one is called `output`."""
        shaped = self.checked.shaped
        return {output.name: shaped.types[output.value].shape for output in shaped.graph.outputs}

    def summary(self, *, depth: int | None = None, full: bool = False, receptive: bool = False) -> str:
        """Return the table of layers as text: blocks as a tree, repeats folded, long tables closed to a page.

        `depth` says how many levels of the tree are opened, `full` opens and unfolds everything, `receptive` adds
        receptive fields and strides.
        """
        from archc.compiler.summary import headline, table

        shaped = self.checked.shaped
        parts = [headline(shaped, noted=False), table(shaped, levels=depth, full=full, receptive=receptive)]
        return "\n\n".join(parts)

    def source(self) -> str:
        """Return the PyTorch source: plain, without any import of archc."""
        from archc.compiler.source import write

        return write(self.checked.shaped).text

    def render(self, path: str | os.PathLike[str], *, direction: str = "tb", depth: int | None = None) -> None:
        """Write a diagram; the suffix says what: `.svg`, `.png`, `.pdf` or `.dot`.

        `direction` is "tb" (top to bottom) or "lr" (left to right); `depth` says how many levels of blocks are opened.

        Raises:
            UsageProblem: the suffix is another one, or the network is too large for a picture.
            EnvironmentProblem: nothing is installed that lays a diagram out.
            OSError: the file cannot be written.
        """
        from archc.atomic import write_bytes
        from archc.compiler.diagram import draw
        from archc.compiler.diagram.figure import TooLarge
        from archc.compiler.diagram.layout import LayoutProblem

        try:
            data = draw(self.checked.shaped, diagram_format(path), direction=direction, depth=depth)
        except TooLarge as error:
            raise UsageProblem(str(error)) from None
        except LayoutProblem as error:
            raise EnvironmentProblem(str(error)) from None
        write_bytes(os.fspath(path), data)

    def to_networkx(self) -> "nx.MultiDiGraph[str | int]":
        """Return the network as a graph of networkx: operators as nodes, with their costs; sizes on the edges.

        >>> import archc, networkx
        >>> graph = archc.compile("d2l/lenet").to_networkx()
        >>> [graph.nodes[node]["op"] for node in networkx.topological_sort(graph)][:4]
        ['input', 'conv', 'sigmoid', 'avg_pool']
        """
        from archc.compiler.exchange import to_networkx

        return to_networkx(self.checked.shaped)

    def module(self) -> "nn.Module":
        """Construct the network as an `nn.Module`: its own source, compiled and loaded.

        Raises:
            EnvironmentProblem: its weights do not fit into memory.
        """
        from archc.compiler.load import load
        from archc.compiler.source import write

        self._refuse_what_cannot_fit()
        try:
            return load(write(self.checked.shaped))
        except RuntimeError as error:
            if "can't allocate memory" not in str(error):
                raise
            raise EnvironmentProblem(f"there is not enough memory for the weights of `{self.name}`") from error

    def _refuse_what_cannot_fit(self) -> None:
        """Compare the weights with the memory of the machine before any is allocated."""
        import torch

        if torch.get_default_device().type != "cpu" or "SC_PHYS_PAGES" not in os.sysconf_names:
            return  # on "meta" nothing is allocated; another device says itself what it cannot hold
        needed = self.params * torch.get_default_dtype().itemsize
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > memory:
            raise EnvironmentProblem(
                f"the weights of `{self.name}` take {needed / 2**30:,.1f} GiB ({self.params:,} parameters), and this"
                f" machine has {memory / 2**30:,.1f} GiB of memory; `archc check` and `archc build` do without them"
            )

    def _repr_svg_(self) -> str:
        from archc.compiler.diagram import svg

        return svg(self.checked.shaped)

    def __repr__(self) -> str:
        from archc.compiler.summary import headline

        return f"<{headline(self.checked.shaped)}>"


def diagram_format(path: str | os.PathLike[str]) -> str:
    """Return what a diagram at a path is, by its suffix.

    Raises:
        UsageProblem: no diagram is written with that suffix.

    >>> diagram_format("x.svg")
    'svg'
    """
    from archc.compiler.diagram import FORMATS

    form = os.path.splitext(os.fspath(path))[1].lower().removeprefix(".")
    if form not in FORMATS:
        suffixes = ", ".join(f".{each}" for each in FORMATS)
        raise UsageProblem(
            f"a diagram is written to a path that ends in one of {suffixes}; this is `{os.fspath(path)}`"
        )
    return form


def network(opened: Opened, passed: Mapping[str, Given], *, max_layers: int = MOST_LAYERS) -> Network:
    """Check an opened architecture with the given parameters; one of more layers than `max_layers` is refused."""
    files = {name: unit.file.source.text for name, unit in opened.program.units.items()}
    return Network(check(opened.definition, passed, max_layers=max_layers), files)


def given(parameters: Mapping[str, object]) -> dict[str, Given]:
    """Return parameters of the Python API as arguments whose place is the call."""
    result = {}
    for name, value in parameters.items():
        text = f"{name}={value!r}"
        result[name] = Given(value, Span(Source("<arguments>", text), 0, len(text)))
    return result
