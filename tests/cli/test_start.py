"""What `archc check` imports: its start-up is the sum of its imports, and modules can be counted where time cannot."""

import subprocess
import sys
from pathlib import Path

from tests.checkout import ROOT

COUNT = """
import sys
before = set(sys.modules)
from archc.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
print(*sorted(set(sys.modules) - before))
"""

# 105 and 45 when this was written. A new operator family or pass may raise the first; think twice about the second.
OWN, OTHERS = 115, 55


def imported(*arguments: str) -> list[str]:
    """The modules that a command imports in a fresh interpreter."""
    command = [sys.executable, "-c", COUNT, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return done.stdout.splitlines()[-1].split()


def test_check_imports_few_modules() -> None:
    modules = imported("check", "archs/resnet18.arch")
    own = [name for name in modules if name.split(".")[0] == "archc"]
    assert "archc.compiler.pipeline" in own
    assert len(own) <= OWN
    assert len(modules) - len(own) <= OTHERS


def test_the_count_sees_a_heavy_import(tmp_path: Path) -> None:
    modules = imported("render", "archs/d2l/lenet.arch", "-o", str(tmp_path / "lenet.dot"))
    assert len(modules) > OWN + OTHERS
