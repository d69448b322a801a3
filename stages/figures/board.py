"""A picture measured in pixels from its top left corner: tiles, frames, text, a colour bar."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from stages.figures.scale import Scale
from stages.figures.text import BODY, DPI, FONT, INK, QUIET, TextStyle, line_height, wrap

PRINT_DPI = 160  # what the PNG claims, so that 1,200 px print 7.5 inches wide
ASCENT = 0.93  # of the font: top of a line to its baseline, as a share of the size

Role = Literal["predicted", "true", "other"]
"""What a framed map's class is to its image."""

FRAMES: dict[Role, dict[str, Any]] = {
    "predicted": {"linewidth": 2.0, "linestyle": "solid", "edgecolor": INK},
    "true": {"linewidth": 2.0, "linestyle": (0, (3, 2)), "edgecolor": INK},
    "other": {"linewidth": 0.5, "linestyle": "solid", "edgecolor": "#bbbbbb"},
}

BAR_WIDTH = 320  # of the colour bar with its tick labels
BAR_END = 20  # for the half of a tick's label that stands out at either end
BAR_TOP, BAR_THICKNESS = 20, 12  # below the bar's own label
TICK_LABEL = 11


class Board:
    """An empty white picture to put things on; x grows to the right, y downwards, both in pixels.

    Attributes:
        figure: The matplotlib figure drawn on; each tile is one entry of `figure.images`.
        width, height: Size in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)

    def tile(self, x: int, y: int, colors: NDArray[np.uint8], frame: Role | None = None) -> None:
        """Put a picture (height, width, 3) with its top left corner at (x, y), pixel for pixel.

        Args:
            x: Left edge.
            y: Top edge.
            colors: 0 to 255.
            frame: Draw a line around it: solid for the predicted class, dashed for the true one,
                a hairline for others.
        """
        height, width = colors.shape[:2]
        self.figure.figimage(colors, xo=x, yo=self.height - y - height, origin="upper")
        if frame is None:
            return
        line = FRAMES[frame]["linewidth"]
        corner = ((x - line / 2) / self.width, 1 - (y + height + line / 2) / self.height)
        patch = Rectangle(
            corner,
            (width + line) / self.width,
            (height + line) / self.height,
            transform=self.figure.transFigure,
            fill=False,
            label=frame,
            **FRAMES[frame],
        )
        self.figure.add_artist(patch)

    def write(self, x: float, y: float, text: str, style: TextStyle = BODY) -> None:
        """Write one line with its top at y and its left end, centre or right end at x."""
        self.figure.text(
            x / self.width,
            1 - (y + ASCENT * style.size) / self.height,
            text,
            fontsize=style.size,
            fontfamily=FONT,
            fontweight="bold" if style.bold else "normal",
            color=style.color,
            horizontalalignment=style.align,
            verticalalignment="baseline",
            parse_math=False,
        )

    def paragraph(self, x: int, y: int, text: str, width: int) -> None:
        """Write quiet text in lines of at most `width` pixels."""
        for number, line in enumerate(wrap(text, width, QUIET)):
            self.write(x, y + number * line_height(QUIET), line, QUIET)

    def color_bar(self, x: int, y: int, scale: Scale, label: str) -> None:
        """Draw the scale's horizontal colour bar: 320 pixels wide and 52 high with its labels."""
        self.write(x, y, label)
        axes = self.figure.add_axes(
            (
                (x + BAR_END) / self.width,
                1 - (y + BAR_TOP + BAR_THICKNESS) / self.height,
                (BAR_WIDTH - 2 * BAR_END) / self.width,
                BAR_THICKNESS / self.height,
            )
        )
        limit = scale.limit
        colors = ScalarMappable(Normalize(-limit, limit), scale.colors)
        bar = self.figure.colorbar(colors, cax=axes, orientation="horizontal")
        ends = [f"{end:+.3g}".replace("-", "\N{MINUS SIGN}") for end in (-limit, limit)]
        bar.set_ticks([-limit, 0, limit], labels=[ends[0], "0", ends[1]])
        axes.tick_params(labelsize=TICK_LABEL, labelcolor=INK, length=3, width=0.5)
        for text in axes.get_xticklabels():
            text.set_fontfamily(FONT)
        bar.outline.set_linewidth(0.5)

    def save(self, path: Path) -> None:
        """Write the PNG: the same bytes for the same picture, whenever it is drawn."""
        self.figure.savefig(
            path,
            format="png",
            dpi="figure",
            metadata={"Software": None},
            pil_kwargs={"dpi": (PRINT_DPI, PRINT_DPI)},
        )
