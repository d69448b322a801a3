"""Large images on the explorer page: compressed photographs, and their segments."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.artifacts.explanation import Explanation
from stages.base.run.bars import ProgressBar
from stages.drawing.photographs import area_sums
from stages.drawing.scale import to_rgb
from stages.drawing.segments import can_segment, segments_of
from stages.webpage.offline import image_address

QUALITY = 80  # of WebP, 0 to 100


@dataclass
class PackedPhotos:
    """Large images (h, w) of a page, with their segments if scikit-image is installed.

    Attributes:
        photos: A `data:` address of each image, WebP.
        background: The same of the mean of the background images.
        segments: Number of the segment that each pixel belongs to (h, w), for each image; empty
            without scikit-image.
        arrays: `segmentSums` and, with error bars, `segmentErrors` (n, m, r) float32: 0 beyond an
            image's number of segments; filled by `add_sums`.
    """

    photos: list[str]
    background: str
    segments: list[NDArray[np.int64]]
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @classmethod
    def of(cls, explanation: Explanation, chosen: NDArray[np.int64], n_maps: int) -> Self:
        """Compress the chosen images, and find their segments."""
        mean = np.rint(explanation.background.mean(axis=0)).astype(np.uint8)
        photos, segments = [], []
        for index in ProgressBar(chosen, desc="compress images", unit="image"):
            photos.append(encoded_photo(explanation.images[index]))
            if can_segment():
                segments.append(segments_of(explanation.images[index]))
        packed = cls(photos, encoded_photo(mean), segments)
        if segments:
            shape = (len(chosen), n_maps, packed.n_segments)
            packed.arrays["segmentSums"] = np.zeros(shape, np.float32)
            if explanation.errors is not None:
                packed.arrays["segmentErrors"] = np.zeros(shape, np.float32)
        return packed

    @property
    def n_segments(self) -> int:
        """Most segments of an image; 0 without segments."""
        return max((int(regions.max()) + 1 for regions in self.segments), default=0)

    @property
    def n_bytes(self) -> int:
        """Bytes that Base64 text holds, all images together."""
        texts = [*self.photos, self.background, *self.segment_images]
        return sum(map(len, texts)) * 3 // 4 + sum(a.nbytes for a in self.arrays.values())

    @property
    def segment_images(self) -> list[str]:
        """A `data:` address of each image's segments: a grey PNG of their numbers."""
        return [image_address(Image.fromarray(r.astype(np.uint8))) for r in self.segments]

    def add_sums(
        self, position: int, maps: NDArray[np.float64], errors: NDArray[np.float64] | None
    ) -> None:
        """Sum an image's maps (m, h, w) and their standard errors over its segments."""
        for name, pixels in (("segmentSums", maps), ("segmentErrors", errors)):
            if name in self.arrays and pixels is not None:
                sums = area_sums(pixels, self.segments[position])
                self.arrays[name][position, :, : sums.shape[1]] = sums


def encoded_photo(image: NDArray[np.uint8]) -> str:
    """A `data:` address of an image (c, h, w)."""
    picture = Image.fromarray(to_rgb(image[None])[0])
    return image_address(picture, "WebP", quality=QUALITY, method=4)
