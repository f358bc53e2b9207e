"""The generated source is checked against an allow-list of syntax before it is executed.

Names and strings of the text cannot break out of the source by construction (`archc.compiler.source.names`); this is
the second lock. It needs no torch.
"""

import ast
import keyword
from collections.abc import Iterable
from types import EllipsisType
from typing import NamedTuple

IMPORTS = frozenset(
    {
        "from typing import NamedTuple",
        "import torch",
        "import torch.nn.functional as F",
        "import torchvision",
        "from torch import Tensor, nn",
        "from torch import nn",
    }
)

_ROOTS = frozenset({"nn", "F", "torch", "torchvision"})
_BUILTINS = frozenset({"super", "range", "getattr", "float", "isinstance"})
_TYPES = frozenset({"Tensor", "NamedTuple", "int", "bool", "str", "tuple", "list"})
_FIXED = _ROOTS | _BUILTINS | _TYPES
_BASES = frozenset({"nn.Module", "nn.Sequential", "NamedTuple"})
_PACKAGES = frozenset({"nn.init", "torchvision.ops"})  # what is looked up below the imported modules

# What reaches beyond the computation, among what torch and its tensors offer under one name.
_BEYOND = """
load save compile import_ir_module import_ir_module_from_buffer from_file parse_ir parse_schema
set_default_device set_default_dtype set_num_threads set_rng_state manual_seed seed share_memory_ storage
untyped_storage data_ptr tofile numpy tolist apply_ map_ map2_ register_hook
"""
_DENIED = frozenset(_BEYOND.split())

_NODES = (
    ast.Module,
    ast.ClassDef,
    ast.FunctionDef,
    ast.arguments,
    ast.arg,
    ast.Return,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.Expr,
    ast.For,
    ast.If,
    ast.IfExp,
    ast.Name,
    ast.Attribute,
    ast.Call,
    ast.keyword,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.ListComp,
    ast.comprehension,
    ast.Starred,
    ast.Subscript,
    ast.Slice,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.Import,
    ast.ImportFrom,
    ast.alias,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.expr_context,
)


class Unsafe(AssertionError):
    """The generated source holds what archc does not write: a mistake in archc, whatever the text said."""


def verify(text: str, imports: Iterable[str] = (), callees: Iterable[str] = ()) -> ast.Module:
    """Return the syntax tree of generated source.

    `imports` are the lines that import classes of one's own, `callees` what may be called of these.

    Raises:
        Unsafe: it holds anything that is not on the list.

    >>> verify("from torch import nn\\nimport os")
    Traceback (most recent call last):
    ...
    archc.compiler.verify.Unsafe: line 2: `import os` is not one of the imports
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unsafe(f"the source cannot be parsed: {error}") from None
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and _is_table(statement):
            continue
        if not isinstance(statement, ast.ClassDef | ast.Import | ast.ImportFrom) and not _is_docstring(statement):
            raise _refused(statement, "stands outside a class")
    nodes = list(ast.walk(tree))
    classes = {statement.name for statement in tree.body if isinstance(statement, ast.ClassDef)}
    targets = [node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    # `buffer: Tensor` in a class binds nothing: it may be called as it likes.
    unbound = {id(node.target) for node in nodes if isinstance(node, ast.AnnAssign) and node.value is None}
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound = {target.id for target in targets if id(target) not in unbound} | arguments
    for name in sorted((classes | bound) & _FIXED) + sorted(classes & bound):
        raise Unsafe(f"`{name}` is given another meaning")
    taken = {target.id for target in targets} | arguments
    own = _Own(frozenset(ast.unparse(ast.parse(line)) for line in imports), frozenset(callees))
    for name in sorted((classes | taken | _FIXED) & own.roots):
        raise Unsafe(f"`{name}` is imported, and has another meaning")
    known = _FIXED | classes | taken | own.roots
    for node in nodes:
        _check(node, known, own)
    return tree


class _Own(NamedTuple):
    """The classes of one's own that a source may import, and call."""

    imports: frozenset[str]
    callees: frozenset[str]

    @property
    def roots(self) -> frozenset[str]:
        return frozenset(callee.partition(".")[0] for callee in self.callees)


