"""Which `init` holds for which nodes: those made in its braces, and in modules that are declared there."""

from collections.abc import Sequence
from typing import NamedTuple

from archc.compiler.ir import Node, Rule
from archc.compiler.values import ModuleValue


class Applied(NamedTuple):
    """The nodes of one application of a declared module, and the rules of the braces around its declaration."""

    start: int
    end: int
    rules: tuple[list[Rule], ...]


class Rules:
    """Collects the rules of braces: `open` are those of the braces around, `found` all others, inner ones first."""

    __slots__ = ("_applied", "_nodes", "found", "open")

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes  # as far as they are made
        self._applied: list[Applied] = []
        self.open: list[list[Rule]] = []
        self.found: list[Rule] = []

    def close(self, start: int) -> None:
        """End the innermost braces, which hold the nodes from `start` on.

        What a module made that was declared outside of them is not theirs.
        """
        rules = self.open.pop()
        if not rules:
            return
        end = len(self._nodes)
        for applied in reversed(self._applied):
            if applied.start < start:
                break
            if applied.end <= end and all(one is not rules for one in applied.rules):
                if applied.end < end:
                    self._hold(rules, applied.end, end)
                end = applied.start
        self._hold(rules, start, end)

    def apply(self, module: ModuleValue, start: int) -> None:
        """Note the nodes that an application of a declared module made from `start` on."""
        end = len(self._nodes)
        while start < end and not f"{self._nodes[start].path}.".startswith(f"{module.path}."):
            start += 1  # what stands in the braces of its use
        self._applied.append(Applied(start, end, module.rules))
        for rules in reversed(module.rules):
            if all(one is not rules for one in self.open):
                self._hold(rules, start, end)

    def _hold(self, rules: list[Rule], start: int, end: int) -> None:
        """Let rules hold for some nodes; those of one parameter come before those of all."""
        ordered = sorted(rules, key=lambda rule: rule.parameter == "")
        self.found += [rule._replace(start=start, end=end) for rule in ordered]
