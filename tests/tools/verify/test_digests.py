"""Digests of a sound run, and damage that DVC does not notice."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.base.errors.user import UserError
from tests.conftest import Project
from tests.damage import flip
from tools.verify.__main__ import main
from tools.verify.digests import check_digests
from tools.verify.records import open_repo, read_records

VERIFY = ("python", "-m", "tools.verify")


def faults() -> list[str]:
    """The lines about faults, without the line that counts them."""
    with pytest.raises(UserError) as error:
        main([])
    first, *lines = str(error.value).splitlines()
    assert first == f"verify: {len(lines)} fault{'s' if len(lines) > 1 else ''}"
    return lines


def files_of(*folders: str) -> list[Path]:
    return [file for name in folders for file in Path(name).rglob("*") if file.is_file()]


def cached(output: str) -> Path:
    """The cache's copy of an output; a folder's manifest."""
    with open_repo() as repo:
        records = read_records(repo)
    (digest,) = [record.digest for record in records if str(record.path) == output]
    return Path(".dvc/cache/files/md5", digest[:2], digest[2:])


def cached_file(folder: str, name: str) -> Path:
    """The cache's copy of a file in an output folder."""
    manifest = json.loads(cached(folder).read_bytes())
    (digest,) = [item["md5"] for item in manifest if item["relpath"] == name]
    return Path(".dvc/cache/files/md5", digest[:2], digest[2:])


def test_a_sound_run(ran_project: Project) -> None:
    printed = ran_project.succeed(*VERIFY)
    assert "have their recorded digests" in printed
    checked = re.search(r"arrays are finite and consistent: (.*)", printed)
    assert checked is not None
    folders = "prepared model predictions shap portable quality shortcuts"
    assert checked[1].split(", ") == [f"data/{name}" for name in folders.split()]
    additivity = re.search(r"attributions add up to within (\S+) of the outputs' range", printed)
    assert additivity is not None
    metrics = json.loads((ran_project.root / "metrics/explain.json").read_text())
    assert np.log10(float(additivity[1])) == pytest.approx(
        metrics["additivity_error_log10"], abs=0.03
    )
    assert "stale" not in printed
    assert "missing" not in printed


def test_a_flipped_bit_in_any_result_is_reported(there: Project) -> None:
    """All files keep their sizes and times, so that DVC notices nothing."""
    outputs = [file for file in files_of("data", "plots", "metrics") if "embedded" not in str(file)]
    assert len(outputs) > 50
    for damage in (lambda _: None, flip):
        for file in outputs:
            damage(file)
        assert there.succeed("dvc", "status") == "Data and pipelines are up to date.\n"
    lines = faults()
    assert sorted(line.split(": ")[0] for line in lines) == sorted(map(str, outputs))
    assert all(re.search(r": not what \w+ recorded; remove it, then", it) for it in lines)


def test_a_single_flipped_bit_is_reported_alone(there: Project) -> None:
    """One file of each kind is damaged, each at a different bit: only that file is reported."""
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
        with open_repo() as repo:
            (line,) = check_digests(read_records(repo), repo).damage
        assert line.startswith(f"{file}: ")
        flip(Path(file), bit)


@pytest.mark.usefixtures("there")
def test_a_flipped_bit_in_any_cache_file_is_reported() -> None:
    objects = files_of(".dvc/cache/files", ".dvc/cache/runs")
    assert len(objects) > 60
    for file in objects:
        flip(file, at=file.read_bytes().find(b"stages") if "runs" in file.parts else None)
    lines = faults()
    assert sorted(line.split(": ")[0] for line in lines) == sorted(map(str, objects))
    assert all("its name; remove it" in line for line in lines)


def test_the_suggested_commands_restore_results(there: Project) -> None:
    """A file in a folder, a single file, and one tracked by Git."""
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


def test_the_suggested_command_restores_a_cache_file(there: Project) -> None:
    """DVC restores it from the result, which is sound."""
    file = cached("plots/classes.csv")
    content = file.read_bytes()
    flip(file)
    (line,) = faults()
    assert line.startswith(f"{file}: its content is not that of its name; ")
    assert "; remove it, then dvc repro, or dvc pull if the remote's copy is sound" in line
    file.unlink()
    there.repro()
    assert file.read_bytes() == content
    main([])


