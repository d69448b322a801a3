"""Probabilities under transplants: a rise from far below one per cent can be seen."""

import pytest

from stages.figures.shortcut_sheets import percent


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (1, "100.0%"),
        (0.114, "11.4%"),
        (0.0052, "0.5%"),
        (0.00013, "0.01%"),
        (0.000002, "0.0002%"),
        (0, "0.0000%"),
    ],
)
def test_a_share_shows_its_first_digit(share: float, shown: str) -> None:
    assert percent(share) == shown
