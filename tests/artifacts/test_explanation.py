"""An explanation: its files, its views, and a real one plotted by shap."""

import json
import resource
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import shap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.artifacts.explanation import (
    AttributionSlice,
    ExplainedImages,
    Explanation,
    save_explanation,
    save_shard,
)
from tests.conftest import Project


@pytest.fixture
def stored(ran_project: Project) -> Explanation:
    return Explanation.load(ran_project.root / "data/shap")


def plotted(explanation: Explanation) -> Figure:
    """The figure drawn by shap."""
    plt.switch_backend("agg")
    shap.image_plot(explanation.to_shap(), show=False)
    figure = plt.gcf()
    plt.close(figure)
    return figure


def titles(figure: Figure) -> list[str]:
    return [title for axes in figure.axes if (title := axes.get_title())]


def test_shap_plots_an_explanation(stored: Explanation) -> None:
    figure = plotted(stored)
    assert titles(figure) == stored.class_names  # above the first row
    first = figure.axes[1].images[1].get_array()
    assert first is not None
    assert np.array_equal(first, stored.values[0, 0, :, :, 0])


def test_shap_gets_values_that_sum_to_the_outputs(stored: Explanation) -> None:
    rebuilt = stored.to_shap()
    assert rebuilt.shape == (3, 28, 28, 1, 10)
    assert rebuilt.output_dims == (4,)
    assert rebuilt.output_names == stored.class_names
    sums = rebuilt.values.sum(axis=(1, 2, 3)) + rebuilt.base_values
    np.testing.assert_allclose(sums, stored.outputs, rtol=1e-3, atol=1e-3)
    one = rebuilt[1]
    assert np.array_equal(one.data[..., 0], stored.images[1, 0])
    assert np.array_equal(one.base_values, stored.base_values)


def test_shap_plots_images_with_different_classes(stored: Explanation) -> None:
    """As with explain.outputs: {top: 2}."""
    classes = np.argsort(-stored.probabilities, axis=1)[:, :2]
    assert (classes != classes[0]).any()
    values = np.take_along_axis(stored.values, classes[:, None, None, None, :], axis=4)
    two = replace(stored, classes=classes, values=values)
    rebuilt = two.to_shap()
    sums = rebuilt.values.sum(axis=(1, 2, 3)) + rebuilt.base_values
    outputs = np.take_along_axis(stored.outputs, classes, axis=1)
    np.testing.assert_allclose(sums, outputs, rtol=1e-3, atol=1e-3)
    assert titles(plotted(two)) == [stored.class_names[c] for c in classes.ravel()]


RNG = np.random.default_rng(0)
N, C, H, W, K, M, B, G = 5, 3, 4, 6, 4, 2, 8, 3


def explained(names: list[str] | range = range(N)) -> ExplainedImages:
    """Five images with two maps each, four classes, eight background images."""
    return ExplainedImages(
        base_values=RNG.normal(size=K),
        outputs=RNG.normal(size=(N, K)),
        probabilities=RNG.random((N, K), np.float32),
        classes=np.array([[0, 1], [1, 0], [3, 2], [2, 1], [0, 3]]),
        images=RNG.integers(0, 256, (N, C, H, W), np.uint8),
        labels=np.array([0, 1, 2, 3, 0]),
        names=np.array(names),
        indices=np.array([3, 1, 4, 0, 5]),
        background=RNG.integers(0, 256, (B, C, H, W), np.uint8),
        background_indices=np.arange(B) * 2,
        about={"class_names": ["a", "b", "c", "ü"], "method": "own", "n_train": 40},
    )


def shards_of(
    given: ExplainedImages, arrays: dict[str, NDArray[np.float64]], folder: Path
) -> Iterator[Path]:
    """A shard with one slice and a shard with two."""
    by_image = ["outputs", "probabilities", "classes", "images", "labels", "names", "indices"]
    for number, cuts in enumerate(([0, 2], [2, 3, 5])):
        shard = folder / str(number)
        shard.mkdir()
        rows = slice(cuts[0], cuts[-1])
        images = replace(given, **{name: getattr(given, name)[rows] for name in by_image})
        slices = [
            AttributionSlice(**{name: array[start:stop] for name, array in arrays.items()})
            for start, stop in pairwise(cuts)
        ]
        save_shard(images, slices, shard)
        yield shard


@pytest.mark.parametrize("with_groups", [True, False])
def test_numpy_and_json_read_the_files(tmp_path: Path, with_groups: bool) -> None:
    given, folder = explained(), tmp_path / "shap"
    arrays = {"values": RNG.normal(size=(N, C, H, W, M))}
    if with_groups:
        arrays["errors"] = RNG.random((N, H, W, M))
        arrays["group_means"] = RNG.normal(size=(N, G, H, W))
    save_explanation(given, list(shards_of(given, arrays, tmp_path)), folder)
    stored = vars(given) | {name: array.astype(np.float32) for name, array in arrays.items()}
    about = {**stored.pop("about"), "n_groups": G if with_groups else 0}
    assert json.loads((folder / "about.json").read_text(encoding="utf-8")) == about
    files = {path.stem: path for path in folder.glob("*.npy")}
    assert files.keys() == stored.keys()
    for name, array in stored.items():
        read = np.load(files[name])
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
        with files[name].open("rb") as file:
            assert np.lib.format.read_magic(file) == (1, 0)
    loaded = Explanation.load(folder)
    for name in ("values", *(("errors", "group_means") if with_groups else ())):
        assert isinstance(getattr(loaded, name).base, np.memmap)
        np.testing.assert_array_equal(getattr(loaded, name), stored[name])
    assert (loaded.errors is None) == (loaded.group_means is None) == (not with_groups)
    assert loaded.about == about


