"""What can be wrong besides the text of an architecture: the caller's request, or the machine."""

from archc.runtime.errors import EnvironmentProblem

__all__ = ["EnvironmentProblem", "UsageProblem"]


class UsageProblem(Exception):
    """The command line, or an argument of the Python API, is wrong."""

    exit_status = 2
