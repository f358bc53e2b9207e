"""`archc compare RUN...|TABLE`: runs side by side."""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from archc.dsl.render import escape
from archc.listing import FORMATS, Column, count, duration, listed, share
from archc.problems import UsageProblem
from archc.recipes import SUFFIXES, table_names

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from archc.runtime.recipe_text import Layer
    from archc.runtime.runs import Report

COLUMNS = (
    Column("name", "run"),
    Column("data", "data"),
    Column("size", "size"),
    Column("epochs", "epochs", number=True),
    Column("loss", "loss", "{:.3f}".format, number=True),
    Column("train_accuracy", "train accuracy", share, number=True),
    Column("test_accuracy", "test accuracy", share, number=True),
    Column("test_mean_iou", "mean IoU", share, number=True),
    Column("images_per_second", "images/s", count, number=True),
    Column("device", "device"),
    Column("parameters", "parameters", count, number=True),
    Column("seconds", "time", duration, number=True),
)


class Compared(NamedTuple):
    """A run to compare and what it is called."""

    name: str
    folder: "Path"


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    from archc.runs import known_runs

    names = [*table_names(), *known_runs()]
    offered = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return offered or [CompletionItem(incomplete, type="file")]


@click.command("compare")
@click.argument("names", metavar="RUN...|TABLE", nargs=-1, required=True, shell_complete=_complete)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="How they are listed."
)
@click.option("-o", "output", metavar="PATH", help="Also draw them, as PNG.")
@click.option("--data", metavar="NAME", help="Another data set for all rows of a table.")
@click.option("--data-root", metavar="DIR", help="The folder that holds data sets which come with no package.")
@click.option("--epochs", type=int, help="How often the rows of a table see every image.")
@click.option(
    "--set", "changes", metavar="KEY=VALUE", multiple=True, help="Change a setting of all rows of a table. Repeatable."
)
@click.option("--out", metavar="DIR", help="The folder with the runs of a table; by default one under runs/.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing of the training but errors.")
def command(
    names: tuple[str, ...],
    form: str,
    output: str | None,
    data: str | None,
    data_root: str | None,
    epochs: int | None,
    changes: tuple[str, ...],
    out: str | None,
    quiet: bool,
) -> int:
    """Put runs side by side: some runs, folders of runs, or a table of experiments, whose missing rows are trained.

    \b
    Examples:
      archc compare runs/lenet-digits-1 runs/nin-digits-1 --format markdown
      archc compare d2l/table --data-root DIR -o table.png
      archc compare d2l/table --data digits --epochs 1
      archc compare mine.yaml --set batch_size=32 --out runs/mine

    A TABLE is a YAML file, or one of the zoo: rows with a network each, a recipe, and settings. Rows that were trained
    with the same network, data and settings are taken from the table's folder, so a table that was stopped goes on.
    Loss and accuracies are those of the last epoch, images/s the median over the epochs, the time that of all epochs.
    """
    from pathlib import Path

    from archc.commands.train import said
    from archc.runtime.runs import find_runs, is_run, read_run

    if output is not None and not output.lower().endswith(".png"):
        raise UsageProblem(f"the picture is written as PNG, and `{output}` does not end in .png")
    asked = {"data": data, "data_root": data_root, "epochs": epochs}
    tables = [name for name in names if _is_table(name)]
    if not tables and (changes or out is not None or any(value is not None for value in asked.values())):
        raise UsageProblem("--data, --data-root, --epochs, --set and --out are for a table, whose rows are trained")
    if out is not None and len(tables) > 1:
        raise UsageProblem("--out is the folder of one table; give one table")
    layer = said(asked, changes)
    compared, title, status = list[Compared](), "", 0
    for name in names:
        if name in tables:
            found, its_title, its_status = _table(name, layer, out, quiet=quiet)
            compared += found
            title, status = title or its_title, status or its_status
        elif os.path.isdir(name) and not is_run(Path(name)) and (inside := find_runs(Path(name))):
            compared += [Compared(folder.name, folder) for folder in inside]
        else:
            compared.append(_run(name))
    called = [each.name for each in compared]
    compared = [each if called.count(each.name) == 1 else Compared(str(each.folder), each.folder) for each in compared]
    reports = [read_run(each.folder) for each in compared]
    _complain(reports)
    rows = [row_of(each.name, report) for each, report in zip(compared, reports, strict=True)]
    shown = [column for column in COLUMNS if column.key != "test_mean_iou" or any(row[column.key] for row in rows)]
    click.echo(listed(shown, rows, form))
    if output is not None:
        _draw(output, rows, reports, title)
    return status


def _is_table(name: str) -> bool:
    return name in table_names() or (name.endswith(SUFFIXES) and not os.path.isdir(name))


def _run(name: str) -> Compared:
    """The run of that name; else what is near, among tables too."""
    from archc.compiler.problems import did_you_mean
    from archc.runs import run_folder

    try:
        folder = run_folder(name)
    except UsageProblem:
        near = did_you_mean(name, table_names())
        if not near or os.path.exists(name):
            raise
        raise UsageProblem(f"there is no run or table `{name}`; {near}") from None
    return Compared(folder.name, folder)


def _table(name: str, layer: "Layer", out: str | None, *, quiet: bool) -> tuple[list[Compared], str, int]:
    """The runs of a table, those trained that were missing; its title and the exit status."""
    from pathlib import Path

    from archc.experiments import read_table, train_table
    from archc.runs import RUNS

    table = read_table(name, layer)
    folder = Path(RUNS) / table.name if out is None else Path(out)
    runs, status = train_table(table, folder, quiet=quiet)
    return [Compared(row, run) for row, run in runs], table.title, status


def _complain(reports: "list[Report]") -> None:
    from archc.messages import say

    for report in reports:
        if report.fault:
            say(f"damaged: {escape(report.fault)}")


def row_of(name: str, report: "Report") -> dict[str, Any]:
    """A run as a row; what it has not measured is None."""
    last = report.last
    measured = ("loss", "train_accuracy", "test_loss", "test_accuracy", "test_top5", "test_mean_iou")
    return {
        "name": name,
        "run": report.folder.as_posix(),
        "network": report.network,
        "state": report.state,
        "data": report.data,
        "size": "x".join(map(str, report.size)),
        "epochs": len(report.records) or None,
        **{key: last.get(key) for key in measured},
        "images_per_second": report.images_per_second,
        "device": report.device,
        "parameters": report.parameters,
        "seconds": report.seconds,
    }


def _draw(output: str, rows: list[dict[str, Any]], reports: "list[Report]", title: str) -> None:
    from archc.atomic import write_bytes
    from archc.messages import say
    from archc.runtime.curves import Row, draw_comparison

    data = {row["data"] for row in rows if row["data"]}
    number = f"{len(rows)} run{'s' * (len(rows) != 1)}"
    title = (title or number) + (f" on {data.pop()}" if len(data) == 1 else "")
    drawn = [
        Row(row["name"], report.records, row["images_per_second"]) for row, report in zip(rows, reports, strict=True)
    ]
    write_bytes(output, draw_comparison(drawn, title))
    say(f"{output}: {number}")
