"""Which recipe `--recipe` names, and which table `archc compare`: a YAML file, or one of the zoo."""

import os
from collections.abc import Sequence

from archc.compiler.problems import did_you_mean
from archc.compiler.program import ZOO, read_file
from archc.problems import UsageProblem

LARGEST_RECIPE = 2**16
SUFFIXES = (".yaml", ".yml")


def recipe_names() -> list[str]:
    """The recipes of the zoo, as `--recipe` takes them.

    >>> "d2l/lenet" in recipe_names(), "d2l/table" in recipe_names()
    (True, False)
    """
    return _zoo_names(tables=False)


def table_names() -> list[str]:
    """The tables of the zoo, as `archc compare` takes them: what has rows.

    >>> table_names()
    ['d2l/table', 'mnist/shuffled']
    """
    return _zoo_names(tables=True)


def recipe_text(argument: str) -> str:
    """The text of the recipe that is named: a file, or a recipe of the zoo.

    Raises:
        UsageProblem: there is no such recipe, or it is no text.
    """
    return _text(argument, "recipe", recipe_names())


def table_text(argument: str) -> str:
    """The text of the table that is named: a file, or a table of the zoo; raises as `recipe_text` does."""
    return _text(argument, "table", table_names())


def _zoo_names(*, tables: bool) -> list[str]:
    names = []
    for folder, _, files in os.walk(ZOO):
        for file in files:
            path = os.path.join(folder, file)
            if file.endswith(".yaml") and (b"\nrows:" in read_file(path)) == tables:
                names.append(os.path.relpath(path, ZOO).replace(os.sep, "/").removesuffix(".yaml"))
    return sorted(names)


def _text(argument: str, kind: str, names: Sequence[str]) -> str:
    path = argument
    if not os.path.lexists(argument) and not argument.endswith(SUFFIXES):
        if argument in _zoo_names(tables=kind == "recipe"):
            use = (
                "a table of experiments: `archc compare" if kind == "recipe" else "a recipe: `archc train FILE --recipe"
            )
            raise UsageProblem(f"`{argument}` is no {kind} but {use} {argument}` takes it")
        if argument not in names:
            near = did_you_mean(argument, names) or f"the zoo has {', '.join(names)}"
            raise UsageProblem(f"there is no {kind} `{argument}`, neither a file nor in the zoo; {near}")
        path = os.path.join(ZOO, f"{argument}.yaml")
    try:
        data = read_file(path)
    except OSError as error:
        raise UsageProblem(f"cannot read the {kind} `{argument}`: {error.strerror or error}") from None
    if len(data) > LARGEST_RECIPE:
        raise UsageProblem(f"the {kind} `{argument}` is larger than {LARGEST_RECIPE // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageProblem(
            f"the {kind} `{argument}` is not UTF-8: byte {error.start} is {data[error.start]:#04x}"
        ) from None
