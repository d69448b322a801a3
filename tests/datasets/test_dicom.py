"""DICOM files, from single values to a prepared folder; values by the standard, PS3.3 C.11."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut, apply_windowing, pixel_array

from stages import download, preprocess
from stages.artifacts.splits import load_info, load_split
from stages.base.errors.user import UserError
from stages.datasets.base.decode import decode
from stages.datasets.base.decoded import UnusableImage
from stages.preparation.pixels import eight_bits
from tests.conftest import ROOT, run_stages
from tools.own_pictures import read_pictures

from .dicom_files import dicom

HOUNSFIELD = {"RescaleSlope": 2, "RescaleIntercept": -1024}
WINDOW = {"WindowCenter": 40, "WindowWidth": 400}


def twelve_bits() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 4096, (16, 10, 14)).astype(np.uint16)


def published(name: str) -> bytes:
    return Path(get_testdata_file(name, download=False)).read_bytes()


def test_the_slope_and_intercept_give_the_values() -> None:
    stored = np.array([[0, 512, 4095]], np.uint16)
    pixels, window = decode(dicom(stored, bits=12, **HOUNSFIELD))
    assert pixels.tolist() == [[[-1024, 0, 7166]]]
    assert window is None


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_without_slope_and_window_values_are_as_stored(kind: type[np.generic]) -> None:
    stored = np.array([[0, 100, 3]], kind)
    pixels, window = decode(dicom(stored))
    assert (pixels.dtype, window) == (kind, None)
    assert np.array_equal(pixels[0], stored)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm"])
def test_a_window_is_applied_as_by_pydicom(name: str) -> None:
    """The standard's 8-bit display, up to the rounding that pydicom leaves to the caller."""
    content = published(name)
    header = pydicom.dcmread(get_testdata_file(name, download=False))
    header.WindowCenter, header.WindowWidth = 600, 900
    values = apply_modality_lut(header.pixel_array, header)
    header.BitsStored, header.PixelRepresentation = 8, 0
    for name in ("RescaleSlope", "RescaleIntercept"):
        header.pop(name, None)
    shown = apply_windowing(values, header)
    ours = eight_bits(decode(content).pixels, (600 - 0.5 - 899 / 2, 600 - 0.5 + 899 / 2))
    assert np.abs(ours[0] - shown).max() <= 0.5


@pytest.mark.parametrize(
    ("elements", "window"),
    [
        (WINDOW, (40 - 0.5 - 399 / 2, 40 - 0.5 + 399 / 2)),
        ({"WindowCenter": [40, -600], "WindowWidth": [400, 1500]}, (-160, 239)),
        (WINDOW | {"VOILUTFunction": "LINEAR_EXACT"}, (-160, 240)),
        (WINDOW | {"VOILUTFunction": "SIGMOID"}, (-160, 239)),
        ({"WindowCenter": 40}, None),
        ({"WindowCenter": 40, "WindowWidth": 1}, None),
        ({"WindowCenter": None, "WindowWidth": None}, None),
    ],
)
def test_the_first_window_counts(elements: Any, window: Any) -> None:
    content = dicom(np.zeros((8, 8), np.uint16), bits=12, **HOUNSFIELD, **elements)
    assert decode(content).window == window


def test_a_window_around_all_of_8_bits_changes_nothing() -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(8, 32)
    decoded = decode(dicom(stored, WindowCenter=128, WindowWidth=256))
    assert np.array_equal(eight_bits(*decoded)[0], stored)


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_low_values_that_are_bright_are_inverted_within_their_bits(
    kind: type[np.generic],
) -> None:
    """What a screen shows is the negative of the same file with MONOCHROME2."""
    stored = np.array([[0, 700, 2047]], kind)
    elements = HOUNSFIELD | {"WindowCenter": 300.5, "WindowWidth": 2001}
    normal = eight_bits(*decode(dicom(stored, bits=12, **elements)))
    elements["PhotometricInterpretation"] = "MONOCHROME1"
    decoded = decode(dicom(stored, bits=12, **elements))
    assert np.abs(eight_bits(*decoded).astype(int) - (255 - normal)).max() == 0
    ends = (0, 4095) if kind == np.uint16 else (-2048, 2047)
    expected = 2 * (sum(ends) - stored.astype(int)) - 1024
    assert np.array_equal(decoded.pixels[0], expected)


def test_inverted_values_without_slope_keep_their_type() -> None:
    content = dicom(
        np.array([[0, 95]], np.uint16), bits=12, PhotometricInterpretation="MONOCHROME1"
    )
    pixels, _ = decode(content)
    assert pixels.dtype == np.uint16
    assert pixels.tolist() == [[[4095, 4000]]]


def test_colours_are_read() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    assert np.array_equal(decode(dicom(rgb)).pixels, rgb.transpose(2, 0, 1))
    deep = decode(dicom(rgb.astype(np.uint16) * 256)).pixels
    assert np.array_equal(deep, rgb.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "name", ["SC_rgb_rle.dcm", "SC_rgb_rle_2frame.dcm", "SC_rgb_jpeg_dcmtk.dcm"]
)
def test_published_colours_are_those_of_pydicom(name: str) -> None:
    pixels = decode(published(name)).pixels
    first = pixel_array(get_testdata_file(name, download=False), index=0)
    assert np.array_equal(pixels, first.transpose(2, 0, 1))