def test_thousands_of_shards_need_few_open_files(tmp_path: Path) -> None:
    given = explained()
    arrays = {"values": RNG.normal(size=(N, C, H, W, M))}
    first, _ = shards_of(given, arrays, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, hard))
    try:
        save_explanation(given, [first] * 100, tmp_path / "shap")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    stored = np.load(tmp_path / "shap/values.npy")
    expected = np.tile(arrays["values"][:2].astype(np.float32), (100, 1, 1, 1, 1))
    np.testing.assert_array_equal(stored, expected)


def test_map_indices_and_changes_belong_to_the_classes_of_each_image() -> None:
    given = explained()
    assert given.map_indices(given.labels).tolist() == [0, 0, 1, -1, 0]
    assert given.map_indices(1).tolist() == [1, 0, -1, 1, -1]
    expected = [
        [given.outputs[i, c] - given.base_values[c] for c in classes]
        for i, classes in enumerate(given.classes)
    ]
    np.testing.assert_allclose(given.changes, expected)
    assert not given.explains_all_classes
    every = replace(given, classes=np.tile(np.arange(K), (N, 1)))
    assert every.explains_all_classes
    numbers = [*given.outputs.ravel(), *given.base_values]
    assert given.output_range == max(numbers) - min(numbers)
    for outputs, found in zip(given.outputs, given.output_ranges, strict=True):
        numbers = [*outputs, *given.base_values]
        assert found == max(numbers) - min(numbers)


def test_the_title_of_an_image_is_its_path_or_its_number() -> None:
    assert explained(range(7, 7 + N)).titles[:2] == ["Test image 7", "Test image 8"]
    paths = [f"cats/{i}.jpg" for i in range(N)]
    assert explained(paths).titles == paths


@pytest.mark.parametrize("with_groups", [True, False])
def test_some_images_keep_all_that_is_theirs(tmp_path: Path, with_groups: bool) -> None:
    arrays = {"values": RNG.normal(size=(N, C, H, W, M))}
    if with_groups:
        arrays["errors"] = RNG.random((N, H, W, M))
        arrays["group_means"] = RNG.normal(size=(N, G, H, W))
    save_explanation(explained(), list(shards_of(explained(), arrays, tmp_path)), tmp_path / "shap")
    whole = Explanation.load(tmp_path / "shap")
    some = whole.of_images(np.array([3, 1]))
    for name, array in vars(whole).items():
        found = getattr(some, name)
        if not isinstance(array, np.ndarray):
            assert found == array
        else:
            shared = name in ("base_values", "background", "background_indices")
            np.testing.assert_array_equal(found, array if shared else array[[3, 1]])
    np.testing.assert_array_equal(whole.of_images(slice(2)).labels, whole.labels[:2])


def test_maps_are_summed_over_channels_in_the_given_order() -> None:
    values = RNG.normal(size=(N, C, H, W, M)).astype(np.float32)
    errors = RNG.random((N, H, W, M), np.float32)
    whole = Explanation(**vars(explained()), values=values, errors=errors)
    exact = values.astype(np.float64)
    for map_index, found_map, found_error in zip(
        [1, 0], whole.maps(2, [1, 0]), whole.map_errors(2, [1, 0]), strict=True
    ):
        np.testing.assert_allclose(found_map, exact[2, ..., map_index].sum(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(found_error, errors[2, ..., map_index])
    np.testing.assert_allclose(whole.sums, exact.sum(axis=(1, 2, 3)), rtol=1e-12)
    assert replace(whole, errors=None).map_errors(0, [0]) is None


def test_shap_gets_its_own_order_of_axes_and_the_class_names() -> None:
    values = RNG.normal(size=(N, C, H, W, M)).astype(np.float32)
    own = Explanation(**vars(explained()), values=values)
    alike = replace(own, classes=np.tile([3, 1], (N, 1)))
    for given in (own, alike):
        rebuilt = given.to_shap()
        assert rebuilt.values.shape == (N, H, W, C, M)
        assert rebuilt.values[1, 2, 3, 0, 1] == values[1, 0, 2, 3, 1]
        assert rebuilt.data.shape == (N, H, W, C)
        assert rebuilt.data[1, 2, 3, 0] == given.images[1, 0, 2, 3]
        for i, classes in enumerate(given.classes):
            assert rebuilt.base_values[i].tolist() == [given.base_values[c] for c in classes]
    assert alike.to_shap().output_names == ["ü", "b"]
    assert own.to_shap().output_names[2].tolist() == ["ü", "c"]
