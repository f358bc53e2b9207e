"""Classes of one's own: what an `extern` declares becomes an operator. Nothing of it is imported to check a text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archc.compiler.algebra.sizes import Size, Symbolic
from archc.compiler.elaboration.scope import Binding, Scope, is_symbol
from archc.compiler.elaboration.trampoline import Task, run
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, External, Kind, Op, Parameter, Problem
from archc.compiler.ops.field import lost
from archc.compiler.problems import stop
from archc.compiler.values import ExternValue, Given, Wire, kind_of, show
from archc.dsl import ast
from archc.dsl.diagnostics import Label

if TYPE_CHECKING:
    from archc.compiler.elaboration.expressions import Evaluator

_WRITTEN = Kind("a number, text, a truth value, `none`, or a list of these", lambda value: _odd(value) is None)


def check_arguments(extern: ast.Extern, scope: Scope, given: Mapping[str, Given]) -> None:
    """Check that every argument can be written as Python.

    Raises:
        Stop: it is a block, an operator, or a size that depends on the input.
    """
    for parameter in extern.parameters:
        name = parameter.name.text
        odd = _odd(scope.names[name].value)
        if odd is None:
            continue
        span = given[name].span if name in given else parameter.name.span
        message = f"`{name}` of `{extern.name.text}` must be {_WRITTEN.words}; this is {kind_of(odd[0])}"
        help = "the class is constructed before any input is known" if isinstance(odd[0], Symbolic) else ""
        raise stop("E0204", span, message, f"is {show(scope.names[name].value)}", help=help)


def _odd(value: object) -> tuple[object] | None:
    """What in a value cannot be written as Python, in a tuple."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if type(part) in (list, tuple):
            waiting.extend(part)  # type: ignore[arg-type]
        elif part is not None and type(part) not in (bool, int, float, str):
            return (part,)
    return None


def operator(value: ExternValue, evaluator: "Evaluator") -> Op:
    """Return the operator that an extern declares; its sizes are computed by `evaluator` for each use."""
    extern = value.extern
    names = [parameter.name.text for parameter in extern.parameters]
    module, _, name = extern.path.partition(":")

    def shape(call: Call) -> tuple[Tensor, ...]:
        return run(_Use(value, call, evaluator).outputs())

    def construct(call: Call) -> Construct:
        return Construct(extern.path, tuple((name, call.arguments[name]) for name in names))

    return Op(
        extern.name.text,
        "extern",
        f"the class `{name}` of `{module}`",
        tuple(Parameter(name, _WRITTEN) for name in names),
        shape,
        (),
        inputs=(len(extern.inputs), len(extern.inputs)),
        outputs=lambda arguments: len(extern.outputs),
        module=construct,
        field=lost,
        external=External(module, name, extern.name.span),
    )


class _Use:
    """One use of an extern: its declared sizes are compared with the inputs', symbols bound on the way."""

    __slots__ = ("call", "evaluator", "extern", "scope")

    def __init__(self, value: ExternValue, call: Call, evaluator: "Evaluator") -> None:
        self.extern = value.extern
        self.call = call
        self.evaluator = evaluator
        self.scope = Scope(value.unit)
        for parameter in value.extern.parameters:
            name = parameter.name
            self.scope.names[name.text] = Binding(call.arguments[name.text], name.span)

    def outputs(self) -> Task[tuple[Tensor, ...]]:
        """Return the types of the results.

        Raises:
            Problem: an input is not what is declared.
            Stop: the declaration is wrong.
        """
        waiting: list[tuple[int, int, ast.Expression]] = []
        outer = Scope(self.scope.unit)
        outer.names.update(self.scope.names)
        for number, (declared, found) in enumerate(zip(self.extern.inputs, self.call.inputs, strict=True)):
            if not found.batched:
                raise self._misfit(number, "and this value has no batch", "E0303")
            if len(found.shape) != len(declared):
                count = f"{len(found.shape)} size{'s' * (len(found.shape) != 1)}"
                raise self._misfit(number, f"and this value has {count}: {found}", "E0303")
            for axis, size in enumerate(declared):
                if not isinstance(size, ast.Name) or not is_symbol(size, outer):
                    waiting.append((number, axis, size))
                elif size.text not in self.scope.names:
                    self.scope.names[size.text] = Binding(found.shape[axis], size.span)
                else:
                    self._compare(number, axis, size, self.scope.names[size.text].value)
        for number, axis, size in waiting:
            self._compare(number, axis, size, (yield self._size(size)))
        # What calculates with whole numbers leaves another kind; what takes several, that of the first that it can be.
        floats = [tensor.dtype for tensor in self.call.inputs if tensor.dtype.startswith(("float", "bfloat"))]
        results = []
        for declared in self.extern.outputs:
            sizes: list[Size] = []
            for size in declared:
                value = yield self._size(size)
                if not self.call.fits(value):
                    raise Problem(
                        "E0302",
                        f"`{self.extern.name.text}` leaves nothing here: `{size.span.text}` is {show(value)}",
                        f"leaves {_text(declared)}",
                        related=(Label(size.span, "declared here"),),
                    )
                sizes.append(value)
            results.append(Tensor(tuple(sizes), floats[0] if floats else "float32"))
        return tuple(results)

    def _size(self, expression: ast.Expression) -> Task[Size]:
        value = yield self.evaluator.evaluate(expression, self.scope)
        if isinstance(value, Symbolic) or type(value) is int:
            return value
        help = "write `//` for a division without rest" if type(value) is float else ""
        raise stop(
            "E0204",
            expression.span,
            f"a size is a whole number, and this is {kind_of(value)}",
            f"is {show(value) if not isinstance(value, Wire) else 'a value'}",
            help=help,
        )

    def _compare(self, number: int, axis: int, size: ast.Expression, expected: object) -> None:
        found = self.call.inputs[number].shape[axis]
        assert isinstance(expected, int | Symbolic)
        if not self.call.equal(found, expected):
            named = "" if size.span.text == show(expected) else f"`{size.span.text}` is "
            raise self._misfit(number, f"and here {named}{show(expected)}, but the value has {found}", "E0301")

    def _misfit(self, number: int, found: str, code: str) -> Problem:
        declared = self.extern.inputs[number]
        place = Label(declared[0].span.to(declared[-1].span) if declared else self.extern.name.span, "declared here")
        which = f"branch {number + 1} of " if len(self.extern.inputs) > 1 else ""
        message = f"{which}`{self.extern.name.text}` takes {_text(declared)}, {found}"
        label = f"takes {_text(declared)}"
        return Problem(code, message, label, input=number, related=(place,))


def _text(sizes: tuple[ast.Expression, ...]) -> str:
    return f"[{', '.join(size.span.text for size in sizes)}]"
