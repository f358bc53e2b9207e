"""Names and literals of generated Python: everything that reaches the text passes through here."""

import builtins
import keyword
import re
from collections.abc import Container
from string import ascii_uppercase
from typing import TypeGuard

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# What `dir(nn.Module())` holds beside the names that begin with two underscores; a test compares it with torch.
_MODULE_ATTRIBUTES = """
T_destination _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks
_forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs
_get_backward_hooks _get_backward_pre_hooks _get_name _is_full_backward_hook _load_from_state_dict
_load_state_dict_post_hooks _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules
_named_members _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook
_register_state_dict_hook _replicate_for_data_parallel _save_to_state_dict _slow_forward _state_dict_hooks
_state_dict_pre_hooks _version _wrapped_call_impl add_module apply bfloat16 buffers call_super_init children
compile cpu cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters
parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty
train training type xpu zero_grad
"""
MODULE_ATTRIBUTES = frozenset(_MODULE_ATTRIBUTES.split())

_RESERVED = frozenset({*dir(builtins), *keyword.kwlist, *keyword.softkwlist, "nn", "torch", "torchvision", "F", "self"})
_IMPORTED = frozenset({"Tensor", "NamedTuple"})


def is_identifier(text: str) -> bool:
    """Say whether a text can stand in Python as a name: ASCII only, since Python folds look-alikes.

    >>> is_identifier("conv1"), is_identifier("class"), is_identifier("block0-1"), is_identifier("conv\u0661")
    (True, False, False, False)
    """
    return _IDENTIFIER.fullmatch(text) is not None and not keyword.iskeyword(text)


def is_attribute(key: str) -> bool:
    """Say whether a module can be kept and found as `self.key`.

    >>> is_attribute("conv1"), is_attribute("train"), is_attribute("0"), is_attribute("__x")
    (True, False, False, False)
    """
    return is_identifier(key) and key not in MODULE_ATTRIBUTES and not key.startswith("__")


def variable(text: str, taken: Container[str] = ()) -> str:
    """Return a name for a local variable or an argument, as near to `text` as can be.

    >>> variable("skip"), variable("skip", {"skip"}), variable("lambda"), variable("block-1")
    ('skip', 'skip2', 'lambda_', 'block_1')
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text, flags=re.ASCII).strip("_") or "value"
    if name[0].isdigit():
        name = f"value{name}"
    if name in _RESERVED or name in _IMPORTED:
        name += "_"
    return _fresh(name, taken)


def class_name(text: str, taken: Container[str] = ()) -> str:
    """Return a name for a class in CamelCase.

    >>> class_name("basic_conv"), class_name("UNet"), class_name("list"), class_name("x", {"X"}), class_name("2d-é")
    ('BasicConv', 'UNet', 'List', 'X2', 'Block2d')
    >>> class_name("unit_v2", {"UnitV2"})
    'UnitV2B'
    """
    words = re.sub(r"[^A-Za-z0-9]+", " ", text, flags=re.ASCII).split()
    name = "".join(word[0].upper() + word[1:] for word in words)
    if not name or name[0].isdigit():
        name = f"Block{name}"
    if name in _RESERVED or name in _IMPORTED:
        name += "Block"
    # A number after a number would read as one.
    letters = (f"{name}{letter}" for letter in ascii_uppercase[1:] if name in taken and name[-1].isdigit())
    return _fresh(next((one for one in letters if one not in taken), name), taken)


def _fresh(name: str, taken: Container[str]) -> str:
    if name not in taken:
        return name
    joint = "_" if name[-1].isdigit() else ""
    number = 2
    while f"{name}{joint}{number}" in taken:
        number += 1
    return f"{name}{joint}{number}"


def is_literal(value: object) -> TypeGuard[object]:
    """Say whether a value can be written: numbers, truth values, strings, `None`, and sequences of them."""
    if isinstance(value, list | tuple):
        return all(map(is_literal, value))
    return value is None or type(value) in (bool, int, float, str)


def literal(value: object) -> str:
    """Return the Python text of a value.

    >>> literal((3, 1e-05, True)), literal("a'b"), literal('say "no"'), literal(float("inf"))
    ('(3, 1e-05, True)', '"a\\'b"', '\\'say "no"\\'', 'float("inf")')
    """
    if value is None or type(value) in (bool, int):
        return repr(value)
    if type(value) is float:
        return repr(value) if abs(value) < float("inf") else f'float("{value}")'
    if isinstance(value, str):
        return _string(value)
    assert isinstance(value, list | tuple), f"{type(value).__name__} cannot be written as Python"
    items = ", ".join(map(literal, value))
    if isinstance(value, list):
        return f"[{items}]"
    return f"({items},)" if len(value) == 1 else f"({items})"


def escaped(text: str) -> str:
    """Return a text with what could break out of a line or look like something else as escapes.

    >>> escaped("a\\nb\\0é")
    'a\\\\nb\\\\x00é'
    """
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


def docstring(text: str) -> str:
    """Return the text of a docstring, brackets of quotes included; line ends stay line ends.

    >>> docstring("One line.")
    '\"\"\"One line.\"\"\"'
    >>> docstring('ends with "')
    '\"\"\"ends with \\\\"\"\"\"'
    """
    lines = [escaped(line.expandtabs()).rstrip() for line in text.strip().splitlines()]
    body = "\n".join(lines).replace('"""', '\\"\\"\\"')
    if "\n" in body:
        return f'"""{body}\n"""'
    if body.endswith('"'):
        body = body[:-1] + '\\"'
    return f'"""{body}"""'


def _string(text: str) -> str:
    body = escaped(text)
    if body.count('"') > body.count("'"):
        return "'" + body.replace("'", "\\'") + "'"
    return '"' + body.replace('"', '\\"') + '"'
