"""Bytes that are no text."""

import pytest

from archc.dsl.decode import decode
from archc.dsl.diagnostics import ArchError

TEXT = "let größe = 1\n"


def test_utf8_with_and_without_a_mark() -> None:
    assert decode("a.arch", TEXT.encode()).text == TEXT
    assert decode("a.arch", TEXT.encode("utf-8-sig")).text == TEXT
    assert decode("a.arch", b"").text == ""


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (TEXT.encode("utf-16"), "byte 0: the file is UTF-16, not UTF-8", (1, 1)),
        (TEXT.encode("utf-32"), "byte 0: the file is UTF-32, not UTF-8", (1, 1)),
        (TEXT.encode("utf-16-le"), "byte 1 is zero: this looks like UTF-16 or a binary file", (1, 2)),
        (b"let a = 1\nlet \x00b = 2", "byte 14 is zero, which no text holds", (2, 5)),
        (TEXT.encode("latin-1"), "byte 6 (0xf6) is not UTF-8", (1, 7)),
        (b"\xef\xbb\xbflet \xff", "byte 7 (0xff) is not UTF-8", (1, 5)),
        ("größe".encode() + b"\x80", "byte 7 (0x80) is not UTF-8", (1, 6)),
        (b"a\xe2\x82", "byte 1 (0xe2) is not UTF-8", (1, 2)),
    ],
)
def test_the_byte_is_named(data: bytes, message: str, place: tuple[int, int]) -> None:
    with pytest.raises(ArchError) as caught:
        decode("a.arch", data)
    [diagnostic] = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("E0001", message)
    assert (diagnostic.primary.span.line, diagnostic.primary.span.column) == place


def test_one_byte_order_mark_is_accepted() -> None:
    mark = b"\xef\xbb\xbf"
    assert decode("a.arch", mark + b"let a = 1").text == "let a = 1"
    with pytest.raises(ArchError) as caught:
        decode("a.arch", mark + mark + b"let a = 1")
    [found] = caught.value.diagnostics
    assert (found.code, found.message) == ("E0001", "byte 3: a second byte order mark")
