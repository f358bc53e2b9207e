"""The syntax tree: what the text says, before anything is looked up. Every node knows its span."""

from __future__ import annotations

from typing import TypeAlias

from archc.dsl.node import Node
from archc.dsl.source import Source, Span

# ---- expressions ---------------------------------------------------------------------------------------------------


class Name(Node):
    """An identifier at a place; as an expression, the use of what it is bound to."""

    text: str
    span: Span


class Literal(Node):
    """`3`, `1e-5`, `"same"`, `true`, `none`."""

    value: int | float | str | bool | None
    span: Span


class Template(Node):
    """Text with expressions in braces: a computed label (`layer{i + 1}`) or the message of a `require`."""

    parts: tuple[str | Expression, ...]
    span: Span


class ListOf(Node):
    """`[a, b]`."""

    items: tuple[Expression, ...]
    span: Span


class TupleOf(Node):
    """`(a, b)`, `(a,)`, `()`."""

    items: tuple[Expression, ...]
    span: Span


class ForClause(Node):
    """`for pattern in iterable` of a comprehension."""

    pattern: Pattern
    iterable: Expression
    span: Span


class IfClause(Node):
    """`if test` of a comprehension."""

    test: Expression
    span: Span


class Comprehension(Node):
    """`[element for ... if ...]`; the first clause is a `for`."""

    element: Expression
    clauses: tuple[ForClause | IfClause, ...]
    span: Span


class Unary(Node):
    """`-a`, `+a`, `not a`."""

    operator: str
    operand: Expression
    span: Span


class Binary(Node):
    """`a + b`, and so on for `- * / // % ** and or`."""

    operator: str
    left: Expression
    right: Expression
    span: Span


class Comparison(Node):
    """`a < b <= c`: chained as in Python. Operators: `== != < <= > >= in`, and `not in`."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]
    span: Span


class Conditional(Node):
    """`then if test else otherwise`."""

    then: Expression
    test: Expression
    otherwise: Expression
    span: Span


class Argument(Node):
    """One argument of a call; `name` is `None` for a positional one."""

    name: Name | None
    value: Expression
    span: Span


class Call(Node):
    """`function(arguments)` in an expression."""

    function: Expression
    arguments: tuple[Argument, ...]
    span: Span


class Index(Node):
    """`value[index]`."""

    value: Expression
    index: Expression
    span: Span


class Slice(Node):
    """`value[start:stop:step]`."""

    value: Expression
    start: Expression | None
    stop: Expression | None
    step: Expression | None
    span: Span


class Attribute(Node):
    """`value.name`."""

    value: Expression
    name: Name
    span: Span


Expression: TypeAlias = (
    Name
    | Literal
    | ListOf
    | TupleOf
    | Comprehension
    | Unary
    | Binary
    | Comparison
    | Conditional
    | Call
    | Index
    | Slice
    | Attribute
)


class TuplePattern(Node):
    """`(a, (b, c))` on the left of `in`, `=`, or after `as`."""

    items: tuple[Pattern, ...]
    span: Span


Pattern: TypeAlias = Name | TuplePattern

# ---- flow ----------------------------------------------------------------------------------------------------------


class Use(Node):
    """A stage that names something: an op, a block, a value, `in` or `identity`.

    `arguments` is `None` without parentheses, `branches` is `None` without braces. `in` and `identity` come as names.
    """

    name: Name
    arguments: tuple[Argument, ...] | None
    branches: Body | None
    span: Span


class Group(Node):
    """`{ ... }` as a stage."""

    body: Body
    span: Span


class For(Node):
    """`for pattern in iterable { ... }`."""

    pattern: Pattern
    iterable: Expression
    body: Body
    span: Span


class Repeat(Node):
    """`repeat count as name { ... }`."""

    count: Expression
    name: Name | None
    body: Body
    span: Span


class If(Node):
    """`if test { ... } else { ... }`; `else if` is an `otherwise` whose only stage is an `If`."""

    test: Expression
    then: Body
    otherwise: Body | None
    span: Span


Action: TypeAlias = Use | Group | For | Repeat | If


class Stage(Node):
    """One stage of a pipeline with its label; a plain label is a `Template` of one string."""

    label: Template | None
    action: Action
    span: Span


class Pipeline(Node):
    """`stage -> stage -> ... as name`."""

    stages: tuple[Stage, ...]
    binding: Pattern | None
    span: Span


class Let(Node):
    """`let pattern = value`."""

    pattern: Pattern
    value: Expression
    span: Span


class Parameter(Node):
    """A parameter of a block, arch or function: `name: type = default`."""

    name: Name
    type: Name | None
    default: Expression | None
    span: Span


class Function(Node):
    """`let name(parameters) = value`."""

    name: Name
    parameters: tuple[Parameter, ...]
    value: Expression
    span: Span


class Require(Node):
    """`require test, "message"`."""

    test: Expression
    message: Template | None
    span: Span


class Module(Node):
    """`module name = use`: the label may be computed; the name it is used by is the label's text."""

    label: Template
    use: Use
    span: Span


class Init(Node):
    """`init op: initializer(...)`, `init op.parameter: initializer(...)`."""

    op: Name
    parameter: Name | None
    initializer: Use
    span: Span


class Input(Node):
    """`input name: [sizes] dtype` of an arch (sizes present), or one name of `input a, b` of a block (`None`)."""

    name: Name
    sizes: tuple[Expression, ...] | None
    dtype: Name | None
    span: Span


class Output(Node):
    """`output a, b` and `output a when training`."""

    names: tuple[Name, ...]
    training: bool
    span: Span


class Expect(Node):
    """`expect params == 11_689_512`, `expect output == [num_classes]`: a claim about the network as written."""

    test: Expression
    span: Span


Statement: TypeAlias = Pipeline | Let | Function | Require | Module | Init | Input | Output | Expect


class Body(Node):
    """The statements between two braces; the span includes the braces."""

    statements: tuple[Statement, ...]
    span: Span


# ---- a file --------------------------------------------------------------------------------------------------------


class Import(Node):
    """`from "path" import a, b`; `path` is the string's value, `path_span` its place."""

    path: str
    path_span: Span
    names: tuple[Name, ...]
    span: Span


class Block(Node):
    """`block name(parameters) { ... }`, `inline block ...`; the docstring is the string that begins the body."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Body
    inline: bool
    doc: str
    span: Span


class Arch(Node):
    """`arch name(parameters) { ... }`."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str
    span: Span


class Specialisation(Node):
    """`arch name(parameters) = target(arguments) { expect ... }`."""

    name: Name
    parameters: tuple[Parameter, ...]
    target: Name
    arguments: tuple[Argument, ...]
    claims: tuple[Expect | Require, ...]
    doc: str
    span: Span


class Extern(Node):
    """`extern name(parameters): [sizes], [sizes] -> [sizes] = "package.module:Class"`."""

    name: Name
    parameters: tuple[Parameter, ...]
    inputs: tuple[tuple[Expression, ...], ...]
    outputs: tuple[tuple[Expression, ...], ...]
    path: str
    path_span: Span
    span: Span


Item: TypeAlias = Import | Let | Function | Block | Arch | Specialisation | Extern


class File(Node):
    """A parsed file; `comments` are the spans of the comments, in order, for the formatter."""

    doc: str
    items: tuple[Item, ...]
    comments: tuple[Span, ...]
    source: Source
