"""`archc build FILE`: checks, says what it is, prints the table or the source."""

import click

from archc.compiler.ir import ShapedGraph
from archc.options import file_argument, open_network, parameter_option
from archc.problems import UsageProblem


@click.command("build")
@file_argument
@parameter_option
@click.option("--summary", is_flag=True, help="Print the table: sizes, parameters and multiply-adds of every layer.")
@click.option("--depth", type=click.IntRange(min=1), help="How many levels of the tree the table shows.")
@click.option("--input", "size", metavar="SIZES", help="Give symbolic input sizes a value: 3x128x128.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", help="How to print the summary."
)
@click.option("--emit", type=click.Choice(["source"]), help="Print a stage: the PyTorch source.")
@click.option("-o", "output", metavar="PATH", help="Write the PyTorch source to a file, x.py.")
def command(
    file: str,
    parameters: tuple[str, ...],
    summary: bool,
    depth: int | None,
    size: str | None,
    form: str,
    emit: str | None,
    output: str | None,
) -> None:
    """Check an architecture and say what it is: parameters, multiply-adds, depth.

    \b
    Examples:
      archc build resnet18
      archc build archs/resnet18.arch --summary
      archc build resnet18 -p num_classes=10 --summary --format json
      archc build archs/unet.arch --summary --input 3x256x256
      archc build resnet18 -o resnet18.py
    """
    from archc.compiler.summary import as_json, headline, table

    network = open_network(file, parameters)
    shaped = network.checked.shaped if size is None else _sized(network.checked.shaped, size)
    if output is not None:
        _write(output, network.source())
    if emit is not None:
        click.echo(network.source(), nl=False)
    elif form == "json":
        import json

        click.echo(json.dumps(as_json(shaped), indent=2))
    else:
        click.echo(headline(shaped))
        if summary:
            click.echo("\n" + table(shaped, levels=depth))


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
