"""`python -m tools.verdict` over real Git and DVC: one page, and an exit status to match."""

import contextlib
import importlib.metadata
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from stages.base.errors.user import UserError
from tests.conftest import Project, assert_refused, commit, copy
from tests.damage import flip
from tools.verdict.__main__ import main

VERDICT = ("python", "-m", "tools.verdict")
RECORDED, ADD_UP, NOISE, DUPLICATES, ENVIRONMENT = (
    "results are the recorded ones",
    "arrays add up",
    "explanations within noise",
    "no test image in training",
    "same environment",
)
PROMISES = [RECORDED, ADD_UP, NOISE, DUPLICATES, ENVIRONMENT]


def judged(project: Project, *arguments: str) -> tuple[int, dict[str, list[str]], str]:
    """The exit status, the table's cells by promise, and the page; run in this process."""
    status, printed = 0, io.StringIO()
    with contextlib.chdir(project.root), contextlib.redirect_stdout(printed):
        try:
            main(arguments)
        except SystemExit as stopped:
            status = int(stopped.code or 0)
    page = printed.getvalue()
    return status, parsed(page, status), page


def parsed(page: str, status: int) -> dict[str, list[str]]:
    """The table's cells by promise; the head must name the status."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    heads, rule, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    assert heads == ["promise", "verdict", "shown by", "evidence"]
    assert all(re.fullmatch("-+", cell) for cell in rule)
    assert [row[0] for row in rows] == PROMISES
    verdict = {0: "holds", 1: "does not hold", 2: "unknown"}[status]
    assert page.startswith(f"# Verdict: {verdict} (exit status {status})\n")
    return {row[0]: row[1:] for row in rows}


def verdicts(rows: dict[str, list[str]]) -> dict[str, str]:
    """Promises that do not hold, with their verdicts."""
    return {promise: row[0] for promise, row in rows.items() if row[0] != "holds"}


def digest(project: Project, name: str = "data/shap") -> str:
    """A result's digest, as Git alone shows it."""
    (found,) = re.findall(rf"path: {name}\n +hash: md5\n +md5: (\w+)", project_lock(project))[:1]
    return str(found)


def project_lock(project: Project) -> str:
    text = (project.root / "dvc.lock").read_text()
    return text[text.index("outs:") :]


def test_a_clean_run_holds(ran_project: Project) -> None:
    status, rows, page = judged(ran_project)
    assert (status, verdicts(rows)) == (0, {})
    head = ran_project.succeed("git", "rev-parse", "HEAD").strip()
    shap = digest(ran_project)
    assert f"- HEAD: commit {head}; data/shap {shap}" in page
    assert f"- workspace: commit {head}, all committed; data/shap {shap}" in page
    assert f"data/shap {shap[:12]} in both" in rows[NOISE][2]
    metrics = json.loads((ran_project.root / "metrics/explain.json").read_text())
    (additivity,) = re.findall(r"within (\S+) of the outputs' range", rows[ADD_UP][2])
    assert np.log10(float(additivity)) == pytest.approx(metrics["additivity_error_log10"], abs=0.03)
    assert "0 wrong, 0 results missing, 0 stages stale" in rows[RECORDED][2]
    assert f"torch {importlib.metadata.version('torch')}" in rows[ENVIRONMENT][2]
    assert page.count("\n") < 20, "one page"


def test_the_command_exits_with_the_status_and_writes_nothing(project: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in files(project)}
    parsed(project.succeed(*VERDICT, "HEAD"), 0)
    assert {path: path.stat().st_mtime_ns for path in files(project)} == before
    (project.root / "data/preflight").unlink()
    result = project.run(*VERDICT)
    assert verdicts(parsed(result.stdout, result.returncode)) == {RECORDED: "unknown"}
    assert result.returncode == 2


def files(project: Project) -> list[Path]:
    """All files but DVC's and Git's own, and what Python compiled."""
    paths = (path for path in project.root.rglob("*") if path.is_file())
    return [path for path in paths if not {".dvc", ".git", "__pycache__"} & {*path.parts}]


@pytest.mark.slow  # four commands, each of which starts Python, and PyTorch with it
def test_the_commands_of_the_rows_can_be_run(project: Project) -> None:
    _, rows, _ = judged(project)
    for command in {command for _, command, _ in rows.values()}:
        assert re.fullmatch(r"`[^`]+`", command)
        assert project.run("bash", "-c", command.strip("`")).returncode == 0, command


