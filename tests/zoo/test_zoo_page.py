"""docs/zoo.md is current."""

import re

from tests.torchvision_peer import CLASSIFICATION, SEGMENTATION
from tests.zoo_page import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.zoo_page writes it"


def test_every_network_of_torchvision_has_a_line() -> None:
    names = re.findall(r"^\| `(.+?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {*CLASSIFICATION, *SEGMENTATION} <= {*names}
    assert len(names) == len({*names})
