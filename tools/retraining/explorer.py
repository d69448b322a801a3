"""The explorer with one more switch: it fades what changes sign between trainings.

The page `plots/explorer.html`, an output of the pipeline, stays as it is; this one lies beside the
results of `make retrain`.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.artifacts.features import TrainingFeatures
from stages.artifacts.measurements import Measurements
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.predictions import Predictions
from stages.artifacts.shortcuts import Shortcuts
from stages.artifacts.splits import load_split
from stages.base.params.sections import StageParams
from stages.drawing.grain import block_sums, chosen_grain
from stages.explorer.document import PAGE, page_content
from stages.explorer.live import WORKER
from stages.figures.run import Run
from stages.params.report import Report
from stages.webpage.offline import base64_array, fill
from tools.retraining.bands import agreement, sign_counts

START = Path(__file__).parent / "page" / "changing_signs.js"
AGREED = 0.9  # share of the trainings from which a sign counts as the same


class Params(StageParams):
    """The section of `params.yaml` that is used."""

    report: Report


def this_run(params: Params, explanation: Explanation) -> Run:
    """The workspace's run, as the stage report draws it."""
    return Run(
        explanation,
        Predictions.load(),
        load_split("train"),
        portable=PortableNetwork.load(),
        measures=Measurements.load(),
        features=TrainingFeatures.load(),
        shortcuts=Shortcuts.load(),
        colormap=params.report.colormap,
        fade=params.report.fade,
        grain=chosen_grain(params.report.grain, explanation.images.shape),
    )


class Signs:
    """Counts, for each map on the explorer's page and each grain, the trainings' signs."""

    def __init__(self, run: Run) -> None:
        self.content = page_content(run)
        rows = {str(name): row for row, name in enumerate(run.explanation.names)}
        self._n_explained = len(rows)
        self._rows = [rows[name] for name in self.content["names"]]  # perhaps not all fit
        shown = base64.b64decode(self.content["arrays"]["shown"]["base64"])
        self._classes = np.frombuffer(shown, "<i4").reshape(len(self._rows), -1)  # (n, m)
        self._counts: dict[int, NDArray[np.int64]] = {}

    def add(self, explanation: Explanation) -> None:
        """Count another training's signs; maps that it does not have count for none."""
        indices = np.stack([explanation.map_indices(column) for column in self._columns()], axis=1)
        for grain in map(int, self.content["limits"]):
            found = np.stack(
                [
                    sign_counts(self._blocks(explanation, row, indices[row], grain))
                    for row in self._rows
                ],
                axis=1,
            )
            known = self._counts.get(grain)
            self._counts[grain] = found if known is None else known + found

    def _columns(self) -> list[NDArray[np.int64]]:
        """The classes of each map on the page, for all explained images: -1 for others."""
        columns = []
        for classes in self._classes.T:
            column = np.full(self._n_explained, -1, np.int64)
            column[self._rows] = classes
            columns.append(column)
        return columns

    @staticmethod
    def _blocks(
        explanation: Explanation, row: int, indices: NDArray[np.int64], grain: int
    ) -> NDArray[np.float64]:
        """Block sums of an image's maps (m, h', w'); NaN for an index of -1."""
        maps = explanation.maps(row, indices.clip(min=0))
        maps[indices < 0] = np.nan
        return np.asarray(block_sums(maps, grain))

    def write(self, path: Path) -> None:
        """Write the page."""
        others = set(PAGE.glob("*.js")) - set(WORKER)
        fades = {
            str(grain): base64_array(np.packbits(agreement(counts) < AGREED, bitorder="little"))
            for grain, counts in self._counts.items()
        }
        n_trainings = int(next(iter(self._counts.values())).sum(axis=0).max())
        changing: dict[str, Any] = {"fades": fades, "share": AGREED, "nTrainings": n_trainings}
        page = fill(
            PAGE / "explorer.html",
            PAGE / "explorer.css",
            {"content": {**self.content, "changing": changing}},
            [*sorted(others), START],
        )
        path.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")
