"""What an operator is: one `Op` holds all that archc knows of it. Nothing else knows an operator by name."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from archc.compiler.algebra.conditions import Conditions
from archc.compiler.algebra.sizes import Size, symbols
from archc.compiler.ir import Tensor
from archc.compiler.ops.field import Rule, alike
from archc.compiler.ops.kept import Rule as KeptRule
from archc.compiler.ops.kept import nothing
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span

if TYPE_CHECKING:
    from archc.compiler.ops.together import Projection


class Kind(NamedTuple):
    """What values a parameter takes: in words for messages, and as a test."""

    words: str
    accepts: Callable[[object], bool]


class _Required:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


class Parameter(NamedTuple):
    """One parameter of an operator, in torch's order and with torch's default."""

    name: str
    kind: Kind
    default: object = REQUIRED


class Weight(NamedTuple):
    """A tensor that the operator's module keeps: its name below the module's path, and its sizes.

    The name is empty where the path itself is the key, as that of a `parameter`.
    """

    name: str
    shape: tuple[int, ...]
    buffer: bool = False
    dtype: str = "float32"


class Construct(NamedTuple):
    """A module to construct: `nn.Conv2d(3, 64, kernel_size=7)`.

    `callee` is what Python calls, or `package.module:Class` of what has to be imported.
    Arguments are `(name or None, value)`; those equal to torch's default are left out. Values are ints, floats,
    strings, booleans, `None` and tuples of them; those of a tensor may be lists, and tensors that are constructed.
    """

    callee: str
    arguments: tuple[tuple[str | None, object], ...] = ()


class Expression(NamedTuple):
    """A Python expression over the inputs: `{0}`, `{1}`, ... stand for the inputs, `{name}` for a value.

    Values are those of a `Construct`, and sizes that may be symbolic. An input that occurs more than once must be a
    name when it is filled in. `{module}` stands for the operator's module, in expressions that apply one.
    `atomic` says that it can be used without brackets wherever an expression can.
    """

    template: str
    values: Mapping[str, object] = {}
    atomic: bool = True


class Statements(NamedTuple):
    """Lines of Python, for an operator whose outputs no single expression gives.

    `{0}`, `{1}`, ... stand for the inputs (names), `{y0}`, `{y1}`, ... for the names of the outputs, `{module}` for the
    operator's module.
    """

    lines: tuple[str, ...]


class External(NamedTuple):
    """A class of one's own: `name` is what its module calls it (`Outer.Inner` in a class), `span` who declares it."""

    module: str
    name: str
    span: Span


class Example(NamedTuple):
    """A use of the operator in the language, and the sizes of its inputs, without the batch.

    `dtypes` are those of the inputs, all float32 when empty; `unbatched` are the numbers of the inputs that have no
    batch axis.
    """

    text: str
    inputs: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...] = ()
    unbatched: tuple[int, ...] = ()

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the types of the inputs.

        >>> Example("add", ((3, 4), (1, 4)), unbatched=(1,)).tensors()[1]
        Tensor(shape=(1, 4), dtype='float32', batched=False)
        """
        dtypes = self.dtypes or ("float32",) * len(self.inputs)
        return tuple(
            Tensor(shape, dtype, number not in self.unbatched)
            for number, (shape, dtype) in enumerate(zip(self.inputs, dtypes, strict=True))
        )


class Problem(Exception):
    """A use of an operator that cannot be, as its rule found it; `infer` adds the place.

    `argument` names the argument to point at, `input` the number of the input; with neither, the operator's name is
    pointed at. `related` are further places that show the cause; `projection` would bring a branch to another's size.
    """

    def __init__(
        self,
        code: str,
        message: str,
        label: str,
        *,
        help: str = "",
        argument: str = "",
        input: int | None = None,
        related: tuple[Label, ...] = (),
        projection: "Projection | None" = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.label = label
        self.help = help
        self.argument = argument
        self.input = input
        self.related = related
        self.projection = projection


class Call:
    """One use of an operator as its rules see it: the arguments, the inputs, and what the input sizes must meet.

    Arguments have been checked against the kinds of the parameters before a rule sees them. The conditions are
    present only while sizes are inferred; rules that run later (weights, cost, PyTorch text) get the same call with
    the outputs known.
    """

    __slots__ = ("arguments", "cause", "conditions", "inputs", "outputs")

    def __init__(
        self,
        arguments: Mapping[str, object],
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...] = (),
        conditions: Conditions | None = None,
        cause: object = None,
    ) -> None:
        self.arguments = arguments
        self.inputs = inputs
        self.outputs = outputs
        self.conditions = conditions if conditions is not None else Conditions()
        self.cause = cause

    # ---- arguments

    def integer(self, name: str) -> int:
        value = self.arguments[name]
        assert isinstance(value, int), name
        return value

    def number(self, name: str) -> float:
        value = self.arguments[name]
        assert isinstance(value, int | float), name
        return value

    def flag(self, name: str) -> bool:
        value = self.arguments[name]
        assert isinstance(value, bool), name
        return value

    def text(self, name: str) -> str:
        value = self.arguments[name]
        assert isinstance(value, str), name
        return value

    def each(self, name: str, rank: int) -> tuple[int, ...]:
        """Return an argument given once for all axes or as one number for each, always as one for each.

        >>> Call({"stride": 2}, ()).each("stride", 2)
        (2, 2)
        """
        value = self.arguments[name]
        if isinstance(value, int):
            return (value,) * rank
        assert isinstance(value, list | tuple), name
        if len(value) != rank:
            raise Problem(
                "E0303",
                f"`{name}` has {len(value)} numbers, but the input has {rank} spatial axes",
                f"{len(value)} numbers",
                argument=name,
                help=f"give one number for all axes, or {rank} of them",
            )
        return tuple(value)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an argument that is one integer or several, always as several."""
        value = self.arguments[name]
        if isinstance(value, int):
            return (value,)
        assert isinstance(value, list | tuple), name
        return tuple(value)

    def sizes(self, name: str) -> tuple[Size, ...]:
        """Return an argument that is a list of sizes."""
        value = self.arguments[name]
        assert isinstance(value, list | tuple), name
        return tuple(value)

    # ---- inputs

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.inputs[0]

    @property
    def y(self) -> Tensor:
        """The first output."""
        return self.outputs[0]

    def known(self, size: Size, what: str) -> int:
        """Return a size that has to be a number, because a weight has that size.

        Raises:
            Problem: it depends on the input's size.
        """
        if isinstance(size, int):
            return size
        raise Problem(
            "E0305",
            f"{what} must be a number, but it is {size}",
            f"depends on {', '.join(sorted(symbols(size)))}",
            input=0,
            help=self._fixed(size),
        )

    def _fixed(self, size: Size) -> str:
        """What to do about a size that must be a number."""
        sizes = self.x.shape
        if len(sizes) > 1 and size == sizes[0] and str(size).isidentifier():  # a symbol, as it was declared
            rest = ", ".join(("3", *map(str, sizes[1:])))
            return f"weights need the number of channels: write it where the input is declared, as in `[{rest}]`"
        return "make the size fixed before this, for example with `adaptive_avg_pool` or `global_avg_pool`"

    # ---- claims about sizes

    def fits(self, size: Size, least: int = 1) -> bool:
        """Say whether a size can be at least `least`; for symbolic sizes this becomes a condition on the input."""
        return self.conditions.require_at_least(size, least, self.cause)

    def equal(self, a: Size, b: Size) -> bool:
        """Say whether two sizes can be equal; for symbolic sizes this becomes a condition on the input."""
        return self.conditions.require_equal(a, b, self.cause)

    def divides(self, size: Size, divisor: int) -> bool:
        """Say whether a size can be a multiple of a number; for symbolic sizes this becomes a condition."""
        return self.conditions.require_multiple(size, divisor, self.cause)


