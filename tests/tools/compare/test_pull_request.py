"""The pictures in the comment on a pull request: the workflow's own command, a real push."""

import re
import subprocess
from pathlib import Path

import yaml

from tests.conftest import ROOT, Project, environment


def test_the_comment_shows_the_pictures_of_the_comparison(tmp_path: Path) -> None:
    origin, project = tmp_path / "origin.git", Project(tmp_path / "clone")
    subprocess.run(["git", "init", "--quiet", "--bare", origin], check=True)
    subprocess.run(["git", "init", "--quiet", project.root], check=True)
    project.succeed("git", "remote", "add", "origin", str(origin))
    folder = project.root / "plots/comparison"
    folder.mkdir(parents=True)
    for name in ("similarity", "most_changed"):
        (folder / f"{name}.png").write_bytes(name.encode())
    pictures = "![Every image](similarity.png)\n\n![The most changed](most_changed.png)\n"
    (folder / "report.md").write_text(f"# Explanations\n\n{pictures}")
    workflow = yaml.safe_load((ROOT / ".github/workflows/report.yml").read_text())
    steps = {step.get("name"): step for step in workflow["jobs"]["report"]["steps"]}
    env = environment(
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
        PICTURES="https://forge.example/artifact",
        MAY_PUSH="true",
        REPOSITORY="https://forge.example/owner/name",
        KEPT_AS="refs/reports/7",
    )
    command = ["bash", "-e", "-o", "pipefail", "-c", steps["Write the summary"]["run"]]
    subprocess.run(command, cwd=project.root, env=env, check=True)
    summary = (project.root / "summary.md").read_text()
    shown = re.findall(
        r"^!\[.+\]\(https://forge.example/owner/name/raw/(.+)/(.+)\)$", summary, re.M
    )
    assert [name for _, name in shown] == ["similarity.png", "most_changed.png"]
    for commit, name in shown:
        show = ["git", "--git-dir", origin, "show", f"{commit}:{name}"]
        kept = subprocess.run(show, check=True, capture_output=True).stdout
        assert kept == name.removesuffix(".png").encode()
    assert summary.endswith("[Pictures and the page](https://forge.example/artifact)\n")
    assert (tmp_path / "summary.md").read_text() == summary
