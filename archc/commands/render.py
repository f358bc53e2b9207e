"""`archc render FILE -o PATH`: draws a diagram."""

import click

from archc.options import file_argument, layers_option, open_network, parameter_option


@click.command("render")
@file_argument
@parameter_option
@click.option(
    "-o", "output", metavar="PATH", required=True, help="Where to write; the suffix is .svg, .png, .pdf or .dot."
)
@click.option("--depth", type=click.IntRange(min=1), help="How many levels of blocks are opened; 1 leaves all closed.")
@click.option(
    "--direction", type=click.Choice(["tb", "lr"]), default="tb", help="Top to bottom (the default) or left to right."
)
@layers_option
def command(
    file: str, parameters: tuple[str, ...], output: str, depth: int | None, direction: str, max_layers: int
) -> None:
    """Draw an architecture: stages with their repeats, each different block once in detail, shapes, a legend.

    \b
    Examples:
      archc render resnet18 -o resnet18.svg
      archc render archs/googlenet.arch -o googlenet.pdf
      archc render unet -p depth=2 -o unet.png
      archc render resnet50 --depth 1 --direction lr -o stages.svg
    """
    from archc.network import diagram_format

    diagram_format(output)  # a wrong suffix is said before the work is done
    open_network(file, parameters, max_layers).render(output, direction=direction, depth=depth)
