"""What was found of shortcuts, in `data/shortcuts`: shortcuts writes it, report reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.artifacts.splits import Names
from stages.base.files.arrays import load_npy
from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json

FOLDER = Path("data/shortcuts")
_ABOUT = "about.json"
_TABLES = ("findings", "strategies")

N_EXAMPLES, N_TRANSPLANTS, N_TYPICAL = 5, 3, 3
NONE = -1  # in `example_rows` and `typical_rows`: there are fewer images

FINDING_COLUMNS = (
    "class", "images", "share", "area", "effect", "effect_se", "flips", "flips_se",
    "flips_others", "drop", "falls", "variation", "p", "moving",
)  # fmt: skip
COPIED = 0.25  # members whose pixels vary less carry the same mark, as a stamp
STRATEGY_COLUMNS = ("class", "images", "share", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Shortcuts:
    """Findings, and the strategies of each class. n searched images, f findings, s strategies.

    In shapes: gh × gw blocks of pixels, c channels, h height, w width. An index of a searched image
    is called a row. Each array is saved as `<name>.npy`, the rest in `about.json`.

    Attributes:
        indices: Positions of the searched images in their split (n,), int64, ascending.
        names: Their names in the data set (n,).
        predicted: Their predicted classes (n,), int64.
        maps: Attributions to the predicted class, summed over blocks (n, gh, gw), float32, logits.
        members: Whether each image goes by each finding (f, n), bool.
        regions: Share of a finding's members that go by each pixel (f, h, w), float32: 0 or 1 for a
            mark that does not move.
        example_rows: Rows of five members, the clearest first (f, 5), int64, or `NONE`.
        host_rows: Rows of three images of other classes (f, 3), int64.
        transplants: These images with the region of the first example (f, 3, c, h, w), uint8.
        transplant_odds: Probability of the class before and after (f, 3, 2), float64.
        transplant_predicted: The class predicted after it (f, 3), int64.
        typical_rows: Rows of three typical images of each strategy (s, 3), int64, or `NONE`.
        strategy_maps: Mean of each strategy's maps (s, gh, gw), float32.
        shown_rows: Rows that any of these name (r,), int64, ascending.
        shown_images: The images in these rows (r, c, h, w), uint8.
        findings: A row for each finding, with `FINDING_COLUMNS`: the class (a number), number of
            members, their share of the class's searched images, the region's share of the
            picture, mean change of log-odds by pasting the members' pixels beyond that by other
            pixels, shares of the images that flip, loss of log-odds and share of members that fall
            when the region is removed, how much members' pixels of it vary (a share of how much
            they differ from other images'; NaN if it moves), p-value corrected for all tests, and
            whether it moves.
        strategies: A row for each strategy, with `STRATEGY_COLUMNS`: the class (a number), number
            of images, share of the class's images, accuracy.
        about: `class_names`, `split`, `block_px` (side of a block), `n_tests`, and `not_searched`:
            for each class that was not, the reason.
    """

    indices: NDArray[np.int64]
    names: Names
    predicted: NDArray[np.int64]
    maps: NDArray[np.float32]
    members: NDArray[np.bool_]
    regions: NDArray[np.float32]
    example_rows: NDArray[np.int64]
    host_rows: NDArray[np.int64]
    transplants: NDArray[np.uint8]
    transplant_odds: NDArray[np.float64]
    transplant_predicted: NDArray[np.int64]
    typical_rows: NDArray[np.int64]
    strategy_maps: NDArray[np.float32]
    shown_rows: NDArray[np.int64]
    shown_images: NDArray[np.uint8]
    findings: pd.DataFrame
    strategies: pd.DataFrame
    about: Mapping[str, Any]

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in class order."""
        return list(self.about["class_names"])

    @property
    def metrics(self) -> dict[str, float]:
        """Headline numbers, as in `metrics/shortcuts.json`."""
        flips = self.findings.sort_values("flips", ascending=False, kind="stable").head(1)
        resting = self.members.any(axis=0)
        return {
            "findings": len(self.findings),
            "share_of_images": float(resting.mean()) if len(self.indices) else 0.0,
            "largest_flip_rate": float(flips["flips"].sum()),
            "largest_flip_rate_se": float(flips["flips_se"].sum()),
            "classes_not_searched": len(self.about["not_searched"]),
        }

    @property
    def table(self) -> pd.DataFrame:
        """The findings with names of classes, then a row for each class that was not searched."""
        rows = [
            {**row, "class": self.class_names[int(row["class"])], "note": ""}
            for row in self.findings.to_dict("records")
        ]
        reasons = self.about["not_searched"].items()
        rows += [{"class": name, "note": reason} for name, reason in reasons]
        return pd.DataFrame(rows, columns=[*FINDING_COLUMNS, "note"])

    def sentence(self, number: int) -> str:
        """What was found, in a sentence."""
        finding = self.findings.iloc[number]
        name = self.class_names[int(finding["class"])]
        where = "a patch that moves" if finding["moving"] else "this part of the picture"
        return (
            f"{finding['share']:.0%} of {name} ({finding['images']:,.0f} images) go by {where}: "
            f"pasted into images of other classes, {finding['flips']:.1%} become {name} "
            f"({finding['flips_others']:.1%} with other pixels), and its log-odds rise by "
            f"{finding['effect']:.1f} ± {finding['effect_se']:.1f}; without it, "
            f"{finding['falls']:.0%} of them fall.{_origin(finding['variation'])}"
        )

    def image(self, row: int) -> NDArray[np.uint8]:
        """A shown image (c, h, w)."""
        return np.asarray(self.shown_images[int(np.searchsorted(self.shown_rows, row))])

    def save(self, folder: Path = FOLDER) -> None:
        """Write the arrays, and the tables with the rest as JSON."""
        # JSON has no NaN.
        frames = {name: getattr(self, name).astype(object) for name in _TABLES}
        tables = {name: f.where(f.notna(), None).to_dict("list") for name, f in frames.items()}
        with new_folder(folder) as new:
            for name in _ARRAYS:
                np.save(new / f"{name}.npy", getattr(self, name))
            write_json(new / _ABOUT, {**self.about, **tables})

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Load what `save` wrote; arrays are memory-mapped."""
        about = read_json(folder / _ABOUT)
        columns = {"findings": FINDING_COLUMNS, "strategies": STRATEGY_COLUMNS}
        tables: dict[str, Any] = {
            name: pd.DataFrame(about.pop(name), columns=list(columns[name])) for name in _TABLES
        }
        tables["findings"]["variation"] = tables["findings"]["variation"].astype(float)
        arrays: dict[str, Any] = {name: load_npy(folder / f"{name}.npy") for name in _ARRAYS}
        return cls(**arrays, **tables, about=about)


_ARRAYS = [f.name for f in fields(Shortcuts) if f.name not in (*_TABLES, "about")]


def _origin(variation: float) -> str:
    if np.isnan(variation):
        return ""
    if variation < COPIED:
        return " The pixels are alike in all of them, as those of a stamp."
    return " The pixels differ among them, so it may be a way in which the class looks."


def shown(rows: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The rows that any of these arrays name, ascending."""
    named = np.unique(np.concatenate([np.zeros(0, np.int64), *(part.ravel() for part in rows)]))
    return np.asarray(named[named != NONE], np.int64)
