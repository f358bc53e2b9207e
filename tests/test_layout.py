"""archc works from the checkout's root, editable, as a wheel, and beside a user's folders of the same names.

Each environment sees the installed packages of the running one except archc, so nothing is downloaded.
"""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.checkout import PYPROJECT, ROOMS, ROOT, VERSION, copy_sources

SETUPTOOLS = PYPROJECT["tool"]["setuptools"]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def make_environment(folder: Path) -> Path:
    """Make a virtual environment with every package of the running one but archc; return its python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    site = folder / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    for entry in {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}:
        for package in entry.iterdir():
            if "archc" not in package.name and not (site / package.name).exists():
                (site / package.name).symlink_to(package)
    return folder / "bin" / "python"


def pip_install(python: Path, *arguments: str | Path) -> None:
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    run(python, "-m", "pip", "install", *offline, *arguments, cwd=python.parent)


def assert_works(*archc: str | Path, cwd: Path) -> None:
    assert VERSION in run(*archc, "--version", cwd=cwd)
    assert "11,689,512" in run(*archc, "build", "resnet18", cwd=cwd)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("layout") / "checkout")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment without archc."""
    return make_environment(tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture(scope="module")
def editable(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    python = make_environment(tmp_path_factory.mktemp("editable") / "venv")
    pip_install(python, "--editable", checkout)
    return python


@pytest.fixture(scope="module")
def wheel(checkout: Path, bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    run(bare, "-m", "pip", "wheel", *offline, "--wheel-dir", folder, checkout, cwd=folder)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    python = make_environment(tmp_path_factory.mktemp("installed") / "venv")
    pip_install(python, wheel)
    return python


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    """A folder with packages of the rooms' names that are somebody else's."""
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("raise ImportError('this is not archc')\n", encoding="utf-8")
    return tmp_path


def test_from_the_root_of_the_checkout(bare: Path, checkout: Path) -> None:
    assert_works(bare, "-m", "archc", cwd=checkout)


def test_environment_without_archc_has_none(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="No module named archc"):
        assert_works(bare, "-m", "archc", cwd=tmp_path)


def test_editable(editable: Path, tmp_path: Path) -> None:
    assert_works(editable, "-m", "archc", cwd=tmp_path)
    assert_works(editable.parent / "archc", cwd=tmp_path)


def test_wheel(installed: Path, tmp_path: Path) -> None:
    assert_works(installed, "-m", "archc", cwd=tmp_path)
    assert_works(installed.parent / "archc", cwd=tmp_path)


def test_beside_a_users_folders_of_the_same_names(editable: Path, installed: Path, users_folder: Path) -> None:
    for python in (editable, installed):
        assert_works(python, "-m", "archc", cwd=users_folder)
        assert_works(python.parent / "archc", cwd=users_folder)


def test_editable_where_links_became_text_files(checkout: Path, tmp_path: Path) -> None:
    """As git leaves them on a file system without symbolic links."""
    folder = copy_sources(tmp_path / "checkout")
    for room in ROOMS:
        (folder / "archc" / room).unlink()
        (folder / "archc" / room).write_text(f"../{room}", encoding="utf-8")
    python = make_environment(tmp_path / "venv")
    pip_install(python, "--editable", folder)
    assert_works(python.parent / "archc", cwd=tmp_path)


def test_links_of_the_checkout() -> None:
    for room in ROOMS:
        assert os.readlink(ROOT / "archc" / room) == f"../{room}"


def test_every_package_of_the_tree_is_declared() -> None:
    found = {
        ".".join(Path(folder).relative_to(ROOT).parts)
        for folder, _, files in os.walk(ROOT / "archc", followlinks=True)
        if "__init__.py" in files
    }
    assert set(SETUPTOOLS["packages"]) == found
    assert SETUPTOOLS["package-dir"] == {"archc": "archc"} | {f"archc.{room}": room for room in ROOMS}


def test_wheel_holds_every_file_of_the_rooms(wheel: Path, checkout: Path) -> None:
    expected = {
        str(Path(folder, file).relative_to(checkout))
        for folder, folders, files in os.walk(checkout / "archc", followlinks=True)
        for file in files
        if "__pycache__" not in folder
    }
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    assert {name for name in names if ".dist-info/" not in name} == expected
