"""What check says about parameters that are valid."""

from pathlib import Path

import pytest

from stages import check
from stages.base.files.yaml import read_yaml
from tests.conftest import ROOT, merged


@pytest.mark.parametrize("absolute", [True, False])
def test_a_source_outside_the_repository_is_warned_about(
    here: Path, capsys: pytest.CaptureFixture[str], absolute: bool
) -> None:
    Path("pets").mkdir()
    source = str(here / "pets") if absolute else "pets"
    data = {"dataset": "image_folder", "source": source}
    check.main(check.Params.model_validate(merged(read_yaml(ROOT / "params.yaml"), {"data": data})))
    error = capsys.readouterr().err
    expected = f"warning: data.source: {source} is a path of this machine, and dvc.lock records it"
    assert error.startswith(expected) if absolute else error == ""
    assert error.count("\n") == absolute
    assert Path("data/checked").exists()
