"""Who may import whom: the contracts of pyproject.toml hold, and each of them can fail."""

import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests.checkout import PYPROJECT, ROOT, copy_sources

CONTRACTS = {contract["id"]: contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"]}

# Where the distribution is called otherwise.
IMPORT_NAMES = {
    "annotated-types": "annotated_types",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
REQUIREMENTS = [re.split(r"[<>=!~\[; ]", text)[0] for text in PYPROJECT["project"]["dependencies"]]
DEPENDENCIES = [IMPORT_NAMES.get(name, name) for name in REQUIREMENTS]

# Everything that needs more time to import than `archc check` may take as a whole.
HEAVY = ("torch", "torchvision", "numpy", "networkx", "sklearn", "rich", "graphviz", "pygraphviz")

TO_THE_SOURCE = """
import sys
import archc, archc.compiler
source = archc.compile("archs/resnet18.arch").source()
assert "class " in source
print(*sorted(sys.modules.keys() & set(sys.argv[1:])))
"""


PLANTED = [
    ("layers", "dsl", "import archc.compiler", "archc.compiler"),
    ("layers", "compiler", "import archc.runtime", "archc.runtime"),
    ("layers", "runtime", "import archc.compiler", "archc.compiler"),
    ("layers", "compiler", "import archc.cli", "archc.cli"),
    ("front-door", "compiler", "from archc import compile", "archc"),
    ("front-door", "runtime", "import archc", "archc"),
    ("dsl", "dsl", "import yaml", "yaml"),
    ("compiler", "compiler", "import torch.nn as nn", "torch"),
    ("compiler", "compiler/ops", "def shape() -> None:\n    import numpy", "numpy"),
    ("runtime", "runtime", "from archc.dsl import ast", "archc.dsl"),
    ("runtime", "runtime", "import lark", "lark"),
]


def lint_imports(folder: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"]
    if contract is not None:
        command += ["--contract", contract]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


def heavy_imports(folder: Path) -> list[str]:
    """The heavy packages that a fresh process has imported when it has the PyTorch source of a network."""
    result = subprocess.run(
        [sys.executable, "-c", TO_THE_SOURCE, *HEAVY], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_contracts_hold() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in result.stdout


@pytest.mark.parametrize(("contract", "room", "statement", "target"), PLANTED)
def test_contract_finds_a_planted_import(contract: str, room: str, statement: str, target: str, tmp_path: Path) -> None:
    folder = copy_sources(tmp_path / "checkout")
    (folder / room / "planted.py").write_text(statement + "\n", encoding="utf-8")
    result = lint_imports(folder, contract)
    assert result.returncode == 1, result.stdout
    planted = f"archc.{room.replace('/', '.')}.planted"
    assert re.search(rf"{re.escape(planted)} -> {re.escape(target)}\b", result.stdout), result.stdout


def test_every_contract_has_a_planted_import() -> None:
    assert {case[0] for case in PLANTED} == set(CONTRACTS)


def test_every_third_party_import_is_a_declared_dependency_and_each_is_used() -> None:
    graph = grimp.build_graph("archc", include_external_packages=True, cache_dir=None)
    imported = {module for module in graph.modules if not module.startswith("archc")} - sys.stdlib_module_names
    assert imported == set(DEPENDENCIES)


def test_dsl_contract_names_every_dependency_but_lark() -> None:
    assert set(DEPENDENCIES) - set(CONTRACTS["dsl"]["forbidden_modules"]) == {"lark"}


def test_source_needs_no_heavy_import() -> None:
    assert heavy_imports(ROOT) == []


def test_a_heavy_import_is_found(tmp_path: Path) -> None:
    folder = copy_sources(tmp_path / "checkout")
    with (folder / "compiler" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write("\nimport networkx\n")
    assert heavy_imports(folder) == ["networkx"]
