"""Sheets of large images: the photograph, maps of the top classes, their difference, segments."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from stages.drawing.board import Board
from stages.drawing.grain import readable_grain
from stages.drawing.segments import can_segment
from stages.figures.class_means import ClassMeans, draw_means
from stages.figures.contrasts import draw_contrast, picture_of_mistakes
from stages.figures.photo_sheets import PhotoLayout, draw_photo_sheet
from stages.figures.run import Run
from stages.figures.samples import draw_sample_board
from stages.figures.segment_sheets import draw_segment_sheet, draw_segments
from stages.figures.sheets import draw_sheets, sheets_of
from tests.drawing.drawn import caption, texts
from tests.runs import random_run, with_maps, with_names

needs_segments = pytest.mark.skipif(
    not can_segment(), reason="needs scikit-image, the extra `segments`"
)


def photographs(height: int, width: int, n_images: int = 3, n_classes: int = 5) -> Run:
    """Smooth random images and maps with the grain that `auto` selects."""
    run = random_run(n_images, 3, height, width, n_classes, output="logits")
    images = ndimage.gaussian_filter(run.explanation.images.astype(float), (0, 0, 4, 4))
    images = np.clip(128 + 12 * (images - 128), 0, 255).astype(np.uint8)
    explanation = replace(run.explanation, images=images)
    return replace(run, explanation=explanation, grain=readable_grain((height, width)))


def most_probable(run: Run, image: int) -> np.ndarray:
    return np.argsort(-run.explanation.probabilities[image], kind="stable")


def test_a_card_shows_the_photograph_large_and_the_maps_of_its_three_most_probable_classes() -> (
    None
):
    run = photographs(96, 128)
    board = draw_photo_sheet(run, 0)
    photo, *maps = board.thumbnails[:4]
    assert photo.colors.shape[1] == 420
    assert {thumbnail.colors.shape for thumbnail in maps} == {(240, 320, 3)}
    names = [run.class_names[number] for number in most_probable(run, 0)[:3]]
    heads = [line.text for line in board.lines if line.style.align == "center"]
    assert [name for name in heads if name in names][:3] == names
    values = run.explanation.values[0].sum(axis=(0, 1, 2), dtype=np.float64)
    for number in most_probable(run, 0)[:3]:
        assert f"{values[number]:+.2f}".replace("-", "\N{MINUS SIGN}") in texts(board)


def test_a_map_has_the_colors_of_its_block_sums() -> None:
    run = photographs(96, 96)
    first = most_probable(run, 0)[0]
    values = run.explanation.values[0, ..., first].sum(axis=0, dtype=np.float64)
    blocks = values.reshape(12, 8, 12, 8).sum(axis=(1, 3))
    drawing = draw_photo_sheet(run, 0).thumbnails[1].colors.astype(int)
    centre = (np.arange(12) + 0.5) * 320 / 12
    middles = drawing[np.ix_(centre.astype(int), centre.astype(int))]
    redness = middles[..., 0] - middles[..., 2]
    assert (np.sign(redness) == np.sign(blocks))[np.abs(redness) > 2].all()
    order = np.argsort(blocks.ravel())
    assert (redness.ravel()[order[:5]] < -60).all()
    assert (redness.ravel()[order[-5:]] > 60).all()


def test_each_image_has_its_own_scale_that_a_lone_strong_block_does_not_take() -> None:
    run = photographs(96, 96)
    limits = [bar.scale.limit for bar in draw_photo_sheet(run, 0).bars]
    values = run.explanation.values.copy()
    values[0, 0, :8, :8] += 100  # a block in the corner
    strong = replace(run, explanation=replace(run.explanation, values=values))
    board = draw_photo_sheet(strong, 0)
    assert board.bars[0].scale.limit < 1.2 * limits[0]
    assert board.bars[1].scale.limit == pytest.approx(limits[1])
    assert re.search(r"Outlined: \d+ blocks are beyond the bar\.", caption(board))


def test_the_note_counts_the_blocks_beyond_the_scale() -> None:
    run = photographs(96, 96, n_images=1)
    top = most_probable(run, 0)[:3]
    maps = run.explanation.values[0].sum(axis=0, dtype=np.float64)[..., top]
    blocks = np.abs(maps.reshape(12, 8, 12, 8, 3).sum(axis=(1, 3)))
    n = int((blocks > np.percentile(blocks, 99)).sum())
    assert f"Outlined: {n} blocks are beyond the bar." in caption(draw_photo_sheet(run, 0))


@pytest.mark.parametrize(("noise", "alike"), [(0.2, True), (3.0, False)])
def test_where_the_first_two_maps_are_almost_alike_their_difference_follows(
    noise: float, alike: bool
) -> None:
    run = photographs(96, 96, n_images=1)
    first, second = most_probable(run, 0)[:2]
    values = run.explanation.values.copy()
    values[..., second] = values[..., first] + noise * values[..., second]
    run = replace(run, explanation=replace(run.explanation, values=values))
    board = draw_photo_sheet(run, 0)
    name = f"{run.class_names[first]} \N{MINUS SIGN} {run.class_names[second]}"
    assert (name in texts(board)) == alike
    assert len(board.thumbnails) == (5 if alike else 4)
    sums = values[0].sum(axis=(0, 1, 2), dtype=np.float64)
    total = f"{sums[first] - sums[second]:+.2f}".replace("-", "\N{MINUS SIGN}")
    assert (total in texts(board)) == alike


def test_an_image_with_one_explained_class_has_one_map() -> None:
    run = photographs(80, 100)
    run = with_maps(run, run.explanation.predicted[:, None])
    board = draw_photo_sheet(run, 0)
    n_rows = PhotoLayout.of(run).n_rows
    assert len(board.thumbnails) == 2 * min(3, n_rows)
    assert "Maps of the explained class" in caption(board)
    assert "1 of 5 classes is explained" in caption(board)


@pytest.mark.parametrize(("size", "least"), [((27, 754), (40, 1100)), ((754, 27), (700, 25))])
def test_strips_are_drawn_at_least_as_large_as_they_are(
    size: tuple[int, int], least: tuple[int, int]
) -> None:
    run = photographs(*size, n_images=2)
    boards = [draw_photo_sheet(run, 0)]
    if picture := picture_of_mistakes(run):
        boards.append(draw_contrast(run, picture))
    for board in boards:
        for thumbnail in board.thumbnails:
            height, width = thumbnail.colors.shape[:2]
            assert height >= 0.8 * least[0]
            assert width >= 0.8 * least[1]
            assert 0 <= thumbnail.x <= board.width - width


@pytest.mark.parametrize("size", [(27, 754), (754, 27)])
def test_samples_of_strips_can_be_read(size: tuple[int, int]) -> None:
    for thumbnail in draw_sample_board(photographs(*size, n_images=2)).thumbnails:
        assert min(thumbnail.colors.shape[:2]) >= 20


def test_sheets_show_the_first_24_large_images(folder: Path) -> None:
    run = photographs(70, 70, n_images=26)
    n_rows = PhotoLayout.of(run).n_rows
    sheets = list(sheets_of(run))
    assert len(sheets) == -(-24 // n_rows)
    assert "the sheets show the first 24" in caption(sheets[0])
    paths = draw_sheets(folder, photographs(70, 70, n_images=1))
    assert [path.name for path in paths] == ["sheet_000.png"]


def all_boards(run: Run) -> list[Board]:
    means = ClassMeans(run)
    picture = picture_of_mistakes(run)
    boards = [draw_photo_sheet(run, 0), draw_means(means, means.classes)]
    if can_segment():
        boards.append(draw_segment_sheet(run, 0))
    return [*boards, *([draw_contrast(run, picture)] if picture else [])]


@pytest.mark.parametrize("size", [(96, 96), (80, 200), (27, 300), (300, 27)])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_all_text_lies_inside_the_picture_without_overlap(
    size: tuple[int, int], n_classes: int
) -> None:
    run = photographs(*size, n_classes=n_classes)
    names = [f"{number} a very long name of many words" for number in range(n_classes)]
    for board in all_boards(with_names(run, names)):
        boxes = [line.box for line in board.lines if line.text and not line.text.isdigit()]
        for left, top, right, bottom in boxes:
            assert 0 <= left <= right <= board.width
            assert 0 <= top <= bottom <= board.height
        for number, box in enumerate(boxes):
            for other in boxes[number + 1 :]:
                across = min(box[2], other[2]) - max(box[0], other[0])
                down = min(box[3], other[3]) - max(box[1], other[1])
                assert across <= 1 or down <= 4, "two texts overlap"


@needs_segments
def test_the_table_of_segments_adds_up_to_the_sum_over_all_pixels() -> None:
    run = photographs(96, 128, n_images=1)
    words = texts(draw_segment_sheet(run, 0))
    table = words[words.index("region") + 1 :]
    number = re.compile(r"^[+\N{MINUS SIGN}]?\d+\.\d\d$")
    values = [float(w.replace("\N{MINUS SIGN}", "-")) for w in table if number.match(w)]
    first, second = np.reshape(values, (-1, 2)).T
    exact = run.explanation.values[0].sum(axis=(0, 1, 2), dtype=np.float64)
    top = most_probable(run, 0)
    for column, class_number in ((first, top[0]), (second, top[1])):
        assert column[-1] == pytest.approx(exact[class_number], abs=0.006)
        assert column[:-1].sum() == pytest.approx(column[-1], abs=0.006 * len(column))
    ranked = np.abs(first[:10])
    assert (np.diff(ranked) <= 1e-9).all(), "ranked by |sum|"


@needs_segments
def test_segments_are_drawn_for_large_images_alone(folder: Path) -> None:
    assert draw_segments(folder, random_run(2, 1, 28, 28, 3)) == []
    assert [path.name for path in draw_segments(folder, photographs(70, 90))] == [
        "segments_000.png"
    ]


def test_without_scikit_image_one_line_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)  # as if not installed
    assert draw_segments(folder, photographs(70, 90)) == []
    (line,) = capsys.readouterr().out.splitlines()
    assert "need scikit-image: python -m pip install" in line
    assert "'.[segments]'" in line
    assert list(folder.iterdir()) == []
