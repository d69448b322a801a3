"""Section `report`: how the explanations are drawn."""

from typing import Literal

from stages.base.params.sections import Section


class Report(Section):
    """Section `report`, read by report."""

    colormap: Literal["red_blue", "orange_purple"]
    fade: bool
    grain: Literal["auto", 1, 2, 4, 8, 16, 32]
