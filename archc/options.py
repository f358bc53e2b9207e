"""What several commands share: FILE, `-p`, and how a network is opened from them."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archc.compiler.elaboration.builder import MOST_LAYERS
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.render import render_text
from archc.files import open_file, zoo_names
from archc.messages import say
from archc.network import Network, network
from archc.parameters import read_parameters

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def complete_file(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return what a shell offers for FILE: `.arch` files and networks of the zoo, else whatever the shell finds."""
    from click.shell_completion import CompletionItem

    folder = os.path.dirname(incomplete)
    try:
        here = [
            os.path.join(folder, name) for name in sorted(os.listdir(folder or os.curdir)) if name.endswith(".arch")
        ]
    except OSError:
        here = []
    offered = [CompletionItem(name) for name in dict.fromkeys([*here, *zoo_names()]) if name.startswith(incomplete)]
    return offered or [CompletionItem(incomplete, type="file")]


def file_argument(function: F) -> F:
    """The argument FILE."""
    return click.argument("file", metavar="FILE", shell_complete=complete_file)(function)


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return what a shell offers for RUN: the runs below `runs/`, else whatever the shell finds."""
    from click.shell_completion import CompletionItem

    from archc.runs import known_runs

    offered = [CompletionItem(name) for name in known_runs() if name.startswith(incomplete)]
    return offered or [CompletionItem(incomplete, type="dir")]


def run_argument(function: F) -> F:
    """The argument RUN."""
    return click.argument("run", metavar="RUN", shell_complete=complete_run)(function)


def which_option(function: F) -> F:
    """The option `--which`: of the two checkpoints of a run."""
    return click.option(
        "--which",
        type=click.Choice(["best", "last"]),
        default="best",
        show_default=True,
        help="The weights of the epoch with the best test, or the last ones.",
    )(function)


def parameter_option(function: F) -> F:
    """The option `-p name=value`, repeatable."""
    return click.option(
        "-p",
        "parameters",
        metavar="NAME=VALUE",
        multiple=True,
        help="Set a parameter of the architecture; VALUE is an expression of the language. Repeatable.",
    )(function)


def layers_option(function: F) -> F:
    """The option `--max-layers`."""
    return click.option(
        "--max-layers",
        metavar="N",
        type=click.IntRange(min=1),
        default=MOST_LAYERS,
        show_default=True,
        help="Refuse a network of more layers; they are counted before they are made.",
    )(function)


def open_network(file: str, parameters: tuple[str, ...], max_layers: int) -> Network:
    """Open and check the network that FILE and `-p` name, and show its warnings on stderr."""
    opened = open_file(file)
    result = network(opened, read_parameters(opened, parameters), max_layers=max_layers)
    if result.warnings:
        say_diagnostics(result.warnings)
    return result


def colored() -> bool:
    """Whether messages may be coloured: on a terminal, unless NO_COLOR is set."""
    return sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def say_diagnostics(found: Sequence[Diagnostic]) -> None:
    """Write diagnostics to stderr, as framed text; on a terminal as wide as it is, and with what to type for more."""
    if sys.stderr is None or not sys.stderr.isatty():
        say(render_text(found, color=colored()))
        return
    from shutil import get_terminal_size

    say(render_text(found, color=colored(), width=get_terminal_size().columns))
    codes = sorted({diagnostic.code for diagnostic in found})
    say(f"\n`archc explain {codes[0] if len(codes) == 1 else 'CODE'}` says more")
