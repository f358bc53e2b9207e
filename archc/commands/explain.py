"""`archc explain [CODE]`: the long form of a diagnostic, or all codes."""

import click

from archc.dsl.codes import CODES
from archc.problems import UsageProblem


def _codes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [code for code in CODES if code.startswith(incomplete.upper())]


@click.command("explain")
@click.argument("code", metavar="[CODE]", required=False, shell_complete=_codes)
def command(code: str | None) -> None:
    """Explain the code of an error or warning, with an example and the way out; without a code, list all of them.

    \b
    Examples:
      archc explain E0301
      archc explain
    """
    from archc.dsl.explain import explanation, plain

    if code is None:
        for known, title in CODES.items():
            click.echo(f"{known}  {title}")
    elif code.upper() in CODES:
        click.echo(plain(explanation(code.upper())))
    else:
        from archc.compiler.problems import did_you_mean

        near = did_you_mean(code, CODES) or "`archc explain` lists them"
        raise UsageProblem(f"there is no code `{code}`; {near}")
