"""Wrong arrays whose digests may be right."""

import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tests.conftest import Project, assert_refused
from tools.verify.__main__ import check_arrays, main
from tools.verify.arrays import Damage, require_finite

VERIFY = ("python", "-m", "tools.verify")


def edit(name: str, change: Callable[[NDArray[np.generic]], object]) -> Callable[[], None]:
    """Change an array in place, or to what `change` returns."""

    def forge() -> None:
        path = Path("data", f"{name}.npy")
        array = np.load(path)
        changed = change(array)
        np.save(path, array if changed is None else np.asarray(changed))

    return forge


def put(position: object, value: float) -> Callable[[NDArray[np.generic]], None]:
    return lambda array: array.__setitem__(position, value)


def add(position: object, value: float) -> Callable[[NDArray[np.generic]], None]:
    return lambda array: array.__setitem__(position, array[position] + value)


def edit_weights(
    file: str, change: Callable[[dict[str, NDArray[np.generic]]], object]
) -> Callable[[], None]:
    def forge() -> None:
        arrays = load_file(file)
        change(arrays)
        save_file(arrays, file)

    return forge


def largest(arrays: dict[str, NDArray[np.generic]]) -> str:
    return max(arrays, key=lambda name: arrays[name].size)


def edit_table() -> None:
    path = Path("data/quality/measures.csv")
    table = pd.read_csv(path)
    table.loc[0, "tiles_error"] = np.inf
    table.to_csv(path, index=False)


WEIGHTS, ARRAYS = "data/model/weights.safetensors", "data/portable/arrays.safetensors"
FORGED: dict[str, tuple[Callable[[], None], str]] = {
    "splits, shape": (
        edit("prepared/train_images", lambda a: a[:, :, 1:]),
        r"train_images\.npy: shape is \(540, 1, 27, 28\), expected \(any, 1, 28, 28\)",
    ),
    "splits, a label too many": (
        edit("prepared/test_labels", lambda a: np.append(a, 0)),
        r"test_labels\.npy: shape is \(601,\), expected \(600\)",
    ),
    "splits, label": (
        edit("prepared/test_labels", put(3, 10)),
        r"test_labels\.npy: a value is 10, expected 0 … 9",
    ),
    "splits, more than the limit": (
        lambda: (
            [
                edit(f"prepared/test_{part}", lambda a: np.concatenate([a, a[:1]]))()
                for part in ("images", "labels", "names")
            ]
            and None
        ),
        r"test have 601 images, expected at most 600 \(preprocess\.limit\)",
    ),
    "predictions, type": (
        edit("predictions/probabilities", lambda a: a.astype(np.float64)),
        r"probabilities\.npy: type is float64, expected float32",
    ),
    "predictions, rows": (
        edit("predictions/probabilities", lambda a: a * np.float32(1.00001)),
        r"probabilities\.npy: row \d+ sums to 1\.00001, expected 1 to within 1e-06",
    ),
    "predictions, NaN": (
        edit("predictions/probabilities", put((5, 2), np.nan)),
        r"probabilities\.npy: value at \(5, 2\) is nan, expected a finite number",
    ),
    "predictions, negative": (
        edit("predictions/probabilities", lambda a: [add((0, 1), -2)(a), add((0, 2), 2)(a)] and a),
        r"probabilities\.npy: a probability is -[12]\.?\d*, expected 0 or more",
    ),
    "predictions, of another split": (
        edit("predictions/labels", lambda a: a[::-1]),
        r"predictions/labels\.npy: row \d+ differs from the test split, which it was taken from",
    ),
    "explanation, NaN": (
        edit("shap/values", put((2, 0, 5, 6, 7), np.nan)),
        r"values\.npy: value at \(2, 0, 5, 6, 7\) is nan, expected a finite number",
    ),
    "explanation, shape": (
        edit("shap/values", lambda a: a[..., :-1]),
        r"values\.npy: shape is \(3, 1, 28, 28, 9\), expected \(3, 1, 28, 28, 10\)",
    ),
    "explanation, images swapped": (
        edit("shap/values", lambda a: a[[1, 0, 2]]),
        r"values\.npy: attributions of image 0 to class 0 sum to \S+, expected \S+, its output",
    ),
    "explanation, a pixel": (
        edit("shap/values", add((1, 0, 14, 14, 3), 1)),
        r"values\.npy: attributions of image 1 to class 3 sum to \S+, expected .*tolerance 0\.001",
    ),
    "explanation, output": (
        edit("shap/outputs", add((2, 4), 1)),
        r"values\.npy: attributions of image 2 to class 4 sum to",
    ),
    "explanation, base value": (
        edit("shap/base_values", put(0, np.inf)),
        r"base_values\.npy: value at \(0,\) is inf",
    ),
    "explanation, class": (
        edit("shap/classes", put((0, 0), -1)),
        r"classes\.npy: a value is -1, expected 0 … 9",
    ),
    "explanation, image": (
        edit("shap/images", lambda a: a[::-1]),
        r"shap/images\.npy: row 0 differs from the test split at indices\.npy",
    ),
    "explanation, background": (
        edit("shap/background", lambda a: 255 - a),
        r"shap/background\.npy: row 0 .* the train split at background_indices\.npy",
    ),
    "explanation, fewer in the background": (
        edit("shap/background", lambda a: a[1:]),
        r"background\.npy: shape is \(9, 1, 28, 28\), expected \(10, 1, 28, 28\)",
    ),
    "explanation, index": (
        edit("shap/indices", put(0, 600)),
        r"indices\.npy: a value is 600, expected 0 … 599",
    ),
    "explanation, probabilities": (
        edit("shap/probabilities", lambda a: a[::-1]),
        r"shap/probabilities\.npy: row 0 .* data/predictions at indices\.npy",
    ),
    "explanation, a standard error below 0": (
        edit("shap/errors", put((0, 1, 1, 1), -0.5)),
        r"errors\.npy: a standard error is -0\.5, expected 0 or more",
    ),
    "explanation, standard errors": (
        edit("shap/errors", lambda a: a * np.float32(1.01)),
        r"errors\.npy: image 0 does not agree with group_means\.npy",
    ),
    "explanation, groups": (
        edit("shap/group_means", lambda a: a * np.float32(1.01)),
        r"group_means\.npy: image 0 does not agree with values\.npy",
    ),
    "a file without an array": (
        lambda: Path("data/shap/values.npy").write_bytes(b"\x93NUMPY") and None,
        r"values\.npy: .*; expected an array",
    ),
    "pickled": (
        lambda: np.save("data/shap/names.npy", np.array([{}, [], ()], object)),
        r"names\.npy: .*; expected an array",
    ),
    "network, NaN": (
        edit_weights(WEIGHTS, lambda arrays: arrays[largest(arrays)].fill(np.nan)),
        r"weights\.safetensors: \S+ has values that are not finite",
    ),
    "network, shape": (
        edit_weights(
            WEIGHTS, lambda arrays: arrays.update({(n := largest(arrays)): arrays[n][1:].copy()})
        ),
        r"weights\.safetensors: damaged.* of shape \(63, .*, in the network .* of shape \(64, ",
    ),
    "network, cut off": (
        lambda: Path(WEIGHTS).write_bytes(Path(WEIGHTS).read_bytes()[:-1]) and None,
        r"weights\.safetensors: .*",
    ),
    "portable network, an array missing": (
        edit_weights(ARRAYS, lambda arrays: arrays.pop(largest(arrays))),
        r"arrays\.safetensors: \d+_weight is not in both, expected what network\.json names",
    ),
    "portable network, NaN": (
        edit_weights(ARRAYS, lambda arrays: arrays[largest(arrays)].fill(np.nan)),
        r"arrays\.safetensors: \d+_weight \(float32\), expected finite numbers",
    ),
    "explanation, its description": (
        lambda: Path("data/shap/about.json").write_text("{}") and None,
        r"data/shap: its JSON file is not what stage_shap writes \(KeyError\('class_names'\)\)",
    ),
    "measures": (edit_table, r"measures\.csv: a measure is infinite"),
}


