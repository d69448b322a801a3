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
from stages.artifacts.features import TrainingFeatures
from stages.base.errors.user import UserError
from tests.conftest import Project, assert_refused
from tests.photographs import SCENES, photograph
from tools import explain, own_pictures
from tools.own_pictures import LIFTED, NO_STROKES


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
    style, _ = explain.load_training(as_is=False)
    pictures = own_pictures.read_pictures(files, checkpoint.info, style, invert=False)
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
    names = sorted(path.name for path in (tmp_path / "sheets").iterdir())
    assert names == ["inputs.png", "sheet_000.png"]
    with Image.open(tmp_path / "sheets/sheet_000.png") as sheet:
        assert sheet.width > 1000
    assert LIFTED not in captured.out, "they look like the training images"
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
    file = [str(tmp_path / "photo.png")]
    (picture,) = own_pictures.read_pictures(file, checkpoint.info, None, False)
    small = photo.convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    assert np.array_equal(picture.pixels[0], np.asarray(small))
    (negative,) = own_pictures.read_pictures(file, checkpoint.info, None, True)
    assert np.array_equal(negative.pixels, 255 - picture.pixels)


def warning(pixels: NDArray[np.uint8], inverted: bool = False) -> str:
    checkpoint, _ = explain.load_last_run()
    _, features = explain.load_training(as_is=True)
    picture = own_pictures.Picture("own", pixels, np.zeros((1, 1, 3), np.uint8))
    distances = explain.distances_of([picture], checkpoint, features)
    return " ".join(own_pictures.warnings_of([picture], distances, features, inverted))


def test_warnings(last: Explanation) -> None:
    digit = last.images[0]
    assert warning(digit) == ""
    negative = "own: looks like a negative of the training images; "
    assert warning(255 - digit) == f"{negative}run python -m tools.explain with --invert"
    assert warning(255 - digit, inverted=True) == f"{negative}leave out --invert"
    assert warning(np.full_like(digit, 255)).startswith("own: is empty")


def test_a_negative_is_reported_and_inverted(
    last: Explanation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = saved(tmp_path, 255 - last.images[0])
    explain.main([file, "--as-is", "--output", str(tmp_path)])
    warned = capsys.readouterr()
    assert "warning: picture 0.png: looks like a negative" in warned.err
    explain.main([file, "--invert", "--output", str(tmp_path)])
    inverted = capsys.readouterr()
    assert "warning" not in inverted.err
    top = np.argsort(-last.probabilities[0])[:5]
    assert list(printed_sums(inverted.out)["picture 0.png"]) == [str(number) for number in top]


def test_a_photograph_of_handwriting(
    last: Explanation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its strokes are lifted from the paper; what the network sees is drawn beside it."""
    photo = photograph(last.images[0, 0], SCENES[3], np.random.default_rng(0))
    Image.fromarray(photo).save(tmp_path / "photo.png")
    explain.main([str(tmp_path / "photo.png"), "--output", str(tmp_path / "lifted")])
    printed = capsys.readouterr()
    assert f"photo.png: {LIFTED}" in printed.out
    assert "warning" not in printed.err
    predicted = last.class_names[last.probabilities[0].argmax()]
    assert next(iter(printed_sums(printed.out)["photo.png"])) == predicted
    with Image.open(tmp_path / "lifted/inputs.png") as drawn:
        colors = np.asarray(drawn.convert("L"))
    photo_part, seen_part = np.array_split(colors[75:300], 2, axis=1)
    assert np.median(photo_part) > 100
    assert np.median(seen_part[:, 10:-30]) == 0, "the digit is white on black"

    explain.main([str(tmp_path / "photo.png"), "--as-is", "--output", str(tmp_path / "resized")])
    printed = capsys.readouterr()
    assert LIFTED not in printed.out
    assert "warning: photo.png: looks " in printed.err


def test_a_sheet_without_strokes(
    last: Explanation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = saved(tmp_path, np.tile(np.linspace(250, 200, 90).astype(np.uint8), (1, 90, 1)))
    explain.main([file, "--output", str(tmp_path)])
    printed = capsys.readouterr()
    assert f"picture 0.png: {NO_STROKES}" in printed.out
    assert "warning" in printed.err


def test_features_of_another_network(last: Explanation) -> None:
    checkpoint, _ = explain.load_last_run()
    other = TrainingFeatures(np.ones((5, 3), np.int8), np.zeros(101))
    picture = own_pictures.Picture("own", last.images[0], np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(UserError, match=r"data/features: of another network .* run dvc repro"):
        explain.distances_of([picture], checkpoint, other)


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
