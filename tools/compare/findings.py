"""Texts and pictures of a comparison that the summary, the report and the page share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import is_fine
from stages.drawing.text import with_minus
from stages.drawing.thumbnails import Painter
from stages.figures import captions
from tools.compare.comparison import Comparison
from tools.compare.dots import Dot, draw_dots
from tools.compare.metrics import Metric, compare_metrics, mean_with_error
from tools.compare.strips import MOST_MEANS, Strip, class_strips, image_strips, listed

ON_PAGE, PHOTOS_ON_PAGE = 200, 60  # images, the most changed first
SIMILARITIES = ("images", "similarity", "top 5 % shared", "moved", "strength")
METRICS = ("metric", "old", "new", "change", "")
SIZES = (
    "Moved: Σ|change| / (Σ|new| + Σ|old|), 0 for equal maps, 1 for maps with nothing in common. "
    "Strength: Σ|new| / Σ|old|."
)
DEFINITIONS = (
    "Similarity: Pearson correlation of the two maps over the pixels, with signs. Top 5 % shared: "
    "how many of the 5 % of pixels with the strongest |attribution| the maps have in common. "
    f"{SIZES} All compare the maps of the class that the old version predicts. "
    "± is a standard error over the images."
)


@dataclass(frozen=True)
class Findings:
    """A comparison as texts and pictures.

    Attributes:
        comparison: The two versions.
        colormap: Name of the maps' colours in `stages.drawing.scale.COLORMAPS`.
        grain: Side in pixels of the blocks over which the pictures sum attributions.
    """

    comparison: Comparison
    colormap: str
    grain: int = 1

    @property
    def title(self) -> str:
        """The heading, with the names of both versions."""
        pairs = self.comparison.pairs
        return f"Explanations: {pairs.old.name} → {pairs.new.name}"

    @cached_property
    def metrics(self) -> list[Metric]:
        """Metrics of both versions."""
        return compare_metrics(self.comparison.pairs)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Indices of the paired images, the least similar first."""
        return np.argsort(self.comparison.pearson, kind="stable")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        height, width = self.comparison.pairs.old.explanation.images.shape[2:]
        return height, width

    @property
    def chosen(self) -> NDArray[np.intp]:
        """The images on the page."""
        return self.order[: PHOTOS_ON_PAGE if is_fine(self.size) else ON_PAGE]

    @cached_property
    def images(self) -> tuple[Painter, list[Strip]]:
        """Strips of the most changed images."""
        return image_strips(self.comparison.pairs, self.chosen, self.colormap, self.grain)

    @cached_property
    def classes(self) -> tuple[Painter, list[Strip]]:
        """Strips of the class means."""
        return class_strips(self.comparison.pairs, self.colormap, self.grain)

    @cached_property
    def drawing(self) -> str:
        """Every image as a dot, in SVG."""
        pairs, pearson = self.comparison.pairs, self.comparison.pearson
        old, new = pairs.old.explanation, pairs.new.explanation
        names = old.class_names
        linked = set(self.chosen.tolist())
        dots = []
        for index, (i, j) in enumerate(zip(pairs.old_images, pairs.new_images, strict=True)):
            title = (
                f"{new.titles[j]}: {listed(names, old.is_predicted[i])} → "
                f"{listed(names, new.is_predicted[j])}, similarity {pearson[index]:.3f}"
            )
            link = f"#image-{index}" if index in linked else ""
            dots.append(Dot(pearson[index], title, link))
        rows = {
            name: [dots[index] for index in np.flatnonzero(chosen)]
            for name, chosen in self._groups.items()
        }
        return draw_dots(rows, self.comparison.anchors)

    @property
    def _groups(self) -> dict[str, NDArray[np.bool_]]:
        """Masks of the images with the same and with another prediction, by name of the group."""
        same = self.comparison.pairs.same_prediction
        groups = {"same prediction": same, "prediction changed": ~same}
        return {
            f"{name} ({chosen.sum():,})": chosen for name, chosen in groups.items() if chosen.any()
        }

    @property
    def similarities(self) -> list[list[str]]:
        """Rows of the table `SIMILARITIES`: groups of images, then anchors to judge them by."""
        found = self.comparison.pairs.similarity
        measures = (found.pearson, found.overlap, found.moved, found.strength)
        rows = [
            [name, *(mean_with_error(values[chosen & np.isfinite(values)]) for values in measures)]
            for name, chosen in self._groups.items()
        ]
        anchors = [
            [name, f"{value:.3f}", "", "", ""] for name, value in self.comparison.anchors.items()
        ]
        return rows + anchors

    @property
    def metric_rows(self) -> list[list[str]]:
        """Rows of the table `METRICS`."""
        return [
            [
                metric.name,
                _number(metric.old),
                _number(metric.new),
                _signed(metric.new - metric.old)
                + ("" if np.isnan(metric.error) else f" ± {metric.error:.2g}"),
                f"{metric.n_images:,} images, paired" if metric.n_images else "",
            ]
            for metric in self.metrics
        ]

    @property
    def changed(self) -> str:
        """The share of pixels that changed, or why it is unknown."""
        pairs = self.comparison.pairs
        if pairs.changed is None:
            return (
                "Which pixels changed beyond their error is unknown: both versions need error bars "
                "and the same background images."
            )
        if not pairs.same_prediction.any():
            return "No image kept its prediction."
        share = pairs.changed[pairs.same_prediction].mean()
        return (
            f"{100 * share:.1f} % of the pixels changed by more than three standard errors of the "
            "paired difference over the groups of background images. Only images with the same "
            "prediction count."
        )

    def text(self) -> str:
        """The summary for the terminal."""
        rows = [
            f"{name:26}" + "".join(f"{value:>16}" for value in values)
            for name, *values in (SIMILARITIES, *self.similarities)
        ]
        differences = [f"  {line}" for line in self.comparison.differences]
        metrics = [
            f"{name:28}{old:>12}{new:>12}  {change}"
            for name, old, new, change, _ in (METRICS, *self.metric_rows)
        ]
        found = [f"  {line}" for line in self.comparison.shortcuts]
        parts = [
            *([self.comparison.sentence], differences, found),
            *([*rows, SIZES], [self.changed], metrics),
        ]
        return "\n\n".join("\n".join(map(str.rstrip, part)) for part in parts if part)

    @property
    def means_sentence(self) -> str:
        """Which classes have a mean, and the scale of the means."""
        n_classes = len(np.unique(self.comparison.pairs.classes))
        most = (
            f" The {MOST_MEANS} largest groups of {n_classes:,}." if n_classes > MOST_MEANS else ""
        )
        return (
            f"Images grouped by the class that the old version predicts.{most} "
            f"{self.scale_sentence(self.classes[0])}"
        )

    def scale_sentence(self, painter: Painter) -> str:
        """The scale of maps that this painter draws."""
        about, scale = self.comparison.pairs.old.explanation.about, painter.scale
        return (
            f"All maps share one scale: ±{captions.number(scale.limit)} "
            f"{captions.unit(about, scale.grain)}, "
            f"{scale.warm} raises and {scale.cool} lowers the class's output."
        )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else with_minus(f"{value:.5g}")


def _signed(value: float) -> str:
    if np.isnan(value):
        return "–"
    return with_minus(f"{value:+.3g}") if value else "0"
