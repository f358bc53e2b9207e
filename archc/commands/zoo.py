"""`archc zoo [NAME]`: the networks that come with archc, or the text of one."""

from textwrap import wrap

import click

from archc.dsl import ast
from archc.files import open_all, zoo_members, zoo_names, zoo_near, zoo_text
from archc.problems import UsageProblem

LINE = 100  # columns of the list


@click.command("zoo")
@click.argument(
    "name",
    required=False,
    metavar="[NAME]",
    shell_complete=lambda context, parameter, incomplete: [n for n in zoo_names() if n.startswith(incomplete)],
)
def command(name: str | None) -> None:
    """List the networks that come with archc, or print the text of one to start from.

    \b
    Examples:
      archc zoo
      archc zoo resnet
      archc zoo d2l/lenet > mine.arch
    """
    files = zoo_names()
    if name is None:
        width = max(map(len, files))
        for file in files:
            if not any(line.startswith("arch ") for line in zoo_text(file).splitlines()):
                continue  # parts that networks share
            parts = (_first_line(file), ", ".join(_members(file, files)))
            lines = [line for part in parts for line in wrap(part, LINE - width - 2)]
            for number, line in enumerate(lines):
                click.echo(("" if number else file).ljust(width) + "  " + line)
        return
    members = zoo_members()
    file = name if name in files else members.get(name.lower(), ("", ""))[0]
    if not file:
        raise UsageProblem(f"the zoo has no network `{name}`; {zoo_near(name)}")
    click.echo(zoo_text(file), nl=False)


def _members(file: str, files: list[str]) -> list[str]:
    """The networks inside a file that can be built by their own names."""
    if "/" in file:
        return []
    items = [opened.definition.item for opened in open_all(file)]
    names = [item.name.text.lower() for item in items if isinstance(item, ast.Arch | ast.Specialisation)]
    return [name for name in names if name not in files]


def _first_line(file: str) -> str:
    """The first line of a file's docstring."""
    text = zoo_text(file)
    return text.split('"""')[1].strip().splitlines()[0] if text.startswith('"""') else ""
