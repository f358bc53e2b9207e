"""`archc ops [NAME]`: the operators of the language."""

import click

from archc.compiler.ops import OPS, ROLES
from archc.compiler.ops.entry import Example, Op
from archc.compiler.ops.signature import signature
from archc.compiler.problems import did_you_mean
from archc.problems import UsageProblem

LETTERS = "abcdefghij"  # what values are called


@click.command("ops")
@click.argument(
    "name",
    required=False,
    metavar="[NAME]",
    shell_complete=lambda context, parameter, incomplete: [op for op in OPS if op.startswith(incomplete)],
)
def command(name: str | None) -> None:
    """List the operators, or show one with its parameters and examples.

    \b
    Examples:
      archc ops
      archc ops conv
    """
    if name is None:
        present = {op.role for op in OPS.values()}
        click.echo("\n\n".join(_family(role) for role in ROLES if role in present))
    elif name in OPS:
        click.echo(_page(OPS[name]))
    else:
        near = did_you_mean(name, OPS) or "`archc ops` lists them"
        raise UsageProblem(f"there is no operator `{name}`; {near}")


def _family(role: str) -> str:
    ops = [op for op in OPS.values() if op.role == role]
    width = max(len(op.name) for op in ops)
    return "\n".join([f"{role}: {ROLES[role]}", *(f"  {op.name.ljust(width)}  {op.summary}" for op in ops)])


def _page(op: Op) -> str:
    lines = [signature(op), "", op.summary]
    if op.parameters:
        width = max(len(parameter.name) for parameter in op.parameters)
        lines += ["", "Parameters:"]
        lines += [f"  {parameter.name.ljust(width)}  {parameter.kind.words}" for parameter in op.parameters]
    lines += ["", "Examples:"]
    for example in op.examples:
        inputs = ", ".join("x".join(map(str, size)) for size in example.inputs)
        lines.append(f"  {_typed(example)}" + (f"  from {inputs}" if inputs else ""))
    return "\n".join(lines)


def _typed(example: Example) -> str:
    """An example as it is typed: several values stand in braces.

    >>> _typed(Example("crop", ((3, 9, 8), (5, 6, 8))))
    'crop { a; b }'
    """
    names = LETTERS[: len(example.inputs)]
    return f"{example.text} {{ {'; '.join(names)} }}" if len(names) > 1 else example.text
