"""What a user sees: stages run as separate processes on the worst files."""

from pathlib import Path

import pytest

from tests.conftest import Project, copy

from .test_images import NOISY, RGB, encoded
from .test_params import MERGES, TEXT

WORST = {
    "aliases": f"seed: *a11\n{MERGES}",
    "a hexadecimal number": TEXT.replace("seed: 0", "seed: 0x" + "9" * 5000),
    "a name": TEXT.replace("source: data/embedded", "source: " + "x" * 5000),
    "not a number": TEXT.replace("standardize: training", "standardize: {mean: [.nan], std: [1]}"),
    "half a character": TEXT.replace("dataset: mnist", 'dataset: "\\ud800"'),
}


@pytest.fixture
def clone(fresh_project: Project, tmp_path: Path) -> Project:
    """A fresh clone to change."""
    return copy(fresh_project, tmp_path / "clone")


def assert_only_a_message(clone: Project, stage: str) -> str:
    result = clone.stage(stage)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert not any(word in result.stderr for word in ("Traceback", "Warning", "tempfile"))
    return result.stderr


def test_parameters_that_check_rejects(clone: Project) -> None:
    for text in WORST.values():
        (clone.root / "params.yaml").write_text(text)
        assert "params.yaml" in assert_only_a_message(clone, "check")


def test_images_that_download_rejects(clone: Project) -> None:
    (clone.root / "own/a").mkdir(parents=True)
    files = {"fax.tif": NOISY, "cut.png": encoded(RGB, "PNG")[:-60]}
    for name, content in files.items():
        (clone.root / "own/a" / name).write_bytes(content)
    clone.set({"data.dataset": "image_folder", "data.source": "own"})
    message = assert_only_a_message(clone, "download")
    assert "own: 1 of 2 files cannot be used as images:\n  a/cut.png: truncated or" in message