@pytest.mark.slow
def test_the_suggested_command_restores_a_manifest(there: Project) -> None:
    file = cached("data/shap")
    content = file.read_bytes()
    flip(file)
    assert [line.split(": ")[0] for line in faults()] == [str(file)]
    file.unlink()
    there.repro()
    assert file.read_bytes() == content
    main([])


@pytest.mark.slow
def test_a_result_and_its_only_copy_are_recomputed(there: Project) -> None:
    """Both are damaged, as after a pull from a damaged remote; DVC runs the stage again."""
    result, copy_of_it = Path("plots/classes.csv"), cached("plots/classes.csv")
    content = result.read_bytes()
    for file in (result, copy_of_it):
        flip(file)
    copy_line, result_line = faults()
    assert copy_line.startswith(f"{copy_of_it}: its content is not")
    assert f"remove it and {copy_of_it}, then dvc repro, or dvc pull if" in result_line
    result.unlink()
    copy_of_it.unlink()
    assert there.repro()["report"] == "ran"
    assert result.read_bytes() == content
    main([])


@pytest.mark.usefixtures("there")
def test_missing_and_extra_files_of_a_folder_are_reported() -> None:
    Path("data/shap/labels.npy").rename("data/shap/labels2.npy")
    lost, extra = faults()
    assert re.match(
        r"data/shap/labels\.npy: no such file, but explain recorded it; dvc checkout", lost
    )
    assert extra == "data/shap/labels2.npy: data/shap has no record of this file; remove it"


@pytest.mark.usefixtures("there")
def test_without_the_manifest_the_folder_is_reported() -> None:
    cached("data/shap").unlink()
    flip(Path("data/shap/values.npy"))
    (line,) = faults()
    assert line.startswith("data/shap: its 14 files are not what explain recorded; ")
    assert "which one differs is unknown" in line


def test_results_never_fetched_are_no_fault(fresh_project: Project) -> None:
    printed = fresh_project.succeed(*VERIFY)
    assert re.search(r"missing, not checked: .*data/shap, .*dvc pull fetches them", printed)
    assert "arrays" not in printed


@pytest.mark.usefixtures("there")
def test_a_subset_of_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    """As after `dvc pull explain`: arrays are compared with those present."""
    for name in ("prepared", "model", "predictions", "quality", "raw", "shortcuts"):
        shutil.rmtree(f"data/{name}")
    shutil.rmtree(".dvc/cache")
    main([])
    printed = capsys.readouterr().out
    assert "arrays are finite and consistent: data/shap, data/portable\n" in printed


def test_added_data(there: Project) -> None:
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
        r"data/own/b/a/€\.txt: not .*then dvc checkout data/own\.dvc, or dvc pull", line
    )


@pytest.mark.usefixtures("there")
def test_input_data() -> None:
    flip(Path("data/embedded/mnist/t10k-labels-idx1-ubyte.xz"))
    (line,) = faults()
    assert re.match(r"data/embedded: its \d+ files .*git checkout -- data/embedded", line)


@pytest.mark.usefixtures("there")
def test_a_merged_lock_makes_a_stage_stale(capsys: pytest.CaptureFixture[str]) -> None:
    """One branch's explain with another's evaluate: no conflict, but no real run either."""
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
def test_a_flipped_bit_in_a_key_of_the_lock() -> None:
    lock = Path("dvc.lock")
    lock.write_text(lock.read_text().replace("md5: ", "md4: ", 1))
    with pytest.raises(UserError, match=r"dvc\.lock' .* git checkout -- dvc\.lock restores"):
        main([])


@pytest.mark.usefixtures("there")
def test_a_lock_in_conflict() -> None:
    lock = Path("dvc.lock")
    lock.write_text(f"<<<<<<< ours\n{lock.read_text()}=======\n>>>>>>> theirs\n")
    with pytest.raises(UserError, match=r"dvc\.lock, line \d+, column \d+: not valid YAML"):
        main([])