def _check(node: ast.AST, known: frozenset[str], own: _Own) -> None:
    if not isinstance(node, _NODES):
        raise _refused(node, f"is a {type(node).__name__}")
    match node:
        case ast.Import() | ast.ImportFrom():
            if ast.unparse(node) not in IMPORTS | own.imports:
                raise _refused(node, "is not one of the imports")
        case ast.ClassDef():
            if node.decorator_list or node.keywords or not {ast.unparse(base) for base in node.bases} <= _BASES:
                raise _refused(node, "has another base class")
            if not all(isinstance(s, ast.FunctionDef | ast.AnnAssign) or _is_docstring(s) for s in node.body):
                raise _refused(node, "holds more than methods")
        case ast.FunctionDef():
            if node.name not in ("__init__", "forward") or node.decorator_list:
                raise _refused(node, "is not `__init__` or `forward`")
        case ast.Call():
            _check_call(node)
        case ast.Attribute() if ast.unparse(node).partition(".")[0] in own.roots:
            if not any(f"{callee}.".startswith(f"{ast.unparse(node)}.") for callee in own.callees):
                raise _refused(node, "is not the class that is declared")
        case ast.Attribute():
            _check_attribute(node)
        case ast.Name():
            if node.id not in known or node.id.startswith("__"):
                raise _refused(node, "is a name from elsewhere")
        case ast.Constant():
            if not isinstance(node.value, bool | int | float | str | EllipsisType | None):
                raise _refused(node, "is another kind of constant")


def _check_call(node: ast.Call) -> None:
    if any(named.arg is None for named in node.keywords):
        raise _refused(node, "unpacks keywords")
    match node.func:
        case ast.Name(id="getattr"):
            _check_lookup(node)
        case ast.Call(func=ast.Name(id="getattr")) | ast.Name() | ast.Attribute():
            pass
        case ast.Subscript(value=owner) if _is_module(owner):
            pass
        case _:
            raise _refused(node, "calls something else than a module or a function")


def _check_lookup(node: ast.Call) -> None:
    """Check `getattr(module, "key")`: only for keys that cannot be written as an attribute."""
    match node.args:
        case [owner, ast.Constant(value=str(key))] if _is_module(owner) and not node.keywords:
            private = key.startswith("__") and not key.endswith("__")  # as an attribute, Python would rename it
            if private or not (key.isascii() and key.isidentifier()) or keyword.iskeyword(key):
                return
    raise _refused(node, "looks up what is no key of a module")


def _check_attribute(node: ast.Attribute) -> None:
    name, owner = node.attr, ast.unparse(node.value)
    if name.startswith("_"):
        allowed = (
            (name == "__init__" and owner == "super()")
            or (name == "_assert" and owner == "torch")
            or (name == "_modules" and _is_module(node.value))
            or (not name.startswith("__") and _is_module(node.value) and not isinstance(node.ctx, ast.Del))
        )
        if not allowed:
            raise _refused(node, "is private")
    root = owner.partition(".")[0]
    if root in _ROOTS and owner not in _ROOTS and owner not in _PACKAGES:
        raise _refused(node, "lies too deep in an imported module")
    if owner == "torchvision" and name != "ops":
        raise _refused(node, "is not an operator")
    if name in _DENIED and not _is_module(node.value):
        raise _refused(node, "reaches beyond the computation")


def _is_module(node: ast.expr) -> bool:
    """Say whether an expression is `self` or a module below it."""
    match node:
        case ast.Name(id="self"):
            return True
        case ast.Attribute(value=owner) | ast.Subscript(value=owner):
            return _is_module(owner)
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, _]):
            return _is_module(owner)
    return False


def _is_table(node: ast.Assign) -> bool:
    """Say whether a statement names a list of numbers: in capitals, written out or by rounds over ranges and tables."""
    match node.targets:
        case [ast.Name(id=name)] if name.isupper() and isinstance(node.value, ast.List | ast.ListComp | ast.BinOp):
            calls = [part.func for part in ast.walk(node.value) if isinstance(part, ast.Call)]
            attributes = any(isinstance(part, ast.Attribute | ast.Subscript) for part in ast.walk(node.value))
            return not attributes and all(isinstance(call, ast.Name) and call.id == "range" for call in calls)
    return False


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _refused(node: ast.AST, why: str) -> Unsafe:
    return Unsafe(f"line {getattr(node, 'lineno', 1)}: `{ast.unparse(node).splitlines()[0]}` {why}")
