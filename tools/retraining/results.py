"""Everything that is counted over the trainings; writes arrays, a table and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from stages.base.files.atomic import new_file
from stages.base.files.formats import write_json
from stages.base.files.tables import write_csv
from tools.compare.retraining import DIGITS, METRICS
from tools.compare.versions import recorded_digest
from tools.retraining.bands import Bands
from tools.retraining.likeness import Likeness
from tools.retraining.readings import find_readings
from tools.retraining.sample import Sample
from tools.retraining.spread import Spread


@dataclass(frozen=True)
class Results:
    """What t trainings of the same network say about n images."""

    sample: Sample

    @cached_property
    def bands(self) -> Bands:
        """Statistics of each pixel."""
        return self.sample.bands

    @cached_property
    def likeness(self) -> Likeness:
        """Similarities of the trainings' maps."""
        return Likeness.of(self.sample.maps)

    @cached_property
    def coverage(self) -> NDArray[np.float64]:
        """Share of each training's pixels inside the others' band (t,)."""
        return self.bands.coverage()

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """The spread of each metric that at least two trainings have, by name."""
        found = {}
        for name in dict.fromkeys(name for metrics in self.sample.metrics for name in metrics):
            values = self.values(name)
            if len(values) > 1:
                found[name] = Spread.of(values)
        return found

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric of the trainings that have it."""
        found = [metrics[metric] for metrics in self.sample.metrics if metric in metrics]
        return np.array(found, np.float64)

    @cached_property
    def readings(self) -> NDArray[np.int8]:
        """Reading of each image's map by each training (n, t): 1 or 2, 0 without readings."""
        return self._cuts[0]

    @cached_property
    def accuracies(self) -> NDArray[np.float64]:
        """Test accuracy of each training (t,); NaN if unknown."""
        return np.array([metrics.get("accuracy", np.nan) for metrics in self.sample.metrics])

    @cached_property
    def _cuts(self) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        n_images = len(self.sample.images)
        with tqdm(
            total=n_images, desc="find readings", unit="image", delay=1, leave=False, disable=None
        ) as bar:
            return find_readings(self.sample.maps, done=lambda: bar.update())

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Rows of the images class by class, each class's least stable first."""
        return np.lexsort((self.likeness.of_images, self.sample.classes))

    @property
    def table(self) -> pd.DataFrame:
        """A row for each image in `order`: where it is, how stable, which readings."""
        sample, rows = self.sample, self.order
        chosen = sample.images[rows]
        names = np.array(sample.explanation.class_names)
        return pd.DataFrame(
            {
                "row": rows,
                "index": sample.explanation.indices[chosen],
                "name": sample.explanation.names[chosen],
                "class": names[sample.classes[rows]],
                "similarity": self.likeness.of_images[rows],
                "n_trainings": self.bands.n_trainings[rows],
                "same_prediction": sample.same_prediction.mean(axis=0)[rows],
                "in_second_reading": (self.readings == 2).sum(axis=1)[rows],
                "readings_p": self._cuts[1][rows],
            }
        )

    def save(self, folder: Path) -> None:
        """Write the arrays and the table; docs/reference/files.md has their shapes."""
        bands, sample = self.bands, self.sample
        arrays: Mapping[str, NDArray[np.generic] | None] = {
            "maps": sample.maps,
            "mean": bands.mean.astype(np.float32),
            "over_trainings": bands.over_trainings.astype(np.float32),
            "over_backgrounds": _single(bands.over_backgrounds),
            "together": _single(bands.together),
            "sign_agreement": bands.agreement.astype(np.float32),
            "similarity": self.likeness.by_image,
            "readings": self.readings,
            "predicted": sample.predicted,
            "coverage": self.coverage,
        }
        for name, array in arrays.items():
            if array is not None:
                np.save(folder / f"{name}.npy", array)
        write_csv(folder / "images.csv", self.table)
        about = {
            "trainings": list(sample.names),
            "metrics": {name: [m.get(name) for m in sample.metrics] for name in self.spreads},
        }
        write_json(folder / "about.json", about)

    def save_metrics(self) -> None:
        """Write `metrics/retraining.json`, which names the explanation that it is about."""
        with new_file(METRICS) as file:
            content = {
                "retraining_similarity": self.likeness.mean,
                "retraining_similarity_se": self.likeness.error,
                "n_trainings": len(self.sample.names),
                "explanation": (recorded_digest() or "")[:DIGITS],
            }
            write_json(file, content, sort_keys=False)


def _single(array: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
    return None if array is None else array.astype(np.float32)
