"""`dvc artifacts get` fetches a result without a clone of the repository."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.artifacts.explanation import Explanation
from stages.networks.checkpoint import load_checkpoint
from tests.conftest import Project, commit, environment

TAGGER = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


@pytest.fixture
def published(project: Project, tmp_path: Path) -> str:
    """A bare repository whose results are in a remote, a folder."""
    project.succeed("dvc", "remote", "add", "--default", "shared", str(tmp_path / "shared"))
    project.succeed("dvc", "push", "--quiet", "train", "explain")
    commit(project, "Name the shared folder")
    for name in ("network", "explanation"):
        project.succeed("git", *TAGGER, "tag", "--annotate", f"{name}@v1.0.0", "--message", name)
    url = tmp_path / "published"
    project.succeed("git", "clone", "--quiet", "--bare", str(project.root), str(url))
    return str(url)


def test_both_artifacts_arrive_whole(project: Project, published: str, tmp_path: Path) -> None:
    for name in ("network", "explanation"):
        subprocess.run(
            ["dvc", "artifacts", "get", published, name, "--out", name],
            cwd=tmp_path,
            env=environment(),
            check=True,
        )
    arrived = load_checkpoint(torch.device("cpu"), tmp_path / "network")
    made = load_checkpoint(torch.device("cpu"), project.root / "data/model")
    weights = made.network.state_dict()
    assert all(torch.equal(t, weights[name]) for name, t in arrived.network.state_dict().items())
    folders = (tmp_path / "explanation", project.root / "data/shap")
    fetched, original = (Explanation.load(folder) for folder in folders)
    assert np.array_equal(fetched.values, original.values)
    assert fetched.about == original.about
