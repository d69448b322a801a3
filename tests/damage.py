"""Damage that changes only the content."""

import os
from pathlib import Path


def flip(path: Path, bit: int = 0, at: int | None = None) -> None:
    """Flip a bit of a file, by default of the byte in its middle.

    It keeps its size, times and permissions; and its place on the disk, unless other checkouts of
    the tests are linked to it.
    """
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1 << bit
    if status.st_nlink > 1:
        path.unlink()
    else:
        path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
