"""Settings: one default, and messages that name the setting."""

import subprocess
import sys

import pytest

from archc.runtime import Settings, SettingsError
from archc.runtime.settings import LARGEST_SEED

NAMES = "sgd, adam, adamw, nadam, radam, adamax, rmsprop, adagrad, adadelta, muon"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, found 0"),
        ({"epochs": 2.0}, "epochs must be a whole number of at least 1, found 2.0"),
        ({"batch_size": True}, "batch_size must be a whole number of at least 1, found true"),
        ({"lr": float("nan")}, "lr must be a number above 0, found nan"),
        ({"lr": "0.1"}, "lr must be a number above 0, found '0.1'; without quotes it is the number 0.1"),
        (
            {"schedule": {"name": "cosine", "warmup": 1}},
            "schedule.warmup must be a number of at least 0 and below 1, found 1",
        ),
        ({"weight_decay": -0.1}, "weight_decay must be a number of at least 0, found -0.1"),
        ({"optimizer": "adamW"}, f"optimizer must be one of {NAMES}, found 'adamW'; did you mean 'adamw'?"),
        ({"precision": "fp17"}, "precision must be one of auto, fp32, bf16, fp16, found 'fp17'; did you mean 'fp16'?"),
        ({"seed": 2**63}, f"seed must be a whole number of at least 0, found {2**63}; at most {LARGEST_SEED:,}"),
        ({"device": 0}, "device must be a name, found 0"),
        ({"epoch": 1}, "no setting is called 'epoch'; did you mean 'epochs'?"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**values)
    assert str(caught.value) == message


def test_unknown_setting_without_a_neighbour_lists_them_all() -> None:
    with pytest.raises(SettingsError, match=r"the settings are epochs, batch_size, .*, seed"):
        Settings(zzz=1)


def test_changed_names_only_what_differs() -> None:
    assert Settings(epochs=3, lr=Settings().lr).changed() == {"epochs": 3}


def test_errors_settings_and_data_names_need_no_torch() -> None:
    program = (
        "import sys, archc.runtime, archc.runtime.settings, archc.runtime.errors, archc.runtime.data.table as table\n"
        "assert 'digits' in table.SOURCES\n"
        "print([name for name in ('torch', 'numpy', 'sklearn', 'rich') if name in sys.modules])\n"
        "archc.runtime.fit\n"
        "print('torch' in sys.modules)"  # the question above can be answered with yes
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split("\n")[:2] == ["[]", "True"]
