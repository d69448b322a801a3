from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from stages.figures.board import Board
from stages.figures.text import fold, printable, shorten, text_width, wrap


def test_a_tile_lands_pixel_for_pixel_where_it_was_put(folder: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    board = Board(100, 80)
    board.tile(10, 15, colors)
    board.save(folder / "a.png")
    drawn = np.rint(imread(folder / "a.png")[..., :3] * 255).astype(np.uint8)
    assert drawn.shape == (80, 100, 3)
    np.testing.assert_array_equal(drawn[15:35, 10:40], colors)
    assert (drawn[:15] == 255).all()
    assert (drawn[:, 40:] == 255).all()


def test_the_same_picture_has_the_same_bytes_and_no_software_or_time_in_them(folder: Path) -> None:
    for name in "ab":
        board = Board(200, 60)
        board.write(10, 10, "words")
        board.tile(100, 10, np.zeros((30, 30, 3), np.uint8), "predicted")
        board.save(folder / f"{name}.png")
    content = (folder / "a.png").read_bytes()
    assert content == (folder / "b.png").read_bytes()
    assert b"tEXt" not in content
    assert b"tIME" not in content


@pytest.mark.parametrize(
    "name",
    ["$x^2$ and $", "猫 dog", "\udc80", "a\tb\nc", "e\u0301", "عربى", "\x00\x07", "", "\\frac{"],
)
def test_any_name_can_be_drawn_without_a_warning(name: str, folder: Path) -> None:
    board = Board(200, 40)
    board.write(10, 10, printable([name])[0])
    board.save(folder / "a.png")
    assert "\n" not in board.figure.texts[0].get_text()


def test_names_in_a_script_the_font_lacks_stay_different() -> None:
    assert printable(["猫", "犬", "ok"]) == ["#0 □", "#1 □", "ok"]
    assert printable(["  two  words "]) == ["two words"]
    assert printable(["", "\u200b"])[0] == "#0"


def test_dollars_are_drawn_as_dollars() -> None:
    board = Board(200, 40)
    board.write(10, 10, "$a$ or $b$")
    board.figure.canvas.draw()  # mathtext would fail on unbalanced dollars, and hide balanced ones
    assert not board.figure.texts[0].get_parse_math()


def test_lines_are_no_wider_than_asked_and_lose_no_word() -> None:
    text = "what each pixel adds to a class's output or takes from it " * 5
    lines = wrap(text, 150)
    assert all(text_width(line) <= 150 for line in lines)
    assert " ".join(lines) == text.strip()


def test_a_cut_name_keeps_both_ends_since_numbers_stand_at_one() -> None:
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
