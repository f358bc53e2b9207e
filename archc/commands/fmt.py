"""`archc fmt FILE...`: writes files in the canonical form."""

import os
import sys

import click

from archc.compiler.problems import did_you_mean
from archc.compiler.program import read_file
from archc.dsl.decode import decode
from archc.dsl.diagnostics import ArchError, Diagnostic
from archc.dsl.format import formatted
from archc.dsl.source import Source
from archc.options import complete_file, say_diagnostics
from archc.problems import UsageProblem


@click.command("fmt")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, shell_complete=complete_file)
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change, exit status 1 if any.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def command(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Write files in the canonical form: layout only, comments kept, the meaning unchanged.

    A file is replaced at once or not at all, and left alone when it is formatted already or has mistakes.
    Line ends become \\n. `-` reads standard input and writes standard output.

    \b
    Examples:
      archc fmt net.arch
      archc fmt archs/*.arch --check
      archc fmt net.arch --diff
      archc fmt - < net.arch

    The exit status is 1 when a text has mistakes, and with --check when a file would change.
    """
    given = [(path, _read(path)) for path in files]  # a name that is wrong stops everything, so it comes first
    found: list[Diagnostic] = []
    changed = 0
    for path, data in given:
        try:
            source = decode("<stdin>" if path == "-" else path, data)
            text = formatted(source)
        except ArchError as error:
            found += error.diagnostics
            continue
        new = text.encode()
        changed += new != data
        if diff:
            click.echo(_difference(source, text).encode(), nl=False)  # as UTF-8, whatever the terminal speaks
        if check and new != data:
            click.echo(f"would change {source.name}", err=diff)
        elif path == "-" and not check and not diff:
            click.echo(new, nl=False)
        elif new != data and not diff:
            _write(path, new)
    if found:
        say_diagnostics(found)
    return 1 if found or (check and changed) else 0


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return read_file(path)
    except OSError as error:
        folder = os.path.dirname(path) or os.curdir
        near = ""
        if isinstance(error, FileNotFoundError) and os.path.isdir(folder):
            near = did_you_mean(os.path.basename(path), (one for one in os.listdir(folder) if one.endswith(".arch")))
        reason = error.strerror or str(error)
        raise UsageProblem(f"cannot read `{path}`: {reason}" + (f"; {near}" if near else "")) from None


def _write(path: str, data: bytes) -> None:
    from archc.atomic import write_bytes

    write_bytes(os.path.realpath(path), data)  # a link goes on leading to its file
    click.echo(f"formatted {path}")


def _difference(source: Source, text: str) -> str:
    from difflib import unified_diff

    lines = unified_diff(
        source.text.splitlines(keepends=True), text.splitlines(keepends=True), source.name, f"{source.name} (formatted)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
