"""The sizes of a network's values, computed when they are asked for, each once."""

from archc.compiler.algebra.conditions import Conditions
from archc.compiler.algebra.sizes import NotExact
from archc.compiler.ir import Node, Tensor
from archc.compiler.ops.entry import Call, Problem
from archc.compiler.ops.order import taken_for, without_size
from archc.compiler.ops.together import in_place
from archc.compiler.problems import Stop
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.source import Span


class Shapes:
    """The types of values, by their number.

    Elaboration hands over every node as it makes it and asks for a size where the text does (`in.channels`); the rest
    is computed by `infer`. A node whose rule finds a problem leaves `None`, and so does all that follows from it: one
    mistake is reported once.
    """

    __slots__ = ("_done", "_nodes", "_origins", "_types", "conditions", "diagnostics")

    def __init__(self) -> None:
        self.conditions = Conditions()
        self.diagnostics: list[Diagnostic] = []
        self._types: dict[int, Tensor | None] = {}
        self._origins: dict[int, Span] = {}
        self._nodes: list[Node] = []
        self._done = 0

    def add_input(self, value: int, tensor: Tensor, span: Span) -> None:
        """Set the type of an input of the network."""
        self._types[value] = tensor
        self._origins[value] = span

    def add(self, node: Node) -> None:
        """Take a node whose outputs will be asked for."""
        self._nodes.append(node)

    def __len__(self) -> int:
        """How many operators were taken."""
        return len(self._nodes)

    def of(self, value: int) -> Tensor | None:
        """Return the type of a value, or `None` when a mistake leaves it unknown."""
        while value not in self._types and self._done < len(self._nodes):
            node = self._nodes[self._done]
            self._done += 1
            results = self._infer(node)
            for i, output in enumerate(node.outputs):
                self._types[output] = results[i] if results is not None else None
                self._origins[output] = node.span
        return self._types.get(value)

    def _infer(self, node: Node) -> tuple[Tensor, ...] | None:
        inputs = []
        for value in node.inputs:
            tensor = self._types.get(value)
            if tensor is None:
                return None
            inputs.append(tensor)
        try:
            return node.op.shape(Call(node.arguments, tuple(inputs), conditions=self.conditions, cause=node.span))
        except Problem as problem:
            self.diagnostics.append(self._explain(problem, node, inputs))
        except Stop as error:  # in the declaration of an extern
            if error.diagnostic is not None:
                self.diagnostics.append(error.diagnostic._replace(trace=node.frame.trace()))
        except NotExact as error:
            label = Label(node.span, str(error))
            help = "give the input fixed sizes, or keep the sizes symbolic only where they are divided by fixed numbers"
            self.diagnostics.append(
                Diagnostic("E0207", "this size cannot be followed exactly", label, (), node.frame.trace(), help)
            )
        return None

    def _explain(self, problem: Problem, node: Node, inputs: list[Tensor]) -> Diagnostic:
        related = []
        for i, (value, tensor) in enumerate(zip(node.inputs, inputs, strict=True)):
            if len(inputs) > 1:
                place = node.branches[i] if i < len(node.branches) else None
                related.append(Label(place or self._origins[value], f"branch {i + 1} is {tensor}"))
            elif problem.input is not None or not problem.argument:
                related.append(Label(self._origins[value], f"this is {tensor}"))
        related.extend(problem.related)
        # What is wrong with one of several branches is seen beside the others, not at the operator.
        label = "these do not fit together" if len(inputs) > 1 and problem.input is not None else problem.label
        primary = Label(node.argument_spans.get(problem.argument, node.span), label)
        help = problem.help
        if problem.projection is not None and len(inputs) == 2:
            layer = self._last_convolution(node, node.inputs[problem.projection.branch])
            if layer is not None:
                help = in_place(problem.projection, inputs[problem.projection.branch], layer) or help
        taken = taken_for(node.op, node.arguments, node.argument_spans, inputs, wrong=True)
        if taken:
            typed = without_size(node.op, node.arguments, node.argument_spans, taken)
            help = f"`{node.op.inferred[0]}` follows from the input: write `{typed}`"
        return Diagnostic(problem.code, problem.message, primary, tuple(related), node.frame.trace(), help)

    def _last_convolution(self, node: Node, value: int) -> Node | None:
        """The convolution that a branch of a node ends with, norms and activations aside; its text is in the braces."""
        made = {output: each for each in self._nodes for output in each.outputs}
        while value in made and len(made[value].inputs) == 1:
            layer = made[value]
            if layer.frame.use is not node.frame.use or layer.span.start < node.span.start:
                return None
            if layer.op.role == "convolution":
                return layer
            if layer.op.role not in ("norm", "activation", "regularisation"):
                return None
            (value,) = layer.inputs
        return None
