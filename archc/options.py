"""What several commands share: FILE, `-p`, and how a network is opened from them."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from archc.api import Network, network
from archc.compiler.builder import Builder
from archc.compiler.flow import Statements
from archc.compiler.pipeline import ParameterError
from archc.compiler.problems import Stop
from archc.compiler.scope import Scope
from archc.compiler.shapes import Shapes
from archc.compiler.trampoline import run
from archc.compiler.values import Given
from archc.dsl.parser import parse_expression
from archc.dsl.render import render_text
from archc.dsl.source import Source, Span
from archc.files import Opened, open_file
from archc.problems import UsageProblem

F = TypeVar("F", bound=Callable[..., Any])


def file_argument(function: F) -> F:
    """The argument FILE."""
    return click.argument("file", metavar="FILE")(function)


def parameter_option(function: F) -> F:
    """The option `-p name=value`, repeatable."""
    return click.option(
        "-p",
        "parameters",
        metavar="NAME=VALUE",
        multiple=True,
        help="Set a parameter of the architecture; VALUE is an expression of the language. Repeatable.",
    )(function)


def open_network(file: str, parameters: tuple[str, ...]) -> Network:
    """Open and check the network that FILE and `-p` name, and show its warnings on stderr."""
    opened = open_file(file)
    result = network(opened, read_parameters(opened, parameters))
    if result.warnings:
        say(render_text(result.warnings, color=colored()))
    return result


def read_parameters(opened: Opened, parameters: tuple[str, ...]) -> dict[str, Given]:
    """Compute the values of `-p`; names are looked up in the file.

    Raises:
        UsageProblem: an option is not of the form NAME=VALUE, or a name is given twice.
        ParameterError: a value is no expression, or has no value.
    """
    values: dict[str, Given] = {}
    statements = Statements(Builder(Shapes()))
    for text in parameters:
        match = re.match(r"\s*([A-Za-z_]\w*)\s*=(?!=)", text)
        if match is None:
            raise UsageProblem(f"-p takes NAME=VALUE, and this is `{text}`; for example `-p num_classes=10`")
        name = match.group(1)
        if name in values:
            raise UsageProblem(f"-p {name} is given twice")
        source = Source(f"-p {name}", text[match.end() :])
        expression, found = parse_expression(source)
        if found or expression is None:
            raise ParameterError(found)
        try:
            value = run(statements.evaluator.evaluate(expression, Scope(opened.program.main)))
        except Stop as error:
            assert error.diagnostic is not None
            raise ParameterError([error.diagnostic]) from None
        values[name] = Given(value, Span(source, 0, len(source.text)))
    return values


def colored() -> bool:
    """Whether messages may be coloured: on a terminal, unless NO_COLOR is set."""
    import os
    import sys

    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def say(text: str) -> None:
    """Write a message to stderr."""
    click.echo(text, err=True)
