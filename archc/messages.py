"""What archc says beside its results."""

from contextlib import suppress

import click


def say(text: str) -> None:
    """Write a message to stderr. Where that is lost (a full disk), the exit status still says how it went."""
    with suppress(OSError):
        click.echo(text, err=True)
