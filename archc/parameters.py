"""Parameters of an architecture given as text, `num_classes=10`: the value is an expression of the language."""

import re
from collections.abc import Iterable

from archc.compiler.elaboration.builder import Builder
from archc.compiler.elaboration.flow import Statements
from archc.compiler.elaboration.scope import Scope
from archc.compiler.elaboration.trampoline import run
from archc.compiler.pipeline import RequestError
from archc.compiler.problems import Stop
from archc.compiler.shapes import Shapes
from archc.compiler.values import Given
from archc.dsl.parser import parse_expression
from archc.dsl.source import Source, Span
from archc.files import Opened
from archc.problems import UsageProblem


def read_parameters(opened: Opened, parameters: Iterable[str]) -> dict[str, Given]:
    """Compute the values of `-p`; names are looked up in the file.

    Raises:
        UsageProblem: an option is not of the form NAME=VALUE, or a name is given twice.
        RequestError: a value is no expression, or has no value.
    """
    values: dict[str, Given] = {}
    statements = Statements(Builder(Shapes()))
    for text in parameters:
        match = re.match(r"\s*([A-Za-z_]\w*)\s*=(?!=)", text)
        if match is None:
            raise UsageProblem(f"-p takes NAME=VALUE, and this is `{text}`; for example `-p num_classes=10`")
        name = match.group(1)
        if name in values:
            raise UsageProblem(f"-p {name} is given twice")
        source = Source(f"-p {name}", text[match.end() :])
        expression, found = parse_expression(source)
        if found or expression is None:
            raise RequestError(found)
        try:
            value = run(statements.evaluator.evaluate(expression, Scope(opened.program.main)))
        except Stop as error:
            raise RequestError([error.diagnostic] if error.diagnostic else []) from None
        values[name] = Given(value, Span(source, 0, len(source.text)))
    return values
