"""Names as stages: an op, a block, the name of a value, `in` or `identity`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from archc.compiler.elaboration.arguments import bind_block, bind_extern, bind_initializer, bind_op
from archc.compiler.elaboration.context import Branch, Context, Flow, as_value
from archc.compiler.elaboration.externs import check_arguments
from archc.compiler.elaboration.functions import BUILTINS
from archc.compiler.elaboration.names import unknown
from archc.compiler.elaboration.paths import Paths, Tag
from archc.compiler.elaboration.scope import Binding
from archc.compiler.elaboration.trampoline import Task
from archc.compiler.ir import Frame, Initialisation
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import REQUIRED, Op, Parameter
from archc.compiler.problems import Limit, Stop, stop
from archc.compiler.values import (
    IDENTITY,
    POISON,
    Applicable,
    BlockValue,
    ExternValue,
    Given,
    InitializerValue,
    ModuleValue,
    OpValue,
    Wire,
    kind_of,
    show,
)
from archc.dsl import ast
from archc.dsl.diagnostics import Label, Use
from archc.dsl.source import Span

if TYPE_CHECKING:
    from archc.compiler.elaboration.flow import Statements

DEEPEST_BLOCK = 200


def use_stage(flow: "Statements", use: ast.Use, tag: Tag | None, value: Flow, context: Context) -> Task[Flow]:
    """Apply what a name stands for to the value that flows."""
    found = yield _lookup(flow, use.name, value, context)
    if isinstance(found, ModuleValue):
        if tag is not None or use.arguments is not None:
            what, span = ("label", tag.span) if tag is not None else ("arguments", use.span)
            related = [Label(found.span, "declared here")]
            message = f"`{use.name.text}` is a module, which has its {what} already"
            raise stop("E0203", span, message, "given again", related=related, help=f"write `{use.name.text}` alone")
        flow.unapplied.pop(found.path, None)
        site = Site(found.path, True, found.place, declared=True)
        start = len(flow.builder.nodes)
        result = yield _stage(flow, found.value, found.given, site, use, value, context)
        flow.rules.apply(found, start)
        return result
    if isinstance(found, Applicable):
        if tag is None and isinstance(found, OpValue) and found.op.own in ("parameter", "buffer"):
            message = f"a `{found.op.name}` needs a label, which is its key in the `state_dict`"
            raise stop("E0502", use.name.span, message, "has none", help=f"write `NAME: {use.name.text}(...)`")
        place = flow.builder.place()
        given = yield bind_stage(flow, found, use, context)
        site = _site(found, use, tag, place, context)
        return (yield _stage(flow, found, given, site, use, value, context))
    if found is POISON:
        return POISON
    if found is IDENTITY and use.arguments is None and use.branches is None:  # a setting: a label may stand for others
        return _flowing(value, use.name.span, context)
    what = f"`{use.name.text}`"
    if not isinstance(found, Wire):
        label = f"is {kind_of(found)}" + (f": {show(found, 40)}" if found is not None else "")
        raise stop("E0103", use.name.span, f"{what} is not a stage", label, **_hidden(use, found, context))
    if tag is not None:
        help = f"to name this value, write `{use.name.text} as NAME`"
        raise stop("E0502", tag.span, f"{what} cannot be labelled", "labels name modules", help=help)
    if use.arguments is not None or use.branches is not None:
        message = f"{what} is a value, and takes neither arguments nor branches"
        raise stop("E0103", use.span, message, "is a value", **_hidden(use, found, context))
    return found.value


class _Advice(TypedDict):
    """What a diagnostic says beside its message."""

    help: str
    related: list[Label]


def _hidden(use: ast.Use, found: object, context: Context) -> _Advice:
    """What to do about a name that is no stage, or not the one that was meant; it may hide an op."""
    text = use.name.text
    binding = context.scope.find(text)
    definition = context.scope.unit.names.get(text)
    place = binding.span if binding is not None else definition.span if definition is not None else None
    if text in OPS and place is not None:
        return _Advice(help=f"it hides the op `{text}`: give it another name", related=[Label(place, "bound here")])
    if isinstance(found, Wire):
        return _Advice(help=f"write `{text}` alone", related=[])
    if found is None:
        return _Advice(help=f"to leave it out where it is none, write `if {text} != none {{ {text} }}`", related=[])
    if isinstance(found, str) and found in OPS:
        return _Advice(help=f"an op is passed by its name, without quotes: `{found}`", related=[])
    if isinstance(found, int | float) and not isinstance(found, bool):
        return _Advice(help=f"a number is given to an op, as in `mul({text})` or `conv({text}, 3)`", related=[])
    return _Advice(help="a stage is an op, a block, or the name of a value", related=[])


def _lookup(flow: "Statements", name: ast.Name, value: Flow, context: Context) -> Task[object]:
    """Look up a name that stands as a stage: in the block, in the file, then among the ops."""
    text = name.text
    if text == "identity":
        return as_value(_flowing(value, name.span, context))
    if context.scope.find(text) is None and text not in context.scope.unit.names:
        if text in OPS:  # before the functions of the same name, which an expression means
            return OpValue(OPS[text], {})
        if text not in BUILTINS:
            raise unknown(name, context.scope)
    return (yield flow.evaluator.name(name, context.scope))


def _flowing(value: Flow, span: Span, context: Context) -> Flow:
    """The value that flows here; a mistake when there is none yet."""
    if value is None:
        names = " or ".join(f"`{name} -> ...`" for name in context.inputs)
        help = f"begin the statement with the name of an input: {names}" if names else ""
        raise stop("E0403", span, "there is no value here", "nothing flows yet", help=help)
    return value


def _inputs(
    flow: "Statements",
    what: str,
    counts: tuple[int, int | None],
    use: ast.Use,
    value: Flow,
    context: Context,
    names: Sequence[ast.Name] = (),
) -> Task[list[Branch]]:
    """The values that an op or block takes: those of its branches, else the one that flows; `names` are its inputs."""
    least, most = counts
    wanted = "one value" if most == least == 1 else f"{least} values" if most == least else "several values"
    if most == 0:
        if use.branches is not None:
            raise stop("E0401", use.branches.span, f"{what} takes no values", "has branches")
        return []
    if use.branches is None:
        if least > 1:
            one_line = " ".join(head(use).text.split())
            rest = "; ".join(["..."] * (least - 1))
            help = f"write each value as a statement in braces: `{one_line} {{ identity; {rest} }}`"
            raise stop("E0401", head(use), f"{what} takes {wanted}", "one value flows here", help=help)
        return [Branch(_flowing(value, use.name.span, context))]
    found: list[Branch] = yield flow.branches(use.branches, value, context)
    if all(branch.value is not POISON for branch in found) and (
        len(found) < least or (most is not None and len(found) > most)
    ):
        label = f"{len(found)} branch{'es' * (len(found) != 1)}"
        help = "join the branches first, with `add { ... }` or `concat { ... }`" if most == 1 else ""
        if len(found) < least and not names:
            help = f"a statement in the braces for each value, as in `{use.name.text} {{ identity; ... }}`"
        if names:
            help = "a statement in the braces for each input: " + ", ".join(f"`{name.text}`" for name in names)
        raise stop("E0401", use.branches.span, f"{what} takes {wanted}", label, help=help)
    return found


class Site(NamedTuple):
    """Where a module stands: its path (`None` where it has none), whether that is a label, its place in the text.

    `declared` says that it was made by `module NAME = ...`, elsewhere.
    """

    path: str | None
    labelled: bool
    place: int
    declared: bool = False


def _site(found: Applicable, use: ast.Use, tag: Tag | None, place: int, context: Context) -> Site:
    """Take the path of an op or block: its label, else the next index if it counts."""
    if tag is not None:
        return Site(context.paths.label(tag), True, place)
    if isinstance(found, BlockValue):
        counts = not found.block.inline
    else:
        counts = isinstance(found, ExternValue) or found.op.counts
    return Site(context.paths.index(use.name.span) if counts else None, False, place)


def bind_stage(flow: "Statements", found: Applicable, use: ast.Use, context: Context) -> Task[dict[str, Given]]:
    """Compute the arguments of an op or block that is used as a stage, and bind all of them."""
    passed = yield flow.evaluator.arguments(use.arguments or (), context.scope)
    if isinstance(found, BlockValue):
        return bind_block(found, passed, head(use), whole=True)
    if isinstance(found, ExternValue):
        return bind_extern(found, passed, head(use), whole=True)
    # Weights from further branches determine what the text leaves out.
    return bind_op(found, passed, head(use), whole=found.op.given is None or use.branches is None)


def _stage(
    flow: "Statements",
    found: Applicable,
    given: Mapping[str, Given],
    site: Site,
    use: ast.Use,
    value: Flow,
    context: Context,
) -> Task[Flow]:
    """Apply an op or block whose arguments and place are known. A label holds for the braces too."""
    holds = site.path is not None and site.labelled and not site.declared
    paths = Paths(site.path or "") if holds else context.paths
    outside = context._replace(paths=paths)
    if isinstance(found, BlockValue):
        return (yield _block(flow, found, given, site, use, value, outside))
    if isinstance(found, ExternValue):
        what = f"`{found.extern.name.text}`"
        scope = yield flow.evaluator.open(found.extern.parameters, given, found.unit, None, what)
        check_arguments(found.extern, scope, given)
        arguments = {name: binding.value for name, binding in scope.names.items()}
        return (yield _op(flow, flow.operator(found), arguments, given, site, use, value, outside))
    arguments = {parameter.name: _argument(found.op.name, parameter, given) for parameter in found.op.parameters}
    return (yield _op(flow, found.op, arguments, given, site, use, value, outside))


# ---- ops


def _op(
    flow: "Statements",
    op: Op,
    arguments: Mapping[str, object],
    given: Mapping[str, Given],
    site: Site,
    use: ast.Use,
    value: Flow,
    context: Context,
) -> Task[Flow]:
    def apply(branches: list[Branch]) -> Flow:
        results = [branch.value for branch in branches]
        if op.given is not None and len(results) == 1:  # without weights from further branches nothing may be missing
            bind_op(OpValue(op, given), (), head(use), whole=True)
        inputs = tuple(result for result in results if isinstance(result, int))
        if len(inputs) < len(results):
            return POISON
        return flow.builder.node(
            op,
            arguments,
            {name: argument.span for name, argument in given.items()},
            inputs,
            path=site.path or "",
            labelled=site.labelled,
            place=site.place,
            frame=context.frame,
            span=head(use),
            branches=tuple(branch.span for branch in branches),
        )

    if use.branches is None:
        return apply((yield _inputs(flow, f"`{op.name}`", op.inputs, use, value, context)))
    with flow.builder.region("merge", op.name, value, use.span, place=site.place) as region:
        region.outputs = apply((yield _inputs(flow, f"`{op.name}`", op.inputs, use, value, context)))
    return region.outputs


def initialisation(value: InitializerValue, span: Span) -> Initialisation:
    """What an initializer with its arguments does to a tensor, the arguments checked."""
    initializer, bound = value
    bind_initializer(value, (), span, whole=True)
    for parameter in initializer.parameters:
        if parameter.name in bound:
            _argument(initializer.name, parameter, bound)
    arguments = tuple((name, argument.value) for name, argument in bound.items())
    known = {parameter.name: parameter.default for parameter in initializer.parameters} | dict(arguments)
    low, high = known.get("a"), known.get("b")
    if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
        message = f"`a` of `{initializer.name}` must be smaller than `b`"
        raise stop("E0205", span, message, f"from {show(low)} to {show(high)}")
    return Initialisation(initializer.name, arguments)


def _argument(op: str, parameter: Parameter, given: Mapping[str, Given]) -> object:
    """The value of an op's parameter, checked against its kind."""
    if parameter.name not in given:
        # `bind` reports what is missing, except what weights from further branches determine.
        return None if parameter.default is REQUIRED else parameter.default
    value, span = given[parameter.name]
    if isinstance(value, InitializerValue):
        value = initialisation(value, span)
    if not parameter.kind.accepts(value):
        from archc.compiler.elaboration.advice import wrong_kind  # after a mistake only

        raise wrong_kind(op, parameter, value, given)
    return value


