"""Which places of an input an operator reads for a place of its output: the receptive field of one operator.

Convention: padding is part of the input, away from its edges; the statistics of a normalisation count as constants, so
a norm reads its own place only; channels are an axis like any other.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from archc.compiler.ir import Tensor
    from archc.compiler.ops.entry import Call


class Along(NamedTuple):
    """Where the places of an output axis come from: of the axes `sources` of the input, their places in `shape`.

    With one source, place `o` reads those `i` with `o * stride - padding + j * dilation == i * up`, for `j` from 0 up
    to, not including, `kernel`. With several, which a flattening joins, a place reads one place of each.
    """

    sources: tuple[int, ...]
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    up: int = 1

    def reads(self, place: int) -> list[int]:
        """Return the places that one place of the output reads.

        >>> Along((1,), kernel=3, stride=2, padding=1).reads(4)
        [7, 8, 9]
        >>> Along((1,), kernel=3, padding=1, up=2).reads(4)
        [2]
        """
        first = place * self.stride - self.padding
        read = range(first, first + self.kernel * self.dilation, self.dilation)
        return [at // self.up for at in read if at % self.up == 0]


class Field(NamedTuple):
    """How an output depends on the places of an input.

    axes     for each axis of the output where its places come from; `None` where that is no axis of the input
    picked   axes of the input of which the same single place is read everywhere
    lost     axes of the input whose places go ways that this description cannot follow

    An axis of the input that is in none of these is read as a whole.
    """

    axes: tuple[Along | None, ...]
    picked: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()


# The rule of an operator: the field of its output `result` in its input `source`.
Rule = Callable[["Call", int, int], Field]


def alike(call: "Call", source: int, result: int) -> Field:
    """The rule of what reads one place for each place; axes of size 1 and missing ones are broadcast.

    >>> from archc.compiler.ir import Tensor
    >>> from archc.compiler.ops.entry import Call
    >>> x = Tensor((8, 1, 5))
    >>> alike(Call({}, (x,), (Tensor((8, 4, 5)),)), 0, 0)
    Field(axes=(Along(sources=(0,)...), None, Along(sources=(2,)...)), picked=(1,), lost=())
    """
    x, y = call.inputs[source], call.outputs[result]
    missing = len(y.shape) - len(x.shape)
    axes: list[Along | None] = [None] * missing
    picked: list[int] = []
    lost: list[int] = []
    for place, size in enumerate(x.shape):
        if missing + place < 0:
            picked.append(place)  # the batch of a value that has no batch axis
        elif size == y.shape[missing + place]:
            axes.append(Along((place,)))
        else:
            axes.append(None)
            (picked if size == 1 else lost).append(place)
    return Field(tuple(axes), tuple(picked), tuple(lost))


def identity(x: "Tensor") -> list[Along | None]:
    """Return the axes of what reads its own place, as a list to change."""
    return [Along((place,)) for place in range(len(x.shape))]


def mixing(*places: int) -> Rule:
    """Return the rule of what reads whole axes and leaves as many, at places counted in `shape`.

    >>> from archc.compiler.ir import Tensor
    >>> from archc.compiler.ops.entry import Call
    >>> mixing(-1)(Call({}, (Tensor((7, 84)),), (Tensor((7, 10)),)), 0, 0).axes
    (Along(sources=(0,)...), None)
    """

    def rule(call: "Call", source: int, result: int) -> Field:
        axes = identity(call.inputs[source])
        for place in places:
            axes[place] = None
        return Field(tuple(axes))

    return rule


def whole(call: "Call", source: int, result: int) -> Field:
    """The rule of what reads everything for each place."""
    return Field((None,) * len(call.outputs[result].shape))


def lost(call: "Call", source: int, result: int) -> Field:
    """The rule of what cannot be followed."""
    return Field((None,) * len(call.outputs[result].shape), (), tuple(range(len(call.inputs[source].shape))))


def windows(*places: Along) -> Field:
    """Return the field of what mixes the channels and has a window along each spatial axis."""
    return Field((None, *places))


def joined(groups: list[tuple[int, ...]], picked: tuple[int, ...] = (), lost: tuple[int, ...] = ()) -> Field:
    """Return the field of axes that are put in another order and flattened: the sources of each output axis.

    What is flattened together with an axis of `lost` is lost as well.

    >>> joined([(1, 2), (0,)]).axes[0].sources
    (1, 2)
    """
    mixed = {place for group in groups if any(place in lost for place in group) for place in group}
    axes = (Along(group) if group and mixed.isdisjoint(group) else None for group in groups)
    return Field(tuple(axes), picked, tuple(sorted(mixed.union(lost))))
