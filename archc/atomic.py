"""Writing files that are either whole or untouched."""

import os
import tempfile


def write_bytes(path: str, data: bytes) -> None:
    """Replace a file by new content at once: whoever reads sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    if "\0" in path:
        raise OSError(22, "no file has a NUL in its name", path)
    folder = os.path.dirname(os.path.abspath(path))
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
    except OSError as error:
        error.filename = path  # not the name of a file that nobody asked for
        raise
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_text(path: str, text: str) -> None:
    """Replace a file by new text, as UTF-8."""
    write_bytes(path, text.encode())
