"""Parts to nodes: one function for each name after `->` in grammar.lark, or for each rule without one.

Each gets what the grammar keeps of its parts, and the offsets where their text starts and ends.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from archc.dsl import ast, texts
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.lexer import Token
from archc.dsl.source import Source, Span

Parts: TypeAlias = list[Any]
# Parses the expression between two offsets; None when it has mistakes, which are then reported.
ParseInside: TypeAlias = Callable[[int, int], ast.Expression | None]

LONGEST_ELSE_IF = 200


class Broken:
    """In place of a statement that could not be read."""

    __slots__ = ()


BROKEN = Broken()


class Builder:
    """The node functions, for one source."""

    __slots__ = ("diagnostics", "parse_inside", "source")

    def __init__(self, source: Source, diagnostics: list[Diagnostic], parse_inside: ParseInside) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.parse_inside = parse_inside

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def report(self, code: str, message: str, *, label: str, start: int, end: int, help: str = "") -> None:
        self.diagnostics.append(Diagnostic(code, message, Label(self.span(start, end), label), help=help))

    def _bound(self, *names: ast.Pattern) -> None:
        """Refuse the one name that is a stage wherever it stands."""
        for name in names:
            if isinstance(name, ast.TuplePattern):
                self._bound(*name.items)
            elif name.text == "identity":
                message = "`identity` is a stage of the language and cannot be a name"
                help = "choose another name, such as `shortcut`; `identity` is the value that flows, wherever it stands"
                span = name.span
                self.report("E0110", message, label="the stage", start=span.start, end=span.end, help=help)

    # ---- a file ----------------------------------------------------------------------------------------------------

    def file(self, parts: Parts, start: int, end: int) -> tuple[str, tuple[ast.Item, ...]]:
        doc = parts.pop(0) if parts and isinstance(parts[0], str) and not isinstance(parts[0], Token) else ""
        return doc, tuple(part for part in parts if not isinstance(part, (Token, Broken)))

    def docstring(self, parts: Parts, start: int, end: int) -> str:
        return texts.plain(self, parts[0])

    def import_names(self, parts: Parts, start: int, end: int) -> ast.Import:
        path = parts[0]
        self._bound(*parts[1:])
        return ast.Import(
            texts.plain(self, path), self.span(path.start, path.end), tuple(parts[1:]), self.span(start, end)
        )

    # ---- definitions -----------------------------------------------------------------------------------------------

    def block(self, parts: Parts, start: int, end: int) -> ast.Block:
        name, parameters, (doc, body) = parts
        self._bound(name)
        return ast.Block(name, parameters or (), body, False, doc, self.span(start, end))

    def inline_block(self, parts: Parts, start: int, end: int) -> ast.Block:
        return self.block(parts, start, end)._replace(inline=True)

    def arch(self, parts: Parts, start: int, end: int) -> ast.Arch:
        name, parameters, (doc, body) = parts
        self._bound(name)
        return ast.Arch(name, parameters or (), body, doc, self.span(start, end))

    def specialisation(self, parts: Parts, start: int, end: int) -> ast.Specialisation:
        name, parameters, target, arguments, definition = parts
        self._bound(name)
        doc, body = definition or ("", None)
        statements: tuple[ast.Statement, ...] = body.statements if body else ()
        claims = tuple(one for one in statements if isinstance(one, (ast.Expect, ast.Require)))
        unclosed = any(start <= found.primary.span.start < end for found in self.diagnostics)
        if len(claims) < len(statements) and not unclosed:
            other = next(one for one in statements if not isinstance(one, (ast.Expect, ast.Require)))
            self.report(
                "E0005",
                f"`arch {name.text} = {target.text}` gives another arch a name; its braces hold only claims",
                label="neither `expect` nor `require`",
                start=other.span.start,
                end=other.span.end,
                help=f"to write a new network, leave out `= {target.text}`",
            )
        return ast.Specialisation(name, parameters or (), target, arguments or (), claims, doc, self.span(start, end))

    def extern(self, parts: Parts, start: int, end: int) -> ast.Extern:
        name, parameters, inputs, outputs, path = parts
        self._bound(name)
        path_span = self.span(path.start, path.end)
        return ast.Extern(
            name, parameters or (), inputs, outputs, texts.plain(self, path), path_span, self.span(start, end)
        )

    def definition(self, parts: Parts, start: int, end: int) -> tuple[str, ast.Body]:
        doc, _, *statements = parts
        return doc or "", self.body(statements, start, end)

    def only_docstring(self, parts: Parts, start: int, end: int) -> tuple[str, ast.Body]:
        return parts[0], ast.Body((), self.span(start, end))

    def parameters(self, parts: Parts, start: int, end: int) -> tuple[ast.Parameter, ...]:
        return tuple(parts)

    def parameter(self, parts: Parts, start: int, end: int) -> ast.Parameter:
        name, type_name, default = parts
        self._bound(name)
        return ast.Parameter(name, type_name, default, self.span(start, end))

    def sizes_list(self, parts: Parts, start: int, end: int) -> tuple[tuple[ast.Expression, ...], ...]:
        return tuple(parts)

    def sizes(self, parts: Parts, start: int, end: int) -> tuple[ast.Expression, ...]:
        return tuple(parts)

    # ---- flow ------------------------------------------------------------------------------------------------------

    def body(self, parts: Parts, start: int, end: int) -> ast.Body:
        statements: list[ast.Statement] = []
        for part in parts:
            if isinstance(part, list):
                statements += part
            elif not isinstance(part, (Token, Broken)):
                statements.append(part)
        return ast.Body(tuple(statements), self.span(start, end))

    def broken(self, parts: Parts, start: int, end: int) -> Broken:
        return BROKEN

    def pipeline(self, parts: Parts, start: int, end: int) -> ast.Pipeline:
        binding = parts.pop()
        if binding is not None:
            self._bound(binding)
        return ast.Pipeline(tuple(parts), binding, self.span(start, end))

    def stage(self, parts: Parts, start: int, end: int) -> ast.Stage:
        label, action = parts
        if label is not None:
            text = label.text[:-1].rstrip(" \t")
            label = texts.template(self, label._replace(text=text, end=label.start + len(text)))
        return ast.Stage(label, action, self.span(start, end))

    def use(self, parts: Parts, start: int, end: int) -> ast.Use:
        name, arguments, branches = parts
        return ast.Use(name, arguments, branches, self.span(start, end))

    def bare_use(self, parts: Parts, start: int, end: int) -> ast.Use:
        name, arguments = parts
        return ast.Use(name, arguments, None, self.span(start, end))

    def stage_name(self, parts: Parts, start: int, end: int) -> ast.Name:
        part = parts[0]
        return self.name(parts, start, end) if isinstance(part, Token) else part

    def group(self, parts: Parts, start: int, end: int) -> ast.Group:
        return ast.Group(parts[0], self.span(start, end))

    def for_each(self, parts: Parts, start: int, end: int) -> ast.For:
        pattern, iterable, body = parts
        self._bound(pattern)
        return ast.For(pattern, iterable, body, self.span(start, end))

    def repeat(self, parts: Parts, start: int, end: int) -> ast.Repeat:
        count, name, body = parts
        if name is not None:
            self._bound(name)
        return ast.Repeat(count, name, body, self.span(start, end))

    def if_else(self, parts: Parts, start: int, end: int) -> ast.If:
        otherwise = parts.pop()
        test, then, *others = parts
        if len(others) > LONGEST_ELSE_IF:
            word = others[LONGEST_ELSE_IF][0]
            message = f"more than {LONGEST_ELSE_IF} `else if` in one statement"
            self.report("E0006", message, label="one too many", start=word.start, end=word.end)
            others = []
        for word, other_test, other_then in reversed(others):
            span = self.span(word.start, otherwise.span.end if otherwise else other_then.span.end)
            stage = ast.Stage(None, ast.If(other_test, other_then, otherwise, span), span)
            otherwise = ast.Body((ast.Pipeline((stage,), None, span),), span)
        return ast.If(test, then, otherwise, self.span(start, end))

    def else_if(self, parts: Parts, start: int, end: int) -> Parts:
        return parts

    # ---- the other statements --------------------------------------------------------------------------------------

    def let(self, parts: Parts, start: int, end: int) -> ast.Let:
        pattern, value = parts
        self._bound(pattern)
        return ast.Let(pattern, value, self.span(start, end))

    def function(self, parts: Parts, start: int, end: int) -> ast.Function:
        name, parameters, value = parts
        self._bound(name)
        return ast.Function(name, parameters, value, self.span(start, end))

    def require(self, parts: Parts, start: int, end: int) -> ast.Require:
        test, message = parts
        return ast.Require(test, message and texts.template(self, message), self.span(start, end))

    def module(self, parts: Parts, start: int, end: int) -> ast.Module:
        label, use = parts
        return ast.Module(label, use, self.span(start, end))

    def module_label(self, parts: Parts, start: int, end: int) -> ast.Template:
        label = parts[0]
        if isinstance(label, ast.Name):
            self._bound(label)
            return ast.Template((label.text,), label.span)
        return texts.template(self, label)

    def init(self, parts: Parts, start: int, end: int) -> ast.Init:
        op, parameter, initializer = parts
        if parameter is not None:
            parameter = ast.Name(parameter.text, self.span(parameter.start, parameter.end))
        return ast.Init(op, parameter, initializer, self.span(start, end))

    def input(self, parts: Parts, start: int, end: int) -> list[ast.Input]:
        first, *others = parts
        # Each is a statement of its own; the word belongs to the first.
        return [first._replace(span=self.span(start, first.span.end)), *others]

    def declared(self, parts: Parts, start: int, end: int) -> ast.Input:
        name, sizes, dtype = parts
        self._bound(name)
        return ast.Input(name, sizes, dtype, self.span(start, end))

    def output(self, parts: Parts, start: int, end: int) -> ast.Output:
        return ast.Output(tuple(parts), False, self.span(start, end))

    def training_output(self, parts: Parts, start: int, end: int) -> ast.Output:
        return ast.Output(tuple(parts), True, self.span(start, end))

    def expect(self, parts: Parts, start: int, end: int) -> ast.Expect:
        return ast.Expect(parts[0], self.span(start, end))

    def tuple_pattern(self, parts: Parts, start: int, end: int) -> ast.TuplePattern:
        return ast.TuplePattern(tuple(parts), self.span(start, end))

    # ---- expressions -----------------------------------------------------------------------------------------------

    def conditional(self, parts: Parts, start: int, end: int) -> ast.Conditional:
        then, test, otherwise = parts
        return ast.Conditional(then, test, otherwise, self.span(start, end))

    def binary(self, parts: Parts, start: int, end: int) -> ast.Binary:
        left, operator, right = parts
        return ast.Binary(operator.text, left, right, self.span(start, end))

    def unary(self, parts: Parts, start: int, end: int) -> ast.Unary:
        operator, operand = parts
        return ast.Unary(operator.text, operand, self.span(start, end))

    def comparison(self, parts: Parts, start: int, end: int) -> ast.Comparison:
        rest = tuple(zip(parts[1::2], parts[2::2], strict=True))
        return ast.Comparison(parts[0], rest, self.span(start, end))

    def comparator(self, parts: Parts, start: int, end: int) -> str:
        return " ".join(part.text for part in parts)

    def call(self, parts: Parts, start: int, end: int) -> ast.Call:
        function, arguments = parts
        return ast.Call(function, arguments, self.span(start, end))

    def index(self, parts: Parts, start: int, end: int) -> ast.Index:
        value, index = parts
        return ast.Index(value, index, self.span(start, end))

    def slice(self, parts: Parts, start: int, end: int) -> ast.Slice:
        value, first, stop, step = parts
        return ast.Slice(value, first, stop, step, self.span(start, end))

    def attribute(self, parts: Parts, start: int, end: int) -> ast.Attribute:
        value, word = parts
        name = ast.Name(word.text, self.span(word.start, word.end))
        return ast.Attribute(value, name, self.span(start, end))

    def name(self, parts: Parts, start: int, end: int) -> ast.Name:
        return ast.Name(parts[0].text, self.span(start, end))

    def number(self, parts: Parts, start: int, end: int) -> ast.Literal:
        text = parts[0].text.replace("_", "")
        value = int(text) if text.isdigit() else float(text)
        if math.isinf(value):
            self.report("E0007", f"the number `{parts[0].text}` is too large", label="too large", start=start, end=end)
        return ast.Literal(value, self.span(start, end))

    def string(self, parts: Parts, start: int, end: int) -> ast.Literal:
        return ast.Literal(texts.plain(self, parts[0]), self.span(start, end))

    def true(self, parts: Parts, start: int, end: int) -> ast.Literal:
        return ast.Literal(True, self.span(start, end))

    def false(self, parts: Parts, start: int, end: int) -> ast.Literal:
        return ast.Literal(False, self.span(start, end))

    def none(self, parts: Parts, start: int, end: int) -> ast.Literal:
        return ast.Literal(None, self.span(start, end))

    def tuple_of(self, parts: Parts, start: int, end: int) -> ast.TupleOf:
        return ast.TupleOf(tuple(parts), self.span(start, end))

    def list_of(self, parts: Parts, start: int, end: int) -> ast.ListOf:
        return ast.ListOf(tuple(parts), self.span(start, end))

    def comprehension(self, parts: Parts, start: int, end: int) -> ast.Comprehension:
        element, *clauses = parts
        return ast.Comprehension(element, tuple(clauses), self.span(start, end))

    def for_clause(self, parts: Parts, start: int, end: int) -> ast.ForClause:
        pattern, iterable = parts
        self._bound(pattern)
        return ast.ForClause(pattern, iterable, self.span(start, end))

    def if_clause(self, parts: Parts, start: int, end: int) -> ast.IfClause:
        return ast.IfClause(parts[0], self.span(start, end))

    def arguments(self, parts: Parts, start: int, end: int) -> tuple[ast.Argument, ...]:
        return tuple(parts)

    def argument(self, parts: Parts, start: int, end: int) -> ast.Argument:
        name, value = parts
        return ast.Argument(name, value, self.span(start, end))
