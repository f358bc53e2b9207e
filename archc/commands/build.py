"""`archc build FILE`: checks, says what it is, prints the table or a stage, writes the source."""

from textwrap import indent
from typing import TYPE_CHECKING, NamedTuple

import click

from archc.compiler.ir import ShapedGraph
from archc.files import read_program
from archc.messages import say
from archc.options import file_argument, layers_option, open_network, parameter_option
from archc.problems import UsageProblem

if TYPE_CHECKING:
    from archc.compiler.analysis.memory import Memory


@click.command("build")
@file_argument
@parameter_option
@click.option("--summary", is_flag=True, help="Print the table: sizes, parameters and multiply-adds of every layer.")
@click.option(
    "--depth", type=click.IntRange(min=1), help="How many levels of the tree to show; what lies deeper is summed up."
)
@click.option("--full", is_flag=True, help="Fold nothing: every round of every loop, every block opened.")
@click.option("--receptive", is_flag=True, help="Show receptive fields and strides in the table.")
@click.option("--input", "size", metavar="SIZES", help="Give symbolic input sizes a value: 3x128x128.")
@click.option(
    "--batch",
    type=click.IntRange(1, 10**9),
    help="Say how much memory training and evaluation take at this batch size: weights, activations, gradients, "
    "optimizer.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    show_default=True,
    help="How to print the summary.",
)
@click.option(
    "--emit",
    type=click.Choice(["ast", "graph", "shapes", "source"]),
    help="Print a stage: the syntax tree, the graph, the graph with its sizes, or the PyTorch source.",
)
@click.option("-o", "output", metavar="PATH", help="Write the PyTorch source to a file, x.py.")
@click.option(
    "--weights", metavar="PATH", help="Say whether weights fit: a file, a run's folder, or a name of torchvision's."
)
@layers_option
def command(
    file: str,
    parameters: tuple[str, ...],
    summary: bool,
    depth: int | None,
    full: bool,
    receptive: bool,
    size: str | None,
    batch: int | None,
    form: str,
    emit: str | None,
    output: str | None,
    weights: str | None,
    max_layers: int,
) -> None:
    """Check an architecture and say what it is: parameters, multiply-adds, depth.

    \b
    Examples:
      archc build resnet18
      archc build archs/resnet18.arch --summary --batch 64
      archc build densenet121 --summary --full
      archc build resnet18 -p num_classes=10 --format json --depth 1
      archc build resnet18 --receptive --depth 1
      archc build archs/unet.arch --summary --input 3x256x256
      archc build resnet18 --emit shapes
      archc build resnet18 -o resnet18.py
      archc build resnet18 --weights resnet18.pth

    Multiply-adds are those of convolutions, linear layers, matrix products and attention, for one input in evaluation.
    The table folds equal rounds of a loop, and closes blocks of several sizes where it would be long; json and csv
    hold every operator, with --depth every block at that depth as a whole.

    Memory (--batch) is counted in float32. Activations are in training what PyTorch keeps for the backward pass, each
    piece of memory once, and in evaluation the most values that exist at once; gradients are as large as the
    parameters, the optimizer's state is AdamW's, twice that (SGD with momentum and Muon half of it, plain SGD none).
    What the algorithms of convolutions borrow comes on top.

    --emit ast works for a text that can be read, also when the network is wrong.
    """
    if emit is not None and (form != "table" or summary):
        raise UsageProblem("--emit prints a stage as it is: leave out --summary and --format")
    if emit == "ast":
        from archc.dsl.outline import outline

        click.echo(outline(read_program(file).main.file))
        return
    network = open_network(file, parameters, max_layers)
    shaped = network.checked.shaped if size is None else _sized(network.checked.shaped, size)
    needed = None if batch is None else _memory(shaped, batch)
    if weights is not None:
        from archc.weights import module_with_weights

        module_with_weights(network, weights)
    if output is not None:
        _write(output, network.source())
    match emit:
        case "graph":
            from archc.compiler.listing import graph_listing

            click.echo(graph_listing(shaped.graph))
        case "shapes":
            from archc.compiler.listing import shapes_listing

            click.echo(shapes_listing(shaped))
        case "source":
            click.echo(network.source(), nl=False)
        case _:
            shown = Shown(form, summary or receptive or full or depth is not None, depth, full, receptive)
            click.echo(_summary(shaped, shown, needed))
    if weights is not None:
        say(f"{weights} fits, all of it")


