"""The comparison in words and pictures: the summary that is printed, Markdown, and a page."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.figures import captions
from stages.figures.offline import base64_text, escape, fill
from tools.compare.comparison import Comparison
from tools.compare.dots import Dot, draw_dots
from tools.compare.metrics import Metric, compare_metrics, mean_with_error
from tools.compare.pictures import draw_strips, save_drawing
from tools.compare.strips import HEADS, Painter, Strip, class_strips, image_strips

PAGE = Path(__file__).parent / "page"
ON_PAGE, IN_PICTURE = 200, 8  # images, the most changed first
DEFINITIONS = (
    "Similarity: Pearson correlation of the two maps over the pixels, signs kept. Top 5 % "
    "shared: of the pixels with the strongest |attribution|. Moved: Σ|change| / (Σ|new| + Σ|old|). "
    "Strength: Σ|new| / Σ|old|. Each compares the maps of the class that the old version predicts. "
    "± is a standard error over the images."
)


@dataclass(frozen=True)
class Report:
    """Writes a comparison down.

    Attributes:
        comparison: What is written.
        colormap: Of the maps, one of `stages.figures.scale.COLORMAPS`.
    """

    comparison: Comparison
    colormap: str

    @property
    def title(self) -> str:
        """Which versions."""
        pairs = self.comparison.pairs
        return f"Explanations: {pairs.old.name} → {pairs.new.name}"

    @cached_property
    def metrics(self) -> list[Metric]:
        """Of both versions."""
        return compare_metrics(self.comparison.pairs)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Numbers of the images, the least alike first."""
        return np.argsort(self.comparison.pearson, kind="stable")

    @cached_property
    def images(self) -> tuple[Painter, list[Strip]]:
        """The most changed images."""
        chosen = self.order[:ON_PAGE]
        return image_strips(self.comparison.pairs, chosen, self.colormap)

    @cached_property
    def classes(self) -> tuple[Painter, list[Strip]]:
        """The class means."""
        return class_strips(self.comparison.pairs, self.colormap)

    @cached_property
    def drawing(self) -> str:
        """Every image as a dot."""
        pairs, pearson = self.comparison.pairs, self.comparison.pearson
        old, new = pairs.old.explanation, pairs.new.explanation
        names = old.class_names
        linked = set(self.order[:ON_PAGE].tolist())
        dots = []
        for number, (i, j) in enumerate(zip(pairs.old_images, pairs.new_images, strict=True)):
            says = (
                f"test image {old.indices[i]}: {names[old.predicted[i]]} → "
                f"{names[new.predicted[j]]}, similarity {pearson[number]:.3f}"
            )
            dots.append(Dot(pearson[number], says, f"#image-{number}" if number in linked else ""))
        rows = {
            name: [dots[number] for number in np.flatnonzero(chosen)]
            for name, chosen in self._groups.items()
        }
        return draw_dots(rows, self.comparison.anchors)

    @property
    def _groups(self) -> dict[str, NDArray[np.bool_]]:
        """Images whose prediction stayed and those whose changed, by the name of the group."""
        same = self.comparison.pairs.same_prediction
        groups = {"same prediction": same, "prediction changed": ~same}
        return {
            f"{name} ({chosen.sum():,})": chosen for name, chosen in groups.items() if chosen.any()
        }

    @property
    def _similarities(self) -> list[list[str]]:
        """A row for each group: its name and the means of the measures."""
        found = self.comparison.pairs.similarity
        measures = (found.pearson, found.overlap, found.moved, found.strength)
        return [
            [name, *(mean_with_error(values[chosen & np.isfinite(values)]) for values in measures)]
            for name, chosen in self._groups.items()
        ]

    @property
    def _metric_rows(self) -> list[list[str]]:
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
    def _changed(self) -> str:
        """How many pixels changed, or why that is not known."""
        pairs = self.comparison.pairs
        if pairs.changed is None:
            return (
                "Which pixels changed beyond their error is unknown: it takes the same background "
                "images, and error bars, in both versions."
            )
        if not pairs.same_prediction.any():
            return "No image kept its prediction."
        share = pairs.changed[pairs.same_prediction].mean()
        return (
            f"{share:.1%} of the pixels changed by more than three standard errors of the paired "
            "difference over the groups of the background (of images that kept their prediction)."
        )

    def text(self) -> str:
        """The summary."""
        head = f"{'':24}{'similarity':>16}{'top 5 %':>16}{'moved':>16}{'strength':>16}"
        rows = [
            f"{name:24}" + "".join(f"{v:>16}" for v in values)
            for name, *values in self._similarities
        ]
        differences = [f"  {line}" for line in self.comparison.differences]
        metrics = [
            f"{name:28}{old:>12}{new:>12}  {change}"
            for name, old, new, change, _ in self._metric_rows
        ]
        parts = [[self.comparison.sentence], differences, [head, *rows], [self._changed], metrics]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def write(self, folder: Path) -> None:
        """Write `index.html`, `report.md` and its pictures."""
        (folder / "index.html").write_text(self.page(), encoding="utf-8")
        save_drawing(folder / "similarity.png", self.drawing)
        about = dict(self.comparison.pairs.old.explanation.about)
        (painter, strips), (of_means, means) = self.images, self.classes
        caption = f"{self._scale_words(painter)} {DEFINITIONS}"
        board = draw_strips("The most changed", caption, painter, strips[:IN_PICTURE], about)
        board.save(folder / "most_changed.png")
        board = draw_strips("Class means", self._scale_words(of_means), of_means, means, about)
        board.save(folder / "class_means.png")
        (folder / "report.md").write_text(self.markdown(), encoding="utf-8")

    def _scale_words(self, painter: Painter) -> str:
        about, scale = self.comparison.pairs.old.explanation.about, painter.scale
        return (
            f"All maps on one scale: ±{captions.number(scale.limit)} {captions.unit(about)}, "
            f"{scale.warm} raises and {scale.cool} lowers the class's output."
        )

    def markdown(self) -> str:
        """The report; a line with a picture holds nothing else."""
        similarity = ["images", "similarity", "top 5 % shared", "moved", "strength"]
        parts = [
            f"# {_plain(self.title)}",
            f"**{_plain(self.comparison.sentence)}**",
            "\n".join(f"- {_plain(line)}" for line in self.comparison.differences),
            _table(similarity, self._similarities),
            f"{self._changed} {DEFINITIONS}",
            "![Every image as a dot, by its similarity](similarity.png)",
            "![The most changed images](most_changed.png)",
            "![Class means](class_means.png)",
            _table(["metric", "old", "new", "change", ""], self._metric_rows),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def page(self) -> str:
        """The page, in one file."""
        (painter, strips), (of_means, means) = self.images, self.classes
        n_images = len(self.order)
        held = f"The {ON_PAGE} most changed of {n_images:,}. " if n_images > ON_PAGE else ""
        ids = [f"image-{number}" for number in self.order]
        similarity = ["images", "similarity", "top 5 % shared", "moved", "strength"]
        return fill(
            PAGE / "comparison.html",
            PAGE / "comparison.css",
            {
                "title": escape(self.title),
                "sentence": escape(self.comparison.sentence),
                "differences": _list(self.comparison.differences),
                "similarity": _html_table(similarity, self._similarities),
                "definitions": escape(DEFINITIONS),
                "dots": self.drawing,
                "changed": escape(f"{held}{self._changed} {self._scale_words(painter)}"),
                "strips": "\n".join(map(_strip, strips, ids)),
                "means_words": escape(self._scale_words(of_means)),
                "means": "\n".join(_strip(strip) for strip in means),
                "metrics": _html_table(["metric", "old", "new", "change", ""], self._metric_rows),
            },
        )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.5g}".replace("-", "\N{MINUS SIGN}")


def _signed(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#~" else letter for letter in text)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(lines: Sequence[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _strip(strip: Strip, name: str = "") -> str:
    """A strip as markup, its tiles as PNG; `name` is what links to it."""
    figures = "".join(
        f'<figure><img alt="" src="data:image/png;base64,{base64_text(_png(tile))}">'
        f"<figcaption>{escape(head)}</figcaption></figure>"
        for head, tile in zip(HEADS, strip.tiles, strict=False)
    )
    identity = f' id="{name}"' if name else ""
    return (
        f'<article{identity}><h3>{escape(strip.title)}</h3><p class="note">{escape(strip.note)}</p>'
        f'<div class="strip">{figures}</div></article>'
    )


def _png(colors: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(colors).save(file, format="PNG")
    return file.getvalue()
