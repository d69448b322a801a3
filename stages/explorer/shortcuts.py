"""Content of the explorer's section on shortcuts: findings and strategies as pictures."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.shortcut_sheets import ShortcutPictures, draw_findings
from stages.figures.strategies import divided_classes, draw_classes
from stages.webpage.offline import image_address

MOST_FINDINGS = 12
PICTURE_BYTES = 1_000_000  # text of the picture of strategies; all have twice as much


class ShortcutPanel(NamedTuple):
    """Content of the section.

    Attributes:
        words: What was searched.
        findings: Sentence and picture of each, in JSON types.
        members: Indices of each finding's members among the explained images.
        strategies: Picture of the groups of each class; empty if no class divides, or if it
            does not fit.
        n_bytes: Size of the content as JSON, about.
    """

    words: str
    findings: Sequence[dict[str, str]]
    members: Sequence[NDArray[np.int64]]
    strategies: str
    n_bytes: int

    def on_page(self, chosen: NDArray[np.int64]) -> dict[str, Any]:
        """The content in JSON types; `chosen`: the explained images that the page holds (n,)."""
        members = [np.flatnonzero(np.isin(chosen, own)).tolist() for own in self.members]
        findings = [
            {**finding, "members": own} for finding, own in zip(self.findings, members, strict=True)
        ]
        return {"words": self.words, "findings": findings, "strategies": self.strategies}


def shortcut_panel(run: Run) -> ShortcutPanel:
    """The findings and strategies that fit; empty if nothing was searched."""
    shortcuts = run.shortcuts
    if shortcuts is None or not len(shortcuts.indices):
        return ShortcutPanel("", [], [], "", 0)
    pictures = ShortcutPictures(run, shortcuts)
    classes = divided_classes(shortcuts)
    strategies = (
        image_address(draw_classes(pictures, classes, title=False).draw()) if classes else ""
    )
    if len(strategies) > PICTURE_BYTES:
        strategies = ""
    n_bytes = len(strategies)
    findings: list[dict[str, str]] = []
    members: list[NDArray[np.int64]] = []
    for number in range(min(MOST_FINDINGS, len(shortcuts.findings))):
        picture = image_address(
            draw_findings(pictures, range(number, number + 1), title=False).draw()
        )
        if n_bytes + len(picture) > 2 * PICTURE_BYTES:
            break
        n_bytes += len(picture)
        findings.append({"sentence": shortcuts.sentence(number), "picture": picture})
        members.append(_explained(run, shortcuts.indices[shortcuts.members[number]]))
    n_found, skipped = len(shortcuts.findings), shortcuts.about["not_searched"]
    words = (
        f"{len(shortcuts.indices):,} images of the {shortcuts.about['split']} split were searched "
        "for parts that alone move images of other classes to a class. "
        f"{n_found or 'None'} found{f', {len(findings)} shown' if len(findings) < n_found else ''}."
        + (f" Not searched: {', '.join(list(skipped)[:MOST_FINDINGS])}." if skipped else "")
    )
    return ShortcutPanel(words, findings, members, strategies, n_bytes)


def _explained(run: Run, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which explained images are at these positions; none if another split was searched."""
    if run.shortcuts is None or run.shortcuts.about["split"] != "test":
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.isin(run.explanation.indices, positions))
