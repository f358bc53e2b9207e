"""`archc check FILE...`: all diagnostics."""

import click

from archc.dsl.diagnostics import ArchError, Diagnostic
from archc.files import open_all
from archc.network import network
from archc.options import colored, say


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to write the findings."
)
def command(files: tuple[str, ...], form: str) -> int:
    """Check every architecture of the files and report all mistakes.

    \b
    Examples:
      archc check net.arch
      archc check archs/*.arch
      archc check - --format json < net.arch

    The exit status is 0 when there are no errors (warnings included), 1 otherwise.
    """
    found: list[Diagnostic] = []
    for file in files:
        try:
            for opened in open_all(file):
                found.extend(network(opened, {}).warnings)
        except ArchError as error:
            found.extend(error.diagnostics)
    _report(found, form, len(files))
    return 1 if any(diagnostic.severity == "error" for diagnostic in found) else 0


def _report(found: list[Diagnostic], form: str, files: int) -> None:
    from archc.dsl.render import render_json, render_text

    if form == "json":
        import json

        click.echo(json.dumps(render_json(found), indent=2))
    elif found:
        say(render_text(found, color=colored()))
    else:
        click.echo("no mistakes found" if files == 1 else f"no mistakes found in {files} files")
