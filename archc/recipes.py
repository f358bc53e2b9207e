"""Which recipe `--recipe` names: a YAML file, or one that lies beside a network of the zoo."""

import os

from archc.compiler.problems import did_you_mean
from archc.compiler.program import ZOO, read_file
from archc.problems import UsageProblem

LARGEST_RECIPE = 2**16
SUFFIXES = (".yaml", ".yml")


def recipe_names() -> list[str]:
    """The recipes of the zoo, as `--recipe` takes them.

    >>> "d2l/lenet" in recipe_names()
    True
    """
    names = []
    for folder, _, files in os.walk(ZOO):
        for file in files:
            if file.endswith(".yaml"):
                below = os.path.relpath(os.path.join(folder, file), ZOO)
                names.append(below.replace(os.sep, "/").removesuffix(".yaml"))
    return sorted(names)


def recipe_text(argument: str) -> str:
    """The text of the recipe that is named: a file, or a recipe of the zoo.

    Raises:
        UsageProblem: there is no such recipe, or it is no text.
    """
    path = argument
    if not os.path.lexists(argument) and not argument.endswith(SUFFIXES):
        names = recipe_names()
        if argument not in names:
            near = did_you_mean(argument, names) or f"the zoo has {', '.join(names)}"
            raise UsageProblem(f"there is no recipe `{argument}`, neither a file nor in the zoo; {near}")
        path = os.path.join(ZOO, f"{argument}.yaml")
    try:
        data = read_file(path)
    except OSError as error:
        raise UsageProblem(f"cannot read the recipe `{argument}`: {error.strerror or error}") from None
    if len(data) > LARGEST_RECIPE:
        raise UsageProblem(f"the recipe `{argument}` is larger than {LARGEST_RECIPE // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageProblem(
            f"the recipe `{argument}` is not UTF-8: byte {error.start} is {data[error.start]:#04x}"
        ) from None
