"""The page of the zoo: `python -m tests.zoo_page` writes docs/zoo.md, a line for each network."""

import ast as python
import inspect
import re
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

from torchvision.models import mobilenetv2, resnet, squeezenet

from archc.compiler.analysis.cost import costs, total
from archc.compiler.summary import sized
from archc.dsl import ast
from archc.files import open_all, zoo_names, zoo_text
from archc.network import network

PAGE = Path(__file__).parents[1] / "docs" / "zoo.md"
SIDE = 512  # where the size of the image is open
BESIDE = (
    ("resnet", ("bottleneck", "shortcut"), resnet.Bottleneck),
    ("mobilenet_v2", ("bottleneck", "inverted_residual"), mobilenetv2.InvertedResidual),
    ("squeezenet", ("fire",), squeezenet.Fire),
)
SECTION = re.compile(
    r"^# .*\(([^()]+, \d{4})\)[^:]*: (.+)\.\n(?=arch (\w+))", re.MULTILINE
)  # another paper in the same file
INTRODUCTION = f"""\
# The zoo

The networks that come with archc. A name in the first column is what `archc build NAME`, `archc zoo NAME` and
`archc.load(NAME)` take. Multiply-adds are those of one image of the given size; where any size does, of {SIDE}x{SIDE}.
All networks of torchvision's classification and segmentation builders are here under torchvision's names, with its
`state_dict`; `python -m tests.campaigns.zoo` compares them. `python -m tests.zoo_page` writes this page.

| network | parameters | multiply-adds | input | paper | new in it |
|---|---|---|---|---|---|
"""


class Row(NamedTuple):
    """One network: what it is called, what it costs, and where it is from."""

    name: str
    params: int
    macs: int
    image: str
    paper: str
    new: str

    def line(self) -> str:
        """The row of the table."""
        cells = (f"`{self.name}`", f"{self.params:,}", f"{self.macs:,}", self.image, self.paper, self.new)
        return "| " + " | ".join(cells) + " |\n"


def rows() -> list[Row]:
    """Every network of the zoo that is not only the general form of others."""
    general = {base for file in zoo_names() for base in re.findall(r"\) = (\w+)\(", zoo_text(file))}
    found = []
    for file in zoo_names():
        paper, new = _paper(file), _new(file)
        sections = {name: (where, what) for where, what, name in SECTION.findall(zoo_text(file))}
        for opened in open_all(file):
            item = opened.definition.item
            assert isinstance(item, ast.Arch | ast.Specialisation)
            if item.name.text in general and "/" not in file:
                continue
            paper, new = sections.get(item.name.text, (paper, new))
            shaped = sized(network(opened, {}).checked.shaped, {"H": SIDE, "W": SIDE})
            cost = total(costs(shaped))
            assert isinstance(cost.macs, int)
            name = file if "/" in file or file == "unet_cropped" else item.name.text.lower()
            image = "x".join(map(str, shaped.graph.inputs[0].type.shape))
            found.append(Row(name, cost.params, cost.macs, image, paper, new))
            new = ""
    return found


def _paper(file: str) -> str:
    """The authors and the year, from the first line of the file."""
    match = re.search(r"\(([^()]+, \d{4})\)", zoo_text(file).splitlines()[0])
    return match[1] if match else ""


def _new(file: str) -> str:
    match = re.search(r"^New: (.+)\.$", zoo_text(file), re.MULTILINE)
    return match[1] if match else ""


def block_text(file: str, name: str) -> str:
    """A block of a file."""
    match = re.search(rf"^(?:inline )?block {name}\b.*?^}}\n", zoo_text(file), re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[0]


def class_text(cls: type) -> str:
    """A class without comments, docstrings and blank lines."""
    tree = python.parse(inspect.getsource(cls))
    for node in python.walk(tree):
        if isinstance(node, python.ClassDef | python.FunctionDef) and python.get_docstring(node) is not None:
            node.body = node.body[1:]
    return python.unparse(tree) + "\n"


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, *(row.line() for row in rows())]
    parts.append(
        "\n## Beside torchvision's code\n\nThe same layers twice, torchvision's without comments and docstrings.\n"
        "torchvision is Copyright (c) Soumith Chintala 2016, under the BSD 3-Clause License.\n"
    )
    for file, names, cls in BESIDE:
        mine, theirs = "\n".join(block_text(file, name) for name in names), class_text(cls)
        lines = [sum(bool(line.strip()) for line in text.splitlines()) for text in (mine, theirs)]
        where = f"{cls.__module__}.{cls.__qualname__}"
        parts.append(f"\n### `{names[0]}` of `{file}`: {lines[0]} lines; `{where}`: {lines[1]} lines\n\n")
        # Indented, not fenced: neither runs alone.
        parts.append(f"{indent(mine, '    ')}\n\n<!-- -->\n\n{indent(theirs, '    ')}")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
