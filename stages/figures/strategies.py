"""Strategies: the groups of images of each class whose maps differ most."""

from pathlib import Path

import numpy as np

from stages.artifacts.shortcuts import N_TYPICAL, NONE, Shortcuts
from stages.drawing.board import Board
from stages.drawing.layout import LINE, MARGIN, NARROWEST_PAGE, PAGE_WIDTH, TITLE_TOP
from stages.drawing.text import BODY, BOLD, QUIET, TITLE, shorten
from stages.figures import captions
from stages.figures.footer import Footer
from stages.figures.run import Run
from stages.figures.shortcut_sheets import BETWEEN, FIRST_ROW_TOP, ShortcutPictures

MOST_CLASSES = 20  # drawn: those with several groups
LABEL = 130  # pixels for the text about a group
CLASS_HEAD = 2 * LINE  # pixels for the name of a class


def draw_strategies(folder: Path, run: Run) -> list[Path]:
    """Draw `strategies.png`: for each class that divides, its groups, the largest first.

    Returns:
        The files written; none if no class divides.
    """
    if run.shortcuts is None:
        return []
    classes = divided_classes(run.shortcuts)
    if not classes:
        return []
    path = folder / "strategies.png"
    draw_classes(ShortcutPictures(run, run.shortcuts), classes).save(path)
    return [path]


def divided_classes(shortcuts: Shortcuts) -> list[int]:
    """Classes with several groups, at most `MOST_CLASSES`."""
    numbers, counts = np.unique(shortcuts.strategies["class"], return_counts=True)
    return [int(number) for number in numbers[counts > 1][:MOST_CLASSES]]


def draw_classes(pictures: ShortcutPictures, classes: list[int], title: bool = True) -> Board:
    """A picture of these classes side by side where there is room, a row for each group."""
    step, table = pictures.fit.height + BETWEEN, pictures.shortcuts.strategies
    groups = {number: table.index[table["class"] == number].tolist() for number in classes}
    heights = {number: CLASS_HEAD + len(groups[number]) * step for number in classes}
    column = LABEL + (1 + N_TYPICAL) * pictures.fit.column + BETWEEN
    n_columns = min(len(classes), max(1, (PAGE_WIDTH - 2 * MARGIN + BETWEEN) // column))
    columns = [part.tolist() for part in np.array_split(classes, n_columns)]
    width = max(NARROWEST_PAGE, 2 * MARGIN + n_columns * column - BETWEEN)
    footer, top = Footer(_caption(pictures), width), FIRST_ROW_TOP if title else MARGIN
    content = max(sum(heights[number] for number in part) for part in columns)
    board = Board(width, top + content + (footer.height if title else 0))
    if title:
        board.write(MARGIN, TITLE_TOP, "Strategies: groups of images whose maps differ", TITLE)
        footer.draw(board, pictures.scale, pictures.about(), pictures.run.is_fine)
    for left, part in enumerate(columns):
        x, y = MARGIN + left * column, top
        for class_number in part:
            board.write(x, y, shorten(pictures.class_names[class_number], column // 2), BOLD)
            for row, number in enumerate(groups[class_number]):
                _draw_group(board, pictures, number, (x, y + CLASS_HEAD + row * step))
            y += heights[class_number]
    return board


def _draw_group(
    board: Board, pictures: ShortcutPictures, number: int, corner: tuple[int, int]
) -> None:
    shortcuts, fit, (x, y) = pictures.shortcuts, pictures.fit, corner
    group = shortcuts.strategies.loc[number]
    board.write(x, y, f"{group['share']:.0%}: {group['images']:,.0f} images", BODY)
    board.write(x, y + LINE, f"{group['accuracy']:.1%} right", QUIET)
    rows = [int(row) for row in shortcuts.typical_rows[number] if row != NONE]
    mean = np.asarray(shortcuts.strategy_maps[number], np.float64)[None]
    x += LABEL
    board.thumbnail(x, y, pictures.painter.paint(shortcuts.image(rows[0]), mean)[1], "other")
    for row in rows:
        x += fit.column
        board.thumbnail(x, y, pictures.pictures_of(row)[0], "other")


def _caption(pictures: ShortcutPictures) -> str:
    return (
        "For each predicted class, at most three groups of its searched images whose maps differ "
        "most (k-means, their number by silhouettes): the group's share, how many of it are "
        "right, its mean map over its most typical image, and three typical images. No verdict: "
        "two ways to write a 7 are no shortcut. Classes that do not divide are left out. Maps: "
        f"attributions to the predicted class, by {captions.method(pictures.about())}."
    )
