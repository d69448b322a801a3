"""Checks an explanation's arrays: shapes, additivity, error bars and the sources of its images.

The network does not run.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.artifacts.explanation import FOLDER, UNKNOWN, Explanation
from stages.artifacts.splits import is_multiple
from stages.explainers.base.additivity import additivity
from stages.sampling.background import group_sizes, standard_error
from tools.verify.arrays import (
    Array,
    Damage,
    opened,
    require_equal,
    require_finite,
    require_probabilities,
    require_within,
    rows_of,
)
from tools.verify.results import Split, described

# Largest rounding error of a mean over groups, as a share of the largest group's value: the saved
# groups are rounded to float32, the run's own were not.
GROUP_ROUNDING = 1e-5


def check_explanation(
    found: Mapping[str, Split] | None, probabilities: Array | None, folder: Path = FOLDER
) -> tuple[Explanation, float]:
    """Check shapes, finite values, additivity and error bars.

    Args:
        found: The splits; None if they are missing.
        probabilities: The test split's probabilities (n, k); None if they are missing.
        folder: The explanation.

    Returns:
        The explanation, memory-mapped, and its largest additivity error, as a share of the range of
        the outputs.

    Raises:
        Damage: An array is wrong.
    """
    explanation = open_explanation(folder)
    _check_small(folder, explanation)
    _check_sources(folder, explanation, found, probabilities)
    worst = 0.0
    map_indices = explanation.map_indices(explanation.measured)
    arrays = [explanation.values, explanation.errors, explanation.group_means]
    with tqdm(
        total=len(map_indices), desc="arrays", unit="image", delay=1, leave=False, disable=None
    ) as bar:
        for rows in rows_of(*(array for array in arrays if array is not None)):
            worst = max(worst, _check_additivity(folder, explanation, rows))
            _check_errors(folder, explanation, map_indices[rows], rows)
            bar.update(rows.stop - rows.start)
    return explanation, worst


def open_explanation(folder: Path) -> Explanation:
    """Open all arrays; their shapes must agree with each other and with the parameters.

    Raises:
        Damage: An array is missing or has the wrong shape or type.
    """
    about = described(folder / "about.json")
    n_classes, n_groups = len(about["class_names"]), about["n_groups"]
    multiple = is_multiple(about["parameters"])

    def array(name: str, kinds: str, *shape: int | None) -> Array:
        return opened(folder / f"{name}.npy", kinds, shape)

    images = array("images", "uint8", None, None, None, None)
    n, *pixels = images.shape
    classes = array("classes", "int64", n, None)
    n_maps = classes.shape[1]
    n_background = about["parameters"]["explain"]["n_background"]
    has_errors = bool(n_groups)
    return Explanation(
        base_values=array("base_values", "float64", n_classes),
        outputs=array("outputs", "float64", n, n_classes),
        probabilities=array("probabilities", "float32", n, n_classes),
        classes=classes,
        images=images,
        labels=array("labels", "int64", n, *([n_classes] if multiple else [])),
        names=array("names", "str int64", n),
        indices=array("indices", "int64", n),
        background=array("background", "uint8", n_background, *pixels),
        background_indices=array("background_indices", "int64", n_background),
        about=about,
        values=array("values", "float32", n, *pixels, n_maps),
        errors=array("errors", "float32", n, *pixels[1:], n_maps) if has_errors else None,
        group_means=(
            array("group_means", "float32", n, n_groups, *pixels[1:]) if has_errors else None
        ),
    )


def _check_small(folder: Path, explanation: Explanation) -> None:
    n_classes = len(explanation.base_values)
    for name in ("base_values", "outputs"):
        require_finite(folder / f"{name}.npy", getattr(explanation, name))
    multiple = explanation.multiple
    require_probabilities(folder / "probabilities.npy", explanation.probabilities, multiple)
    if explanation.about["output"] == "probabilities":
        require_probabilities(folder / "outputs.npy", explanation.outputs, multiple)
    require_within(folder / "classes.npy", explanation.classes, n_classes)
    require_within(folder / "labels.npy", explanation.labels.clip(min=UNKNOWN + 1), n_classes)
    groups = len(group_sizes(len(explanation.background)))
    if explanation.about["n_groups"] not in (0, groups):
        raise Damage(
            f"{folder}/about.json: n_groups is {explanation.about['n_groups']}, expected {groups}"
        )


def _check_sources(
    folder: Path,
    explanation: Explanation,
    found: Mapping[str, Split] | None,
    probabilities: Array | None,
) -> None:
    """Check that images, labels and names are those in the splits."""
    if found is not None:
        for indices, split, arrays in (
            ("indices", "test", {"images": "images", "labels": "labels", "names": "names"}),
            ("background_indices", "train", {"images": "background"}),
        ):
            chosen = getattr(explanation, indices)
            require_within(folder / f"{indices}.npy", chosen, len(found[split].labels))
            for source_name, name in arrays.items():
                source = getattr(found[split], source_name)
                array = getattr(explanation, name)
                for rows in rows_of(array):
                    expected = source[chosen[rows]]
                    where = f"the {split} split at {indices}.npy"
                    require_equal(folder / f"{name}.npy", array[rows], where, expected)
    if probabilities is not None:
        require_within(folder / "indices.npy", explanation.indices, len(probabilities))
        expected = probabilities[explanation.indices]
        path = folder / "probabilities.npy"
        require_equal(path, explanation.probabilities, "data/predictions at indices.npy", expected)


def _check_additivity(folder: Path, explanation: Explanation, rows: slice) -> float:
    """Check that each map sums to the change of its output; return the largest error."""
    path = folder / "values.npy"
    values = explanation.values[rows]
    require_finite(path, values)
    tolerance = explanation.about["parameters"]["explain"]["tolerance"]
    errors, fails = additivity(values, explanation, rows, tolerance)
    if fails.any():
        image, map_index = np.argwhere(fails)[0]
        total = values[image, ..., map_index].sum(dtype=np.float64)
        raise Damage(
            f"{path}: attributions of image {rows.start + image} to class "
            f"{explanation.classes[rows][image, map_index]} sum to {total:.6g}, expected "
            f"{explanation.changes[rows][image, map_index]:.6g}, its output minus the base value "
            f"(explain.tolerance {tolerance:g})"
        )
    return float(errors.max() / (explanation.output_range or 1))


def _check_errors(
    folder: Path, explanation: Explanation, map_indices: NDArray[np.int64], rows: slice
) -> None:
    """Check that group means average to the attributions and give the standard errors.

    Only the group means of the class `measured` are saved; other errors must be 0 or more.
    """
    if explanation.errors is None or explanation.group_means is None:
        return
    path, groups_path = folder / "errors.npy", folder / "group_means.npy"
    errors, groups = explanation.errors[rows], explanation.group_means[rows].astype(np.float64)
    require_finite(path, errors)
    if (errors < 0).any():
        raise Damage(f"{path}: a standard error is {errors.min():.3g}, expected 0 or more")
    mapped = np.flatnonzero(map_indices >= 0)
    if not np.isnan(np.delete(groups, mapped, axis=0)).all():
        raise Damage(
            f"{groups_path}: an image without a map of its prediction has numbers, expected NaN"
        )
    require_finite(groups_path, groups[mapped])
    if len(mapped) == 0:
        return
    n_background = len(explanation.background)
    weights = group_sizes(n_background) / n_background
    allowed = GROUP_ROUNDING * np.abs(groups[mapped]).max(axis=(1, 2, 3))
    attributions = explanation.values[rows][mapped, ..., map_indices[mapped]].sum(
        axis=1, dtype=float
    )
    means = np.tensordot(weights, groups[mapped].swapaxes(0, 1), axes=1)
    recomputed = standard_error(groups[mapped], n_background, explanation.about["n_train"])
    stored = errors[mapped, ..., map_indices[mapped]]
    for file, got, expected, source in (
        (groups_path, means, attributions, "values.npy"),
        (path, stored, recomputed, "group_means.npy"),
    ):
        fails = (np.abs(got - expected) > allowed[:, None, None]).any(axis=(1, 2))
        if fails.any():
            image = rows.start + int(mapped[fails.argmax()])
            raise Damage(f"{file}: image {image} does not agree with {source}")
