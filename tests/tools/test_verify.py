"""A run that proves itself, and faults that DVC does not notice."""

import contextlib
import json
import re
import shlex
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from stages.core.errors import UserError
from tests.conftest import Project, assert_refused
from tests.damage import flip
from tools.verify.__main__ import check_arrays, main
from tools.verify.arrays import Damage, require_finite
from tools.verify.digests import check_digests
from tools.verify.records import cache_folder, read_records

VERIFY = ("python", "-m", "tools.verify")


@pytest.fixture
def there(project: Project) -> Iterator[Project]:
    """A copy of the run to damage; commands run in it, in this process."""
    with contextlib.chdir(project.root):
        yield project


def faults() -> list[str]:
    """The lines about what is not right, without the line that counts them."""
    with pytest.raises(UserError) as error:
        main([])
    first, *lines = str(error.value).splitlines()
    assert first == f"verify: {len(lines)} fault{'s' if len(lines) > 1 else ''}"
    return lines


def files_of(*folders: str) -> list[Path]:
    return [file for name in folders for file in Path(name).rglob("*") if file.is_file()]


def cached(output: str) -> Path:
    """The file of the cache that holds an output, of a folder its manifest."""
    (digest,) = [record.digest for record in read_records() if str(record.path) == output]
    return Path(".dvc/cache/files/md5", digest[:2], digest[2:])


def cached_file(folder: str, name: str) -> Path:
    """The file of the cache that holds a file of an output."""
    manifest = json.loads(cached(folder).read_bytes())
    (digest,) = [item["md5"] for item in manifest if item["relpath"] == name]
    return Path(".dvc/cache/files/md5", digest[:2], digest[2:])


def test_a_sound_run(ran_project: Project) -> None:
    printed = ran_project.succeed(*VERIFY)
    assert "are as recorded" in printed
    checked = re.search(r"arrays fit each other and are finite: (.*)", printed)
    assert checked is not None
    folders = "prepared model predictions shap portable quality"
    assert checked[1].split(", ") == [f"data/{name}" for name in folders.split()]
    additivity = re.search(r"attributions add up to within (\S+) of the outputs' range", printed)
    assert additivity is not None
    metrics = json.loads((ran_project.root / "metrics/explain.json").read_text())
    assert np.log10(float(additivity[1])) == pytest.approx(metrics["additivity_log10"], abs=0.03)
    assert "stale" not in printed
    assert "not here" not in printed


def test_a_bit_in_any_result_is_named(there: Project) -> None:
    """In every file, each of the size and time that it had, so that DVC sees nothing."""
    outputs = [file for file in files_of("data", "plots", "metrics") if "embedded" not in str(file)]
    assert len(outputs) > 50
    for damage in (lambda _: None, flip):
        for file in outputs:
            damage(file)
        assert there.succeed("dvc", "status") == "Data and pipelines are up to date.\n"
    lines = faults()
    assert sorted(line.split(": ")[0] for line in lines) == sorted(map(str, outputs))
    assert all(re.search(r"MD5 is \w{32}, expected \w{32}; remove it, then", it) for it in lines)


def test_each_bit_alone(there: Project) -> None:
    """One file of every kind, one after the other, at another bit: that file and no other."""
    cache = cache_folder()
    for bit, file in enumerate(
        (
            "data/raw/dataset.json",
            "data/prepared/train_images.npy",
            "data/model/weights.safetensors",
            "data/shap/values.npy",
            "data/portable/network.json",
            "plots/training.csv",
            "plots/shap/sheet_000.png",
            "metrics/evaluate.json",
        )
    ):
        flip(Path(file), bit)
        (line,) = check_digests(read_records(), cache).damage
        assert line.startswith(f"{file}: ")
        flip(Path(file), bit)


@pytest.mark.usefixtures("there")
def test_a_bit_in_any_file_of_the_cache_is_named() -> None:
    objects = files_of(".dvc/cache/files", ".dvc/cache/runs")
    assert len(objects) > 60
    for file in objects:
        flip(file, at=file.read_bytes().find(b"stages") if "runs" in file.parts else None)
    lines = faults()
    assert sorted(line.split(": ")[0] for line in lines) == sorted(map(str, objects))
    assert all("its name; remove it" in line for line in lines)


def test_what_the_message_says_brings_results_back(there: Project) -> None:
    """A file of a folder, a file of its own, and one that Git has."""
    files = ("data/shap/values.npy", "plots/explorer.html", "metrics/explain.json")
    contents = [Path(file).read_bytes() for file in files]
    for file in files:
        flip(Path(file))
    lines = {line.split(": ")[0]: line for line in faults()}
    for file in files:
        advice = re.search(r"; remove it, then (.*), or dvc repro$", lines[file])
        assert advice is not None
        Path(file).unlink()
        there.succeed(*shlex.split(advice[1]))
    assert [Path(file).read_bytes() for file in files] == contents
    main([])