def no_weights(call: Call) -> tuple[Weight, ...]:
    return ()


def no_macs(call: Call) -> Size:
    return 0


class Op(NamedTuple):
    """An operator of the language.

    name        as the text writes it
    role        what kind it is, for colours and legends: a key of `archc.compiler.ops.ROLES`, or "extern"
    summary     one line of documentation
    parameters  those of the `nn.Module`, without the ones that the input's sizes determine
    shape       the types of its outputs; raises `Problem` for what torch would refuse
    examples    uses that the tests compare with torch
    inputs      how few and how many values it takes; `None` for any number
    outputs     how many values it leaves, from its arguments
    counts      whether it takes an index when it is unlabelled (rule 4 of the paths)
    module      the module to construct; operators with weights have one
    function    the expression that applies it without a module; operators with state have none
    apply       how its module is applied, or `None` for `{module}({0}, {1}, ...)`; a module with its own way fits no
                `Sequential`
    given       the expression that applies it to weights from further inputs, `linear { x; weight }`; with more than
                one input it then has no module and no weights of its own, and parameters without a default, which
                those weights determine, may be missing and are `None`
    own         what a value of the network's own is: "parameter" or "buffer", whose label is their key in the
                `state_dict`, or "constant"; empty for operators that apply something
    tensor      what makes a value of the network's own
    weights     the tensors its module keeps, in torch's order
    macs        multiply-adds for one sample, exact; of convolutions, linear layers, matrix products and attention
    field       which places of its inputs a place of its outputs reads; one that changes no size reads its own place
    keeps       what a use keeps in memory for the backward pass
    overwrites  whether a use can leave its result in the memory of its input, by torch's `inplace`, at no cost: its
                backward pass reads the result and not the input
    label       what a diagram writes in its box
    external    of a class of one's own, whose weights and cost nobody here knows: how it is imported
    inferred    torch's parameters that the input's sizes determine here; where torch's come first, the first of them
    """

    name: str
    role: str
    summary: str
    parameters: tuple[Parameter, ...]
    shape: Callable[[Call], tuple[Tensor, ...]]
    examples: tuple[Example, ...]
    inputs: tuple[int, int | None] = (1, 1)
    outputs: Callable[[Mapping[str, object]], int] = lambda arguments: 1
    counts: bool = True
    module: Callable[[Call], Construct] | None = None
    function: Callable[[Call], Expression] | None = None
    apply: Callable[[Call], Expression | Statements | None] | None = None
    given: Callable[[Call], Expression] | None = None
    own: str = ""
    tensor: Callable[[Call], Construct] | None = None
    weights: Callable[[Call], tuple[Weight, ...]] = no_weights
    macs: Callable[[Call], Size] = no_macs
    field: Rule = alike
    keeps: KeptRule = nothing
    overwrites: Callable[[Call], bool] = lambda call: False
    label: Callable[[Call], str] | None = None
    external: External | None = None
    inferred: tuple[str, ...] = ()
