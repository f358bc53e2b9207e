"""`archc doctor`: what archc finds on this machine."""

import click

from archc.doctor import Fact, examine

PROBLEM = 3  # the exit status of what is wrong with the environment
MARKS = {"ok": " ", "note": "!", "problem": "x"}
WIDTH = 16


@click.command("doctor")
@click.option("--data-root", metavar="DIR", default="data", show_default=True, help="The folder of the data sets.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write it."
)
def command(data_root: str, form: str) -> int:
    """Report on the environment: packages, PyTorch, devices, disk, data sets, terminal, and what is wrong with them.

    \b
    Examples:
      archc doctor
      archc doctor --data-root DIR
      archc doctor --format json

    What is marked `!` is worth knowing; what is marked `x` is missing, and the exit status is then 3.
    """
    if form == "json":
        import json

        facts = list(examine(data_root))
        click.echo(json.dumps([fact._asdict() for fact in facts], indent=2))
        return PROBLEM if any(fact.state == "problem" for fact in facts) else 0
    facts = []
    for fact in examine(data_root):
        if not facts or facts[-1].group != fact.group:
            click.echo(("\n" if facts else "") + fact.group)
        facts.append(fact)
        _show(fact)
    problems = sum(fact.state == "problem" for fact in facts)
    click.echo(f"\n{problems} problem{'s' * (problems != 1)}" if problems else "\nnothing is missing")
    return PROBLEM if problems else 0


def _show(fact: Fact) -> None:
    from archc.dsl.render import escape

    click.echo(f"{MARKS[fact.state]} {fact.name:<{WIDTH}}{escape(fact.value)}")
    if fact.advice:
        click.echo(f"  {'':<{WIDTH}}{escape(fact.advice)}")
