"""Layers that follow each other without a branch, put together to boxes: a convolution with its norm and activation."""

from collections.abc import Callable, Iterable

from archc.compiler.diagram.outline import Leaf
from archc.compiler.diagram.plan import Frame, Slot


def chains(frame: Frame, pairs: Iterable[tuple[object, object]], small: Callable[[Leaf], bool]) -> list[list[Slot]]:
    """Return the slots of a frame in the groups that are one box each, in order."""
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


def _boxes(chain: list[Slot], small: Callable[[Leaf], bool]) -> list[list[Slot]]:
    """Cut a chain: small operators stand with the one before them, or after them where a norm begins the chain."""
    weighty = [i for i, slot in enumerate(chain) if not (isinstance(slot.part, Leaf) and small(slot.part))]
    if len(weighty) < 2:
        return [chain]
    leading = weighty[0] > 1  # norm and activation before the first convolution: so before every one
    cuts = [i + 1 for i in weighty[:-1]] if leading else weighty[1:]
    starts = [0, *cuts]
    return [chain[a:b] for a, b in zip(starts, [*cuts, len(chain)], strict=True)]
