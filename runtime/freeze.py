"""Weights that do not train: chosen by patterns over the names of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from torch import nn

from archc.runtime.errors import SettingsError
from archc.runtime.recipe_errors import near


@contextmanager
def frozen(module: nn.Module, patterns: Sequence[str]) -> Iterator[str]:
    """Inside, parameters whose name matches a pattern do not train; gives a word on it for people, or nothing.

    A pattern is one of `fnmatch`, over the whole name, as `layer1.*`; the name of a layer alone means all in it.
    One that matches nothing, or patterns that leave nothing to train, raise `SettingsError`.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    >>> with frozen(net, ["0"]) as text:
    ...     text, net[0].weight.requires_grad
    ('6 of 9 parameters are frozen', False)
    >>> net[0].weight.requires_grad
    True
    """
    named = dict(module.named_parameters(remove_duplicate=False))  # shared ones by each of their names
    before = {name: parameter.requires_grad for name, parameter in named.items()}
    chosen = set[str]()
    for pattern in patterns:
        found = [name for name in named if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
        if not found:
            layers = {name.rpartition(".")[0] for name in named} - {""}
            hint = near(pattern, [*named, *layers]) or f"; they are called {', '.join([*named][:4])}, ..."
            raise SettingsError(f"freeze: no parameter's name matches {pattern!r}{hint}")
        chosen.update(found)
    still = {named[name] for name in chosen}
    if chosen and not any(parameter.requires_grad for parameter in named.values() if parameter not in still):
        raise SettingsError(f"freeze: {', '.join(map(repr, patterns))} leaves nothing to train")
    try:
        for parameter in still:
            parameter.requires_grad_(False)
        count, of = (sum(parameter.numel() for parameter in some) for some in (still, {*named.values()}))
        norms = ", batch norms with their statistics" if any(map(_holds_still, module.modules())) else ""
        yield f"{count:,} of {of:,} parameters are frozen{norms}" if chosen else ""
    finally:
        for name, parameter in named.items():
            parameter.requires_grad_(before[name])


def train_mode(module: nn.Module) -> None:
    """Training mode, but for norms whose own parameters are all frozen: their running statistics belong to those.

    >>> norm = nn.BatchNorm1d(2).requires_grad_(False)
    >>> train_mode(nn.Sequential(norm, nn.Linear(2, 2))); norm.training
    False
    """
    module.train()
    for layer in module.modules():
        if _holds_still(layer):
            layer.eval()


def _holds_still(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.modules.batchnorm._NormBase):  # those with running statistics
        return False
    own = list(layer.parameters(recurse=False))
    return bool(own) and not any(parameter.requires_grad for parameter in own)
