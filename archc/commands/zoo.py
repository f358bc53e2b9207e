"""`archc zoo [NAME]`: the networks that come with archc, or the text of one."""

import os

import click

from archc.compiler.problems import did_you_mean
from archc.compiler.program import ZOO, read_file
from archc.files import zoo_names
from archc.problems import UsageProblem


@click.command("zoo")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the networks that come with archc, or print the text of one to start from.

    \b
    Examples:
      archc zoo
      archc zoo resnet
      archc zoo d2l/lenet > mine.arch
    """
    if name is None:
        width = max(map(len, zoo_names()))
        for network in zoo_names():
            click.echo(f"{network.ljust(width)}  {_first_line(network)}".rstrip())
        return
    if name not in zoo_names():
        near = did_you_mean(name, zoo_names()) or "`archc zoo` lists them"
        raise UsageProblem(f"the zoo has no network `{name}`; {near}")
    click.echo(_text(name), nl=False)


def _text(name: str) -> str:
    return read_file(os.path.join(ZOO, f"{name}.arch")).decode()


def _first_line(name: str) -> str:
    """The first line of a network's docstring."""
    text = _text(name)
    return text.split('"""')[1].strip().splitlines()[0] if text.startswith('"""') else ""