def test_what_the_message_says_brings_a_file_of_the_cache_back(there: Project) -> None:
    """From the result, which is right."""
    file = cached("plots/classes.csv")
    content = file.read_bytes()
    flip(file)
    (line,) = faults()
    assert line.startswith(f"{file}: MD5 is ")
    assert "its name; remove it, then dvc pull, or dvc repro" in line
    file.unlink()
    there.repro()
    assert file.read_bytes() == content
    main([])


@pytest.mark.slow
def test_what_the_message_says_brings_a_manifest_back(there: Project) -> None:
    file = cached("data/shap")
    content = file.read_bytes()
    flip(file)
    assert [line.split(": ")[0] for line in faults()] == [str(file)]
    file.unlink()
    there.repro()
    assert file.read_bytes() == content
    main([])


@pytest.mark.slow
def test_a_result_and_its_only_copy_are_made_anew(there: Project) -> None:
    """Both wrong, as after a pull from a damaged remote: removed, DVC runs the stage again."""
    result, copy_of_it = Path("plots/classes.csv"), cached("plots/classes.csv")
    content = result.read_bytes()
    for file in (result, copy_of_it):
        flip(file)
    of_copy, of_result = faults()
    assert of_copy.startswith(f"{copy_of_it}: MD5 is")
    assert re.search(rf"remove it and {copy_of_it}, then dvc pull, or dvc repro$", of_result)
    result.unlink()
    copy_of_it.unlink()
    assert there.repro()["report"] == "ran"
    assert result.read_bytes() == content
    main([])


@pytest.mark.usefixtures("there")
def test_files_that_a_folder_lacks_and_has_too_many() -> None:
    Path("data/shap/labels.npy").rename("data/shap/labels2.npy")
    lost, extra = faults()
    assert re.match(r"data/shap/labels\.npy: no such file, expected MD5 \w{32}; dvc checkout", lost)
    assert extra == "data/shap/labels2.npy: a file of data/shap that is not recorded; remove it"


@pytest.mark.usefixtures("there")
def test_without_the_manifest_the_folder_is_named() -> None:
    cached("data/shap").unlink()
    flip(Path("data/shap/values.npy"))
    (line,) = faults()
    assert re.match(r"data/shap: MD5 of its 14 files is \w{32}\.dir, expected \w{32}\.dir; ", line)
    assert "which of them differs cannot be told" in line


def test_what_was_never_fetched_is_no_fault(fresh_project: Project) -> None:
    printed = fresh_project.succeed(*VERIFY)
    assert re.search(r"not here, and not checked: .*data/shap, .*dvc pull fetches it", printed)
    assert "arrays" not in printed


@pytest.mark.usefixtures("there")
def test_some_results_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """As after `dvc pull explain`: arrays are compared with what is there."""
    for name in ("prepared", "model", "predictions", "quality", "raw"):
        shutil.rmtree(f"data/{name}")
    shutil.rmtree(".dvc/cache")
    main([])
    printed = capsys.readouterr().out
    assert "arrays fit each other and are finite: data/shap, data/portable\n" in printed


