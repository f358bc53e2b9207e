"""The classes that are written: each with the scopes that are its instances."""

from collections.abc import Sequence
from typing import NamedTuple

from archc.compiler.ir import Tensor
from archc.compiler.source.definitions import Definition, merged
from archc.compiler.source.forward import Forward
from archc.compiler.source.parameters import Parameters
from archc.compiler.source.scopes import Scope
from archc.dsl.source import Span


class Counted(NamedTuple):
    """The keys of the modules of a loop: `prefix` and a number that counts from `start`."""

    prefix: str
    start: int


class Plan(NamedTuple):
    """How one scope is written.

    form  "chain" (an `nn.Sequential`), "named" (one whose modules have names), "unpacked" (one whose `forward` names
          its modules), "loop" (rounds over the modules in it) or "module" (attributes)
    """

    form: str
    members: tuple[tuple["str | Counted", Definition], ...]
    forward: Forward | None
    origins: tuple[Span, ...]  # of the members


class Class:
    """A class that is written, with the scopes that are its instances."""

    __slots__ = ("base", "name", "number", "parameters", "plan", "plans", "scopes")

    def __init__(self, number: int, base: str) -> None:
        self.number = number
        self.base = base
        self.name = ""
        self.scopes: list[Scope] = []
        self.plans: list[Plan] = []

    def settle(self, types: Sequence[Tensor]) -> None:
        """Merge the instances, once all are known."""
        first = self.plans[0]
        members = tuple(
            (key, merged([plan.members[i][1] for plan in self.plans])) for i, (key, _) in enumerate(first.members)
        )
        self.plan = Plan(first.form, members, first.forward, first.origins)
        self.parameters = Parameters(self.scopes, [key for key, _ in members if isinstance(key, str)], types)
        for _, definition in members:
            self.parameters.visit(definition)
        self.parameters.visit_forward([plan.forward for plan in self.plans if plan.forward is not None])
        self.parameters.arrange()


class Written(NamedTuple):
    """All classes in the order in which they are written, and the name of the tuple of several results."""

    classes: tuple[Class, ...]
    result: str
