"""`archc train FILE`: trains an architecture."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from archc.options import complete_file, layers_option, parameter_option
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


def _complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    from archc.runs import known_runs

    runs = [CompletionItem(name) for name in known_runs() if name.startswith(incomplete)]
    return runs or [CompletionItem(incomplete, type="dir")]


@click.command("train")
@click.argument("file", metavar="FILE", required=False, shell_complete=complete_file)
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
@click.option(
    "--weights",
    metavar="PATH",
    help="Weights to begin with: a file, a run's folder, or a name of torchvision's such as DEFAULT.",
)
@click.option(
    "--freeze",
    metavar="PATTERN",
    multiple=True,
    help="Parameters that do not train, by name or pattern, such as layer1 or 'features.*'. Repeatable.",
)
@click.option("--out", metavar="RUN", help="The folder of the run; by default a new one under runs/.")
@click.option(
    "--resume",
    metavar="RUN",
    shell_complete=_complete_run,
    help="In place of FILE: go on with a run that was stopped, as if it had not been.",
)
@layers_option
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors, and at the end how to load the run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, in place of words.")
def command(
    file: str | None,
    parameters: tuple[str, ...],
    recipe: str | None,
    data: str | None,
    data_root: str | None,
    epochs: int | None,
    changes: tuple[str, ...],
    weights: str | None,
    freeze: tuple[str, ...],
    out: str | None,
    resume: str | None,
    max_layers: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train an architecture; without options on handwritten digits that come with a package, with one default for all.

    \b
    Examples:
      archc train alexnet
      archc train d2l/lenet --recipe d2l/lenet --data-root DIR --epochs 5
      archc train net.arch --recipe mine.yaml --data digits --set lr=0.01
      archc train net.arch --set optimizer=sgd --set optimizer.momentum=0.9 --out runs/try
      archc train d2l/lenet --epochs 3 --json > events.jsonl
      archc train resnet18 --data photos --weights resnet18.pth --freeze 'layer*'
      archc train unet --recipe unet
      archc train --resume runs/lenet-digits-1

    The data set binds the parameters `in_channels` and `num_classes` of the architecture; images are resized to its
    input. A recipe is applied only when it is named, and --set wins over it; docs/training.md lists the settings. The
    run's folder keeps the recipe as resolved, the text, the source, the metrics and the best and last weights.
    """
    from archc.runtime.watch import chosen_watch, json_lines

    if quiet and as_json:
        raise UsageProblem("--quiet says nothing and --json says everything; give one of them")
    with json_lines(sys.stdout) if as_json else nullcontext(chosen_watch(sys.stderr, quiet=quiet)) as watch:
        options = {"epochs": epochs, "weights": weights, "freeze": freeze or None}
        if resume is not None:
            from archc.resume import resume_run
            from archc.runs import run_folder

            words = {"FILE": file, "-p": parameters, "--recipe": recipe, "--set": changes, "--out": out}
            _refuse_with_resume({**words, **{f"--{name}": value for name, value in options.items()}}, resume)
            run = resume_run(run_folder(resume), data=data, data_root=data_root, max_layers=max_layers, watch=watch)
        else:
            from archc.files import open_file
            from archc.training import resolve_recipe, train_opened

            if file is None:
                raise click.UsageError("Missing argument 'FILE'.")
            resolved = resolve_recipe(recipe, said({"data": data, "data_root": data_root, **options}, changes))
            opened = open_file(file)
            bound = read_parameters(opened, parameters)
            run = train_opened(opened, bound, recipe=resolved, out=out, max_layers=max_layers, watch=watch)
    if not as_json:
        click.echo(f'model = archc.load("{run.folder.as_posix()}")')


def _refuse_with_resume(words: Mapping[str, object], resume: str) -> None:
    """Refuse what the run has decided already; where its data lies now may be said."""
    if given := [word for word, value in words.items() if value]:
        raise UsageProblem(
            f"--resume goes on with the run as it began, and {' and '.join(given)} would change what it has done;"
            f" for a new run: archc train FILE --recipe {resume}/recipe.yaml (and --weights {resume}, to begin with"
            " what this one learned)"
        )


def said(options: Mapping[str, object], changes: tuple[str, ...]) -> "Layer":
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
