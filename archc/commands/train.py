"""`archc train FILE`: trains an architecture."""

from typing import TYPE_CHECKING

import click

from archc.options import file_argument, layers_option, parameter_option
from archc.parameters import read_parameters
from archc.problems import UsageProblem
from archc.recipes import recipe_names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from archc.runtime.recipe_text import Layer


def _complete_recipe(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    names = [CompletionItem(name) for name in recipe_names() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


@click.command("train")
@file_argument
@parameter_option
@click.option(
    "--recipe",
    metavar="NAME",
    shell_complete=_complete_recipe,
    help="Settings for the run: a YAML file, or a recipe of the zoo such as d2l/lenet.",
)
@click.option(
    "--data",
    metavar="NAME",
    help="A set of `archc data list`, or a folder of images; by default the recipe's, else digits.",
)
@click.option("--data-root", metavar="DIR", help="The folder that holds data sets which come with no package.")
@click.option("--epochs", type=int, help="How often every image is seen.")
@click.option(
    "--set", "changes", metavar="KEY=VALUE", multiple=True, help="Change a setting, over the recipe's. Repeatable."
)
@click.option("--out", metavar="RUN", help="The folder of the run; by default a new one under runs/.")
@layers_option
def command(
    file: str,
    parameters: tuple[str, ...],
    recipe: str | None,
    data: str | None,
    data_root: str | None,
    epochs: int | None,
    changes: tuple[str, ...],
    out: str | None,
    max_layers: int,
) -> None:
    """Train an architecture; without options on handwritten digits that come with a package, with one default for all.

    \b
    Examples:
      archc train alexnet
      archc train d2l/lenet --recipe d2l/lenet --data-root DIR --epochs 5
      archc train net.arch --recipe mine.yaml --data digits --set lr=0.01
      archc train net.arch --set optimizer=sgd --set optimizer.momentum=0.9 --out runs/try

    The data set binds the parameters `in_channels` and `num_classes` of the architecture; images are resized to its
    input. A recipe is applied only when it is named, and --set wins over it; docs/training.md lists the settings. The
    run's folder keeps the recipe as resolved, the text, the source, the metrics and the best and last weights.
    """
    from archc.files import open_file
    from archc.training import resolve_recipe, train_opened

    resolved = resolve_recipe(recipe, _said({"data": data, "data_root": data_root, "epochs": epochs}, changes))
    opened = open_file(file)
    run = train_opened(opened, read_parameters(opened, parameters), recipe=resolved, out=out, max_layers=max_layers)
    click.echo(f'model = archc.load("{run.folder.as_posix()}")')


def _said(options: dict[str, object], changes: tuple[str, ...]) -> "Layer":
    """The settings of the command line: those with an option of their own, and those of `--set`."""
    from archc.runtime.recipe import read_changes
    from archc.runtime.recipe_text import Place

    layer = read_changes(changes)
    values, places = dict(layer.values), dict(layer.places)
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is None:
            continue
        if name in values:
            raise UsageProblem(f"{option} and --set {name} say the same; give one of them")
        values[name] = value
        places[name,] = Place(option, option)
    return layer._replace(values=values, places=places)