@pytest.mark.parametrize("case", FORGED)
def test_wrong_arrays_are_reported(
    ran_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Without looking at `dvc.lock`."""
    names = ("prepared", "model", "predictions", "shap", "portable", "quality", "shortcuts")
    for name in names:
        shutil.copytree(ran_project.root / "data" / name, tmp_path / "data" / name)
    monkeypatch.chdir(tmp_path)
    forge, message = FORGED[case]
    forge()
    (line,) = check_arrays({Path("data", name): f"stage_{name}" for name in names}).damage
    assert re.search(message, line), line
    assert re.search(r"; .*dvc repro --force stage_\w+$", line)


def test_attributions_that_do_not_add_up_are_reported_with_a_right_digest(there: Project) -> None:
    edit("shap/values", add((1, 0, 14, 14, 3), 1))()
    there.succeed("dvc", "commit", "--force", "--quiet", "explain")
    result = there.run(*VERIFY)
    assert_refused(
        result,
        r"^error: verify: 1 fault\n"
        r"data/shap/values\.npy: attributions of image 1 to class 3 .*: dvc repro --force explain$",
    )
    assert "stale, because their inputs changed since: quality, report;" in result.stdout


@pytest.mark.slow
def test_the_suggested_command_recomputes_attributions(there: Project) -> None:
    values = Path("data/shap/values.npy").read_bytes()
    edit("shap/values", add((1, 0, 14, 14, 3), 1))()
    there.succeed("dvc", "commit", "--force", "--quiet", "explain")
    there.repro("--force", "explain")
    assert Path("data/shap/values.npy").read_bytes() == values
    there.repro()
    main([])


@pytest.mark.slow
def test_maps_of_two_classes_without_error_bars(there: Project) -> None:
    there.set({"explain": {"outputs": {"top": 2}, "method": "shap_gradient", "tolerance": 1}})
    there.repro()
    main([])


@pytest.mark.slow
def test_images_without_a_map_of_their_prediction(there: Project) -> None:
    """Their group means are NaN, and quality is stale; neither is a fault."""
    there.set({"explain": {"outputs": [3, 1], "output": "probabilities", "n_images": 5}})
    there.repro("explain")
    assert np.isnan(np.load("data/shap/group_means.npy")).any()
    main([])


def test_arrays_larger_than_memory_are_read_by_slices(tmp_path: Path) -> None:
    path = tmp_path / "values.npy"
    array = np.lib.format.open_memmap(path, "w+", np.float32, (200, 1024, 1024))  # 800 MiB of holes
    array[199, 5, 6] = np.nan
    array.flush()
    tracemalloc.start()
    with pytest.raises(Damage, match=r"value at \(199, 5, 6\) is nan"):
        require_finite(path, np.load(path, mmap_mode="r"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20
