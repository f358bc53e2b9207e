"""The generated source is checked against an allow-list of syntax before it is executed.

Names and strings of the text cannot break out of the source by construction (`archc.compiler.source.names`); this is
the second lock. It needs no torch.
"""

import ast

IMPORTS = frozenset(
    {
        "from typing import NamedTuple",
        "import torch",
        "import torch.nn.functional as F",
        "import torchvision",
        "from torch import Tensor, nn",
    }
)

_ROOTS = frozenset({"nn", "F", "torch", "torchvision"})
_BUILTINS = frozenset({"super", "range", "getattr", "float", "len", "enumerate", "zip"})

# What code could reach the machine through, among what torch and tensors offer.
_FORBIDDEN = frozenset(
    [
        "load",
        "save",
        "hub",
        "jit",
        "package",
        "serialization",
        "multiprocessing",
        "distributed",
        "utils",
        "ops",
        "classes",
        "_C",
        "_dynamo",
        "os",
        "sys",
        "from_file",
        "share_memory_",
        "storage",
        "untyped_storage",
        "data_ptr",
        "tofile",
        "numpy",
        "dump",
        "apply",
        "compile",
        "register_hook",
    ]
)

_NODES = (
    ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AnnAssign, ast.Expr,
    ast.For, ast.If, ast.IfExp, ast.Name, ast.Attribute, ast.Call, ast.keyword, ast.Constant, ast.Tuple, ast.List,
    ast.ListComp, ast.comprehension, ast.Starred, ast.Subscript, ast.Slice, ast.BinOp, ast.UnaryOp, ast.Compare,
    ast.JoinedStr, ast.FormattedValue, ast.Import, ast.ImportFrom, ast.alias, ast.operator, ast.unaryop, ast.cmpop,
    ast.expr_context,
)  # fmt: skip


class Unsafe(AssertionError):
    """The generated source holds what archc does not write: a mistake in archc, whatever the text said."""


def verify(text: str) -> ast.Module:
    """Return the syntax tree of generated source.

    Raises:
        Unsafe: it holds anything that is not on the list.

    >>> verify("from torch import nn\\nimport os")
    Traceback (most recent call last):
    ...
    archc.compiler.verify.Unsafe: line 1: `from torch import nn` is not one of the imports
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Unsafe(f"the source cannot be parsed: {error}") from None
    for statement in tree.body:
        if not isinstance(statement, ast.ClassDef | ast.Import | ast.ImportFrom) and not _is_docstring(statement):
            raise _refused(statement, "stands outside a class")
    classes = {statement.name for statement in tree.body if isinstance(statement, ast.ClassDef)}
    for node in ast.walk(tree):
        _check(node, classes)
    return tree


def _check(node: ast.AST, classes: set[str]) -> None:
    if not isinstance(node, _NODES):
        raise _refused(node, f"is a {type(node).__name__}")
    match node:
        case ast.Import() | ast.ImportFrom():
            if ast.unparse(node) not in IMPORTS:
                raise _refused(node, "is not one of the imports")
        case ast.ClassDef():
            bases = {ast.unparse(base) for base in node.bases}
            if node.decorator_list or node.keywords or not bases <= {"nn.Module", "nn.Sequential", "NamedTuple"}:
                raise _refused(node, "has another base class")
            if not all(isinstance(s, ast.FunctionDef | ast.AnnAssign) or _is_docstring(s) for s in node.body):
                raise _refused(node, "holds more than methods")
        case ast.FunctionDef():
            if node.name not in ("__init__", "forward") or node.decorator_list:
                raise _refused(node, "is not `__init__` or `forward`")
        case ast.Call():
            _check_call(node, classes)
        case ast.Attribute():
            _check_attribute(node)
        case ast.Name():
            if node.id.startswith("__") or (
                isinstance(node.ctx, ast.Store) and node.id in _ROOTS | _BUILTINS | classes
            ):
                raise _refused(node, "is a name that is not free")
        case ast.Constant():
            if not isinstance(node.value, bool | int | float | str | None):
                raise _refused(node, "is another kind of constant")


def _check_call(node: ast.Call, classes: set[str]) -> None:
    function = node.func
    if isinstance(function, ast.Name):
        root = function.id
        if root in _BUILTINS:
            if root == "getattr" and not (len(node.args) == 2 and isinstance(node.args[1], ast.Constant)):
                raise _refused(node, "looks up a computed name")
            if root == "getattr" and str(node.args[1].value).startswith("__"):  # type: ignore[attr-defined]
                raise _refused(node, "looks up a private name")
        return
    if any(keyword.arg is None for keyword in node.keywords):
        raise _refused(node, "unpacks keywords")
    if not isinstance(function, ast.Attribute | ast.Subscript | ast.Call):
        raise _refused(node, "calls an expression")
    if isinstance(function, ast.Call) and not _is_getattr(function):
        raise _refused(node, "calls the result of a call")


def _check_attribute(node: ast.Attribute) -> None:
    name, owner = node.attr, node.value
    if name.startswith("__"):
        if not (name == "__init__" and isinstance(owner, ast.Call) and ast.unparse(owner) == "super()"):
            raise _refused(node, "is private")
    elif name.startswith("_"):
        if ast.unparse(node) != "torch._assert" and not (name == "_modules" and not _rooted(node)):
            raise _refused(node, "is private")
    elif name in _FORBIDDEN and (_rooted(node) or not _is_self(owner)):
        raise _refused(node, "is not used in generated source")
    if isinstance(owner, ast.Name) and owner.id == "torchvision" and name != "ops":
        raise _refused(node, "is not an operator of torchvision")


def _rooted(node: ast.Attribute) -> bool:
    """Say whether an attribute is looked up in one of the imported modules."""
    owner: ast.expr = node
    while isinstance(owner, ast.Attribute):
        owner = owner.value
    if not (isinstance(owner, ast.Name) and owner.id in _ROOTS):
        return False
    return ast.unparse(node) != "torchvision.ops"


def _is_self(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "self"


def _is_getattr(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "getattr"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _refused(node: ast.AST, why: str) -> Unsafe:
    return Unsafe(f"line {getattr(node, 'lineno', 1)}: `{ast.unparse(node).splitlines()[0]}` {why}")
