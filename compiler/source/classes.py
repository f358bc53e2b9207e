"""The classes that are written: each with the scopes that are its instances."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from archc.compiler.ir import Tensor
from archc.compiler.source.definitions import Definition, Vector, merged
from archc.compiler.source.forward import Forward
from archc.compiler.source.free import Free
from archc.compiler.source.parameters import Parameters
from archc.compiler.source.scopes import Scope
from archc.dsl.source import Span


class Counted(NamedTuple):
    """The keys of the modules of a loop: `prefix` and a number that counts from `start`.

    Where instances have another number each in the prefix, that is `number`, and `suffix` follows it. Without `start`,
    it is the key of a single module.
    """

    prefix: str
    start: int | None
    number: Vector | None = None
    suffix: str = ""


Key: TypeAlias = str | Counted


class Plan(NamedTuple):
    """How one scope is written.

    form  "chain" (an `nn.Sequential`), "named" (one whose modules have names), "unpacked" (one whose `forward` names
          its modules), "loop" (rounds over the modules in it) or "module" (attributes)
    """

    form: str
    members: tuple[tuple[Key, Definition], ...]
    forward: Forward | None
    origins: tuple[Span, ...]  # of the members


class Option(NamedTuple):
    """What not all instances of a class have, by its name: the keys of its modules, and which instances have it.

    Without modules, `forward` asks for it by its name.
    """

    name: str
    keys: tuple[str, ...]
    there: tuple[bool, ...]


class Class:
    """A class that is written, with the scopes that are its instances.

    `flag` is the argument that says whether an instance has the modules of `option`.
    """

    __slots__ = ("base", "flag", "name", "number", "option", "parameters", "plan", "plans", "scopes")

    def __init__(self, number: int, base: str) -> None:
        self.number = number
        self.base = base
        self.name = ""
        self.flag = ""
        self.option: Option | None = None
        self.scopes: list[Scope] = []
        self.plans: list[Plan] = []

    def settle(self, types: Sequence[Tensor], free: Free) -> None:
        """Merge the instances, once all are known."""
        first = self.plans[0]
        members = tuple(
            (key, merged([plan.members[i][1] for plan in self.plans])) for i, (key, _) in enumerate(first.members)
        )
        self.plan = Plan(first.form, members, first.forward, first.origins)
        self.parameters = Parameters(self.scopes, [key for key, _ in members if isinstance(key, str)], types, free)
        for key, definition in members:
            if isinstance(key, Counted) and key.number is not None:
                self.parameters.text(key.number, "number")
            self.parameters.visit(definition)
        self.parameters.visit_forward([plan.forward for plan in self.plans if plan.forward is not None])
        if self.option is not None:
            self.flag = self.parameters.flag(self.option.there, self.option.name, kept=not self.option.keys)
        self.parameters.arrange()


class Written(NamedTuple):
    """All classes in the order in which they are written, and the name of the tuple of several results."""

    classes: tuple[Class, ...]
    result: str
