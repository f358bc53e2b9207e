"""What FILE may be: a path, a path and a name, a network of the zoo, or `-` for standard input."""

import os
import sys
from typing import NamedTuple

from archc.compiler.pipeline import choose
from archc.compiler.problems import did_you_mean
from archc.compiler.program import ZOO, Definition, Program, read_file, shown_path
from archc.dsl import ast
from archc.dsl.decode import decode
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


def open_file(argument: str) -> Opened:
    """Read the architecture that FILE names, and all that it imports.

    Raises:
        UsageProblem: there is no such file or network, or it cannot be read as a file.
        ArchError: the text cannot be parsed, or it is not clear which architecture is meant.
    """
    program, name = _program(argument)
    return Opened(choose(program, name), program)


def open_all(argument: str) -> list[Opened]:
    """Read all architectures of FILE that need no parameters, or the one that it names.

    Raises what `open_file` does.
    """
    program, name = _program(argument)
    if name:
        return [Opened(choose(program, name), program)]
    found = [Opened(definition, program) for definition in program.main.arches().values()]
    return [opened for opened in found if all(p.default is not None for p in opened.parameters())]


def _program(argument: str) -> tuple[Program, str]:
    """The program that FILE names, and the name of an architecture if it gives one."""
    if argument == "-" and sys.stdin is None:
        raise UsageProblem("standard input is closed, and `-` reads it")
    if argument == "-":
        return Program(decode("<stdin>", sys.stdin.buffer.read())), ""
    path, _, name = argument.rpartition(":")
    if not path or os.path.lexists(argument) or os.sep in name:
        path, name = argument, ""
    return Program(*_read(path)), name


def open_text(text: str, name: str = "<text>") -> Opened:
    """Read an architecture from a string; what it imports is looked up in the current folder and in the zoo."""
    program = Program(Source(name, text))
    return Opened(choose(program), program)


def _read(path: str) -> tuple[Source, str]:
    """The text at a path or of a network of the zoo, and its path."""
    if not os.path.lexists(path) and not path.endswith(".arch"):
        found = os.path.join(ZOO, f"{path}.arch")
        if path in zoo_names():
            return decode(shown_path(found), read_file(found)), found
        near = did_you_mean(path, zoo_names()) or "`archc zoo` lists the networks of the zoo"
        raise UsageProblem(f"there is no file `{path}`, and the zoo has no network of that name; {near}")
    try:
        return decode(path, read_file(path)), path
    except OSError as error:
        folder = os.path.dirname(path) or os.curdir
        near = ""
        if isinstance(error, FileNotFoundError) and os.path.isdir(folder):
            files = [entry for entry in os.listdir(folder) if entry.endswith(".arch")]
            near = did_you_mean(os.path.basename(path), files)
        raise UsageProblem(f"cannot read `{path}`: {error.strerror or error}" + (f"; {near}" if near else "")) from None
