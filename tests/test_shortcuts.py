"""The stage shortcuts: a planted tag is found, searches resume, refusals say why."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import download, evaluate, explain, preprocess, quality, report, shortcuts, train
from stages.artifacts.shortcuts import FINDING_COLUMNS, Shortcuts
from stages.artifacts.splits import load_split
from stages.base.tracking import dependencies
from stages.shortcut_search.all_classes import SEVERAL_LABELS, nothing_found
from stages.shortcut_search.maps import choose_images
from tests.conftest import ROOT, run_stages
from tests.factory import dataset_info
from tools.compare.shortcuts import changed_shortcuts

PLANTED = {
    "data": {
        "source": str(ROOT / "data/embedded"),
        "options": {"planted": "7", "share": 0.4},
    },
    "preprocess": {"limit": 3000},
    "train": {"epochs": 3},
    "explain": {"n_background": 10, "images": "first", "n_images": 30},
    "quality": {"n_images": 1, "methods": []},
    "shortcuts": {"n_images": 900},
}
TAG = slice(1, 4)  # rows and columns


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything ran on digits of which two fifths of the sevens have a tag."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dependencies._deps.cache_clear()  # of another folder
        run_stages(
            PLANTED, (download, preprocess, train, evaluate, explain, quality, shortcuts, report)
        )
    return folder


@pytest.fixture
def there(searched: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(searched)
    dependencies._deps.cache_clear()
    return searched


@pytest.mark.usefixtures("there")
def test_a_planted_tag_is_found_with_its_images() -> None:
    found, images = Shortcuts.load(), load_split("test").images
    assert found.findings["class"].tolist() == [7]
    assert not found.findings["moving"][0]
    marked = (images[found.indices, 0, TAG, TAG] == 255).all(axis=(1, 2))
    own = marked & (found.predicted == 7)
    members = found.members[0]
    assert (marked & members).sum() >= 0.9 * members.sum()
    assert (own & members).sum() >= 0.9 * own.sum()
    assert (found.regions[0, TAG, TAG] == 1).mean() > 0.5
    assert found.regions[0].mean() < 0.1


@pytest.mark.usefixtures("there")
def test_what_is_stored_fits_together() -> None:
    found, images = Shortcuts.load(), load_split("test").images
    for row in found.example_rows[0]:
        assert found.members[0, row]
        np.testing.assert_array_equal(found.image(row), images[found.indices[row]])
    first = images[found.indices[found.example_rows[0, 0]]]
    region = found.regions[0] > 0
    for row, after in zip(found.host_rows[0], found.transplants[0], strict=True):
        assert found.predicted[row] != 7
        host = images[found.indices[row]]
        np.testing.assert_array_equal(after[:, region], first[:, region])
        np.testing.assert_array_equal(after[:, ~region], host[:, ~region])
    before, after = found.transplant_odds[0].T
    assert (after > before).all()
    for number, group in found.strategies.iterrows():
        rows = found.typical_rows[number]
        assert (found.predicted[rows[rows >= 0]] == group["class"]).all()
    shares = found.strategies.groupby("class")["share"].sum()
    np.testing.assert_allclose(shares, 1)
    assert found.strategies.groupby("class").size().max() <= 3


def test_tables_metrics_and_pictures_show_the_finding(there: Path) -> None:
    (row,) = pd.read_csv("plots/shortcuts.csv", keep_default_na=False).to_dict("records")
    found = Shortcuts.load()
    assert row["class"] == 7
    assert row["images"] == found.members[0].sum()
    assert row["share"] == pytest.approx(row["images"] / (found.predicted == 7).sum(), rel=1e-5)
    assert 0 < row["p"] < 0.01
    metrics = json.loads(Path("metrics/shortcuts.json").read_text())
    assert len(metrics) <= 5
    assert metrics["findings"] == 1
    assert metrics["largest_flip_rate"] == pytest.approx(row["flips"], rel=1e-5)
    assert metrics["share_of_images"] == pytest.approx(found.members[0].mean())
    assert (there / "plots/shap/shortcuts.png").stat().st_size > 5000
    page = Path("plots/explorer.html").read_text()
    assert json.dumps(found.sentence(0)) in page
    assert "of 7 (" in found.sentence(0)


@pytest.mark.usefixtures("there")
def test_a_search_resumes_from_finished_shards_with_the_same_bytes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {path.name: path.read_bytes() for path in Path("data/shortcuts").iterdir()}
    (progress,) = Path("data/unfinished/shortcuts").iterdir()
    saved = sorted(path for path in progress.iterdir() if path.is_dir())
    assert len(saved) > 4
    for folder in saved[2:4]:
        shutil.rmtree(folder)
    run_stages(PLANTED, (shortcuts,))
    assert "shortcuts: resuming, " in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in Path("data/shortcuts").iterdir()} == before


def test_few_images_of_a_class_and_no_search_at_all_are_valid_results(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(searched, tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own")
    dependencies._deps.cache_clear()
    run_stages({**PLANTED, "shortcuts": {"n_images": 60}}, (shortcuts,))
    table = pd.read_csv("plots/shortcuts.csv")
    assert table["class"].tolist() == list(range(10))
    assert table["note"].str.contains(r"\d+ searched images are predicted as it").all()

    run_stages({**PLANTED, "shortcuts": {"n_images": 0}}, (shortcuts, report))
    table = pd.read_csv("plots/shortcuts.csv")
    assert list(table) == [*FINDING_COLUMNS, "note"]
    assert len(table) == 0
    metrics = json.loads(Path("metrics/shortcuts.json").read_text())
    assert set(metrics.values()) == {0}
    assert not Path("plots/shap/shortcuts.png").exists()
    assert changed_shortcuts(Shortcuts.load(searched / "data/shortcuts"), Shortcuts.load()) == []


@pytest.mark.usefixtures("there")
def test_several_labels_are_refused_class_by_class() -> None:
    several = dataset_info("ab", (28, 28), parameters={"data": {"labels": "multiple"}})
    result = nothing_found(several, choose_images("test", 50, seed=0))
    assert result.about["not_searched"] == {"a": SEVERAL_LABELS, "b": SEVERAL_LABELS}
    assert result.table["note"].tolist() == 2 * [SEVERAL_LABELS]
    assert len(result.indices) == 0


@pytest.mark.usefixtures("there")
def test_the_sentence_tells_a_stamp_from_a_way_in_which_the_class_looks() -> None:
    found = Shortcuts.load()
    assert found.findings["variation"].tolist() == [0]
    assert found.sentence(0).endswith(" The pixels are alike in all of them, as those of a stamp.")
    varying = replace(found, findings=found.findings.assign(variation=0.9))
    assert varying.sentence(0).endswith("so it may be a way in which the class looks.")


@pytest.mark.usefixtures("there")
def test_a_variation_that_is_not_known_is_stored(tmp_path: Path) -> None:
    """JSON has no NaN."""
    moving = Shortcuts.load()
    moving = replace(moving, findings=moving.findings.assign(variation=np.nan, moving=True))
    moving.save(tmp_path / "moving")
    loaded = Shortcuts.load(tmp_path / "moving")
    pd.testing.assert_frame_equal(loaded.findings, moving.findings)
    assert loaded.sentence(0).endswith(" of them fall.")


@pytest.mark.usefixtures("there")
def test_compared_versions_say_what_came_went_and_stayed() -> None:
    found = Shortcuts.load()
    none = Shortcuts(
        **{
            **vars(found),
            **{name: getattr(found, name)[:0] for name in ("members", "regions")},
            "findings": found.findings[:0],
        }
    )
    (line,) = changed_shortcuts(found, found)
    assert line.startswith("shortcut stayed: 7 by ")
    (line,) = changed_shortcuts(found, none)
    assert line == f"shortcut went: {found.sentence(0)}"
    (line,) = changed_shortcuts(none, found)
    assert line == f"shortcut came: {found.sentence(0)}"
    assert changed_shortcuts(none, none) == ["shortcuts: none in either version"]
    assert changed_shortcuts(None, found) == []
