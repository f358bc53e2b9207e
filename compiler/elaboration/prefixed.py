"""What to write instead of `nn.Conv2d(3, 64, 3)`: the parser says that it is no stage, the ops say which one it is."""

import re
from collections.abc import Iterable

from archc.compiler.elaboration.foreign import ELSEWHERE, stage_meant
from archc.compiler.ops import OPS
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.dotted import closing
from archc.dsl.wording import PREFIXES, short

FOUND = re.compile(
    r"(?:(?P<target>[\w.]+)[ \t]*=[ \t]*)?(?P<before>[A-Za-z_][\w.]*)\.(?P<name>[A-Za-z_]\w*)(?:\(.*)?", re.DOTALL
)
RETURNED = re.compile(r"[ \t]*(?:[A-Za-z_]\w*\.)+(?P<name>[A-Za-z_]\w*)\(")
FUNCTIONS = frozenset(("F", "torch", "torch.nn.functional", "nn.functional"))
PIECE = re.compile(r'"[^"\n]*"|[][(){},]')
WORDS = {"True": "true", "False": "false", "None": "none"}


def advised(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the diagnostics; those of names with dots say which op is meant, where one is."""
    return [_advised(found) if found.code == "E0009" else found for found in diagnostics]


def _advised(diagnostic: Diagnostic) -> Diagnostic:
    span = diagnostic.primary.span
    if span.text == "return":
        left = RETURNED.match(span.source.text, span.end)
        meant = stage_meant(left["name"]) if left else ""
        return (
            diagnostic._replace(help=f"a block leaves the value of its last statement: {meant}")
            if meant
            else diagnostic
        )
    found = FOUND.fullmatch(span.text)
    meant = stage_meant(found["name"]) if found else ""
    if found is None or not meant:
        return diagnostic
    if found["target"] is None and found["before"].split(".")[0] not in PREFIXES:
        return diagnostic._replace(help=f"{meant}, as the stage after `{short(found['before'])}`")
    text = span.source.text
    start = span.start + found.end("name")
    given = text[start + 1 : closing(text, start) - 1] if text.startswith("(", start) else ""
    stage = written(meant, given, function=found["before"] in FUNCTIONS)
    label = found["target"].split(".")[-1] if found["target"] else ""
    if not stage:
        return diagnostic._replace(help=meant)
    help = f"write `{label}: {stage}` where the layer is used" if label else f"write `{stage}`"
    op = OPS[stage.split("(")[0]]
    if op.inferred:
        help += f"; `{op.inferred[0]}` follows from the input"
    return diagnostic._replace(help=help)


def written(meant: str, given: str, *, function: bool = False) -> str:
    """Write a layer of PyTorch's in the language, with its arguments; nothing where no single op is meant.

    A function takes the value first, which flows here.

    >>> written("write `conv(out_channels, kernel_size)`", "3, 64, kernel_size=3, bias=False")
    'conv(64, kernel_size=3, bias=false)'
    >>> written("write `relu`", "inplace=True")
    'relu'
    >>> written("write `relu`", "x", function=True)
    'relu'
    """
    op = OPS.get(meant.split("`")[1].split("(")[0]) if "`" in meant else None
    if op is None or "{" in meant or not meant.startswith("write"):
        return ""
    arguments = _arguments(given)
    positional = [argument for argument in arguments if "=" not in argument]
    named = [argument for argument in arguments if "=" in argument]
    left_out = {*op.inferred, *ELSEWHERE} - {parameter.name for parameter in op.parameters}
    named = [argument for argument in named if argument.split("=")[0].strip() not in left_out]
    rest = positional[1 if function else len(op.inferred) :] + named
    rest = [re.sub(r"\b(?:True|False|None)\b", lambda word: WORDS[word[0]], argument) for argument in rest]
    return f"{op.name}({', '.join(rest)})" if rest else op.name


def _arguments(text: str) -> list[str]:
    depth, start, arguments = 0, 0, []
    for found in PIECE.finditer(text):
        depth += (found[0] in "([{") - (found[0] in ")]}")
        if found[0] == "," and not depth:
            arguments.append(text[start : found.start()].strip())
            start = found.end()
    return [argument for argument in (*arguments, text[start:].strip()) if argument]