# ---- blocks


def _block(
    flow: "Statements",
    found: BlockValue,
    given: Mapping[str, Given],
    site: Site,
    use: ast.Use,
    value: Flow,
    context: Context,
) -> Task[Flow]:
    block = found.block
    what = f"block `{block.name.text}`"
    if context.depth >= DEEPEST_BLOCK:
        raise _endless(block.name.text, use, context.frame)
    declared = [statement.name for statement in block.body.statements if isinstance(statement, ast.Input)]
    if use.branches is not None and not declared:
        raise stop(
            "E0401",
            use.branches.span,
            f"{what} takes one value",
            "has branches",
            related=[Label(block.name.span, "declares no `input`")],
            help=f"declare them in the block, `input a, b`, or write `-> {block.name.text}` without braces",
        )
    if value is POISON and _within(block.name.text, context.frame):
        return POISON  # a recursion that would end by its sizes has none
    count = len(declared) or 1
    flows = [branch.value for branch in (yield _inputs(flow, what, (count, count), use, value, context, declared))]
    flows += [POISON] * (count - len(flows))  # a branch that is wrong, so nobody says that others are missing

    scope = yield flow.evaluator.open(block.parameters, given, found.unit, block.body, what)
    arguments = {name: binding.value for name, binding in scope.names.items()}
    if not declared:
        scope.names["in"] = Binding(as_value(flows[0]), use.span)
    inputs = {name.text: flow for name, flow in zip(declared, flows, strict=False)}
    frame = Frame(Use(block.name.text, use.name.span), context.frame)
    # A label has opened the scope already; an index opens one for the block alone; an inline block opens none.
    # What a declared module is made of has its paths there, what stands in the braces of a use has them here.
    opened = site.path is not None and (site.declared or not site.labelled)
    paths = Paths(site.path or "") if opened else context.paths
    inner = Context(scope, paths, frame, context.depth + 1, [], inputs, context.rounds)
    taken: Flow = POISON if POISON in flows else tuple(one for one in flows if isinstance(one, int))
    kind = "inline" if block.inline else "block"
    with flow.builder.region(
        kind,
        block.name.text,
        taken,
        use.span,
        path=site.path,
        labelled=site.labelled,
        place=site.place,
        arguments=arguments,
        definition=block,
    ) as region:
        start = flows[0] if len(flows) == 1 else None
        result = yield flow.body(block.body.statements, start, inner)
        region.outputs = flow.results(inner) if inner.results else result
    if region.outputs is None:
        raise stop("E0403", use.name.span, f"{what} leaves no value", "nothing flows in it")
    return region.outputs


def _within(name: str, frame: Frame | None) -> bool:
    """Whether a block of this name is around."""
    while frame is not None:
        if frame.use.block == name:
            return True
        frame = frame.parent
    return False


def head(use: ast.Use) -> Span:
    """The place of an op or block with its arguments, without its branches."""
    if use.branches is None:
        return use.span
    text = use.span.source.text[use.name.span.start : use.branches.span.start].rstrip()
    return Span(use.span.source, use.name.span.start, use.name.span.start + len(text))


def _endless(name: str, use: ast.Use, frame: Frame) -> Stop:
    steps = tuple(step for step in frame.trace()[:24] if step.block)
    chain = [name, *(step.block for step in steps)]
    cycle = chain[: chain.index(chain[0], 1) + 1] if chain[0] in chain[1:] else chain
    error = stop(
        "E0701",
        use.name.span,
        f"more than {DEEPEST_BLOCK} blocks lie inside each other: " + " in ".join(f"`{block}`" for block in cycle),
        "the innermost",
        help="give the recursion an end: `if depth > 0 { ... }`",
    )
    assert error.diagnostic is not None
    return Limit(error.diagnostic._replace(trace=steps[: len(cycle)]))
