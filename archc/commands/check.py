"""`archc check FILE...`: all diagnostics."""

from typing import NamedTuple

import click

from archc.compiler.checks.unchecked import unchecked
from archc.compiler.pipeline import RequestError, choose
from archc.dsl import ast
from archc.dsl.diagnostics import ArchError, Diagnostic
from archc.files import Opened, architectures, open_program
from archc.messages import say
from archc.network import network
from archc.options import complete_file, layers_option, parameter_option, say_diagnostics
from archc.parameters import read_parameters
from archc.problems import UsageProblem


class Findings(NamedTuple):
    """What was found in some files: mistakes of their texts, mistakes of the command line, and all paths looked at."""

    diagnostics: list[Diagnostic]
    problems: list[str]
    looked: set[str]
    asked_wrongly: bool  # whether a diagnostic is about what was asked of a file
    notes: list[str]  # what could not be checked
    checked: int  # architectures
    left: int  # architectures that were not, because they need parameters

    @property
    def status(self) -> int:
        if self.problems or self.asked_wrongly:
            return 2
        return 1 if any(diagnostic.severity == "error" for diagnostic in self.diagnostics) else 0


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, shell_complete=complete_file)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How to write the findings.",
)
@parameter_option
@layers_option
@click.option("--watch", is_flag=True, help="Check again whenever a file or one that it imports changes; Ctrl-C ends.")
def command(files: tuple[str, ...], form: str, parameters: tuple[str, ...], max_layers: int, watch: bool) -> int:
    """Check every architecture of the files and report all mistakes; with -p, the one that the parameters are for.

    \b
    Examples:
      archc check net.arch
      archc check archs/*.arch
      archc check net.arch:Net -p width=64
      archc check - --format json < net.arch
      archc check archs/*.arch --format sarif > archc.sarif
      archc check net.arch --watch

    The exit status is 0 when there are no errors (warnings included), 1 otherwise. `archc explain CODE` says more
    about a finding.
    """
    if files.count("-") > 1:
        raise UsageProblem("standard input can be read once, and `-` stands twice")
    if parameters and len(files) > 1:
        raise UsageProblem("-p sets parameters of one architecture: give one FILE, or FILE:NAME")
    if watch:
        return _watch(files, form, parameters, max_layers)
    found = find(files, parameters, max_layers)
    _report(found, form, len(files))
    if found.problems:
        raise UsageProblem("\n".join(found.problems))
    return found.status


def find(files: tuple[str, ...], parameters: tuple[str, ...], max_layers: int) -> Findings:
    """Check files; what several architectures or files share is reported once.

    With parameters, the architecture of the file that `archc build` would take is checked, and nothing else.
    """
    found: dict[tuple[object, ...], Diagnostic] = {}
    problems: list[str] = []
    looked: set[str] = set()
    notes: list[str] = []
    asked_wrongly = False
    checked = left = 0
    for file in files:
        try:
            program, name = open_program(file, looked=looked)
            opened = [Opened(choose(program, name), program)] if parameters else architectures(program, name)
            given = read_parameters(opened[0], parameters) if parameters else {}
        except UsageProblem as problem:
            problems.append(str(problem))
            continue
        except ArchError as error:
            asked_wrongly = asked_wrongly or isinstance(error, RequestError)
            _add(found, error.diagnostics)
            continue
        for one in opened:
            try:
                _add(found, network(one, given, max_layers=max_layers).warnings)
            except ArchError as error:
                asked_wrongly = asked_wrongly or (bool(given) and isinstance(error, RequestError))
                _add(found, error.diagnostics)
        checked += len(opened)
        for rest in [] if name or parameters else unchecked(program, [one.definition for one in opened]):
            _add(found, rest.diagnostics)
            notes.append(str(rest))
            left += not isinstance(rest.definition.item, ast.Block)
    return Findings(list(found.values()), problems, looked, asked_wrongly, notes, checked, left)


def _add(found: dict[tuple[object, ...], Diagnostic], diagnostics: tuple[Diagnostic, ...]) -> None:
    for diagnostic in diagnostics:
        span = diagnostic.primary.span
        found.setdefault((diagnostic.code, diagnostic.message, span.source.name, span.start, span.end), diagnostic)


def _report(found: Findings, form: str, files: int) -> None:
    if form == "json":
        import json

        from archc.dsl.render import render_json

        click.echo(json.dumps(render_json(found.diagnostics), indent=2))
    elif form == "sarif":
        import json

        from archc import __version__
        from archc.dsl.sarif import render_sarif

        click.echo(json.dumps(render_sarif(found.diagnostics, version=__version__), indent=2))
    elif found.diagnostics:
        say_diagnostics(found.diagnostics)
        _note(found)
    elif not found.problems:
        part = f"; {found.checked} of {found.checked + found.left} architectures checked" if found.left else ""
        click.echo(("no mistakes found" if files == 1 else f"no mistakes found in {files} files") + part)
        _note(found)


def _note(found: Findings) -> None:
    for note in found.notes:
        say(f"note: {note}")


def _watch(files: tuple[str, ...], form: str, parameters: tuple[str, ...], max_layers: int) -> int:
    """Check until interrupted."""
    import time

    from archc.compiler.program import shown_path
    from archc.watch import look, wait_for_change

    if form != "text" or "-" in files:
        raise UsageProblem("--watch shows text, and watches files" + (", not standard input" if "-" in files else ""))
    looked: set[str] = set()
    while True:
        found = find(files, parameters, max_layers)
        _report(found, form, len(files))
        for problem in found.problems:
            say(f"error: {problem}")
        # A mistake may hide what a file imports: what was looked at before stays watched.
        looked |= found.looked
        before = look(looked)
        count = len(before)
        say(f"watching {count} file{'s' * (count != 1)}; Ctrl-C ends")
        changed = ", ".join(map(shown_path, wait_for_change(before)))
        head = f"---- {time.strftime('%H:%M:%S')} {changed} changed "
        say(f"\n{head:-<80}")
