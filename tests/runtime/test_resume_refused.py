"""What would change a run's past is refused when it goes on, and so is a folder that another process uses."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archc.runtime import EnvironmentProblem, SettingsError, fit
from archc.runtime.opening import reopen
from archc.runtime.watch import Silent
from tests.runtime.resuming import SETTINGS, killed, norm_net, resumed
from tests.runtime.toys import toy_data, toy_net

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.mark.parametrize("name", ["settings.json", "net.txt"])
def test_files_that_were_changed_are_refused(tmp_path: Path, name: str) -> None:
    fit(norm_net(), toy_data(), watch=Silent(), settings=SETTINGS, out=tmp_path / "run", files={"net.txt": "a text"})
    path = tmp_path / "run" / name
    path.write_text(path.read_text().replace("a", "b"))
    with pytest.raises(EnvironmentProblem, match=f"{name} was changed since the run began"):
        resumed(tmp_path / "run")
    path.unlink()
    with pytest.raises(EnvironmentProblem, match=f"has lost .*{name}"):
        resumed(tmp_path / "run")


def test_another_runs_checkpoint_is_refused(tmp_path: Path) -> None:
    one, other = killed(tmp_path / "one", 7), killed(tmp_path / "other", 7, SETTINGS.but(lr=0.5))
    shutil.rmtree(one / "last")
    shutil.copytree(other / "last", one / "last")
    with pytest.raises(EnvironmentProblem, match="last belongs to another run"):
        resumed(one)


def test_other_data_and_another_network_are_refused(tmp_path: Path) -> None:
    folder = killed(tmp_path / "run", 7)
    data = toy_data()
    data.train_images[3, 0, 0, 0] += 1
    with pytest.raises(
        EnvironmentProblem, match=r"data set 'toy' has changed since .* began: fingerprint was \w+, and is"
    ):
        fit(norm_net(), data, watch=Silent(), resume=folder)
    with pytest.raises(EnvironmentProblem, match="training images was 40, and is 41"):
        fit(norm_net(), toy_data(41), watch=Silent(), resume=folder)
    with pytest.raises(EnvironmentProblem, match="holds another network's weights"):
        fit(toy_net(), toy_data(), watch=Silent(), resume=folder)


@pytest.mark.parametrize("more", [{"epochs": 9}, {"settings": SETTINGS}, {"out": "there"}, {"recipe": "d2l/lenet"}])
def test_nothing_that_the_run_has_decided_may_be_said(tmp_path: Path, more: dict[str, Any]) -> None:
    folder = killed(tmp_path / "run", 1)
    (name,) = more
    with pytest.raises(SettingsError, match=f"its own settings, and {name} would change"):
        fit(norm_net(), toy_data(), resume=folder, **more)


def test_a_folder_without_a_run_and_data_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds no run to go on with: it has no run.json"):
        resumed(tmp_path)
    with pytest.raises(SettingsError, match="does not know where its data came from"):
        fit(norm_net(), resume=killed(tmp_path / "run", 1))


HOLD = """
import sys, time
from pathlib import Path
from archc.runtime.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_in_use_is_refused_and_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    folder = killed(tmp_path / "run", 1)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SettingsError, match=f"is in use by process {other.pid}; let it end"):
            resumed(folder)
        other.kill()
        other.wait()
    resumed(folder)


def test_a_folder_in_use_by_this_process_is_refused(tmp_path: Path) -> None:
    folder = killed(tmp_path / "run", 1)
    with reopen(folder), pytest.raises(SettingsError, match="is in use by a run of this process"):
        resumed(folder)
    resumed(folder)
