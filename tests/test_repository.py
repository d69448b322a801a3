"""What is committed belongs together: code, parameters, results and the README."""

import hashlib
import re
from typing import Any

import yaml
from dvc.repo import Repo

from stages.base.files.yaml import read_yaml
from tests.conftest import ROOT

LOCK: dict[str, Any] = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]


def test_the_committed_results_are_those_of_the_committed_code() -> None:
    """If this fails: run dvc repro and commit dvc.lock and metrics with the change."""
    with Repo(str(ROOT)) as repo:
        stale = {
            f"{stage.name}: {dep.def_path}"
            for stage in repo.index.stages
            for dep in stage.deps
            if dep.def_path.startswith(("stages/", "engine/")) and dep.changed_checksum()
        }
    assert stale == set()


def test_the_committed_results_are_those_of_the_committed_parameters() -> None:
    assert LOCK["check"]["params"]["params.yaml"] == read_yaml(ROOT / "params.yaml")


def test_the_committed_metrics_are_those_of_the_lock() -> None:
    for stage in ("evaluate", "report"):
        for out in LOCK[stage]["outs"]:
            if out["path"].startswith("metrics/"):
                digest = hashlib.md5((ROOT / out["path"]).read_bytes()).hexdigest()
                assert digest == out["md5"], out["path"]


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert len(text.splitlines()) <= 150
