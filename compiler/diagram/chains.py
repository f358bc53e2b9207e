"""Layers that follow each other without a branch, put together to boxes: a convolution with its norm and activation."""

from collections.abc import Callable, Iterable

from archc.compiler.diagram.outline import Leaf
from archc.compiler.diagram.plan import Frame, Slot


def chains(frame: Frame, pairs: Iterable[tuple[object, object]], small: Callable[[Leaf], str]) -> list[list[Slot]]:
    """Return the slots of a frame in the groups that are one box each, in order.

    `small` returns the name of a small operator, nothing for one of weight.
    """
    after: dict[object, set[object]] = {}
    before: dict[object, set[object]] = {}
    for tail, head in pairs:
        after.setdefault(tail, set()).add(head)
        before.setdefault(head, set()).add(tail)
    result: list[list[Slot]] = []
    waiting = [frame]
    while waiting:
        inner = waiting.pop()
        waiting.extend(part for part in reversed(inner.content) if isinstance(part, Frame))
        slots = [part for part in inner.content if isinstance(part, Slot)]
        here = set(slots)
        done: set[Slot] = set()
        for slot in slots:
            if slot in done:
                continue
            chain = [slot]
            while (following := _next(chain[-1], after, before)) in here and following not in done:
                assert isinstance(following, Slot)
                chain.append(following)
            done.update(chain)
            result.extend(_boxes(chain, small))
    return result


def _next(slot: Slot, after: dict[object, set[object]], before: dict[object, set[object]]) -> object:
    """The slot that goes on from here in the same box, if any."""
    heads = after.get(slot, set())
    if len(heads) != 1:
        return None
    head = next(iter(heads))
    if not isinstance(head, Slot) or before[head] != {slot} or not isinstance(head.part, Leaf):
        return None
    alike = isinstance(slot.part, Leaf) and head.fold is slot.fold and (head.partial is None) == (slot.partial is None)
    return head if alike else None


def _boxes(chain: list[Slot], small: Callable[[Leaf], str]) -> list[list[Slot]]:
    """Cut a chain so that each box has one operator of weight, with the small ones after it.

    Where a small operator begins the chain (a norm before a convolution, dropout before a linear layer), the next of
    its kind begins the next box.
    """
    kinds = [small(slot.part) if isinstance(slot.part, Leaf) else "" for slot in chain]
    boxes: list[list[Slot]] = []
    weighty = True
    for slot, kind in zip(chain, kinds, strict=True):
        if not boxes or (weighty and (not kind or kind == kinds[0])):
            boxes.append([])
            weighty = False
        boxes[-1].append(slot)
        weighty = weighty or not kind
    return boxes