def test_colours_of_a_palette_are_looked_up() -> None:
    stored = np.array([[0, 1], [2, 1]], np.uint8)
    tables = np.array([[0, 100, 255], [9, 8, 7], [50, 60, 70]], np.uint16)
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in zip(("Red", "Green", "Blue"), tables * 257, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    assert np.array_equal(decode(dicom(stored, **elements)).pixels, tables[:, stored])


@pytest.mark.parametrize("slope", [-10, 0.0025])
def test_slopes_may_be_negative_or_small(slope: float) -> None:
    """OHIF/Viewers#127 and ImageMagick#477, where such images came out inverted or black."""
    stored = np.array([[0, 100, 255]], np.uint8)
    pixels, _ = decode(dicom(stored, RescaleSlope=slope, RescaleIntercept=3000))
    assert np.allclose(pixels[0], stored.astype(float) * slope + 3000, rtol=1e-7)


@pytest.mark.parametrize("intercept", [-1024, 0])
def test_inverted_values_do_not_depend_on_a_window(intercept: int) -> None:
    """ome/bioformats#3619 and #3620: wrong inversion with a window, or with an intercept alone."""
    stored = np.array([[0, 100, 4095]], np.uint16)
    inverted = {"PhotometricInterpretation": "MONOCHROME1", "RescaleIntercept": intercept}
    for window in ({}, WINDOW):
        pixels, _ = decode(dicom(stored, bits=12, RescaleSlope=1, **inverted, **window))
        assert pixels.tolist() == [[[4095 + intercept, 3995 + intercept, intercept]]]


@pytest.mark.parametrize("empty", [{"RescaleSlope": None, "RescaleIntercept": None}, {}])
def test_an_empty_slope_is_none(empty: Any) -> None:
    """Project-MONAI/monai-deploy-app-sdk#187."""
    stored = np.array([[0, 100, 255]], np.uint16)
    assert np.array_equal(decode(dicom(stored, **empty)).pixels[0], stored)


def test_files_without_a_readable_image_are_refused_with_the_reason() -> None:
    stored = np.zeros((8, 8), np.uint16)
    for content, reason in [
        (published("rtplan.dcm"), "^a DICOM file without an image"),
        (published("MR_truncated.dcm"), "^truncated or damaged: "),
        (dicom(stored)[:-20], "^truncated or damaged: "),
        (dicom(stored)[:140], "^truncated or damaged: |without an image"),
        (dicom(stored, Rows=60_000, Columns=60_000), "^60,000×60,000 pixels, more than 89,478,485"),
    ]:
        with pytest.raises(UnusableImage, match=reason):
            decode(content)


def test_a_compression_that_needs_a_package_names_it() -> None:
    with pytest.raises(UnusableImage, match=r"^compressed as JPEG-LS .*pip install pylibjpeg pyl"):
        decode(published("MR_small_jpeg_ls_lossless.dcm"))


def write(folder: Path, values: NDArray[Any], **elements: Any) -> None:
    """Twelve training and four test images of two classes, with windows that differ."""
    for number, image in enumerate(values):
        split = "train" if number < 12 else "test"
        path = folder / split / "ab"[number % 2] / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        if "WindowCenter" in elements:
            elements["WindowCenter"] = 1000.5 + 100 * number
        path.write_bytes(dicom(image, bits=12, **elements))


def prepare(pixel_range: Any = None) -> None:
    changes = {
        "data": {"dataset": "image_folder", "source": "images"},
        "preprocess": {"pixel_range": pixel_range, "validation_fraction": 0.25},
    }
    run_stages(changes, (download, preprocess))


def test_a_folder_is_shown_in_the_windows_of_its_files(here: Path) -> None:
    values = twelve_bits()
    write(here / "images", values, WindowCenter=None, WindowWidth=2001)
    prepare()
    test = load_split("test").images[:, 0]
    for image, number in zip(test, (12, 14, 13, 15), strict=True):
        low = 100 * number
        expected = np.rint((values[number].astype(float) - low) / 2000 * 255).clip(0, 255)
        assert np.array_equal(image, expected)
    (own,) = read_pictures(["images/test/a/12.dcm"], load_info(), None, invert=False)
    assert np.array_equal(own.pixels[0], test[0])


def test_a_range_that_is_set_comes_before_the_windows(here: Path) -> None:
    values = twelve_bits()
    write(here / "images", values, WindowCenter=None, WindowWidth=2001, **HOUNSFIELD)
    prepare([-1024, 3071])
    hounsfield = 2 * values[12].astype(float) - 1024
    expected = np.rint((hounsfield + 1024) / 4095 * 255).clip(0, 255)
    assert np.array_equal(load_split("test").images[0, 0], expected)
    (own,) = read_pictures(["images/test/a/12.dcm"], load_info(), None, invert=False)
    assert np.array_equal(own.pixels[0], expected)


def test_without_windows_twelve_bits_stop_the_run_until_a_range_is_chosen(here: Path) -> None:
    write(here / "images", twelve_bits())
    with pytest.raises(UserError, match="far below the 65,535 of 16 bits"):
        prepare()
    prepare([0, 4095])


def test_without_pydicom_the_message_names_the_command(tmp_path: Path) -> None:
    """A module of that name that cannot be imported stands for one that is not installed."""
    (tmp_path / "pydicom.py").write_text("raise ModuleNotFoundError(\"No module named 'pydicom'\")")
    (tmp_path / "image.dcm").write_bytes(dicom(np.zeros((8, 8), np.uint8)))
    code = (
        "import pathlib, sys; from stages.datasets.base.decode import decode; "
        "decode(pathlib.Path(sys.argv[1]).read_bytes())"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT}/engine/src"}
    command = [sys.executable, "-c", code, str(tmp_path / "image.dcm")]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (
        "UserError: data: DICOM files need pydicom, an extra (No module named 'pydicom'): install "
        "it with python -m pip install --constraint constraints.txt --editable '.[dicom]', or save "
        "the images as 16-bit PNG"
    ) in result.stderr
