"""The syntax tree: what the text says, before anything is looked up. Every node knows its span."""

from typing import NamedTuple, TypeAlias

from archc.dsl.source import Source, Span

# ---- expressions ---------------------------------------------------------------------------------------------------


class Name(NamedTuple):
    """An identifier at a place; as an expression, the use of what it is bound to."""

    text: str
    span: Span


class Literal(NamedTuple):
    """`3`, `1e-5`, `"same"`, `true`, `none`."""

    value: int | float | str | bool | None
    span: Span


class Template(NamedTuple):
    """Text with expressions in braces: a computed label (`layer{i + 1}`) or the message of a `require`."""

    parts: tuple["str | Expression", ...]
    span: Span


class ListOf(NamedTuple):
    """`[a, b]`."""

    items: tuple["Expression", ...]
    span: Span


class TupleOf(NamedTuple):
    """`(a, b)`, `(a,)`, `()`."""

    items: tuple["Expression", ...]
    span: Span


class ForClause(NamedTuple):
    """`for pattern in iterable` of a comprehension."""

    pattern: "Pattern"
    iterable: "Expression"
    span: Span


class IfClause(NamedTuple):
    """`if test` of a comprehension."""

    test: "Expression"
    span: Span


class Comprehension(NamedTuple):
    """`[element for ... if ...]`; the first clause is a `for`."""

    element: "Expression"
    clauses: tuple[ForClause | IfClause, ...]
    span: Span


class Unary(NamedTuple):
    """`-a`, `+a`, `not a`."""

    operator: str
    operand: "Expression"
    span: Span


class Binary(NamedTuple):
    """`a + b`, and so on for `- * / // % ** and or`."""

    operator: str
    left: "Expression"
    right: "Expression"
    span: Span


class Comparison(NamedTuple):
    """`a < b <= c`: chained as in Python. Operators: `== != < <= > >= in`, and `not in`."""

    first: "Expression"
    rest: tuple[tuple[str, "Expression"], ...]
    span: Span


class Conditional(NamedTuple):
    """`then if test else otherwise`."""

    then: "Expression"
    test: "Expression"
    otherwise: "Expression"
    span: Span


class Argument(NamedTuple):
    """One argument of a call; `name` is `None` for a positional one."""

    name: Name | None
    value: "Expression"
    span: Span


class Call(NamedTuple):
    """`function(arguments)` in an expression."""

    function: "Expression"
    arguments: tuple[Argument, ...]
    span: Span


class Index(NamedTuple):
    """`value[index]`."""

    value: "Expression"
    index: "Expression"
    span: Span


class Slice(NamedTuple):
    """`value[start:stop:step]`."""

    value: "Expression"
    start: "Expression | None"
    stop: "Expression | None"
    step: "Expression | None"
    span: Span


class Attribute(NamedTuple):
    """`value.name`."""

    value: "Expression"
    name: Name
    span: Span


Expression: TypeAlias = Name | Literal | ListOf | TupleOf | Comprehension | Unary | Binary | Comparison | Conditional | Call | Index | Slice | Attribute


class TuplePattern(NamedTuple):
    """`(a, (b, c))` on the left of `in`, `=`, or after `as`."""

    items: tuple["Pattern", ...]
    span: Span


Pattern: TypeAlias = Name | TuplePattern

# ---- flow ----------------------------------------------------------------------------------------------------------


class Use(NamedTuple):
    """A stage that names something: an op, a block, a value, `in` or `identity`.

    `arguments` is `None` without parentheses, `branches` is `None` without braces. `in` and `identity` come as names.
    """

    name: Name
    arguments: tuple[Argument, ...] | None
    branches: "Body | None"
    span: Span


class Group(NamedTuple):
    """`{ ... }` as a stage."""

    body: "Body"
    span: Span


class For(NamedTuple):
    """`for pattern in iterable { ... }`."""

    pattern: Pattern
    iterable: Expression
    body: "Body"
    span: Span


