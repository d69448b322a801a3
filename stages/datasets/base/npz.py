"""Reads `.npz` files from anywhere: nothing is unpickled, and sizes are checked beforehand."""

import math
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar

MAX_UNPACKED_BYTES = 8 << 30  # all arrays together


class Content(NamedTuple):
    """The content of a file.

    Attributes:
        names: Names of all its arrays.
        arrays: Those that were wanted, by name.
    """

    names: list[str]
    arrays: dict[str, NDArray[Any]]


def load_arrays(source: Path, is_wanted: Callable[[str], bool]) -> Content:
    """Read the arrays of a file whose names are wanted; the others may be damaged.

    Raises:
        UserError: The file is missing, damaged or too large, or has pickled objects.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            members = {
                member.filename.removesuffix(".npy"): member
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
            wanted = {name: member for name, member in members.items() if is_wanted(name)}
            size = sum(member.file_size for member in wanted.values())
            if size > MAX_UNPACKED_BYTES:
                raise UserError(
                    f"{source}: would unpack to {size / (1 << 30):.1f} GiB, more than the "
                    f"{MAX_UNPACKED_BYTES >> 30} GiB allowed; is it the right file?"
                )
            progress = ProgressBar(wanted, desc="download", unit="array")
            arrays = {name: _array(archive, wanted[name], f"{source}: {name}") for name in progress}
            return Content(list(members), arrays)
    except (UserError, MemoryError):
        raise
    except FileNotFoundError:
        raise UserError(
            f"data.source: {source}: no such file; dataset arrays needs an .npz file"
        ) from None
    except Exception as error:  # zipfile and NumPy raise all kinds of exceptions on damaged bytes
        raise UserError(
            f"{source}: cannot be read as an .npz file ({error}); write it with numpy.savez"
        ) from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> NDArray[Any]:
    """Read an array after checking its header against the archive, which NumPy does not do."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Other methods may need gigabytes to decompress.
        raise ValueError("compressed by a method that NumPy does not write")
    with archive.open(member) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about outdated but valid headers
        shape, dtype = _header(file)
        if dtype.hasobject:
            raise UserError(
                f"{where} is an array of objects, which could run code when read and is never "
                "unpickled; save numbers: uint8 images of one size, labels as integers or strings"
            )
        stated, held = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
        if stated != held or dtype.itemsize == 0:
            raise UserError(
                f"{where} is {dtype} of shape {shape} by its header, {stated:,} bytes, but has "
                f"{held:,}; the file is truncated or damaged: write it with numpy.savez"
            )
        file.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:  # version 3 differs only in how field names are encoded; images have no fields
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype
