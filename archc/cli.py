"""The command line: `archc COMMAND`. Each command is a file of `archc.commands`, imported when it is called."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from archc import __version__
from archc.dsl.garbage import uncollected
from archc.messages import say

COMMANDS = (
    "check",
    "build",
    "render",
    "train",
    "eval",
    "predict",
    "compare",
    "runs",
    "data",
    "fmt",
    "zoo",
    "ops",
    "explain",
    "doctor",
)

# A run that its guard stopped (4) and a signal (128 + its number) come as `exit_status` of their exceptions.
OK, ERRORS, USAGE, ENVIRONMENT, CRASH, INTERRUPTED = 0, 1, 2, 3, 70, 130


class Commands(click.Group):
    """The commands, looked up by name, and the exit status of everything that can go wrong."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        with uncollected():  # what a module defines stays
            command = import_module(f"archc.commands.{name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from archc.compiler.problems import did_you_mean

            near = did_you_mean(args[0], COMMANDS)
            context.fail(f"no such command `{args[0]}`" + (f"; {near}" if near else ""))
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except BrokenPipeError:
            return OK  # the reader of stdout has what it wanted

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command and exit with the status of its result."""
        status = self._status(args, prog_name or "archc")
        _flush()
        if extra.get("standalone_mode", True):
            sys.exit(status)
        return status

    def _status(self, args: Sequence[str] | None, prog_name: str) -> int:
        try:
            result = super().main(args, prog_name, standalone_mode=False)
            return result if isinstance(result, int) else OK
        except click.ClickException as error:
            _complain(error)
            return USAGE
        except click.Abort:
            return INTERRUPTED
        except KeyboardInterrupt:
            return INTERRUPTED
        except MemoryError:
            say("error: there is not enough memory")
            return ENVIRONMENT
        except Exception as error:
            try:
                return _explain(error)
            except Exception:  # archc is in pieces: not even a mistake can be explained
                return _crash(error)


def _error(message: str) -> None:
    """Say what is wrong; what a name of a file or an argument holds is shown, never obeyed by a terminal."""
    from archc.dsl.render import escape

    say("error: " + "\n".join(map(escape, message.split("\n"))))


def _complain(error: click.ClickException) -> None:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # since click 8.2: nothing is wrong yet
        say(error.format_message())
        return
    context = getattr(error, "ctx", None)
    _error(error.format_message())
    if context is not None:
        say(f"`{context.command_path} --help` shows how it is used")


def _explain(error: Exception) -> int:
    """Say what went wrong, and return its exit status."""
    from archc.compiler.pipeline import RequestError
    from archc.dsl.diagnostics import ArchError

    if isinstance(error, ArchError):
        from archc.options import say_diagnostics

        say_diagnostics(error.diagnostics)
        return USAGE if isinstance(error, RequestError) else ERRORS
    status = getattr(error, "exit_status", None)
    if isinstance(status, int):
        _error(str(error))
        return status
    if isinstance(error, OSError):
        where = f"cannot use `{error.filename}`: " if error.filename else ""
        gone = not where and not _is_somewhere()
        _error(
            "the current folder has been deleted; go to another one" if gone else f"{where}{error.strerror or error}"
        )
        return ENVIRONMENT
    return _crash(error)


def _is_somewhere() -> bool:
    """Whether the current folder is still there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _crash(error: Exception) -> int:
    import traceback

    lines = "".join(traceback.format_exception(error)).rstrip()
    say(f"{lines}\n\narchc {__version__} has crashed: this is a mistake in archc, not in your file.")
    say("Please report it with the text above and the file that led to it.")
    return CRASH


def _flush() -> None:
    """Write what is left; a reader that has gone away is no mistake, and must not become one at exit."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue  # closed before archc began
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="archc", message="%(prog)s %(version)s")
def main() -> None:
    """Compile neural-network architectures: check them, see them, train them.

    FILE is a path (`net.arch`), a path and a name (`net.arch:Small`), a network of the zoo (`resnet18`, `d2l/lenet`),
    or `-` for standard input.
    """
