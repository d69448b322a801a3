from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray
from PIL import features

from stages.drawing.board import Board, Role
from stages.drawing.scale import Scale
from stages.drawing.text import TextStyle, fold, printable, shorten, text_width, wrap


def test_a_thumbnail_is_drawn_unchanged_at_its_position(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    board = Board(100, 80)
    board.thumbnail(10, 15, colors)
    board.save(tmp_path / "a.png")
    drawn = np.rint(imread(tmp_path / "a.png")[..., :3] * 255).astype(np.uint8)
    assert drawn.shape == (80, 100, 3)
    np.testing.assert_array_equal(drawn[15:35, 10:40], colors)
    assert (drawn[:15] == 255).all()
    assert (drawn[:, 40:] == 255).all()


def test_the_same_picture_has_the_same_bytes_without_software_or_time(
    tmp_path: Path,
) -> None:
    for name in "ab":
        board = Board(200, 60)
        board.write(10, 10, "words")
        board.thumbnail(100, 10, np.zeros((30, 30, 3), np.uint8), "predicted")
        board.save(tmp_path / f"{name}.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"tEXt" not in content
    assert b"tIME" not in content


@pytest.mark.parametrize(
    "name",
    ["$x^2$ and $", "猫 dog", "\udc80", "a\tb\nc", "e\u0301", "عربى", "\x00\x07", "", "\\frac{"],
)
def test_any_name_can_be_drawn_without_a_warning(name: str, tmp_path: Path) -> None:
    board = Board(200, 40)
    board.write(10, 10, printable([name])[0])
    board.save(tmp_path / "a.png")
    assert "\n" not in board.lines[0].text


def test_names_in_a_script_missing_from_the_font_stay_different() -> None:
    assert printable(["猫", "犬", "ok"]) == ["#0 □", "#1 □", "ok"]
    assert printable(["  two  words "]) == ["two words"]
    assert printable(["", "\u200b"])[0] == "#0"


def test_dollars_are_drawn_as_dollars() -> None:
    plain, priced = ink("a or b"), ink("$a$ or $b$")
    assert priced.any(axis=0).sum() > plain.any(axis=0).sum() + 20


@pytest.mark.parametrize(("align", "left"), [("left", 100), ("center", 60), ("right", 20)])
def test_a_line_is_aligned_by_its_left_end_centre_or_right_end(
    align: Literal["left", "center", "right"], left: int
) -> None:
    board = Board(200, 40)
    name = "H" * int(80 // text_width("H"))
    board.write(100, 10, name, TextStyle(align=align))
    drawn = np.flatnonzero((np.asarray(board.draw()) < 128).any(axis=(0, 2)))
    assert drawn[0] == pytest.approx(left + (80 - text_width(name)) * (100 - left) / 80, abs=2)
    assert drawn[-1] - drawn[0] == pytest.approx(text_width(name), abs=3)
    (box,) = [line.box for line in board.lines]
    assert box[0] <= drawn[0] <= drawn[-1] <= box[2]


@pytest.mark.skipif(not features.check("raqm"), reason="this build of Pillow has no full layout")
def test_hebrew_is_drawn_from_right_to_left() -> None:
    vav, shin = "\N{HEBREW LETTER VAV}", "\N{HEBREW LETTER SHIN}"
    width = int(text_width(vav))
    first, both = ink(vav), ink(vav + shin)
    np.testing.assert_array_equal(both[:, 100 - width : 100], first[:, 100 - width : 100])
    assert both[:, : 100 - width].any()


def ink(text: str) -> NDArray[np.bool_]:
    """Whether each pixel is dark after drawing a line that ends at x = 100."""
    board = Board(120, 40)
    board.write(100, 10, text, TextStyle(align="right"))
    return np.asarray(board.draw()).min(axis=2) < 128


def test_frames_surround_their_thumbnail_without_covering_it() -> None:
    roles: tuple[Role, ...] = ("predicted", "true", "other")
    board = Board(150, 50)
    for number, role in enumerate(roles):
        board.thumbnail(10 + 50 * number, 10, np.full((30, 30, 3), 100, np.uint8), role)
    drawn = np.asarray(board.draw()).astype(int).mean(axis=2)
    for number in range(3):
        assert (drawn[10:40, 10 + 50 * number : 40 + 50 * number] == 100).all()
    sides = [drawn[8:10, 8:42], drawn[40:42, 8:42], drawn[8:42, 8:10].T, drawn[8:42, 40:42].T]
    assert all((side < 50).all() for side in sides)
    dashed = [drawn[8:10, 58:92], drawn[40:42, 58:92], drawn[8:42, 58:60].T, drawn[8:42, 90:92].T]
    for side in dashed:
        assert 0.5 < (side < 50).mean() < 0.8
        assert ((side < 50) | (side == 255)).all()
    assert (drawn[9, 109:141] == drawn[9, 109]).all()
    assert 200 < drawn[9, 109] < 250
    assert (drawn[:8] == 255).all()
    assert (drawn[42:] == 255).all()


def test_the_color_bar_runs_from_the_lowest_color_to_the_highest() -> None:
    scale = Scale(0.25, "orange_purple")
    board = Board(360, 60)
    board.color_bar(0, 0, scale, "label")
    assert [line.text for line in board.lines] == ["label", "\N{MINUS SIGN}0.25", "0", "+0.25"]
    row = np.asarray(board.draw())[26]  # the middle of the bar
    colored = np.flatnonzero((row != 255).any(axis=1))
    ends = [line.x for line in board.lines[1:]]
    assert (colored[0], colored[-1]) == (ends[0], ends[2])
    inside = row[colored[1] : colored[-1]]
    found = [int(np.abs(scale.table - color.astype(int)).sum(axis=1).argmin()) for color in inside]
    assert found == sorted(found)
    assert found[0] <= 2
    assert found[-1] >= 252
    np.testing.assert_array_equal(row[int(ends[1])], scale.table[127])  # the colour of 0


def test_wrapped_lines_fit_the_width_and_keep_every_word() -> None:
    text = "how much each pixel raises or lowers a class's output " * 5
    lines = wrap(text, 150)
    assert all(text_width(line) <= 150 for line in lines)
    assert " ".join(lines) == text.strip()


def test_a_shortened_name_keeps_both_ends_which_may_have_numbers() -> None:
    cut = shorten("class name number 183", 84)
    assert text_width(cut) <= 84
    assert cut.startswith("cla")
    assert cut.endswith("183")
    assert shorten("short", 84) == "short"
    assert shorten("anything", 1) == "…"


def test_a_folded_name_has_at_most_two_lines_within_the_width() -> None:
    for name in ("one", "two words here", "w" * 80, "a much longer name of very many words in all"):
        lines = fold(name, 84)
        assert len(lines) <= 2
        assert all(text_width(line) <= 84 for line in lines)
