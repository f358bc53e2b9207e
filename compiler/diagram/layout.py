"""DOT text to a picture: by the `dot` program where there is one, else by the libraries in pygraphviz."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class LayoutProblem(Exception):
    """Nothing here can lay a diagram out, or what there is failed."""


def lay_out(text: str, form: str) -> bytes:
    """Return DOT text as "svg", "png" or "pdf".

    Raises:
        LayoutProblem: neither Graphviz nor pygraphviz is installed, or it failed.

    >>> lay_out("digraph { a }", "png")[1:4]
    b'PNG'
    """
    program = shutil.which("dot")
    data = _by_program(program, text, form) if program is not None else _by_library(text, form)
    return _titled(data) if form == "svg" else _dateless(data) if form == "pdf" else data


def _by_program(program: str, text: str, form: str) -> bytes:
    result = subprocess.run([program, f"-T{form}"], input=text.encode(), capture_output=True, check=False)
    if result.returncode:
        raise LayoutProblem(f"`{program}` failed: {result.stderr.decode(errors='replace').strip()}")
    return result.stdout


def _by_library(text: str, form: str) -> bytes:
    try:
        import pygraphviz
    except ImportError as error:
        raise LayoutProblem(
            "a diagram needs Graphviz: `pip install pygraphviz`, or install the program `dot` (package graphviz); "
            f"{error}"
        ) from None
    with warnings.catch_warnings(), _without_fontconfig():
        warnings.simplefilter("ignore")  # about fonts that are not installed
        try:
            data = pygraphviz.AGraph(string=text).draw(format=form, prog="dot")
        except (ValueError, OSError, pygraphviz.DotError) as error:
            raise LayoutProblem(f"pygraphviz failed: {error}") from None
    assert isinstance(data, bytes)
    return data


@contextmanager
def _without_fontconfig() -> Iterator[None]:
    """Keep what the fontconfig inside pygraphviz says of the system's configuration, which it half knows, to itself.

    It writes to the process's stderr from C. Everything else that is written there meanwhile goes on to it.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            written.seek(0)
            for line in written:
                if not line.startswith(b"Fontconfig "):
                    os.write(2, line)


def _titled(data: bytes) -> bytes:
    """Return an SVG whose titles, which screen readers say, are the tooltips and not the names of Graphviz's nodes."""
    data = re.sub(rb'<title>[^<]*(</title>\s*<g id="a_[^"]*"><a xlink:title="([^"]*)")', rb"<title>\2\1", data)
    return re.sub(rb'(class="edge">\s*)<title>[^<]*</title>\s*', rb"\1", data)


def _dateless(data: bytes) -> bytes:
    """Return a PDF without the time at which it was made, so that the same figure gives the same bytes."""
    return re.sub(rb"(/CreationDate \(D:)\d{14}", rb"\g<1>20000101000000", data)
