"""`python -m tools.retraining` on real runs of the real DVC: it trains, is killed, and goes on."""

import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from dvc.api import DVCFileSystem
from safetensors.numpy import load_file, save_file

from stages.artifacts.explanation import Explanation
from stages.base.files.formats import read_json
from tests.conftest import Project, commit, copy
from tools.retraining.bands import Bands

pytestmark = pytest.mark.slow

COMMAND = ("python", "-m", "tools.retraining")
FOLDER = "plots/retraining"
LOG = ".dvc/tmp/retraining/retrain-{}.log"
QUICK = {
    "explain": {"n_images": 30},
    "quality": {"n_images": 0, "methods": []},
}


@pytest.fixture(scope="module")
def base(ran_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Thirty images explained, committed. Not to be changed."""
    project = copy(ran_project, tmp_path_factory.mktemp("base") / "clone")
    project.set(QUICK)
    project.repro()
    commit(project, "Explain thirty images")
    return project


@pytest.fixture(scope="module")
def killed_and_finished(base: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Four other trainings; the command was killed with all of its processes in the second one."""
    project = copy(base, tmp_path_factory.mktemp("retrained") / "clone")
    process = project.start(*COMMAND, "4")
    deadline = time.monotonic() + 900
    while "Running stage 'train'" not in text(project, LOG.format(2)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (project.root / FOLDER).exists()
    assert not (project.root / "metrics/retraining.json").exists()
    printed = project.succeed(*COMMAND, "4", "--jobs", "2")
    assert "1 of 4 trainings are done already" in printed
    (project.root / ".dvc/tmp/printed").write_text(printed)
    return project


def text(project: Project, name: str) -> str:
    path = project.root / name
    return path.read_text() if path.exists() else ""


def array(project: Project, name: str) -> np.ndarray:
    return np.load(project.root / FOLDER / f"{name}.npy")


def test_only_the_seed_of_training_differs(killed_and_finished: Project, tmp_path: Path) -> None:
    project = killed_and_finished
    own = Explanation.load(project.root / "data/shap")
    for seed in range(1, 5):
        files = DVCFileSystem(str(project.root), rev=f"retrain-{seed}")
        files.get("data/shap", str(tmp_path / str(seed)), recursive=True)
        other = Explanation.load(tmp_path / str(seed))
        np.testing.assert_array_equal(other.images, own.images)
        np.testing.assert_array_equal(other.background, own.background)
        assert not np.array_equal(other.values, own.values)
        parameters = own.about["parameters"]
        reseeded = {**parameters, "train": {**parameters["train"], "seed": seed}}
        assert other.about["parameters"] == reseeded
        classes = own.predicted
        maps = other.values.sum(axis=1)[np.arange(30), ..., classes]
        np.testing.assert_allclose(array(project, "maps")[seed], maps, atol=1e-5)


def test_earlier_stages_and_done_trainings_do_not_run_again(killed_and_finished: Project) -> None:
    """The splits are the run's own, so no training draws them again."""
    for seed in range(1, 5):
        log = text(killed_and_finished, LOG.format(seed))
        assert "Running stage 'preprocess'" not in log
    again = killed_and_finished.succeed(*COMMAND, "4")
    assert "4 of 4 trainings are done already" in again


def test_everything_is_written_and_the_workspace_stays(killed_and_finished: Project) -> None:
    project = killed_and_finished
    written = {path.name for path in (project.root / FOLDER).iterdir()}
    assert {"index.html", "report.md", "explorer.html", "least_stable.png", "images.csv"} < written
    shapes = {name: array(project, name).shape for name in ("maps", "similarity", "readings")}
    assert shapes == {"maps": (5, 30, 28, 28), "similarity": (30, 5, 5), "readings": (30, 5)}
    assert project.succeed("git", "status", "--porcelain") == "?? metrics/retraining.json\n"
    assert "up to date" in project.succeed("dvc", "status")
    printed = text(project, ".dvc/tmp/printed")
    assert re.search(
        r"Maps of any two of 5 trainings have a similarity of 0\.\d{3} ± 0\.\d", printed
    )
    assert printed.splitlines()[-1].endswith("plots/retraining/index.html")


def test_dvc_compares_the_number(killed_and_finished: Project, base: Project) -> None:
    """Without the file DVC neither lists it nor complains."""
    metrics = read_json(killed_and_finished.root / "metrics/retraining.json")
    pairs = array(killed_and_finished, "similarity").mean(axis=0)[np.triu_indices(5, 1)]
    assert metrics["retraining_similarity"] == pytest.approx(pairs.mean())
    assert 0 < metrics["retraining_similarity_se"] < 0.2
    diff = killed_and_finished.succeed("dvc", "metrics", "diff")
    assert max(map(len, diff.splitlines())) <= 100
    assert f"retraining_similarity  {'-':7}" in re.sub(r"similarity +", "similarity  ", diff)
    missing = base.run("dvc", "metrics", "show")
    assert missing.returncode == 0
    assert missing.stderr == ""
    assert "retraining" not in missing.stdout


def test_the_band_holds_a_training_that_is_left_out(killed_and_finished: Project) -> None:
    """Real maps are not quite normally distributed; a band of four that ignores t holds 85 %."""
    maps = array(killed_and_finished, "maps")
    coverage = array(killed_and_finished, "coverage")
    assert coverage.shape == (5,)
    assert 0.9 < coverage.mean() < 0.99
    others = [np.delete(maps, k, axis=0).astype(float) for k in range(5)]
    differs = np.ptp(maps, axis=0) > 0
    inside = [
        np.abs(maps[k] - o.mean(axis=0))[differs]
        <= 3.1824 * 1.25**0.5 * o.std(axis=0, ddof=1)[differs]
        for k, o in enumerate(others)
    ]  # t of three degrees of freedom, from a table
    np.testing.assert_allclose(coverage, np.mean(inside, axis=1), atol=2e-3)
    assert Bands(maps, None).coverage().mean() == pytest.approx(coverage.mean(), abs=1e-3)


def test_compare_takes_its_noise_from_there(killed_and_finished: Project, tmp_path: Path) -> None:
    project = copy(killed_and_finished, tmp_path / "clone")
    commit(project, "Count over trainings")
    project.set({"train.epochs": 1})
    project.repro()
    printed = project.succeed("python", "-m", "tools.compare", "HEAD")
    metrics = json.loads((project.root / "metrics/retraining.json").read_text())
    expected = f"{metrics['retraining_similarity']:.3f} ± {metrics['retraining_similarity_se']:.3f}"
    assert f"retraining alone {expected} (5 trainings): " in printed


def test_the_same_seed_twice_gives_zero(base: Project, tmp_path: Path) -> None:
    """`train.seed` of this run's own seed is another experiment with the same network."""
    project = copy(base, tmp_path / "clone")
    project.succeed("dvc", "exp", "run", "--temp", "--name", "same", "--set-param", "train.seed=0")
    files = DVCFileSystem(str(project.root), rev="same")
    files.get("data/shap", str(tmp_path / "same"), recursive=True)
    first, second = (
        Explanation.load(project.root / "data/shap"),
        Explanation.load(tmp_path / "same"),
    )
    maps = np.stack([e.values.sum(axis=1)[..., 0] for e in (first, second)])
    assert (Bands(maps, None).over_trainings == 0).all()


def test_a_network_that_ignores_the_seed_gives_zero(base: Project, tmp_path: Path) -> None:
    """Weights from a file, no epochs: all trainings are the same, and the page says so."""
    project = copy(base, tmp_path / "clone")
    entries = load_file(project.root / "data/model/weights.safetensors")
    body = {name[2:]: entry for name, entry in entries.items() if name.startswith("1.")}
    save_file(body, project.root / "weights/own.safetensors")  # without the standardising layer
    project.set({"model.weights": "own.safetensors", "train.epochs": 0})
    commit(project, "Weights")
    project.repro()
    printed = project.succeed(*COMMAND, "2")
    assert "All 3 trainings gave the same maps: training does not depend on its seed." in printed
    metrics = read_json(project.root / "metrics/retraining.json")
    assert metrics["retraining_similarity"] == 1
    assert metrics["retraining_similarity_se"] == 0
    assert (array(project, "over_trainings") == 0).all()
    assert (array(project, "sign_agreement") == 1).all()
