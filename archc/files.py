"""What FILE may be: a path, a path and a name, a network of the zoo, or `-` for standard input."""

import os
import re
import sys
from typing import NamedTuple

from archc.compiler.pipeline import choose
from archc.compiler.problems import did_you_mean
from archc.compiler.program import LARGEST_FILE, ZOO, Definition, Program, Unreadable, read_file, shown_path
from archc.dsl import ast
from archc.dsl.decode import decode
from archc.dsl.diagnostics import ArchError
from archc.dsl.source import Source
from archc.problems import UsageProblem


class Opened(NamedTuple):
    """An architecture, and the program that holds it."""

    definition: Definition
    program: Program

    def parameters(self) -> tuple[ast.Parameter, ...]:
        """The parameters of the architecture."""
        arch = self.definition.item
        assert isinstance(arch, ast.Arch | ast.Specialisation)
        return arch.parameters


def zoo_names() -> list[str]:
    """The networks of the zoo, as FILE takes them: `alexnet`, `d2l/lenet`, ...

    >>> "resnet18" in zoo_names()
    True
    """
    names = []
    for folder, folders, files in os.walk(ZOO):
        folders.sort()
        below = os.path.relpath(folder, ZOO)
        for file in sorted(files):
            if file.endswith(".arch"):
                name = file.removesuffix(".arch")
                names.append(name if below == os.curdir else f"{below.replace(os.sep, '/')}/{name}")
    return sorted(names, key=lambda name: ("/" in name, name))


def zoo_members() -> dict[str, tuple[str, str]]:
    """The architectures inside the files of the zoo, by name in lower case: the file's name and the architecture's.

    >>> zoo_members()["resnet18"]
    ('resnet18', 'ResNet18')
    """
    members = {}
    for file in zoo_names():
        folder = file.rpartition("/")[0]
        for line in zoo_text(file).splitlines():
            if line.startswith("arch "):
                name = re.split(r"\W", line[5:], maxsplit=1)[0]
                members[f"{folder}/{name}".lower().lstrip("/")] = (file, name)
    return members


def zoo_near(name: str) -> str:
    """Say which networks of the zoo may be meant by a name that none of them has.

    >>> zoo_near("lenet"), zoo_near("resnet19")
    ('it has `d2l/lenet` and `papers/lenet`', 'did you mean `resnet18`?')
    """
    names = [*zoo_names(), *zoo_members()]
    same = dict.fromkeys(each for each in names if "/" in each and each.rpartition("/")[2] == name.lower())
    if same:
        return f"it has {' and '.join(f'`{each}`' for each in same)}"
    return did_you_mean(name, names) or "`archc zoo` lists its networks"


def zoo_text(name: str) -> str:
    """The text of a file of the zoo, by its name."""
    return read_file(os.path.join(ZOO, f"{name}.arch")).decode()


def open_file(argument: str) -> Opened:
    """Read the architecture that FILE names, and all that it imports.

    Raises:
        UsageProblem: there is no such file or network, or it cannot be read as a file.
        ArchError: the text cannot be parsed, or it is not clear which architecture is meant.
    """
    program, name = open_program(argument)
    return Opened(choose(program, name), program)


def open_all(argument: str, *, looked: set[str] | None = None) -> list[Opened]:
    """Read all architectures of FILE that need no parameters, or the one that it names.

    `looked` gets the real path of every file that was read or looked for, also when this raises what `open_file` does.
    """
    return architectures(*open_program(argument, looked=looked))


def architectures(program: Program, name: str = "") -> list[Opened]:
    """All architectures of a program that need no parameters, or the one that is named."""
    if name:
        return [Opened(choose(program, name), program)]
    found = [Opened(definition, program) for definition in program.main.arches().values()]
    return [opened for opened in found if all(p.default is not None for p in opened.parameters())]


def open_program(argument: str, *, looked: set[str] | None = None) -> tuple[Program, str]:
    """The program that FILE names, and the name of an architecture if it gives one."""
    if argument == "-" and sys.stdin is None:
        raise UsageProblem("standard input is closed, and `-` reads it")
    if argument == "-":
        data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise UsageProblem(f"standard input holds more than {LARGEST_FILE // 2**20} MiB")
        return read_source(decode("<stdin>", data)), ""
    path, _, name = argument.rpartition(":")
    if not path or os.path.lexists(argument) or os.sep in name:
        path, name = argument, ""
    if not os.path.lexists(path) and not path.endswith(".arch"):
        path, member = _in_zoo(path)
        name = name or member
    if looked is not None and "\0" not in path:
        looked.add(os.path.realpath(path))
    return read_source(*_read(path), looked=looked), name


def read_source(source: Source, path: str = "", *, looked: set[str] | None = None) -> Program:
    """Read a text and all that it imports; `path` and `looked` are what `Program` takes.

    Raises:
        ArchError: with the mistakes of the syntax, and those of the architectures that do not follow from them.
    """
    try:
        return Program(source, path, looked=looked)
    except Unreadable as error:
        from archc.compiler.checks.partial import further  # texts without mistakes need neither
        from archc.compiler.elaboration.prefixed import advised

        raise ArchError([*advised(error.diagnostics), *further(error.program, error.diagnostics)]) from None


def read_program(argument: str) -> Program:
    """Read the file that FILE names, and all that it imports, without choosing an architecture.

    Raises what `open_file` does.
    """
    return open_program(argument)[0]


def open_text(text: str, name: str = "<text>") -> Opened:
    """Read an architecture from a string; what it imports is looked up in the current folder and in the zoo."""
    program = read_source(Source(name, text))
    return Opened(choose(program), program)


def _in_zoo(name: str) -> tuple[str, str]:
    """The path of the file that holds a network of the zoo, and the network's name unless it is the file's default."""
    files = zoo_names()
    if name in files:
        return shown_path(os.path.join(ZOO, f"{name}.arch")), ""
    members = zoo_members()
    if name.lower() in members:
        file, member = members[name.lower()]
        return shown_path(os.path.join(ZOO, f"{file}.arch")), member
    raise UsageProblem(f"there is no file `{name}`, and the zoo has no network of that name; {zoo_near(name)}")


def _read(path: str) -> tuple[Source, str]:
    """The text at a path, and the path."""
    if path.endswith((".yaml", ".yml")) and os.path.isfile(path):
        raise UsageProblem(
            f"`{path}` is no architecture by its name; a recipe goes with one, `archc train FILE --recipe {path}`,"
            f" and a table of experiments to `archc compare {path}`"
        )
    try:
        return decode(path, read_file(path)), path
    except OSError as error:
        folder = os.path.dirname(path) or os.curdir
        near = ""
        if isinstance(error, FileNotFoundError) and os.path.isdir(folder):
            files = [entry for entry in os.listdir(folder) if entry.endswith(".arch")]
            near = did_you_mean(os.path.basename(path), files)
        raise UsageProblem(f"cannot read `{path}`: {error.strerror or error}" + (f"; {near}" if near else "")) from None
