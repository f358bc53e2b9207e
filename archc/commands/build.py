"""`archc build FILE`: checks, says what it is, prints the table or a stage, writes the source."""

from typing import TYPE_CHECKING

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
@click.option("--depth", type=click.IntRange(min=1), help="How many levels of the tree the table shows.")
@click.option("--receptive", is_flag=True, help="Show receptive fields and strides in the table.")
@click.option("--input", "size", metavar="SIZES", help="Give symbolic input sizes a value: 3x128x128.")
@click.option(
    "--batch", type=click.IntRange(1, 10**9), help="Say how much memory the network takes at this batch size."
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
@click.option("--weights", metavar="PATH", help="Say whether weights fit: a file, or a name of torchvision's.")
@layers_option
def command(
    file: str,
    parameters: tuple[str, ...],
    summary: bool,
    depth: int | None,
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
      archc build resnet18 -p num_classes=10 --summary --format json
      archc build resnet18 --receptive --depth 1
      archc build archs/unet.arch --summary --input 3x256x256
      archc build resnet18 --emit shapes
      archc build resnet18 -o resnet18.py
      archc build resnet18 --weights resnet18.pth

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
            click.echo(_summary(shaped, form, summary or receptive, depth, receptive, needed))
    if weights is not None:
        say(f"{weights} fits, all of it")


def _summary(
    shaped: ShapedGraph, form: str, whole: bool, depth: int | None, receptive: bool, needed: "Memory | None"
) -> str:
    from archc.compiler.summary import as_csv, as_json, headline, markdown, table

    match form:
        case "json":
            import json

            return json.dumps(as_json(shaped) | ({} if needed is None else {"memory": needed._asdict()}), indent=2)
        case "csv":
            return as_csv(shaped).rstrip("\n")
        case "markdown":
            parts = [headline(shaped), markdown(shaped, levels=depth)]
        case _:
            shown = [table(shaped, levels=depth, receptive=receptive)] if whole else []
            parts = [headline(shaped), *shown]
    if needed is not None and len(parts) > 1:
        parts.append(str(needed))
    elif needed is not None:
        parts[0] += f"\n  {needed}"
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
