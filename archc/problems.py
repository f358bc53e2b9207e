"""What can be wrong besides the text of an architecture, by the exit status it leads to."""


class UsageProblem(Exception):
    """The command line, or an argument of the Python API, is wrong (exit status 2)."""


class EnvironmentProblem(Exception):
    """Something outside is missing or refuses: a package, a file, disk, memory, permission (exit status 3)."""
