"""docs/training.md holds every setting, and is current."""

from archc.runtime.recipe import Task
from archc.runtime.settings import Settings
from tests.settings_page import PAGE, meanings, page


def test_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "write it anew with `python -m tests.settings_page`"


def test_every_setting_has_a_meaning() -> None:
    from archc.runtime import recipe, settings

    for model, module in ((Settings, settings), (Task, recipe)):
        assert list(meanings(model, module)) == list(model.model_fields)
