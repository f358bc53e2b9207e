"""How a module is kept and found under its key, whatever the key is."""

from collections.abc import Container

from archc.compiler.elaboration.paths import IMPOSSIBLE_LABELS
from archc.compiler.source.names import MODULE_ATTRIBUTES, is_attribute, is_identifier, literal

# Where torch keeps what a module holds; a key that is an attribute of every module is only found there.
_DICTIONARIES = {"": "_modules", "parameter": "_parameters", "buffer": "_buffers"}


def access(key: str, own: str = "", lists: Container[str] = ()) -> str:
    """Return the expression that finds a module, or a value of the network's own: "parameter", "buffer", "constant".

    `lists` are the keys of what is an `nn.Sequential` or an `nn.ModuleList`.

    >>> access("conv1"), access("0"), access("train"), access("attention.query")
    ('self.conv1', 'getattr(self, "0")', 'self._modules["train"]', 'self.attention.query')
    >>> access("classifier.1", lists={"classifier"})
    'self.classifier[1]'
    """
    text = "self"
    parts = key.split(".")
    for position, part in enumerate(parts):
        if ".".join(parts[:position]) in lists:
            text = f"{text}[{part}]"
        elif is_attribute(part):
            text = f"{text}.{part}"
        elif _is_taken(part):
            held = _DICTIONARIES[own if position == len(parts) - 1 else ""]
            text = f"{text}.{held}[{literal(part)}]"
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


def registration(key: str, own: str, value: str) -> str:
    """Return the statement that keeps a value of the network's own.

    >>> registration("scale", "parameter", "nn.Parameter(torch.ones(3))")
    'self.scale = nn.Parameter(torch.ones(3))'
    >>> registration("mean", "buffer", "torch.tensor(0.5)"), registration("train", "buffer", "torch.tensor(0.5)")
    ('self.register_buffer("mean", torch.tensor(0.5))', 'self._buffers["train"] = torch.tensor(0.5)')
    """
    owner, _, part = key.rpartition(".")
    assert part not in IMPOSSIBLE_LABELS, f"nothing in a module can be called {part}"
    holder = access(owner) if owner else "self"
    if _is_taken(part):
        return f"{holder}.{_DICTIONARIES[own]}[{literal(part)}] = {value}"
    if own == "parameter":
        if is_attribute(part):
            return f"{holder}.{part} = {value}"
        return f"{holder}.register_parameter({literal(part)}, {value})"
    kept = "" if own == "buffer" else ", persistent=False"
    return f"{holder}.register_buffer({literal(part)}, {value}{kept})"


def _is_taken(part: str) -> bool:
    return part in MODULE_ATTRIBUTES or (is_identifier(part) and part.startswith("__") and part.endswith("__"))
