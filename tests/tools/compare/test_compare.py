"""`python -m tools.compare` over real Git and DVC."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from playwright.sync_api import Browser

from stages.artifacts.explanation import Explanation
from stages.core.errors import UserError
from tests.conftest import ROOT, Project, assert_refused, commit, copy
from tools.compare.__main__ import FOLDER, main

Capture = pytest.CaptureFixture[str]


def correlations(old: Path, new: Path) -> NDArray[np.float64]:
    """Of the maps of the old predictions, from both folders; they hold the same images."""
    first, second = Explanation.load(old), Explanation.load(new)
    return np.array(
        [
            np.corrcoef(*(e.values[i].sum(axis=0)[..., label].ravel() for e in (first, second)))[
                0, 1
            ]
            for i, label in enumerate(first.predicted)
        ]
    )


def test_one_more_epoch(inside: Path, ran_project: Project, capsys: Capture) -> None:
    main(["HEAD~1"])
    printed = capsys.readouterr().out
    assert "train.epochs: 2 → 3" in printed
    assert "network: its outputs for the same images differ" in printed
    expected = correlations(ran_project.root / "data/shap", inside / "data/shap")
    assert f"Similarity {expected.mean():.3f}" in printed
    assert re.search(r"where other background images alone would give 0\.\d{3}: ", printed)
    assert re.search(r"\d % of the pixels changed|\d\.\d% of the pixels changed", printed)
    assert re.search(r"accuracy +\S+ +\S+ +\S+ ± \S+", printed)
    # The same from Git and DVC alone, without the workspace.
    shutil.move(inside / "data/shap", inside / "data/aside")
    try:
        main(["HEAD~1", "HEAD"])
    finally:
        shutil.move(inside / "data/aside", inside / "data/shap")
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if "Similarity" in line] == [
        line for line in printed.splitlines() if "Similarity" in line
    ]


def test_it_writes_a_page_and_a_report_that_neither_git_nor_dvc_follows(
    history: Project, inside: Path
) -> None:
    main(["HEAD~1"])
    written = {path.name for path in (inside / FOLDER).iterdir()}
    pictures = set(re.findall(r"!\[.+\]\((.+)\)", (inside / FOLDER / "report.md").read_text()))
    assert pictures == {"similarity.png", "most_changed.png", "class_means.png"}
    assert written == {"index.html", "report.md", *pictures}
    assert history.succeed("git", "status", "--porcelain") == ""
    assert "up to date" in history.succeed("dvc", "status")
    history.succeed("dvc", "check-ignore", str(FOLDER))


def test_nothing_changed(inside: Path, capsys: Capture) -> None:
    main(["HEAD"])
    printed = capsys.readouterr().out
    assert printed.startswith("Nothing changed: similarity 1, the maps of all 3 images are equal.")
    assert "→" not in printed, "no difference is named"
    assert "0.0% of the pixels changed" in printed


def test_a_version_from_before_error_bars(inside: Path, capsys: Capture) -> None:
    main(["before", "HEAD~1"])
    assert capsys.readouterr().out.startswith("Nothing changed: similarity 1")
    main(["before"])
    printed = capsys.readouterr().out
    assert "noise is unknown, since before" in printed
    assert "background: unknown" in printed
    assert "Which pixels changed beyond their error is unknown" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such"], r"no-such: no such revision, branch, tag or experiment; git log"),
        ([], r"name one revision, or two \(got 0\): make compare REV=HEAD~1"),
        (["HEAD", "HEAD~1", "HEAD~2"], r"\(got 3\)"),
        (["HEAD~2"], r"HEAD~2 \(\w{7}\): data/shap is neither in DVC's cache nor in a remote .*"
         r"dvc push, then dvc pull, or make it: git switch --detach HEAD~2, dvc repro"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(inside: Path, arguments: list[str], message: str) -> None:
    before = sorted(inside.glob("plots/*"))
    with pytest.raises(UserError, match=message):
        main(arguments)
    assert sorted(inside.glob("plots/*")) == before


def test_a_clone_without_a_cache(history: Project, tmp_path: Path) -> None:
    def know_remote(project: Project) -> None:
        shared = str(tmp_path / "shared")
        project.succeed("dvc", "remote", "add", "--local", "--default", "shared", shared)

    project = copy(history, tmp_path / "pushed")
    know_remote(project)
    for rev in ("HEAD~1", "main"):
        project.succeed("git", "switch", "--quiet", "--detach", rev)
        project.succeed("dvc", "push", "--quiet", "explain", "evaluate")
    clone = Project(tmp_path / "clone")
    project.succeed("git", "clone", "--quiet", ".", str(clone.root))
    know_remote(clone)
    assert_refused(
        clone.run("python", "-m", "tools.compare", "HEAD~1"),
        r"^error: workspace: no data/shap; run dvc pull to fetch it, or dvc repro to make it$",
    )
    assert not (clone.root / FOLDER).exists()
    printed = clone.succeed("python", "-m", "tools.compare", "HEAD~1", "HEAD")
    assert "train.epochs: 2 → 3" in printed
    for name in ("dvc.lock", "dvc.yaml"):
        (clone.root / name).unlink()
    commit(clone, "Nothing was run")
    assert_refused(
        clone.run("python", "-m", "tools.compare", "HEAD~1", "HEAD"),
        r"HEAD \(\w+\): has no data/shap, since dvc\.lock records none there",
    )


@pytest.mark.browser
def test_the_page_needs_no_network(inside: Path, browser: Browser) -> None:
    main(["HEAD~1"])
    page, asked, errors = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((inside / FOLDER / "index.html").as_uri())
    assert page.locator("h1").inner_text().endswith("→ workspace")
    assert page.locator("svg circle").count() == 3, "a dot for each image"
    assert page.locator("img").count() > 0
    drawn = page.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0)")
    assert drawn
    assert not errors
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    page.close()


def test_the_workflow_compares_a_branch_with_its_base(
    two_versions: Project, tmp_path: Path
) -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/report.yml").read_text())
    steps = workflow["jobs"]["report"]["steps"]
    commands = {step["name"]: step["run"] for step in steps if "run" in step}
    project, summary = copy(two_versions, tmp_path / "clone"), tmp_path / "summary.md"
    project.succeed("git", "switch", "--quiet", "--detach")  # as actions/checkout leaves it
    address = "https://example.org/pictures"
    for name in ("Run the base", "Run the branch, and compare", "Write the summary"):
        env = {"PICTURES": address, "GITHUB_STEP_SUMMARY": str(summary)}
        result = project.run("bash", "-e", "-c", commands[name], **env)
        assert result.returncode == 0, result.stdout + result.stderr
    written = summary.read_text()
    assert "train.epochs: 2 → 3" in written
    assert "Similarity" in written
    assert f"[Pictures and the page]({address})" in written
    assert "![" not in written, "pictures are an artifact"


@pytest.mark.slow  # trains twice
def test_an_experiment_with_another_seed_shows_what_retraining_changes(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    prepared = project.root / "data/prepared"
    np.savez(  # since preprocess.limit draws other images for another seed
        project.root / "digits.npz",
        x_train=np.load(prepared / "train_images.npy")[:, 0],
        y_train=np.load(prepared / "train_labels.npy"),
        x_test=np.load(prepared / "test_images.npy")[:, 0],
        y_test=np.load(prepared / "test_labels.npy"),
    )
    project.set({"data.dataset": "arrays", "data.source": "digits.npz", "preprocess.limit": None})
    project.repro()
    commit(project, "The same images whatever the seed")
    project.succeed("dvc", "exp", "run", "--temp", "--name", "reseeded", "--set-param", "seed=1")
    monkeypatch.chdir(project.root)
    main(["HEAD", "reseeded"])
    printed = capsys.readouterr().out
    assert "seed: 0 → 1" in printed
    assert "this is what retraining alone changes, since only seed differs" in printed
    (similarity,) = re.findall(r"^Similarity (\S+ ± \S+),", printed)
    project.set({"train.learning_rate": 1e-3})
    project.repro()
    main(["HEAD"])
    assert f"retraining alone {similarity} (reseeded" in capsys.readouterr().out
