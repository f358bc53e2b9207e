"""`archc runs`: the list of runs."""

from typing import TYPE_CHECKING, Any

import click

from archc.dsl.render import escape
from archc.listing import FORMATS, Column, listed, share

if TYPE_CHECKING:
    from archc.runtime.runs import Report

COLUMNS = (
    Column("run", "run"),
    Column("network", "network"),
    Column("data", "data"),
    Column("epochs", "epochs", number=True),
    Column("asked", "of", number=True),
    Column("best_accuracy", "best accuracy", share, number=True),
    Column("started", "started", lambda text: str(text).replace("T", " ").removesuffix("Z")),
    Column("state", "state"),
)


@click.command("runs")
@click.argument("folder", metavar="[DIR]", default="runs", type=click.Path(file_okay=False))
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="How they are listed."
)
def command(folder: str, form: str) -> None:
    """List the runs in a folder, by default runs/, and in the folders below it.

    \b
    Examples:
      archc runs
      archc runs runs/d2l-table --format markdown

    A run is running, finished, stopped (it has fewer epochs than it was asked for) or damaged. The best accuracy is
    that of the epoch with the best test. Times are in UTC.
    """
    from pathlib import Path

    from archc.messages import say
    from archc.problems import UsageProblem
    from archc.runtime.runs import find_runs, read_run

    if folder == "runs" and not Path(folder).is_dir():
        raise UsageProblem("there is no folder runs/ here, so no run yet; `archc train d2l/lenet` makes one")
    reports = [read_run(found) for found in find_runs(Path(folder))]
    if not reports:
        say(f"there is no run in {folder}")
    if reports or form != "table":
        click.echo(listed(COLUMNS, [row_of(report) for report in reports], form))
    for report in reports:
        if report.fault:
            say(f"damaged: {escape(report.fault)}")


def row_of(report: "Report") -> dict[str, Any]:
    """A run as a row of the list."""
    known = report.state != "damaged"
    return {
        "run": report.folder.as_posix(),
        "network": report.network,
        "data": report.data,
        "epochs": len(report.records) if known else None,
        "asked": report.asked if known else None,
        "best_accuracy": report.best.get("test_accuracy"),
        "best_mean_iou": report.best.get("test_mean_iou"),
        "started": report.started,
        "state": report.state,
        "fault": report.fault or None,
    }
