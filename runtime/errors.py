"""How a run can end badly: four exceptions, each with a plain message and the exit status of the command line.

They import nothing, so that the command line can name them without loading torch. Only the first is the caller's error,
and only it is named so.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Mistake(NamedTuple):
    """One wrong key or value of the settings: where it is, and the whole message."""

    path: tuple[str, ...]
    text: str
    of_key: bool = False
    """Whether the key is wrong, not its value."""


class SettingsError(Exception):
    """A setting, a name or a folder given by the user is wrong; the message names it and says what to type.

    Several wrong settings are one error with a line each; `mistakes` then holds them one by one.

    >>> SettingsError.exit_status
    2
    """

    exit_status = 2

    def __init__(self, message: str, *, mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(message)
        self.mistakes = mistakes


class EnvironmentProblem(Exception):
    """The machine lacks something: disk, memory, permission, data, a package, or an intact checkpoint."""

    exit_status = 3


class RunStopped(Exception):
    """The run was stopped by its guard (a loss or gradient that is not finite); its last good checkpoint is kept."""

    exit_status = 4


class RunInterrupted(Exception):
    """A signal asked the run to stop; the step was finished and `last` was written.

    >>> RunInterrupted("stopped", signal_number=2).exit_status
    130
    """

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number

    @property
    def exit_status(self) -> int:
        """128 plus the number of the signal, as shells report it."""
        return 128 + self.signal_number


RUN_ERRORS = (SettingsError, EnvironmentProblem, RunStopped, RunInterrupted)
