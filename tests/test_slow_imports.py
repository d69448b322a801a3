"""Stages load slow libraries only where they need them."""

import pytest

from tests.conftest import Project


@pytest.mark.parametrize(
    ("stage", "slow"),
    [
        ("evaluate", {"matplotlib", "scipy", "shap", "sklearn", "torch._dynamo", "torchvision"}),
        # No scipy here: numba loads it when it compiles.
        ("explain", {"matplotlib", "pandas", "shap", "sklearn", "torchvision"}),
        ("report", {"matplotlib.figure", "scipy", "shap", "sklearn", "torch", "torchvision"}),
    ],
)
def test_stages_load_no_slow_library_without_need(
    project: Project, stage: str, slow: set[str]
) -> None:
    result = project.run("python", "-X", "importtime", "-m", f"stages.{stage}")
    assert result.returncode == 0, result.stderr[-2000:]
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "numpy" in loaded
    assert slow & loaded == set()
