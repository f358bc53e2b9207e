"""Nothing that a text says breaks out of the source, and what should not be there is refused before it runs."""

import ast
import builtins
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archc
import archc.network
from archc.compiler.ir import Graph
from archc.compiler.source import Written, write
from archc.compiler.source.names import class_name, docstring, is_identifier, literal, variable
from archc.compiler.verify import Unsafe, verify
from archc.files import open_text

HOSTILE = [
    '"""',
    "'''",
    '"',
    "\\",
    '\\"""',
    'a""""',
    "\n",
    "\r\nimport os",
    "\x00",
    "\u2028import os",
    "{__import__('os')}",
    "%s{}{0}",
    "\uff45\uff58\uff45\uff43",
    "\u202e",
    "\ud800",
    '"""\nimport os\n"""',
    "# type: ignore",
]


def rewritten(doc: str = "", name: str = "Net", label: str = "conv") -> Written:
    """Write a network whose graph holds what no parser would let through."""
    text = "arch Net { input x: [3, 8, 8]; HERE: conv(4, 1) -> relu; a: linear(2) }"
    shaped = archc.network.network(open_text(text), {}).checked.shaped
    graph: Graph = shaped.graph
    nodes = tuple(node._replace(path=label) if node.path == "HERE" else node for node in graph.nodes)
    root = graph.root._replace(definition=None)
    return write(shaped._replace(graph=graph._replace(name=name, doc=doc, nodes=nodes, root=root, file=doc)))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(text: str) -> None:
    for written in (rewritten(doc=text), rewritten(name=text or "Net"), rewritten(label=text)):
        tree = verify(written.text)
        assert [type(statement) for statement in tree.body][-1] is ast.ClassDef
        assert "import os" not in [ast.unparse(s) for s in ast.walk(tree) if isinstance(s, ast.stmt)]
        written.text.encode("utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels_are_kept_as_they_are(text: str) -> None:
    strings = [n.value for n in ast.walk(verify(rewritten(label=text).text)) if isinstance(n, ast.Constant)]
    assert text in strings


@given(st.text())
def test_any_string_can_be_written(text: str) -> None:
    written = literal(text)
    assert ast.literal_eval(written) == text
    assert "\n" not in written
    assert written.isprintable()


@given(st.text())
def test_any_text_can_be_a_docstring(text: str) -> None:
    tree = ast.parse(docstring(text) + "\nx = 1\n")
    assert len(tree.body) == 2


@given(st.text())
def test_any_name_becomes_an_identifier(text: str) -> None:
    first = (variable(text), class_name(text))
    for name in (*first, variable(text, first), class_name(text, first)):
        assert is_identifier(name)
        assert name.isascii()
        assert not hasattr(builtins, name)
        assert name not in ("nn", "torch", "F", "Tensor", "self")


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "TABLE = [x.y for x in range(3)]",
        "TABLE = [open('f')]",
        "TABLE = range",
        "nn = [1]",
        "from torch import hub",
        "x = 1",
        "class A(nn.Module, metaclass=B): pass",
        "class A(object): pass",
        "class A(nn.Module):\n    x = open('f')",
        "class A(nn.Module):\n    def close(self): return 1",
        "class A(nn.Module):\n    def forward(self, x): return open('f')",
        "class A(nn.Module):\n    def forward(self, x): return eval('1')",
        "class A(nn.Module):\n    def forward(self, x): return x.__class__",
        "class A(nn.Module):\n    def forward(self, x): return x.__class__.__subclasses__()",
        "class A(nn.Module):\n    def forward(self, x): return getattr(self, '__class__')",
        "class A(nn.Module):\n    def forward(self, x): return getattr(torch, 'a b')",
        "class A(nn.Module):\n    def forward(self, x, n): return getattr(self, n)",
        "class A(nn.Module):\n    def forward(self, x): return torch.os.system('ls')",
        "class A(nn.Module):\n    def forward(self, x): return torch.load('f')",
        "class A(nn.Module):\n    def forward(self, x): return torch.hub.load('f')",
        "class A(nn.Module):\n    def forward(self, x): return torchvision.io.read_file('f')",
        "class A(nn.Module):\n    def forward(self, x): return torch._C",
        "class A(nn.Module):\n    def forward(self, x): return x.tofile('f')",
        "class A(nn.Module):\n    def forward(self, x): return (lambda: 1)()",
        "class A(nn.Module):\n    def forward(self, x): return [y for y in x][0]()",
        "class A(nn.Module):\n    def forward(self, x):\n        while True: pass",
        "class A(nn.Module):\n    def forward(self, x):\n        global y",
        "class A(nn.Module):\n    def forward(self, x): return f(**x)",
        "class A(nn.Module):\n    def forward(self, torch): return torch.load('f')",
        "class A(nn.Module):\n    def forward(self, x):\n        nn = x\n        return nn",
        "class A(nn.Module):\n    @property\n    def forward(self): return 1",
        "class torch(nn.Module): pass",
        "(" * 1000,
        "x = '\0'",
    ],
)
def test_what_archc_does_not_write_is_refused(line: str) -> None:
    with pytest.raises(Unsafe):
        verify(line)


def test_source_needs_no_torch() -> None:
    code = (
        "import sys, archc; from archc.compiler.verify import verify; verify(archc.compile('googlenet').source());"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
