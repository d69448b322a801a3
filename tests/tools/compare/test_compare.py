"""`python -m tools.compare` over real Git and DVC."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from tests.conftest import Project, assert_refused, commit, copy
from tools.compare.__main__ import FOLDER, main

Capture = pytest.CaptureFixture[str]


def correlations(old: Path, new: Path) -> NDArray[np.float64]:
    """Correlations of the maps of the old predictions; both folders have the same images."""
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
    assert "\nMoved: Σ|change| / (Σ|new| + Σ|old|), 0 for equal maps, 1 for maps with n" in printed
    assert " Strength: Σ|new| / Σ|old|.\n" in printed
    assert re.search(r"\d\.\d % of the pixels changed", printed)
    assert re.search(r"accuracy +\S+ +\S+ +\S+ ± \S+", printed)
    # Git and DVC alone give the same, without the workspace.
    shutil.move(inside / "data/shap", inside / "data/aside")
    try:
        main(["HEAD~1", "HEAD"])
    finally:
        shutil.move(inside / "data/aside", inside / "data/shap")
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if "Similarity" in line] == [
        line for line in printed.splitlines() if "Similarity" in line
    ]


def test_neither_git_nor_dvc_tracks_the_page_and_the_report(history: Project, inside: Path) -> None:
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
    assert "→" not in printed, "no difference is listed"
    assert "0.0 % of the pixels changed" in printed


def test_a_version_without_error_bars(inside: Path, capsys: Capture) -> None:
    main(["without_bars", "HEAD~1"])
    assert capsys.readouterr().out.startswith("Nothing changed: similarity 1")
    main(["without_bars"])
    printed = capsys.readouterr().out
    assert "noise is unknown, because without_bars" in printed
    assert "Which pixels changed beyond their error is unknown" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such"], r"no-such: no such revision, branch, tag or experiment; git log"),
        ([], r"name one revision, or two \(got 0\): make compare REV=HEAD~1"),
        (["HEAD", "HEAD~1", "HEAD~2"], r"\(got 3\)"),
        (["HEAD~2"], r"HEAD~2 \(\w{7}\): data/shap is neither in DVC's cache nor in a remote; "
         r".*dvc push --all-commits .*; or make it: git switch --detach HEAD~2, dvc repro$"),
    ],
)  # fmt: skip
def test_a_version_that_cannot_be_read_is_reported(
    inside: Path, arguments: list[str], message: str
) -> None:
    before = sorted(inside.glob("plots/*"))
    with pytest.raises(UserError, match=message):
        main(arguments)
    assert sorted(inside.glob("plots/*")) == before


WITHOUT_RESULTS = (
    r"""^error: HEAD \(\w{7}\): data/shap is neither in DVC's cache nor in a remote; """
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            ["git", "clone", "--quiet", "--depth=1", "file://{history}", "made"],
            r"^error: HEAD~1: no such revision, .* older commits: git fetch --unshallow gets them$",
        ),
        (["git", "-C", "{history}", "worktree", "add", "{here}/made"], WITHOUT_RESULTS),
        (
            ["git", "-c", "protocol.file.allow=always", "submodule", "add", "{history}", "made"],
            WITHOUT_RESULTS,
        ),
    ],
    ids=["shallow clone", "worktree", "submodule"],
)
def test_checkouts_of_other_kinds_without_results(
    history: Project, tmp_path: Path, make: list[str], message: str
) -> None:
    """No number of the system's, no digest and no path inside `.dvc` is shown."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    places = {"history": str(history.root), "here": str(tmp_path)}
    command = [argument.format(**places) for argument in make]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    rev = "HEAD~1" if "shallow" in message else "HEAD"
    result = Project(tmp_path / "made").run("python", "-m", "tools.compare", rev, "HEAD")
    assert_refused(result, message)
    assert not re.search(r"Errno|[0-9a-f]{32}|\.dvc/", result.stderr)


def test_a_clone_without_a_cache(history: Project, tmp_path: Path) -> None:
    project = copy(history, tmp_path / "with remote")
    add_remote = ["dvc", "remote", "add", "--default", "shared", str(tmp_path / "shared")]
    project.succeed(*add_remote, "--local")  # so that old commits know it, to push from
    project.succeed("dvc", "push", "--quiet", "--all-commits")
    project.succeed(*add_remote)  # for clones; old commits do not name it
    commit(project, "Name the shared folder")
    subprocess.run(["git", "clone", "--quiet", project.root, tmp_path / "clone"], check=True)
    clone = Project(tmp_path / "clone")
    assert_refused(
        clone.run("python", "-m", "tools.compare", "HEAD~1"),
        r"^error: workspace: no data/shap; run dvc pull to fetch it, or dvc repro to make it$",
    )
    assert not (clone.root / FOLDER).exists()
    printed = clone.succeed("python", "-m", "tools.compare", "HEAD~2", "HEAD")
    assert "train.epochs: 2 → 3" in printed
    clone.succeed("git", "rm", "--quiet", "dvc.lock")
    commit(clone, "Nothing was run")
    assert_refused(
        clone.run("python", "-m", "tools.compare", "HEAD~1", "HEAD"),
        r"HEAD \(\w+\): has no data/shap, since dvc\.lock records none there",
    )
