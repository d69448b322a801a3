"""How a folder's image processor standardises, found by running it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from stages.base.errors.user import UserError
from tests.tools.adopt.published import MEAN, PROCESSORS, STD
from tools.adopt import transformers_folder
from tools.adopt.pretrained import Input


@pytest.mark.parametrize("family", PROCESSORS)
def test_statistics_are_those_that_the_processor_applies(tmp_path: Path, family: str) -> None:
    PROCESSORS[family].save_pretrained(tmp_path)
    assert_as_processor(transformers_folder.input_of(tmp_path), PROCESSORS[family])


def test_a_processor_that_standardises_twice(tmp_path: Path) -> None:
    processor = transformers.EfficientNetImageProcessor(image_mean=MEAN, image_std=STD)
    processor.save_pretrained(tmp_path)
    found = transformers_folder.input_of(tmp_path)
    assert found.std == pytest.approx(np.square(STD), abs=1e-6)
    assert_as_processor(found, processor)


def assert_as_processor(found: Input, processor: Any) -> None:
    """Constant images, which resizing and cropping do not change, become the same."""
    height, width = found.image_size
    levels = np.random.default_rng(0).integers(256, size=(5, 3), dtype=np.uint8)
    images = list(np.tile(levels[..., None, None], (1, 1, 2 * height, 2 * width)))
    converted = processor(images, input_data_format="channels_first", return_tensors="np")
    assert converted["pixel_values"].shape == (5, 3, height, width)
    expected = converted["pixel_values"][:, :, height // 2, width // 2]
    np.testing.assert_allclose((levels / 255 - found.mean) / found.std, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        (transformers.MobileViTImageProcessor(), r"blue, green, red; choose another network"),
        (transformers.ViTImageProcessor(do_resize=False), r"does not resize images; add size"),
    ],
)
def test_a_processor_that_preprocess_cannot_replace(
    tmp_path: Path, processor: Any, message: str
) -> None:
    processor.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"preprocessor_config\.json: .*{message}"):
        transformers_folder.input_of(tmp_path)