class Shown(NamedTuple):
    """How a summary is shown: `whole` is with the table, the others are the options of these names."""

    form: str
    whole: bool
    depth: int | None
    full: bool
    receptive: bool


def _summary(shaped: ShapedGraph, shown: Shown, needed: "Memory | None") -> str:
    from archc.compiler.summary import as_csv, as_json, headline, markdown, table

    match shown.form:
        case "json":
            import json

            memory = {} if needed is None else {"memory": needed._asdict() | {"training": needed.training}}
            return json.dumps(as_json(shaped, levels=shown.depth) | memory, indent=2)
        case "csv":
            if needed is not None:
                say(str(needed))
            return as_csv(shaped, levels=shown.depth, receptive=shown.receptive).rstrip("\n")
        case "table" if not shown.whole:
            return headline(shaped) + ("" if needed is None else "\n" + indent(str(needed), "  "))
        case _:
            write = markdown if shown.form == "markdown" else table
            tree = write(shaped, levels=shown.depth, full=shown.full, receptive=shown.receptive)
            parts = [headline(shaped, noted=False), tree, *([] if needed is None else [str(needed)])]
            return "\n\n".join(parts)


def _memory(shaped: ShapedGraph, batch: int) -> "Memory":
    from archc.compiler.analysis.memory import memory

    try:
        return memory(shaped, batch=batch)
    except ValueError:
        inputs = ", ".join(f"`{entry.name}` {entry.type}" for entry in shaped.graph.inputs)
        raise UsageProblem(f"--batch needs the size of the input, which is {inputs}: give it with --input") from None


def _write(path: str, source: str) -> None:
    if not path.endswith(".py"):
        raise UsageProblem(f"-o writes PyTorch source, to a path that ends in .py; this is `{path}`")
    from archc.atomic import write_text

    write_text(path, source)


def _sized(shaped: ShapedGraph, text: str) -> ShapedGraph:
    """Give the symbols of the inputs the values that `--input` says; several inputs are separated by commas."""
    from archc.compiler.algebra.sizes import Symbolic, evaluate
    from archc.compiler.summary import sized

    inputs = shaped.graph.inputs
    wanted = ", ".join(f"`{entry.type}`" for entry in inputs)
    parts = text.split(",")
    sizes: dict[str, int] = {}
    if len(parts) != len(inputs):
        raise UsageProblem(f"--input gives {len(parts)} inputs, and the network has {len(inputs)}: {wanted}")
    for part, entry in zip(parts, inputs, strict=True):
        numbers = part.strip().split("x")
        shape = entry.type.shape
        if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in numbers):
            raise UsageProblem(f"--input takes sizes such as 3x128x128, and this is `{part}`")
        if len(numbers) != len(shape):
            raise UsageProblem(f"--input {part}: the input `{entry.name}` is {entry.type}")
        for number, wanted_size in zip(map(int, numbers), shape, strict=True):
            if isinstance(wanted_size, Symbolic):
                sizes.setdefault(str(wanted_size), number)
        given = tuple(map(int, numbers))
        needed = tuple(evaluate(size, sizes) if isinstance(size, Symbolic) else size for size in shape)
        if given != needed:
            hint = "x".join(map(str, needed))
            raise UsageProblem(f"--input {part}: the input `{entry.name}` is {entry.type}, so this has to be {hint}")
    for condition in shaped.conditions:
        if not condition.holds(sizes):
            raise UsageProblem(f"--input {text}: {condition}")
    return sized(shaped, sizes)
