"""How a module is kept and found under its key, whatever the key is."""

from archc.compiler.paths import IMPOSSIBLE_LABELS
from archc.compiler.source.names import MODULE_ATTRIBUTES, is_attribute, is_identifier, literal


def access(key: str) -> str:
    """Return the expression that finds a module.

    >>> access("conv1"), access("0"), access("train"), access("attention.query")
    ('self.conv1', 'getattr(self, "0")', 'self._modules["train"]', 'self.attention.query')
    """
    text = "self"
    for part in key.split("."):
        if is_attribute(part):
            text = f"{text}.{part}"
        elif _is_taken(part):
            text = f"{text}._modules[{literal(part)}]"
        else:
            text = f"getattr({text}, {literal(part)})"
    return text


def assignment(key: str, value: str) -> str:
    """Return the statement that keeps a module.

    >>> assignment("conv1", "nn.ReLU()"), assignment("0", "nn.ReLU()")
    ('self.conv1 = nn.ReLU()', 'self.add_module("0", nn.ReLU())')
    >>> assignment("train", "nn.ReLU()")
    'self._modules["train"] = nn.ReLU()'
    """
    owner, _, part = key.rpartition(".")
    assert part not in IMPOSSIBLE_LABELS, f"no module can be called {part}"
    holder = access(owner) if owner else "self"
    if is_attribute(part):
        return f"{holder}.{part} = {value}"
    if _is_taken(part):
        # `add_module` refuses a key that is an attribute of every module; the dictionary behind it does not.
        return f"{holder}._modules[{literal(part)}] = {value}"
    return f"{holder}.add_module({literal(part)}, {value})"


def _is_taken(part: str) -> bool:
    return part in MODULE_ATTRIBUTES or (is_identifier(part) and part.startswith("__") and part.endswith("__"))
