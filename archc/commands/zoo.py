"""`archc zoo [NAME]`: the networks that come with archc, or the text of one."""

from textwrap import wrap

import click

from archc.compiler.problems import did_you_mean
from archc.files import zoo_members, zoo_names, zoo_text
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
    files, members = zoo_names(), zoo_members()
    if name is None:
        width = max(map(len, files))
        for file in files:
            click.echo(f"{file.ljust(width)}  {_first_line(file)}".rstrip())
            inside = [member for member, (of, _) in members.items() if of == file and member not in files]
            for line in wrap(", ".join(inside), LINE - width - 2):
                click.echo(" " * (width + 2) + line)
        return
    file = name if name in files else members.get(name.lower(), ("", ""))[0]
    if not file:
        near = did_you_mean(name, [*files, *members]) or "`archc zoo` lists them"
        raise UsageProblem(f"the zoo has no network `{name}`; {near}")
    click.echo(zoo_text(file), nl=False)


def _first_line(file: str) -> str:
    """The first line of a file's docstring."""
    text = zoo_text(file)
    return text.split('"""')[1].strip().splitlines()[0] if text.startswith('"""') else ""