def test_data_that_was_added(there: Project) -> None:
    """Under names that JSON escapes, in DVC's order."""
    folder = Path("data/own")
    for name in ("ä ö.txt", "b/ü.txt", "b.txt", "B.txt", "b/a/€.txt", 'q"uote'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    there.succeed("dvc", "add", "--quiet", "data/own")
    main([])
    flip(folder / "b/a/€.txt")
    (line,) = faults()
    assert re.match(
        r"data/own/b/a/€\.txt: MD5 .*then dvc checkout data/own\.dvc, or dvc pull", line
    )


@pytest.mark.usefixtures("there")
def test_data_that_the_run_read() -> None:
    flip(Path("data/embedded/mnist/t10k-labels-idx1-ubyte.xz"))
    (line,) = faults()
    assert re.match(r"data/embedded: MD5 of its \d+ files .*git checkout -- data/embedded", line)


@pytest.mark.usefixtures("there")
def test_a_lock_that_git_has_merged(capsys: pytest.CaptureFixture[str]) -> None:
    """One branch's explain beside another's evaluate: no conflict, and no run that was made."""
    lock = Path("dvc.lock")
    content = yaml.safe_load(lock.read_text())
    for item in content["stages"]["explain"]["deps"]:
        if item["path"] == "data/predictions":
            item["md5"] = "0" * 32 + ".dir"
    lock.write_text(yaml.safe_dump(content))
    main([])
    assert re.search(r"^stale, .*: explain; run dvc repro$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.usefixtures("there")
def test_before_the_first_run() -> None:
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"^dvc\.lock: no such file; run dvc repro first$"):
        main([])


@pytest.mark.usefixtures("there")
def test_a_bit_in_a_key_of_the_lock() -> None:
    lock = Path("dvc.lock")
    lock.write_text(lock.read_text().replace("md5: ", "md4: ", 1))
    with pytest.raises(
        UserError, match=r"^dvc\.lock: not as DVC writes it \(KeyError\('md5'\)\); "
    ):
        main([])


@pytest.mark.usefixtures("there")
def test_a_lock_in_conflict() -> None:
    lock = Path("dvc.lock")
    lock.write_text(f"<<<<<<< ours\n{lock.read_text()}=======\n>>>>>>> theirs\n")
    with pytest.raises(UserError, match=r"dvc\.lock, line \d+, column \d+: not valid YAML"):
        main([])


def edit(name: str, change: Callable[[NDArray[np.generic]], object]) -> Callable[[], None]:
    """Change an array in place, or to what `change` returns."""

    def forge() -> None:
        path = Path("data", f"{name}.npy")
        array = np.load(path)
        changed = change(array)
        np.save(path, array if changed is None else np.asarray(changed))

    return forge


def put(place: object, value: float) -> Callable[[NDArray[np.generic]], None]:
    return lambda array: array.__setitem__(place, value)


def add(place: object, value: float) -> Callable[[NDArray[np.generic]], None]:
    return lambda array: array.__setitem__(place, array[place] + value)


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
        r"predictions/labels\.npy: row \d+ is not what it was taken from, that of the test split",
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
        r"shap/images\.npy: row 0 is not what .* the test split at indices\.npy",
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
        r"errors\.npy: image 0 is not what follows from group_means\.npy",
    ),
    "explanation, groups": (
        edit("shap/group_means", lambda a: a * np.float32(1.01)),
        r"group_means\.npy: image 0 is not what follows from values\.npy",
    ),
    "no array at all": (
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
        r"weights\.safetensors: (?s:.*)size mismatch(?s:.*); expected the weights of its network",
    ),
    "network, cut off": (
        lambda: Path(WEIGHTS).write_bytes(Path(WEIGHTS).read_bytes()[:-1]) and None,
        r"weights\.safetensors: .*; expected the weights of its network\.json",
    ),
    "portable network, an array less": (
        edit_weights(ARRAYS, lambda arrays: arrays.pop(largest(arrays))),
        r"arrays\.safetensors: \d+_weight is not in both, expected what network\.json names",
    ),
    "portable network, NaN": (
        edit_weights(ARRAYS, lambda arrays: arrays[largest(arrays)].fill(np.nan)),
        r"arrays\.safetensors: \d+_weight \(float32\), expected finite numbers",
    ),
    "explanation, its description": (
        lambda: Path("data/shap/about.json").write_text("{}") and None,
        r"data/shap: its JSON file is not as stage_shap writes it \(KeyError\('class_names'\)\)",
    ),
    "measures": (edit_table, r"measures\.csv: a measure is infinite"),
}


@pytest.mark.parametrize("case", FORGED)
def test_arrays_that_are_not_right_by_themselves(
    ran_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Whatever `dvc.lock` says of them."""
    names = ("prepared", "model", "predictions", "shap", "portable", "quality")
    for name in names:
        shutil.copytree(ran_project.root / "data" / name, tmp_path / "data" / name)
    monkeypatch.chdir(tmp_path)
    forge, message = FORGED[case]
    forge()
    (line,) = check_arrays({Path("data", name): f"stage_{name}" for name in names}).damage
    assert re.search(message, line), line
    assert re.search(r"; .*dvc repro --force stage_\w+$", line)


def test_attributions_that_do_not_add_up_though_dvc_has_recorded_them(there: Project) -> None:
    edit("shap/values", add((1, 0, 14, 14, 3), 1))()
    there.succeed("dvc", "commit", "--force", "--quiet", "explain")
    result = there.run(*VERIFY)
    assert_refused(
        result,
        r"^error: verify: 1 fault\n"
        r"data/shap/values\.npy: attributions of image 1 to class 3 .*: dvc repro --force explain$",
    )
    assert (
        "stale, since read before what they read was made anew: quality, report;" in result.stdout
    )


@pytest.mark.slow
def test_what_the_message_says_makes_attributions_anew(there: Project) -> None:
    values = Path("data/shap/values.npy").read_bytes()
    edit("shap/values", add((1, 0, 14, 14, 3), 1))()
    there.succeed("dvc", "commit", "--force", "--quiet", "explain")
    there.repro("--force", "explain")
    assert Path("data/shap/values.npy").read_bytes() == values
    there.repro()
    main([])


@pytest.mark.slow
def test_maps_of_some_classes_and_no_error_bars(there: Project) -> None:
    there.set({"explain": {"outputs": {"top": 2}, "method": "shap_gradient", "tolerance": 1}})
    there.repro()
    main([])


@pytest.mark.slow
def test_images_without_a_map_of_their_prediction(there: Project) -> None:
    """Their groups are no numbers, which is as it should be; quality is stale, and no fault."""
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
