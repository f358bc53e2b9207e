"""The files of a program: the one that is compiled, and those it imports, each read and parsed once."""

import keyword
import os
import stat
from collections.abc import Iterable

from archc.compiler.problems import Stop, did_you_mean, stop
from archc.compiler.values import show
from archc.dsl import ast
from archc.dsl.decode import decode
from archc.dsl.diagnostics import ArchError, Diagnostic, Label
from archc.dsl.parser import parse
from archc.dsl.source import Source, Span

ZOO = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "archs")
LONGEST_CLASS_PATH = 200
DEEPEST_IMPORT = 100
LARGEST_FILE = 4 * 2**20  # bytes; the largest network of the zoo has 8 thousand


class Definition:
    """What a name of a file stands for: an item, and the file that holds it."""

    __slots__ = ("item", "span", "unit")

    def __init__(self, item: ast.Item, unit: "Unit", span: Span) -> None:
        self.item = item
        self.unit = unit
        self.span = span


class Unit:
    """A file with its names resolved: its own and those it imports. `path` is its real path, empty for plain text.

    `values` are those of the file's `let`s, and `said` what its items and bodies say, by their `id`, once needed.
    """

    __slots__ = ("file", "names", "path", "said", "values")

    def __init__(self, file: ast.File, path: str) -> None:
        self.file = file
        self.path = path
        self.names: dict[str, Definition] = {}
        self.values: dict[str, object] = {}
        self.said: dict[int, object] = {}

    def arches(self) -> dict[str, Definition]:
        """The architectures that this file defines itself, in order."""
        return {
            name: definition
            for name, definition in self.names.items()
            if definition.unit is self and isinstance(definition.item, ast.Arch | ast.Specialisation)
        }


class Unreadable(ArchError):
    """A program with mistakes in its syntax or its imports; `program` is what could be read of it."""

    def __init__(self, program: "Program", diagnostics: Iterable[Diagnostic]) -> None:
        super().__init__(diagnostics)
        self.program = program


class Program:
    """The main file and all that it imports.

    `units` maps the shown name of every file to its unit, the main one first.
    """

    __slots__ = ("_by_path", "_found", "_looked", "main", "root", "units", "zoo")

    def __init__(
        self, source: Source, path: str = "", *, root: str = "", zoo: str = ZOO, looked: set[str] | None = None
    ) -> None:
        """Read what `source` imports, from the project in the folder `root` (by default that of `path`) and the zoo.

        `looked` gets the real path of every place where an import was looked for, whatever was found there.

        Raises:
            Unreadable: a file has mistakes in its syntax, or an import cannot be resolved.
        """
        self._looked = set() if looked is None else looked
        self.units: dict[str, Unit] = {}
        self._by_path: dict[str, Unit] = {}
        self._found: list[Diagnostic] = []
        self.root = os.path.realpath(root) if root else project_root(path) if path else os.path.realpath(os.curdir)
        self.zoo = os.path.realpath(zoo)
        self.main = self._add(source, os.path.realpath(path) if path else "", ())
        if self._found:
            raise Unreadable(self, self._found)

    def _add(self, source: Source, path: str, importers: tuple[str, ...]) -> Unit:
        parsed = parse(source)
        self._found.extend(parsed.diagnostics)
        unit = Unit(parsed.file, path)
        self.units[source.name] = unit
        if path:
            self._by_path[path] = unit
        for item in parsed.file.items:
            try:
                self._define(unit, item, (*importers, path))
            except Stop as error:
                assert error.diagnostic is not None
                self._found.append(error.diagnostic)
            except ArchError as error:
                self._found.extend(error.diagnostics)
        return unit

    def _define(self, unit: Unit, item: ast.Item, importers: tuple[str, ...]) -> None:
        if isinstance(item, ast.Import):
            imported = self._import(unit, item, importers)
            for name in item.names:
                definition = imported.names.get(name.text)
                if definition is None:
                    if any(found.severity == "error" for found in self._found):
                        continue  # the name may stand in a part that could not be parsed
                    near = did_you_mean(name.text, imported.names)
                    message = f"`{item.path}` has no `{name.text}`"
                    names = ", ".join(f"`{known}`" for known in imported.names) or "nothing"
                    raise stop("E0108", name.span, message, "not there", help=near or f"it has {names}")
                self._bind(unit, name, definition)
            return
        if isinstance(item, ast.Extern):
            _check_extern(item)
        for name in bound_names(item.pattern) if isinstance(item, ast.Let) else (item.name,):
            self._bind(unit, name, Definition(item, unit, name.span))

    def _bind(self, unit: Unit, name: ast.Name, definition: Definition) -> None:
        before = unit.names.get(name.text)
        if before is None:
            # The place of an imported name is where this file imports it.
            unit.names[name.text] = Definition(definition.item, definition.unit, name.span)
        elif before.item is not definition.item or before.unit is definition.unit is unit:
            raise stop(
                "E0102",
                name.span,
                f"`{name.text}` is defined twice in this file",
                "here again",
                related=[Label(before.span, "here first")],
                help="give one of them another name",
            )

    def _import(self, unit: Unit, item: ast.Import, importers: tuple[str, ...]) -> Unit:
        where = item.path_span
        shown, path, root = self._resolve(unit, item)
        if path in importers:
            chain = " -> ".join(os.path.basename(step) for step in (*importers[importers.index(path) :], path))
            raise stop(
                "E0106",
                where,
                "this import leads back to its own file",
                chain,
                help="move what both need into a third file",
            )
        if path in self._by_path:
            return self._by_path[path]
        if len(importers) > DEEPEST_IMPORT:
            message = f"more than {DEEPEST_IMPORT} files import each other in a chain"
            raise stop("E0702", where, message, "the last one", help="import from the file that defines the name")
        if not within(path, root):
            message = f"`{item.path}` lies outside the project"
            raise stop("E0107", where, message, f"the project is {root}", help="copy the file into the project")
        try:
            data = read_file(path)
        except OSError as error:
            raise stop("E0105", where, f"cannot read `{item.path}`", error.strerror or str(error)) from None
        return self._add(decode(shown, data), path, importers)

    def _resolve(self, unit: Unit, item: ast.Import) -> tuple[str, str, str]:
        """Return the shown name, the real path and the folder that must hold it, for what an import names."""
        name = item.path.removeprefix("zoo:")
        if os.path.isabs(name) or "\0" in name or not name:
            raise stop("E0107", item.path_span, "an import names a file by its relative path", "not relative")
        places = (
            []
            if item.path.startswith("zoo:")
            else [(os.path.dirname(unit.file.source.name), os.path.dirname(unit.path))]
        )
        for shown, folder in [*places, (shown_path(self.zoo), self.zoo)]:
            path = os.path.realpath(os.path.join(folder, name))
            self._looked.add(path)
            if os.path.lexists(os.path.join(folder, name)):
                root = self.zoo if within(path, self.zoo) else self.root
                return os.path.normpath(os.path.join(shown, name)), path, root
        known = [*_arch_files(places[0][1] or os.curdir), *_arch_files(self.zoo)] if places else _arch_files(self.zoo)
        looked = "beside this file and in the zoo" if places else "in the zoo"
        raise stop(
            "E0105",
            item.path_span,
            f"there is no file `{item.path}`",
            f"looked {looked}",
            help=did_you_mean(name, known) or "`archc zoo` lists the networks of the zoo",
        )


