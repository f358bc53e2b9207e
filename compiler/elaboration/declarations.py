"""Statements that declare: a module without applying it, and how weights start."""

from typing import TYPE_CHECKING

from archc.compiler.elaboration.arguments import bind_initializer
from archc.compiler.elaboration.context import Context
from archc.compiler.elaboration.paths import Tag
from archc.compiler.elaboration.trampoline import Task
from archc.compiler.elaboration.uses import bind_stage, initialisation
from archc.compiler.ir import Rule
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import no_weights
from archc.compiler.ops.initial import INITIALIZERS
from archc.compiler.problems import stop
from archc.compiler.values import Applicable, InitializerValue, ModuleValue, OpValue, kind_of
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from archc.compiler.elaboration.flow import Statements


def declare_module(flow: "Statements", statement: ast.Module, context: Context) -> Task[None]:
    """Declare a module: it has its path and its place here, and is applied where its name is a stage."""
    text = yield flow.evaluator.template(statement.label, context.scope)
    found = yield flow.evaluator.name(statement.use.name, context.scope)
    if not isinstance(found, Applicable):
        label = f"is {kind_of(found)}"
        raise stop("E0103", statement.use.name.span, "a module is made of an op or a block", label)
    given = yield bind_stage(flow, found, statement.use, context)
    path = context.paths.label(Tag(text, statement.label.span))
    module = ModuleValue(found, given, path, flow.builder.place(), statement.label.span, tuple(flow.rules.open))
    place = Label(statement.label.span, "never applied")
    help = f"its sizes follow from its input: apply it, `-> {text}`, or remove it"
    message = f"the module `{path}` is never applied, so it is not made"
    flow.unapplied[path] = Diagnostic("W0102", message, place, (), context.frame.trace(), help)
    context.scope.bind(ast.Name(text, statement.label.span), module)


def declare_init(flow: "Statements", statement: ast.Init, context: Context) -> Task[None]:
    """Keep how the weights of an op start, until the braces around end."""
    name = statement.op
    is_own = context.scope.find(name.text) is not None or name.text in context.scope.unit.names
    found = OpValue(OPS[name.text], {}) if name.text in OPS and not is_own else None
    found = found or (yield flow.evaluator.name(name, context.scope))
    if not isinstance(found, OpValue):
        raise stop("E0103", name.span, "`init` takes the name of an op", f"is {kind_of(found)}")
    if found.op.weights is no_weights or found.op.own:
        help = "give it to the value itself, `NAME: parameter(shape, init=...)`" if found.op.own else ""
        raise stop("E0204", name.span, f"`{found.op.name}` has no weights to initialise", "without any", help=help)
    use = statement.initializer
    value = yield flow.evaluator.name(use.name, context.scope)
    if not isinstance(value, InitializerValue):
        help = "it is a function of `torch.nn.init` without its underscore: " + ", ".join(INITIALIZERS)
        message = f"`{use.name.text}` is {kind_of(value)}, not an initializer"
        raise stop("E0204", use.name.span, message, "how do the weights start?", help=help)
    passed = yield flow.evaluator.arguments(use.arguments or (), context.scope)
    given = bind_initializer(value, passed, use.span, whole=True)
    parameter = statement.parameter.text if statement.parameter is not None else ""
    for rule in flow.rules.open[-1]:
        if rule.op is found.op and rule.parameter == parameter:
            related = [Label(rule.span, "here first")]
            raise stop("E0203", statement.span, "these weights are initialised twice", "again", related=related)
    start = initialisation(value._replace(bound=given), use.span)
    flow.rules.open[-1].append(Rule(found.op, parameter, start, 0, 0, statement.span))
