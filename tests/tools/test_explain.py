"""A user's pictures, explained with the network and the background of a real run."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from tests.conftest import Project, assert_refused
from tools import explain


@pytest.fixture
def last(ran_project: Project, monkeypatch: pytest.MonkeyPatch) -> Explanation:
    """The explanation of three test images; the command runs in the folder of their run."""
    monkeypatch.chdir(ran_project.root)
    return Explanation.load()


def saved(folder: Path, *images: NDArray[np.uint8]) -> list[str]:
    """Images (1, h, w) as PNG files."""
    files = [folder / f"picture {number}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image[0]).save(file)
    return [str(file) for file in files]


def printed_sums(text: str) -> dict[str, dict[str, float]]:
    """Sums of attributions by picture, then by class."""
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        if heading := re.fullmatch(r"(.+): probability, sum of attributions in logits", line):
            found[heading[1]] = {}
        elif row := re.fullmatch(r"  (\d) +[\d.]+% +(\S+)", line):
            sums = found[list(found)[-1]]
            sums[row[1]] = float(row[2].replace("\N{MINUS SIGN}", "-"))
    return found


def test_a_test_image_is_explained_as_the_pipeline_explained_it(
    last: Explanation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, _ = explain.load_last_run()
    files = saved(tmp_path, *last.images)
    pictures = explain.read_pictures(files, checkpoint.info, invert=False)
    explanation = explain.explain(pictures, checkpoint, last)
    largest = np.abs(last.values).max()
    np.testing.assert_allclose(explanation.values, last.values, rtol=0, atol=1e-6 * largest)

    explain.main([*files, "--output", str(tmp_path / "sheets")])
    captured = capsys.readouterr()
    sums = printed_sums(captured.out)
    assert list(sums) == [Path(file).name for file in files]
    for image, printed in enumerate(sums.values()):
        top = np.argsort(-last.probabilities[image])[:5]
        assert list(printed) == [str(number) for number in top]
        expected = (last.outputs - last.base_values)[image, top]  # what they must sum to
        np.testing.assert_allclose(list(printed.values()), expected, atol=0.006)
    assert [path.name for path in (tmp_path / "sheets").iterdir()] == ["sheet_000.png"]
    with Image.open(tmp_path / "sheets/sheet_000.png") as sheet:
        assert sheet.width > 1000
    assert "warning" not in captured.err


def test_a_folder_standard_input_and_a_file(
    last: Explanation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, file = tmp_path / "pictures", tmp_path / "third.png"
    folder.mkdir()
    saved(folder, *last.images[:2])
    (folder / ".hidden").touch()
    Image.fromarray(last.images[2, 0]).save(file)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    explain.main([str(folder), "-", str(file), "--output", str(tmp_path / "sheets")])
    sums = printed_sums(capsys.readouterr().out)
    assert list(sums) == ["picture 0.png", "picture 1.png", "-", "third.png"]
    assert sums["-"] == sums["third.png"]


@pytest.mark.usefixtures("last")
def test_a_photograph_is_converted_as_by_preprocess(tmp_path: Path) -> None:
    """Pillow, to grey and then resized, gives the expected pixels."""
    checkpoint, _ = explain.load_last_run()
    photo = Image.effect_mandelbrot((300, 500), (-2, -1, 1, 1), 50).convert("RGB")
    photo.save(tmp_path / "photo.png")
    (picture,) = explain.read_pictures([str(tmp_path / "photo.png")], checkpoint.info, False)
    small = photo.convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    assert np.array_equal(picture.pixels[0], np.asarray(small))
    (negative,) = explain.read_pictures([str(tmp_path / "photo.png")], checkpoint.info, True)
    assert np.array_equal(negative.pixels, 255 - picture.pixels)


def warnings(last: Explanation, pixels: NDArray[np.uint8], inverted: bool = False) -> list[str]:
    return list(explain.warnings_of(explain.Picture("own", pixels), last.background, inverted))


def test_warnings(last: Explanation) -> None:
    digit = last.images[0]
    assert warnings(last, digit) == []
    (negative,) = warnings(last, 255 - digit)
    assert re.search(r"like a negative of the training images .* with --invert$", negative)
    (twice,) = warnings(last, 255 - digit, inverted=True)
    assert twice.endswith("leave out --invert")
    (empty,) = warnings(last, np.full_like(digit, 255))
    assert empty.startswith("is empty")
    grey = np.clip(digit, 100, 156)
    (far,) = warnings(last, grey)
    assert re.search(r"unlike the training images \(its mean brightness is 1\d\d of 255", far)
    assert far.endswith("look like them")


def test_a_negative_is_reported_and_inverted(
    last: Explanation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = saved(tmp_path, 255 - last.images[0])
    explain.main([file, "--output", str(tmp_path)])
    warned = capsys.readouterr()
    assert "warning: picture 0.png: looks like a negative" in warned.err
    explain.main([file, "--output", str(tmp_path), "--invert"])
    inverted = capsys.readouterr()
    assert "warning" not in inverted.err
    top = np.argsort(-last.probabilities[0])[:5]
    assert list(printed_sums(inverted.out)["picture 0.png"]) == [str(number) for number in top]


def test_all_files_that_are_not_images_are_listed(ran_project: Project, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.png").touch()
    files = [str(tmp_path), str(tmp_path / "missing.png")]
    result = ran_project.run(
        "python", "-m", "tools.explain", *files, "--output", str(tmp_path / "sheets")
    )
    assert_refused(
        result,
        r"not used as images: 3 files\n  .*empty\.png: empty\n  .*notes\.txt: not a PNG.*\n"
        r"  .*missing\.png: No such file or directory",
    )
    assert not (tmp_path / "sheets").exists()


@pytest.mark.usefixtures("last")
def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the folder has no files; name one that contains images"):
        explain.main([str(tmp_path)])


@pytest.mark.usefixtures("here")
def test_no_run_yet() -> None:
    with pytest.raises(UserError, match=r"network\.json: no such file; run dvc repro first, or d"):
        explain.main(["photo.png"])


def test_a_network_trained_after_the_explanation(ran_project: Project, here: Path) -> None:
    for name in ("model", "shap"):
        shutil.copytree(ran_project.root / "data" / name, here / "data" / name)
    record = here / "data/model/network.json"
    content = json.loads(record.read_text())
    content["parameters"]["train"]["epochs"] = 7
    record.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"explains another network .*parameters of train differ"):
        explain.main(["photo.png"])