class Repeat(NamedTuple):
    """`repeat count as name { ... }`."""

    count: Expression
    name: Name | None
    body: "Body"
    span: Span


class If(NamedTuple):
    """`if test { ... } else { ... }`; `else if` is an `otherwise` whose only stage is an `If`."""

    test: Expression
    then: "Body"
    otherwise: "Body | None"
    span: Span


Action: TypeAlias = Use | Group | For | Repeat | If


class Stage(NamedTuple):
    """One stage of a pipeline with its label; a plain label is a `Template` of one string."""

    label: Template | None
    action: Action
    span: Span


class Pipeline(NamedTuple):
    """`stage -> stage -> ... as name`."""

    stages: tuple[Stage, ...]
    binding: Pattern | None
    span: Span


class Let(NamedTuple):
    """`let pattern = value`."""

    pattern: Pattern
    value: Expression
    span: Span


class Parameter(NamedTuple):
    """A parameter of a block, arch or function: `name: type = default`."""

    name: Name
    type: Name | None
    default: Expression | None
    span: Span


class Function(NamedTuple):
    """`let name(parameters) = value`."""

    name: Name
    parameters: tuple[Parameter, ...]
    value: Expression
    span: Span


class Require(NamedTuple):
    """`require test, "message"`."""

    test: Expression
    message: Template | None
    span: Span


class Module(NamedTuple):
    """`module name = use`: the label may be computed; the name it is used by is the label's text."""

    label: Template
    use: Use
    span: Span


class Init(NamedTuple):
    """`init op: initializer(...)`, `init op.parameter: initializer(...)`."""

    op: Name
    parameter: Name | None
    initializer: Use
    span: Span


class Input(NamedTuple):
    """`input name: [sizes] dtype` of an arch (sizes present), or one name of `input a, b` of a block (`None`)."""

    name: Name
    sizes: tuple[Expression, ...] | None
    dtype: Name | None
    span: Span


class Output(NamedTuple):
    """`output a, b` and `output a when training`."""

    names: tuple[Name, ...]
    training: bool
    span: Span


class Expect(NamedTuple):
    """`expect params == 11_689_512`, `expect output == [num_classes]`: a claim about the network as written."""

    test: Expression
    span: Span


Statement: TypeAlias = Pipeline | Let | Function | Require | Module | Init | Input | Output | Expect


class Body(NamedTuple):
    """The statements between two braces; the span includes the braces."""

    statements: tuple[Statement, ...]
    span: Span


# ---- a file --------------------------------------------------------------------------------------------------------


class Import(NamedTuple):
    """`from "path" import a, b`; `path` is the string's value, `path_span` its place."""

    path: str
    path_span: Span
    names: tuple[Name, ...]
    span: Span


class Block(NamedTuple):
    """`block name(parameters) { ... }`, `inline block ...`; the docstring is the string that begins the body."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Body
    inline: bool
    doc: str
    span: Span


class Arch(NamedTuple):
    """`arch name(parameters) { ... }`."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str
    span: Span


class Specialisation(NamedTuple):
    """`arch name(parameters) = target(arguments) { expect ... }`."""

    name: Name
    parameters: tuple[Parameter, ...]
    target: Name
    arguments: tuple[Argument, ...]
    claims: tuple[Expect | Require, ...]
    doc: str
    span: Span


class Extern(NamedTuple):
    """`extern name(parameters): [sizes], [sizes] -> [sizes] = "package.module:Class"`."""

    name: Name
    parameters: tuple[Parameter, ...]
    inputs: tuple[tuple[Expression, ...], ...]
    outputs: tuple[tuple[Expression, ...], ...]
    path: str
    path_span: Span
    span: Span


Item: TypeAlias = Import | Let | Function | Block | Arch | Specialisation | Extern


class File(NamedTuple):
    """A parsed file; `comments` are the spans of the comments, in order, for the formatter."""

    doc: str
    items: tuple[Item, ...]
    comments: tuple[Span, ...]
    source: Source
