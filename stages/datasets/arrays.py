"""Your own arrays: `data.source` is the path of an `.npz` file.

It contains `x_train` and `x_test`, images in uint8 (n, height, width), (n, height, width, 1 or 3)
or (n, 1 or 3, height, width); `y_train` and `y_test`, their classes (n,) as integers from 0; and
optionally `class_names`, one string for each class. Pickled objects are never loaded.
"""

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin, RawImages

MAX_UNPACKED_BYTES = 8 << 30  # all arrays together

read = stored.read


def fetch(origin: Origin, folder: Path) -> str:
    """Check the arrays and store them in the pipeline's format.

    Returns:
        Name of the user's file, without `.npz`.
    """
    arrays = _load(origin.source)
    errors: list[str] = []
    train, test = (
        RawImages(_images(arrays, f"x_{split}", errors), _labels(arrays, f"y_{split}", errors))
        for split in ("train", "test")
    )
    for split, raw in (("train", train), ("test", test)):
        if not errors and len(raw.images) != len(raw.labels):
            errors.append(
                f"x_{split} has {len(raw.images):,} images but y_{split} {len(raw.labels):,} "
                "labels; expected one for each image"
            )
    names = _class_names(arrays, train, errors)
    if errors:
        lines = "\n".join(f"  {error}" for error in errors)
        raise UserError(f"{origin.source}: cannot be used as dataset arrays:\n{lines}")
    stored.store(folder, Dataset(train, test, names))
    return origin.source.stem


def _load(source: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(source) as archive:
            members = {
                member.filename.removesuffix(".npy"): member
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
            size = sum(member.file_size for member in members.values())
            if size > MAX_UNPACKED_BYTES:
                raise UserError(
                    f"{source}: would unpack to {size / (1 << 30):.1f} GiB, more than the "
                    f"{MAX_UNPACKED_BYTES >> 30} GiB allowed; is it the right file?"
                )
            return {
                name: _array(archive, member, f"{source}: {name}")
                for name, member in members.items()
            }
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
                "unpickled; save numbers: uint8 images of one size, integer labels"
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


def _images(arrays: dict[str, NDArray[Any]], name: str, errors: list[str]) -> NDArray[np.uint8]:
    """Images as (n, c, h, w)."""
    array = arrays.get(name)
    expected = "uint8 (n, height, width), (n, height, width, 1 or 3) or (n, 1 or 3, height, width)"
    if array is None:
        errors.append(f"{name} is missing; the file contains {', '.join(arrays) or 'nothing'}")
    elif array.dtype != np.uint8:
        errors.append(f"{name} is {array.dtype}, expected {expected}; values 0 … 255")
    elif array.ndim == 3 and len(array):
        return array[:, None]
    elif array.ndim == 4 and len(array) and array.shape[3] in (1, 3):
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    elif array.ndim == 4 and len(array) and array.shape[1] in (1, 3):
        return array
    else:
        errors.append(f"{name} has shape {array.shape}, expected {expected}, n at least 1")
    return np.empty((0, 1, 0, 0), np.uint8)


def _labels(arrays: dict[str, NDArray[Any]], name: str, errors: list[str]) -> NDArray[np.int64]:
    array = arrays.get(name)
    if array is None:
        errors.append(f"{name} is missing; the file contains {', '.join(arrays) or 'nothing'}")
    elif not np.issubdtype(array.dtype, np.integer) or array.ndim != 1:
        errors.append(f"{name} is {array.dtype} of shape {array.shape}, expected integers (n,)")
    else:
        return array.astype(np.int64)
    return np.empty(0, np.int64)


def _class_names(
    arrays: dict[str, NDArray[Any]], train: RawImages, errors: list[str]
) -> tuple[str, ...]:
    names = arrays.get("class_names")
    highest = int(train.labels.max(initial=-1))
    if names is None and highest >= max(1, len(train.labels)):
        errors.append(
            f"y_train has class {highest:,} but only {len(train.labels):,} labels; expected "
            "classes 0 … k - 1, each with an image"
        )
        return ()
    if names is None:
        return tuple(map(str, range(highest + 1)))
    if names.ndim != 1 or names.dtype.kind != "U":
        errors.append(f"class_names is {names.dtype} of shape {names.shape}, expected strings (k,)")
    elif not _is_text(names):
        errors.append("class_names contains invalid Unicode")
    else:
        return tuple(map(str, names))
    return ()


def _is_text(strings: NDArray[np.str_]) -> bool:
    try:
        "".join(strings.tolist()).encode()
    except (ValueError, SystemError):  # SystemError: code points beyond Unicode
        return False
    return True