def shuffle_maps(project: Project) -> None:
    """Move the attributions to other pixels: they still add up, and agree with their errors."""
    order = np.random.default_rng(0).permutation(28 * 28)
    for name, axis in (("values", 2), ("errors", 1), ("group_means", 2)):
        path = project.root / f"data/shap/{name}.npy"
        array = np.load(path)
        pixels = array.reshape(*array.shape[:axis], -1, *array.shape[axis + 2 :])
        np.save(path, np.take(pixels, order, axis=axis).reshape(array.shape))


def test_a_changed_explanation_does_not_hold(project: Project) -> None:
    shuffle_maps(project)
    project.succeed("dvc", "commit", "--force", "--quiet", "explain")
    status, rows, page = judged(project, "HEAD")
    assert status == 1
    assert verdicts(rows) == {RECORDED: "unknown", NOISE: "does not hold"}
    old = project.succeed("git", "show", "HEAD:dvc.lock")
    assert f"{digest(project)[:12]}" in rows[NOISE][2]
    (before,) = re.findall(r"data/shap (\w{12}) → \w{12}", rows[NOISE][2])
    assert before in old
    assert "more than the noise of the background, and the network is the same" in page
    assert "not committed: dvc.lock;" in page
    assert "changed since the run: quality: data/shap; report: data/shap; run dvc repro" in page


def test_a_little_more_training_is_within_noise(two_versions: Project) -> None:
    status, rows, page = judged(two_versions, "HEAD~1")
    assert (status, verdicts(rows)) == (0, {}), page
    require_numbers_of_compare(two_versions, "HEAD~1", rows[NOISE][2])


