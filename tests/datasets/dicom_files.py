"""Writes DICOM files."""

import io
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def dicom(values: NDArray[Any], *, bits: int | None = None, **elements: Any) -> bytes:
    """A file of (height, width) or, in colours, (height, width, 3), with further elements."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = CTImageStorage
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.Rows, header.Columns = values.shape[:2]
    header.SamplesPerPixel = 3 if values.ndim == 3 else 1
    header.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        header.PlanarConfiguration = 0
    header.BitsAllocated = 8 * values.itemsize
    header.BitsStored = bits or header.BitsAllocated
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in elements.items():
        setattr(header, name, value)
    header.PixelData = values.tobytes() + bytes(values.nbytes % 2)
    header["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    file = io.BytesIO()
    header.save_as(file, enforce_file_format=True)
    return file.getvalue()
