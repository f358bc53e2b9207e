"""What several commands share: FILE, `-p`, and how a network is opened from them."""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from archc.dsl.render import render_text
from archc.files import open_file
from archc.network import Network, network
from archc.parameters import read_parameters

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


def colored() -> bool:
    """Whether messages may be coloured: on a terminal, unless NO_COLOR is set."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def say(text: str) -> None:
    """Write a message to stderr."""
    click.echo(text, err=True)