@pytest.fixture(scope="module")
def less_trained(ran_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of `ran_project` with a commit that trains for half as long. Not to be changed."""
    project = copy(ran_project, tmp_path_factory.mktemp("less_trained") / "clone")
    project.set({"train.epochs": 1})
    project.repro()
    commit(project, "One epoch less")
    return project


@pytest.mark.slow  # trains and compares
def test_less_training_is_unknown_until_retraining_is_known(less_trained: Project) -> None:
    status, rows, page = judged(less_trained, "HEAD~1")
    assert (status, verdicts(rows)) == (2, {NOISE: "unknown"}), page
    require_numbers_of_compare(less_trained, "HEAD~1", rows[NOISE][2])
    assert "unknown until you run make retrain N=10" in page
    assert "what differs: train.epochs: 2 → 1" in page
    assert rows[NOISE][1] == "`python -m tools.compare HEAD~1`"


def require_numbers_of_compare(project: Project, rev: str, evidence: str) -> None:
    """The evidence has the numbers that `make compare` prints."""
    printed = compared_by_tool(project, rev)
    similarity = re.search(r"Similarity (\S+ ± \S+), where .* would give (\S+?):", printed)
    assert similarity is not None
    assert f"similarity {similarity[1]} over 3 images" in evidence
    assert f"other background alone {similarity[2]}, retraining alone not computed" in evidence


def compared_by_tool(project: Project, rev: str) -> str:
    """What `make compare` prints of two revisions."""
    return project.succeed("python", "-m", "tools.compare", rev, "HEAD")


@pytest.mark.slow  # many rows of the table take long together
def test_a_missing_cache_is_unknown(two_versions: Project, tmp_path: Path) -> None:
    project = copy(two_versions, tmp_path / "clone")
    shutil.rmtree(project.root / ".dvc/cache")
    status, rows, page = judged(project, "HEAD~1")
    assert (status, verdicts(rows)) == (2, {NOISE: "unknown", ENVIRONMENT: "unknown"})
    assert re.search(r"HEAD~1 \(\w{7}\): data/shap is neither in DVC's cache nor in a rem", page)
    status, rows, _ = judged(project)
    assert (status, verdicts(rows)) == (0, {}), "its digest is enough"


def test_a_clone_that_fetched_nothing_is_unknown(ran_project: Project, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", ran_project.root, tmp_path / "clone"], check=True)
    status, rows, page = judged(Project(tmp_path / "clone"))
    assert (status, verdicts(rows)) == (2, dict.fromkeys(PROMISES, "unknown"))
    assert re.search(r"missing: .*data/shap.*; dvc pull fetches them, dvc repro makes them", page)


def test_a_revision_without_a_run_is_unknown(project: Project) -> None:
    project.succeed("git", "rm", "--quiet", "--cached", "dvc.lock")
    commit_without_lock(project)
    status, rows, page = judged(project)
    assert (status, verdicts(rows)) == (2, {NOISE: "unknown", ENVIRONMENT: "unknown"})
    assert "has no data/shap, since dvc.lock records none there" in page
    assert "data/shap not recorded" in page


def commit_without_lock(project: Project) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    project.succeed("git", *identity, "commit", "--quiet", "--message", "No lock")


def test_tampered_arrays_do_not_hold(project: Project) -> None:
    flip(project.root / "data/shap/values.npy")
    status, rows, page = judged(project)
    assert status == 1
    assert verdicts(rows) == {
        RECORDED: "does not hold",
        ADD_UP: "unknown",
        NOISE: "unknown",
        ENVIRONMENT: "unknown",
    }
    assert "data/shap/values.npy: not what explain recorded; remove it" in page


def test_arrays_that_do_not_add_up_do_not_hold_with_a_right_digest(project: Project) -> None:
    path = project.root / "data/shap/values.npy"
    values = np.load(path)
    values[1, 0, 14, 14, 3] += 1
    np.save(path, values)
    project.succeed("dvc", "commit", "--force", "--quiet", "explain")
    status, rows, page = judged(project)
    assert status == 1
    assert verdicts(rows)[ADD_UP] == "does not hold"
    assert re.search(r"values\.npy: attributions of image 1 to class 3 sum to", page)


def test_many_faults_fit_on_a_page(project: Project) -> None:
    for path in (project.root / "data").rglob("*.npy"):
        flip(path)
    status, _, page = judged(project)
    assert status == 1
    assert re.search(r"- and \d+ more: `python -m tools\.verify`", page)
    assert page.count("\n") < 40


@pytest.mark.slow  # many rows of the table take long together
def test_a_duplicate_does_not_hold(project: Project) -> None:
    images = project.root / "data/prepared"
    test = np.load(images / "test_images.npy")
    test[599] = np.load(images / "train_images.npy")[7]  # not among the explained images
    np.save(images / "test_images.npy", test)
    project.succeed("dvc", "commit", "--force", "--quiet", "preprocess")
    status, rows, page = judged(project)
    assert status == 1
    assert verdicts(rows)[DUPLICATES] == "does not hold"
    names = [np.load(images / f"{name}_names.npy") for name in ("test", "train")]
    assert f"- test image {names[0][599]}: train image {names[1][7]}" in page


@pytest.mark.slow  # many rows of the table take long together
def test_another_version_of_a_library_does_not_hold(project: Project) -> None:
    path = project.root / "data/shap/about.json"
    about = json.loads(path.read_text())
    about["versions"]["torch"] = "1.0.0"
    path.write_text(json.dumps(about))
    project.succeed("dvc", "commit", "--force", "--quiet", "explain")
    status, rows, _ = judged(project)
    assert status == 1
    assert verdicts(rows)[ENVIRONMENT] == "does not hold"
    here = importlib.metadata.version("torch")
    assert f"torch {here} → 1.0.0, here {here}" in rows[ENVIRONMENT][2]
    assert rows[NOISE][2].startswith("the maps are equal: similarity 1.000")


@pytest.mark.parametrize(
    ("key", "value", "stage"),
    [
        ("train.epochs", 3, "train"),
        pytest.param("report.fade", True, "report", marks=pytest.mark.slow),
    ],
)
def test_parameters_changed_since_the_run_are_unknown(
    project: Project, key: str, value: object, stage: str
) -> None:
    project.set({key: value})
    status, rows, page = judged(project)
    assert (status, verdicts(rows)) == (2, {RECORDED: "unknown"})
    assert re.search(rf"changed since the run: .*{stage}: {stage}.*; run dvc repro", page)
    assert "not committed: params.yaml;" in page


def test_code_changed_since_the_run_is_unknown(project: Project) -> None:
    with (project.root / "stages/report.py").open("a") as file:
        file.write("# a comment\n")
    status, rows, page = judged(project)
    assert (status, verdicts(rows)) == (2, {RECORDED: "unknown"})
    assert "changed since the run: report: stages/report.py; run dvc repro" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such"], r"^no-such: no such revision, branch, tag or experiment; git log"),
        (["HEAD:stages"], r"^HEAD:stages: no such revision"),
        (["HEAD", "HEAD~1"], r"^verdict: name one revision \(got HEAD 'HEAD~1'\): make verdict"),
        (["--all"], r"^verdict: name one revision \(got --all\): make verdict REV="),
    ],
)
def test_mistakes_are_refused(ran_project: Project, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        judged(ran_project, *arguments)


def test_without_git_or_a_run(project: Project) -> None:
    """One line; nothing else is printed."""
    shutil.rmtree(project.root / ".git")
    refused(project, r"^error: .*clone: no Git repository, which DVC needs; run git init")
    project.succeed("git", "init", "--quiet")
    refused(project, r"^error: HEAD: no such revision")
    (project.root / "dvc.lock").unlink()
    refused(project, r"^error: dvc\.lock: no such file; run dvc repro first$")


def refused(project: Project, message: str) -> None:
    result = project.run(*VERDICT)
    assert_refused(result, message)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
