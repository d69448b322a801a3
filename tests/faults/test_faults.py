"""Whichever system call fails, the old or the new results are complete, with a message."""

import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, Project, assert_refused, environment, unfinished

COMMANDS = [
    "stages.check",
    "stages.download",
    "stages.preprocess",
    "stages.train",
    "stages.evaluate",
    "stages.explain",
    "stages.quality",
    "stages.report",
    "tools.compare.__main__",
    "tools.explain",
    "tools.export",
    "tools.plots_page",
]
SAVED = [
    "data/checked",
    "data/raw",
    "data/prepared",
    "data/model",
    "data/predictions",
    "data/shap",
    "data/portable",
    "data/quality",
    "plots/methods.csv",
    "plots/attributions.csv",
    "metrics/explain.json",
    "plots/shap",
]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What makes calls fail, compiled."""
    if sys.platform != "linux" or not (compiler := shutil.which("cc")):
        pytest.skip("calls can be made to fail on Linux with a C compiler, cc")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    flags = ["-shared", "-fPIC", "-O1", "-Wall"]
    subprocess.run([compiler, *flags, "-o", library, source], check=True)
    return library


def printed(project: Project, shim: Path, *command: str) -> list[str]:
    """The lines that a module of this folder prints."""
    shutil.rmtree(project.root / "tests")  # so that `tests` is this folder
    result = subprocess.run(
        ["python", "-m", *command],
        cwd=project.root,
        env=environment(LD_PRELOAD=str(shim), PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.splitlines()


def assert_nothing_wrong(lines: list[str], names: list[str]) -> None:
    wrong = [line for line in lines if not re.fullmatch(r"\S+: \d+ calls", line)]
    assert wrong == []
    assert [line.split(":")[0] for line in lines] == names


def test_each_call_of_what_saves_results_fails_in_one_way(project: Project, shim: Path) -> None:
    assert_nothing_wrong(printed(project, shim, "tests.faults.saves"), SAVED)


@pytest.mark.slow
def test_each_call_of_what_saves_results_fails_in_all_ways(project: Project, shim: Path) -> None:
    assert_nothing_wrong(printed(project, shim, "tests.faults.saves", "--every"), SAVED)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_each_call_of_a_command_fails(project: Project, shim: Path, command: str) -> None:
    project.set({"train.epochs": 1})  # a curve is written after each
    rows = np.tile(np.arange(28, dtype=np.uint8) * 9, (28, 1))
    Image.fromarray(rows).save(project.root / "picture.png")
    lines = printed(project, shim, "tests.faults.commands", command)
    assert len(lines) == 1, "\n".join(lines)
    assert re.fullmatch(r"\d+ calls", lines[0])


def run_where_files_stay_small(project: Project, stage: str) -> subprocess.CompletedProcess[str]:
    """A stage in a separate process that cannot write more than a kilobyte into a file."""
    return subprocess.run(
        ["python", "-m", f"stages.{stage}"],
        cwd=project.root,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
        capture_output=True,
        text=True,
    )


def test_a_stage_that_cannot_write_leaves_results_that_dvc_knows(project: Project) -> None:
    result = run_where_files_stay_small(project, "evaluate")
    assert_refused(result, r"error: data: cannot be written: ")
    assert unfinished(project) == []
    assert set(project.repro().values()) == {"unchanged"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("preprocess", {"preprocess.limit": 500}),
        ("train", {"train.epochs": 1}),
        ("explain", {"explain.n_images": 2}),
        ("quality", {"quality.methods": ["edges"]}),
        ("report", {"report.colormap": "orange_purple"}),
    ],
)
def test_dvc_runs_a_stage_again_that_could_not_write(
    project: Project, stage: str, changes: dict[str, object]
) -> None:
    project.set(changes)
    result = run_where_files_stay_small(project, stage)
    assert_refused(result, r"error: (data|plots)(/[\w./]+)?: cannot be written: ")
    assert unfinished(project) == []
    assert project.repro()[stage] == "ran"


@pytest.mark.slow
@pytest.mark.usefixtures("small_disks")
def test_a_temporary_folder_on_a_full_disk(project: Project) -> None:
    (project.root / "temporary").mkdir()
    compare = "TMPDIR=$PWD/temporary python -m tools.compare HEAD"
    mounted = f"mount -t tmpfs -o size=64k tmpfs temporary && {compare}"
    result = project.run("unshare", "--map-root-user", "--mount", "sh", "-c", mounted)
    assert_refused(result, r"error: \S+/temporary/\S+: cannot be written: No space left on device")
