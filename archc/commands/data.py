"""`archc data list`, `show` and `fetch`: the data sets, as a list and as a picture."""

from typing import TYPE_CHECKING

import click

from archc.messages import say
from archc.problems import UsageProblem

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MOST_SAMPLES = 2000
LONGEST = 1000  # of --augment: it names a few steps, and nothing deep is handed to the YAML parser


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    from archc.runtime.data.table import SOURCES

    names = [CompletionItem(name) for name in SOURCES if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="dir")]


_name = click.argument("name", metavar="NAME", shell_complete=_complete)


@click.group("data")
def command() -> None:
    """The data sets that networks are trained on: list them, look at one, fetch one.

    \b
    Examples:
      archc data list
      archc data show digits -o digits.png
      archc data fetch mnist --data-root DIR
    """


@command.command("list")
def list_sets() -> None:
    """List the data sets; besides them any folder of images is one.

    \b
    Examples:
      archc data list
    """
    from archc.runtime.data.table import SOURCES

    width = max(map(len, SOURCES))
    for name, source in SOURCES.items():
        click.echo(f"{name.ljust(width)}  {source.summary}")
    click.echo(f"{'FOLDER'.ljust(width)}  images in FOLDER/CLASS/, or FOLDER/images/ with masks in FOLDER/masks/")


@command.command("show")
@_name
@click.option("-o", "output", metavar="PATH", help="Where the picture is written, as PNG; by default NAME.png.")
@click.option(
    "--samples", type=click.IntRange(1, MOST_SAMPLES), default=20, show_default=True, help="How many images are shown."
)
@click.option(
    "--augment", metavar="STEPS", help="Augment them: names such as 'crop, flip', or a mapping as in a recipe."
)
@click.option("--part", type=click.Choice(["train", "test"]), default="train", show_default=True, help="Which images.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, help="Another number shows other images.")
@click.option("--data-root", metavar="DIR", help="The folder that holds data sets which come with no package.")
def show(
    name: str, output: str | None, samples: int, augment: str | None, part: str, seed: int, data_root: str | None
) -> None:
    """Draw a labelled grid of samples of a data set: a NAME of `archc data list`, or a folder of images.

    \b
    Examples:
      archc data show synthetic
      archc data show mnist --data-root DIR -o mnist.png --samples 40
      archc data show photos/ --augment "{resized_crop: [0.3, 1], flip: true}"
    """
    from archc.atomic import write_bytes
    from archc.runtime.data import load
    from archc.runtime.data.augment import check_mixing
    from archc.runtime.data.steps import describe_steps, read_steps

    if output is not None and not output.lower().endswith(".png"):
        raise UsageProblem(f"the picture is written as PNG, and `{output}` does not end in .png")
    steps = read_steps(_parsed(augment))
    data = load(name, data_root)
    check_mixing(steps, data)
    from archc.runtime.data.grid import sample_grid

    picture, shown = sample_grid(data, samples=samples, part=part, steps=steps, seed=seed)
    path = output or f"{data.name}.png"
    write_bytes(path, picture)
    train, test = len(data.train_images), len(data.test_images)
    size = "x".join(map(str, data.train_images.shape[1:]))
    classes = ", ".join(data.classes[:12]) + (" ..." if data.num_classes > 12 else "")
    say(f"data {data.name}: {data.note}")
    click.echo(f"{train:,} training and {test:,} test images, {size}, {data.num_classes} classes: {classes}")
    click.echo(f"{path}: {shown} images" + (f", augmented: {describe_steps(steps)}" if steps else ""))


@command.command("fetch")
@_name
@click.option("--data-root", metavar="DIR", required=True, help="The folder that the set is put into.")
def fetch_set(name: str, data_root: str) -> None:
    """Fetch a data set from its public place into a folder, and read it once to see that it is whole.

    \b
    Examples:
      archc data fetch mnist --data-root DIR
      archc data fetch cifar10 --data-root DIR
    """
    from pathlib import Path

    from archc.runtime.data import load
    from archc.runtime.data.fetch import fetch
    from archc.runtime.data.table import checked_name

    fetch(checked_name(name), Path(data_root))
    data = load(name, data_root)
    click.echo(f"{name}: {len(data.train_images):,} training and {len(data.test_images):,} test images in {data_root}")


def _parsed(text: str | None) -> object:
    """The steps as a recipe would hold them; names alone need no YAML."""
    if text is None or not set(text) & set("{}[]:"):
        return text
    import yaml

    try:
        value: object = yaml.safe_load(text) if len(text) <= LONGEST else None
    except (yaml.YAMLError, RecursionError):
        value = None
    if not isinstance(value, dict | list):
        raise UsageProblem(
            f"--augment takes names or a mapping such as '{{crop: 4, flip: true}}', and this is `{text}`"
        )
    return value
