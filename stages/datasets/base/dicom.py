"""Reads DICOM files with pydicom, an optional extra."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.extras import install_command
from stages.base.errors.user import UserError
from stages.datasets.base.decoded import Decoded, UnusableImage, require_size


def is_dicom(content: bytes) -> bool:
    """Whether a file has the mark of DICOM after its preamble of 128 bytes."""
    return content[128:132] == b"DICM"


def read_dicom(content: bytes, most_pixels: int | None) -> Decoded:
    """Read the first frame of a DICOM file.

    Of several windows, the first counts; of a sigmoid one, the linear window with the same centre
    and slope. Images whose low values are bright (MONOCHROME1) are inverted within the range of
    their bits, not within their own, so that equal values stay equal in all images of a scanner.

    Args:
        content: Bytes of the file.
        most_pixels: Largest number of pixels; None for any.

    Returns:
        Pixels after rescale slope and intercept, and the window.

    Raises:
        UnusableImage: It contains no image, is too large, or needs another package.
        UserError: pydicom is not installed.
        Exception: It is damaged; pydicom does not unify what it raises.
    """
    try:
        import pydicom
        from pydicom.pixels.utils import pixel_array
    except ModuleNotFoundError as error:
        raise UserError(
            f"data: DICOM files need pydicom, an extra ({error}): install it with "
            f"{install_command('dicom')}, or save the images as 16-bit PNG"
        ) from error
    header = pydicom.dcmread(io.BytesIO(content))
    rows, columns = header.get("Rows"), header.get("Columns")
    if not rows or not columns:
        raise UnusableImage("a DICOM file without an image; move it elsewhere")
    require_size(columns, rows, most_pixels)
    try:
        values = pixel_array(header, index=0)
    except RuntimeError as error:
        if "missing dependencies" not in str(error):
            raise
        raise UnusableImage(
            f"compressed as {header.file_meta.TransferSyntaxUID.name}; install a decoder with "
            "python -m pip install pylibjpeg pylibjpeg-libjpeg"
        ) from None
    if header.PhotometricInterpretation == "PALETTE COLOR" or values.ndim == 3:
        return Decoded(_colours(values, header))
    return _grey(values, header)


def _colours(values: NDArray[Any], header: Any) -> NDArray[np.uint8]:
    """Colours of 8 bits (3, height, width); of more bits, the upper 8."""
    from pydicom.pixels.processing import apply_color_lut

    if values.ndim == 2:
        values = apply_color_lut(values, header)
        n_bits = 8 * values.itemsize  # of the palette, which fills its type
    else:
        n_bits = header.BitsStored
    colours: NDArray[np.uint8] = (values >> max(0, n_bits - 8)).astype(np.uint8)
    return colours.transpose(2, 0, 1)


def _grey(stored: NDArray[Any], header: Any) -> Decoded:
    from pydicom.pixels.processing import apply_modality_lut

    for name in ("RescaleSlope", "RescaleIntercept"):
        if header.get(name) is None:  # an empty element is an absent one
            header.pop(name, None)
    values = apply_modality_lut(stored, header)
    window = _window(header)
    if header.PhotometricInterpretation == "MONOCHROME1":
        ends = np.iinfo(stored.dtype)
        lost = ends.bits - header.BitsStored  # the highest bits of the type are not in use
        limits = np.array([ends.min >> lost, ends.max >> lost], stored.dtype)
        total = float(apply_modality_lut(limits, header).astype(np.float64).sum())
        values = (total - values).astype(values.dtype)
        window = window and (total - window[1], total - window[0])
    if values.dtype not in (np.uint8, np.uint16, np.int16) or window is not None:
        values = values.astype(np.float32)  # exact for whole numbers of 24 bits
    return Decoded(values[None], window)


def _window(header: Any) -> tuple[float, float] | None:
    """Lowest and highest value of the first window (DICOM PS3.3, C.11.2.1.2); None without one."""
    centre, width = (
        next(iter(np.atleast_1d(header.get(name)).tolist()), None)
        for name in ("WindowCenter", "WindowWidth")
    )
    if centre is None or width is None:
        return None
    # By the standard, the linear function reaches its ends half a value earlier than the exact one.
    exact = header.get("VOILUTFunction") == "LINEAR_EXACT"
    centre, width = (centre, width) if exact else (centre - 0.5, width - 1)
    return (centre - width / 2, centre + width / 2) if width > 0 else None
