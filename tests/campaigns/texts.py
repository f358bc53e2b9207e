"""Broken texts through the whole of `archc check`: `python -m tests.campaigns.texts --count 200000 --seed 1`.

Networks of the zoo and texts with mistakes are cut, doubled, swapped, spliced and strewn with foreign signs. Whatever
comes out ends in a network or in diagnostics that a person can read: soon, short, and at places in the text.
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from faulthandler import cancel_dump_traceback_later, dump_traceback_later
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple

from archc.compiler.pipeline import RequestError, check
from archc.dsl.codes import CODES
from archc.dsl.decode import decode
from archc.dsl.diagnostics import MOST_RELATED, MOST_REPORTS, ArchError, Diagnostic, Label
from archc.dsl.render import render_json, render_text
from archc.files import read_source

ROOT = Path(__file__).parents[2]
FOLDERS = ("archs", "tests/errors")
SECONDS, SECONDS_PER_LAYER = 1.0, 0.0005  # of processor time, asked for on a quiet machine only
LONGEST_MESSAGE = 2_000  # of one diagnostic, all its texts together
LONGEST_LINE = 250  # of a frame
HANGS = 240  # seconds

TOKEN = re.compile(r'"[^"\n]*"|->|\*\*|//|[<>=!]=|[A-Za-z_]\w*|\d+|#[^\n]*|\n[ \t]*|[^\s\w]')
WORDS = TOKEN.findall(
    "def class return elif while import lambda None True False self nn torch let for in if else repeat block arch "
    "inline extern module init input output when training expect require as from and or not true false none"
)
SIGNS = (
    *("{", "}", "(", ")", "[", "]", "->", ",", "=", ":", ";", ".", "+", "-", "*", "/", "//", "%", "**", "==", "!="),
    *("<=", '"', '"""', "'", "`", "#", "$", "!", "&&", "||", "?", "@", "\\", "/*", "*/", "::", "=>", "\n", "\t"),
    *("{i}", "1e", "0x10", ".5", "1_000", "1__0", "3x", "-1", "0", "10**9", "9" * 45, '"\\q"', '"{"', '"a.b":', "1:"),
    *("\u2013>", "\u2192", "\u201c", "\u2019", "\u0441", "\u00e9", "\u65e5", "\uff08", "\u0663", "\U0001f600"),
    *("\x00", "\x1b", "\x7f", "\r", "\x0c", "\x85", "\u00a0", "\u2028", "\u202e", "\u200b", "\ufeff", "\ud800"),
)


class Broken(AssertionError):
    """A text that did not end as it should."""


class Text(NamedTuple):
    """A text to begin with; `path` is where its imports are looked up, `layers` what checking it makes."""

    path: str
    text: str
    layers: int


@cache
def corpus() -> tuple[Text, ...]:
    """Read the texts to begin with."""
    texts = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.arch")):
            data = path.read_bytes()
            layers, _ = findings(data, str(path))
            texts.append(Text(str(path), data.decode("utf-8", "replace"), layers))
    return tuple(texts)


def broken(random: Random, texts: Sequence[Text], weights: Sequence[float]) -> tuple[bytes, str]:
    """Return the bytes of a new text, and the path that it stands for. Small networks are chosen more often."""
    first, second = random.choices(texts, cum_weights=weights, k=2)
    text = first.text
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        text = random.choice(EDITS)(random, text, second.text)
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.03:
        place = random.randrange(len(data) + 1)
        data = data[:place] + random.randbytes(random.choice((1, 1, 3, 20))) + data[place + random.choice((0, 1, 9)) :]
    return data, first.path


def _token(random: Random, text: str) -> tuple[int, int]:
    """Where some token near a place by chance stands."""
    found = TOKEN.search(text, random.randrange(len(text) + 1)) or TOKEN.search(text)
    return found.span() if found else (0, 0)


def _leave_out(random: Random, text: str, other: str) -> str:
    start, end = _token(random, text)
    return text[:start] + text[end:]


def _double(random: Random, text: str, other: str) -> str:
    start, end = _token(random, text)
    return f"{text[:end]} {text[start:]}"


def _swap(random: Random, text: str, other: str) -> str:
    start, end = _token(random, text)
    following = TOKEN.search(text, end)
    if following is None:
        return text
    return text[:start] + following[0] + text[end : following.start()] + text[start:end] + text[following.end() :]


def _replace(random: Random, text: str, other: str) -> str:
    start, end = _token(random, text)
    first, last = _token(random, other)
    return text[:start] + other[first:last] + text[end:]


def _insert(random: Random, text: str, other: str) -> str:
    start, _ = _token(random, text)
    piece: str = random.choice(random.choice((WORDS, SIGNS)))
    return text[:start] + piece + random.choice(("", " ")) + text[start:]


def _leave_out_characters(random: Random, text: str, other: str) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + text[place + random.choice((1, 1, 2, 30, 300)) :]


def _double_lines(random: Random, text: str, other: str) -> str:
    lines = text.split("\n")
    first = random.randrange(len(lines))
    last = first + random.randrange(1, 6)
    return "\n".join(lines[:last] + lines[first:])


def _splice(random: Random, text: str, other: str) -> str:
    return text[: random.randrange(len(text) + 1)] + other[random.randrange(len(other) + 1) :]


def _piece(random: Random, text: str, other: str) -> str:
    place, first = random.randrange(len(text) + 1), random.randrange(len(other) + 1)
    return text[:place] + other[first : first + random.randrange(60)] + text[place:]


def _cut_off(random: Random, text: str, other: str) -> str:
    return text[: random.randrange(len(text) + 1)]


EDITS: tuple[Callable[[Random, str, str], str], ...] = (
    _leave_out,
    _double,
    _swap,
    _replace,
    _insert,
    _insert,
    _leave_out_characters,
    _double_lines,
    _splice,
    _piece,
    _cut_off,
)


def ending(data: bytes, path: str, *, timed: bool = False) -> str:
    """Check a text as `archc check` does; return the class in which it ends.

    Raises:
        Broken: a diagnostic is too long or not at a place in its text; where `timed`, it takes too long.
    """
    began = time.process_time()
    layers, found = findings(data, path)
    text = render_text(found, width=80)
    taken = time.process_time() - began
    if timed and taken > SECONDS + SECONDS_PER_LAYER * layers:
        raise Broken(f"it took {taken:.2f} s, with {layers:,} layers")
    if any(len(line) > LONGEST_LINE + LONGEST_MESSAGE for line in text.split("\n")):
        raise Broken("a line of the report is too long")
    if len(found) > MOST_REPORTS * (1 + layers):
        raise Broken(f"there are {len(found)} reports")
    render_json(found)
    for diagnostic in found:
        _readable(diagnostic)
    code = min((diagnostic.code for diagnostic in found if diagnostic.severity == "error"), default="")
    return f"{code} {CODES[code]}" if code else "ok, with warnings" if found else "ok"


def findings(data: bytes, path: str) -> tuple[int, list[Diagnostic]]:
    """Check all architectures of a text that need no parameters; return how many layers they have, and what was found.

    Raises:
        Broken: a request is refused, where nothing was asked for.
    """
    found: list[Diagnostic] = []
    layers = 0
    try:
        program = read_source(decode(path, data), path)
        for definition in program.main.arches().values():
            if all(parameter.default is not None for parameter in definition.item.parameters):  # type: ignore[union-attr]
                checked = check(definition, {})
                layers += len(checked.shaped.graph.nodes)
                found.extend(checked.warnings)
    except RequestError:
        raise Broken("nothing was asked for, so no request can be wrong") from None
    except ArchError as error:
        found.extend(error.diagnostics)
    return layers, found


def _readable(diagnostic: Diagnostic) -> None:
    labels: tuple[Label, ...] = (diagnostic.primary, *diagnostic.related)
    if diagnostic.code not in CODES or not diagnostic.message or "\n" in diagnostic.message:
        raise Broken(f"{diagnostic.code} {diagnostic.message!r}")
    if len(diagnostic.message) + len(diagnostic.help) + sum(len(label.text) for label in labels) > LONGEST_MESSAGE:
        raise Broken(f"the texts of this are too long: {diagnostic.message[:200]}")
    if len(diagnostic.related) > MOST_RELATED:
        raise Broken(f"this shows {len(diagnostic.related)} places: {diagnostic.message}")
    for span in (*(label.span for label in labels), *(use.span for use in diagnostic.trace)):
        if not 0 <= span.start <= span.end <= len(span.source.text):
            raise Broken(f"{diagnostic.message}: at {span.start} to {span.end} of {len(span.source.text)} characters")


class Campaign(NamedTuple):
    """How the texts ended, and those that did not end as they should: number, bytes, reason."""

    endings: Counter[str]
    failures: list[tuple[int, bytes, str]]


def campaign(count: int, seed: int, *, first: int = 0, seconds: float = float("inf"), timed: bool = False) -> Campaign:
    """Check `count` texts, from number `first` on; the same seed and number give the same text."""
    texts = corpus()
    weights = list(accumulate(1 / (20 + text.layers) for text in texts))
    endings: Counter[str] = Counter()
    failures: list[tuple[int, bytes, str]] = []
    began = time.monotonic()
    for number in range(first, first + count):
        if time.monotonic() - began > seconds:
            break
        data, path = broken(Random(f"{seed}:{number}"), texts, weights)
        dump_traceback_later(HANGS, exit=True)
        try:
            endings[ending(data, path, timed=timed)] += 1
        except Exception as error:
            failures.append((number, data, f"{type(error).__name__}: {error}"))
            endings["FAILED"] += 1
    cancel_dump_traceback_later()
    return Campaign(endings, failures)


def main() -> int:
    """Run the campaign, print how the texts ended, and return 1 where one ended wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="texts (default 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first text (default 0)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--out", type=Path, help="a folder for the texts that ended wrongly")
    options = parser.parse_args()
    began = time.monotonic()
    endings, failures = campaign(options.count, options.seed, first=options.first, seconds=options.seconds, timed=True)
    taken = time.monotonic() - began
    for number, data, why in failures:
        print(f"text {number}: {why}")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{options.seed}-{number}.arch").write_bytes(data)
    total = sum(endings.values())
    for name, number in endings.most_common():
        print(f"{number:8} {name}")
    print(f"{total:,} texts in {taken:.0f} s, {total / taken:.0f} per second; {len(failures)} ended wrongly")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
