"""Texts, tables and thumbnails that the page and the report share."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import is_fine
from stages.drawing.text import printable
from stages.drawing.thumbnails import Painter
from stages.figures import captions
from tools.compare.dots import Dot, draw_dots
from tools.compare.strips import Strip, listed, painter_of
from tools.retraining.pictures import HEADS, READING_HEADS, image_strip, reading_strip
from tools.retraining.readings import CHANCE
from tools.retraining.results import Results
from tools.retraining.wording import (
    METRICS,
    PERCENT,
    columns,
    interval,
    number,
    share_of,
    similarity,
)

ON_PAGE, PHOTOS_ON_PAGE = 200, 60  # images, shared equally among the classes
MOST_COLUMNS = 21  # trainings in the table of pairs


@dataclass(frozen=True)
class Findings:
    """The results as texts and pictures.

    Attributes:
        results: What was counted.
        colormap: Name of the maps' colours in `stages.drawing.scale.COLORMAPS`.
        grain: Side in pixels of the blocks over which the pictures sum attributions.
    """

    results: Results
    colormap: str
    grain: int = 1

    @property
    def title(self) -> str:
        """The heading."""
        about = self.results.sample.explanation.about
        return f"Would it hold again? {about['dataset']}, {about['network']}"

    @property
    def sentence(self) -> str:
        """The similarity of any two trainings."""
        likeness, n = self.results.likeness, len(self.results.sample.names)
        if likeness.mean == 1:
            return f"All {n} trainings gave the same maps: training does not depend on its seed."
        return (
            f"Maps of any two of {n} trainings have a similarity of {likeness.mean:.3f} ± "
            f"{likeness.error:.3f} ({PERCENT}: {interval(likeness.mean, likeness.half_width)})."
        )

    @property
    def facts(self) -> list[str]:
        """What else holds for all images, one per line."""
        bands = self.results.bands
        lines = [self._noise_sentence()]
        coverage = self.results.coverage
        if np.isfinite(coverage).all():
            lines.append(
                f"A band made of the other trainings holds {100 * coverage.mean():.1f} % of the "
                f"pixels of a training left out, {100 * coverage.min():.1f} % of the worst one; "
                f"{PERCENT} would be exact."
            )
        changing = float((bands.agreement < 1).mean())
        lines.append(
            f"{100 * changing:.0f} % of the pixels have another sign in at least one training."
        )
        same = np.asarray(self.results.sample.same_prediction.all(axis=0))
        lines.append(
            f"{same.sum():,} of {len(same):,} images have the same prediction in all trainings."
        )
        if lacking := int((bands.n_trainings < len(self.results.sample.names)).sum()):
            lines.append(
                f"{lacking:,} of {len(same):,} images have no map of the class in some trainings, "
                "which count for the other images alone."
            )
        return lines

    def _noise_sentence(self) -> str:
        bands = self.results.bands
        size = float(np.sqrt(np.nanmean(bands.mean**2)))
        shares = [f"{share_of(bands.over_trainings, size)} over trainings"]
        if bands.over_backgrounds is None or bands.together is None:
            return f"Noise, relative to the maps: {shares[0]}; over backgrounds: no error bars."
        shares.append(f"{share_of(bands.over_backgrounds, size)} over backgrounds")
        shares.append(f"{share_of(bands.together, size)} over both")
        return f"Noise, relative to the maps (root mean squares): {', '.join(shares)}."

    @property
    def metric_rows(self) -> list[list[str]]:
        """Rows of the table `METRICS`."""
        first = self.results.sample.metrics[0]
        return [
            [
                name,
                number(first[name]) if name in first else "–",
                number(spread.mean),
                number(spread.half_width),
                number(spread.deviation),
                f"{number(spread.band[0])} to {number(spread.band[1])}",
                f"{number(spread.lowest)} to {number(spread.highest)}",
            ]
            for name, spread in self.results.spreads.items()
        ]

    @property
    def pair_heads(self) -> list[str]:
        """Heads of the table of pairs."""
        return ["", *self.results.sample.names[:MOST_COLUMNS]]

    @property
    def pair_rows(self) -> list[list[str]]:
        """Similarity of each pair of trainings, averaged over the images."""
        pairs = self.results.likeness.by_pair[:MOST_COLUMNS, :MOST_COLUMNS]
        return [
            [name, *("" if i == j else similarity(value) for j, value in enumerate(row))]
            for i, (name, row) in enumerate(zip(self.pair_heads[1:], pairs, strict=True))
        ]

    @cached_property
    def divided(self) -> NDArray[np.intp]:
        """Rows of the images whose maps fall into readings, in the page's order."""
        order = self.results.order
        return np.asarray(order[(self.results.readings[order] == 2).any(axis=1)])

    @property
    def reading_rows(self) -> list[list[str]]:
        """Rows of the table `READINGS`: two for each such image."""
        return [self._reading_row(row, reading) for row in self.divided for reading in (1, 2)]

    def _reading_row(self, row: int, reading: int) -> list[str]:
        sample, members = self.results.sample, self.results.readings[row] == reading
        names = ", ".join(np.array(sample.names)[members])
        accuracies = self.results.accuracies[members]
        sets, counts = np.unique(sample.is_predicted[members, row], axis=0, return_counts=True)
        predicted = "; ".join(
            f"{listed(self.class_names, sets[index])} ({counts[index]})"
            for index in np.argsort(-counts, kind="stable")
        )
        return [
            self.titles[row] if reading == 1 else "",
            f"{members.sum()}: {names}",
            number(float(accuracies.mean())),
            predicted,
        ]

    @property
    def readings_sentence(self) -> str:
        """How many images have readings, and when that counts."""
        n, n_images = len(self.divided), len(self.results.sample.images)
        by_chance = math.ceil(CHANCE * n_images)
        return (
            f"The maps of {n:,} of {n_images:,} images fall into two readings: they can be cut in "
            "two, with two trainings or more on each side, better than "
            f"{100 * (1 - CHANCE):.0f} % of sets of maps of one normal distribution. Chance alone "
            f"cuts at most about {by_chance:,}. Few trainings show only clear readings."
        )

    @cached_property
    def class_names(self) -> list[str]:
        """Class names with characters that the font can draw."""
        return printable(self.results.sample.explanation.class_names)

    @cached_property
    def titles(self) -> list[str]:
        """Titles of the images (n,)."""
        sample = self.results.sample
        return printable(sample.titles, sample.explanation.indices[sample.images])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        height, width = self.results.sample.explanation.images.shape[2:]
        return height, width

    @cached_property
    def painter(self) -> Painter:
        """The painter of all maps, on one scale."""
        sample = self.results.sample
        return painter_of(sample.explanation.images, sample.maps[0], self.colormap, self.grain)

    @cached_property
    def sections(self) -> list[tuple[str, list[tuple[int, Strip, Strip | None]]]]:
        """Classes with their images, the least stable first: row, strip, strip of the readings."""
        classes = self.results.sample.classes
        present = np.unique(classes)
        most = max(1, (PHOTOS_ON_PAGE if is_fine(self.size) else ON_PAGE) // len(present))
        sections = []
        for label in present:
            rows = [int(row) for row in self.results.order if classes[row] == label]
            few = f", the {most} least stable of {len(rows)}" if len(rows) > most else ""
            strips = [(row, self.strip(row), self.readings_of(row)) for row in rows[:most]]
            sections.append((f"Maps of {self.class_names[label]}{few}", strips))
        return sections

    def strip(self, row: int) -> Strip:
        """The maps of an image with their noise."""
        results = self.results
        stable, n = results.likeness.of_images[row], results.bands.n_trainings[row]
        same = results.sample.same_prediction[:, row]
        upper = results.likeness.by_image[row][np.triu_indices(len(same), 1)]
        note = "only this run has a map of this class"
        if n > 1:
            note = (
                f"similarity {similarity(stable)}, from {similarity(np.nanmin(upper))} to "
                f"{similarity(np.nanmax(upper))} between two of {n} trainings; "
                f"{same.sum()} of {len(same)} predict the same"
            )
        name = self.class_names[results.sample.classes[row]]
        return Strip(
            f"{self.titles[row]}, map of {name}",
            note,
            image_strip(self.results, self.painter, row),
            HEADS if results.bands.over_backgrounds is not None else (*HEADS[:4], HEADS[-1]),
        )

    def readings_of(self, row: int) -> Strip | None:
        """The readings' mean maps; None without readings."""
        if row not in self.divided:
            return None
        notes = [" ".join(self._reading_row(row, reading)[1:3]) for reading in (1, 2)]
        note = f"mean test accuracy of reading 1 ({notes[0]}), of reading 2 ({notes[1]})"
        return Strip(
            "Two readings", note, reading_strip(self.results, self.painter, row), READING_HEADS
        )

    @cached_property
    def drawing(self) -> str:
        """Every image as a dot by its stability, a row for each class, in SVG."""
        results, linked = self.results, {row for _, strips in self.sections for row, *_ in strips}
        rows = {}
        for label in np.unique(results.sample.classes):
            chosen = np.flatnonzero(results.sample.classes == label)
            rows[self.class_names[label]] = [
                Dot(
                    float(results.likeness.of_images[row]),
                    f"{self.titles[row]}: {similarity(results.likeness.of_images[row])}",
                    f"#image-{row}" if row in linked else "",
                )
                for row in chosen
                if np.isfinite(results.likeness.of_images[row])
            ]
        return draw_dots(rows, {"all images": results.likeness.mean})

    @property
    def scale_sentence(self) -> str:
        """The scale of the maps."""
        about, scale = self.results.sample.explanation.about, self.painter.scale
        return (
            f"All maps share one scale: ±{captions.number(scale.limit)} "
            f"{captions.unit(about, scale.grain)}, {scale.warm} raises and {scale.cool} lowers the "
            "class's output."
        )

    @property
    def columns_sentence(self) -> str:
        """What stands beside the maps."""
        return columns(self.results.bands.over_backgrounds is not None)

    def text(self) -> str:
        """The summary for the terminal."""
        rows = [
            f"{row[0]:28}" + "".join(f"{cell:>14}" for cell in row[1:5])
            for row in (METRICS, *self.metric_rows)
        ]
        least = [f"  {strips[0][1].title}: {strips[0][1].note}" for _, strips in self.sections]
        parts = [
            [self.sentence, *self.facts],
            rows,
            ["The least stable image of each class:", *least],
            [self.readings_sentence],
        ]
        return "\n\n".join("\n".join(map(str.rstrip, part)) for part in parts)
