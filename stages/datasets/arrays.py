"""Your own arrays: `data.source` names an `.npz` file.

It holds `x_train` and `x_test`, images in uint8 (n, height, width), (n, height, width, 1 or 3) or
(n, 1 or 3, height, width); `y_train` and `y_test`, their classes (n,) as whole numbers from 0; and
optionally `class_names`, one string for each class. Objects in it are never unpickled.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin, RawImages

MAX_UNPACKED_BYTES = 8 << 30  # of all arrays together

read = stored.read


def fetch(origin: Origin, folder: Path) -> str:
    """Check the arrays and store them in the pipeline's format.

    Returns:
        The name of the user's file, without `.npz`.
    """
    arrays = _load(origin.source)
    errors: list[str] = []
    train, test = (
        RawImages(_images(arrays, f"x_{split}", errors), _labels(arrays, f"y_{split}", errors))
        for split in ("train", "test")
    )
    for split, part in (("train", train), ("test", test)):
        if not errors and len(part.images) != len(part.labels):
            errors.append(
                f"x_{split} holds {len(part.images):,} images but y_{split} {len(part.labels):,} "
                "labels; expected one for each image"
            )
    names = _class_names(arrays, train, errors)
    if errors:
        lines = "\n".join(f"  {error}" for error in errors)
        raise UserError(f"{origin.source}: not what dataset arrays expects:\n{lines}")
    stored.store(folder, Dataset(train, test, names))
    return origin.source.stem


def _load(source: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(source) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise UserError(
                f"{source}: would unpack to {size / (1 << 30):.1f} GiB, more than the "
                f"{MAX_UNPACKED_BYTES >> 30} GiB allowed; is it the right file?"
            )
        with np.load(source, allow_pickle=False) as archive:
            return {name: _array(archive, name, source) for name in archive.files}
    except FileNotFoundError:
        raise UserError(
            f"data.source: {source}: no such file; dataset arrays needs an .npz file"
        ) from None
    except (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{source}: cannot be read as an .npz file ({error}); write it with numpy.savez"
        ) from None


def _array(archive: Any, name: str, source: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise UserError(
            f"{source}: {name} is an array of objects, which could run code when read and is "
            "never unpickled; save numbers: uint8 images of one size, integer labels"
        ) from None
    return array


def _images(arrays: dict[str, NDArray[Any]], name: str, errors: list[str]) -> NDArray[np.uint8]:
    """Images as (n, c, h, w)."""
    array = arrays.get(name)
    expected = "uint8 (n, height, width), (n, height, width, 1 or 3) or (n, 1 or 3, height, width)"
    if array is None:
        errors.append(f"{name} is missing; the file holds {', '.join(arrays) or 'nothing'}")
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
        errors.append(f"{name} is missing; the file holds {', '.join(arrays) or 'nothing'}")
    elif not np.issubdtype(array.dtype, np.integer) or array.ndim != 1:
        errors.append(
            f"{name} is {array.dtype} of shape {array.shape}, expected whole numbers (n,)"
        )
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
            f"y_train goes up to {highest:,} with {len(train.labels):,} labels; expected "
            "classes 0 … k - 1, each with an image"
        )
        return ()
    if names is None:
        return tuple(map(str, range(highest + 1)))
    if names.ndim != 1 or names.dtype.kind != "U":
        errors.append(f"class_names is {names.dtype} of shape {names.shape}, expected strings (k,)")
    return tuple(map(str, names.ravel()))
