"""Bytes to text: the first thing that can be wrong with a file."""

from archc.dsl.diagnostics import ArchError, Diagnostic, Label
from archc.dsl.source import Source, Span

UTF8_BOM = b"\xef\xbb\xbf"
OTHERS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
HELP = "save the file as UTF-8"


def decode(name: str, data: bytes) -> Source:
    """Return the text of a file's bytes, which are UTF-8 with or without a byte order mark.

    Raises `ArchError` (E0001) with the byte offset where they are not.

    >>> decode("a.arch", b"\\xef\\xbb\\xbfarch A = B").text
    'arch A = B'
    >>> decode("a.arch", b"arch \\xff")
    Traceback (most recent call last):
    ...
    archc.dsl.diagnostics.ArchError: error[E0001]: byte 5 (0xff) is not UTF-8
     --> a.arch:1:6
      |
    1 | arch
      |      ^ the text cannot be read from here on
      |
      = help: save the file as UTF-8
    """
    for mark, encoding in OTHERS:
        if data.startswith(mark):
            raise _unreadable(name, "", f"byte 0: the file is {encoding}, not UTF-8", HELP)
    if data.startswith(UTF8_BOM * 2):
        raise _unreadable(name, "", f"byte {len(UTF8_BOM)}: a second byte order mark", "delete it; one may be")
    zero = data.find(b"\x00")
    if zero >= 0:
        before = data[:zero].removeprefix(UTF8_BOM).decode("utf-8", "replace")
        if data[zero + 1 : zero + 4 : 2] == b"\x00" * len(data[zero + 1 : zero + 4 : 2]) or zero <= 1:
            raise _unreadable(name, before, f"byte {zero} is zero: this looks like UTF-16 or a binary file", HELP)
        raise _unreadable(name, before, f"byte {zero} is zero, which no text holds", "remove it, or name a text file")
    try:
        return Source(name, data.removeprefix(UTF8_BOM).decode("utf-8"))
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(data.removeprefix(UTF8_BOM))
        before = data[:offset].removeprefix(UTF8_BOM).decode("utf-8", "replace")
        raise _unreadable(name, before, f"byte {offset} (0x{data[offset]:02x}) is not UTF-8", HELP) from None


def _unreadable(name: str, before: str, message: str, help: str) -> ArchError:
    source = Source(name, before)
    place = Label(Span(source, len(before), len(before)), "the text cannot be read from here on")
    return ArchError([Diagnostic("E0001", message, place, help=help)])