def _check_extern(extern: ast.Extern) -> None:
    """Check that an extern names a class, and parameters that a class of Python can have.

    What stands here is written into a Python file, so that it can be nothing but names.
    """
    module, _, name = extern.path.partition(":")
    help = 'write the module, a colon and the class: `"mypackage.layers:DeformConv"`'
    if len(extern.path) > LONGEST_CLASS_PATH or not all(map(_is_python_name, (*module.split("."), *name.split(".")))):
        message = f"{show(extern.path)} does not say where a class is found"
        raise stop("E0111", extern.path_span, message, "expected `package.module:Class`", help=help)
    for parameter in extern.parameters:
        if keyword.iskeyword(parameter.name.text):
            message = f"no class of Python can have a parameter `{parameter.name.text}`"
            raise stop("E0111", parameter.name.span, message, "a word of Python's own")


def _is_python_name(text: str) -> bool:
    private = text.startswith("__")  # `__builtins__`, `__class__`: not a class that somebody wrote
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text) and not private


def bound_names(pattern: ast.Pattern) -> list[ast.Name]:
    """Return the names that a pattern binds, from left to right."""
    names: list[ast.Name] = []
    waiting = [pattern]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Name):
            names.append(part)
        else:
            waiting.extend(reversed(part.items))
    return names


def _arch_files(folder: str) -> list[str]:
    try:
        return [entry for entry in os.listdir(folder) if entry.endswith(".arch")]
    except OSError:
        return []


def within(path: str, folder: str) -> bool:
    """Whether a real path lies in a real folder."""
    return os.path.commonpath([path, folder]) == folder


def shown_path(path: str) -> str:
    """Return a path as messages show it: relative when it lies below the current folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative


def project_root(path: str) -> str:
    """Return the project of a file: the nearest folder above it with a project's mark, else its own folder."""
    own = folder = os.path.dirname(os.path.realpath(path))
    while True:
        if any(os.path.exists(os.path.join(folder, mark)) for mark in ("pyproject.toml", ".git", "archs")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return own
        folder = parent


def read_file(path: str) -> bytes:
    """Read a file of text.

    Raises:
        OSError: it is not there, not a regular file (a folder, a pipe, a device), too large, or not readable.
    """
    if "\0" in path:
        raise OSError(22, "no file has a NUL in its name", path)
    # Opened without waiting, so that a pipe cannot hold us up before we see that it is one.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "it is a folder", path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "it is not a regular file", path)
        if status.st_size > LARGEST_FILE:
            raise OSError(27, f"it is larger than {LARGEST_FILE // 2**20} MiB", path)
        return stream.read()
