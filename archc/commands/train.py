"""`archc train FILE`: trains an architecture."""

import click

from archc.options import file_argument, layers_option, parameter_option
from archc.parameters import read_parameters
from archc.problems import UsageProblem

LONGEST_VALUE = 100  # a setting is a number or a word; nothing deep is handed to the YAML parser


@click.command("train")
@file_argument
@parameter_option
@click.option("--data", metavar="NAME", default="digits", show_default=True, help="The data set: digits or mnist.")
@click.option("--data-root", metavar="DIR", help="The folder that holds data sets which come with no package.")
@click.option("--epochs", type=int, help="How often every image is seen.")
@click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="Change a setting of the run. Repeatable.")
@click.option("--out", metavar="RUN", help="The folder of the run; by default a new one under runs/.")
@layers_option
def command(
    file: str,
    parameters: tuple[str, ...],
    data: str,
    data_root: str | None,
    epochs: int | None,
    changes: tuple[str, ...],
    out: str | None,
    max_layers: int,
) -> None:
    """Train an architecture; without options on handwritten digits that come with a package, with one default recipe.

    \b
    Examples:
      archc train alexnet
      archc train d2l/lenet --data mnist --data-root DIR --epochs 5
      archc train net.arch --set lr=0.01 --set seed=1 --out runs/try

    The data set binds the parameters `in_channels` and `num_classes` of the architecture; images are resized to its
    input. The run's folder keeps the text, the source, the metrics and the best and last weights.
    """
    from archc.files import open_file
    from archc.runtime.settings import Settings
    from archc.training import train_opened

    values = _changes(changes)
    if epochs is not None:
        values["epochs"] = epochs
    opened = open_file(file)
    run = train_opened(
        opened,
        read_parameters(opened, parameters),
        data=data,
        data_root=data_root,
        out=out,
        settings=Settings(**values),
        max_layers=max_layers,
    )
    click.echo(f'model = archc.load("{run.folder.as_posix()}")')


def _changes(changes: tuple[str, ...]) -> dict[str, object]:
    """The settings of `--set`; values are written as in YAML."""
    import yaml

    values: dict[str, object] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name:
            raise UsageProblem(f"--set takes KEY=VALUE, and this is `{change}`; for example `--set lr=0.01`")
        if name in values:
            raise UsageProblem(f"--set {name} is given twice")
        try:
            value = yaml.safe_load(text) if len(text) <= LONGEST_VALUE else None
        except yaml.YAMLError:
            value = None
        if value is None:
            raise UsageProblem(f"--set {name}: `{text[:LONGEST_VALUE]}` is not a value")
        # YAML 1.1 reads 1e-3 as text; a number is what is meant.
        values[name] = float(value) if isinstance(value, str) and _is_number(value) else value
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
