"""The league as a page: one file, offline, without scripts."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.drawing.grain import block_sums
from stages.drawing.scale import Scale
from stages.drawing.thumbnails import Fit, Painter
from stages.measures.methods import randomisation, stability
from stages.webpage.offline import base64_text, fill
from tools.league.entrants import CEILING, FLOOR
from tools.league.galleries import Gallery
from tools.league.known_answers import FOUND, KnownAnswer
from tools.league.standings import MEASURES, Standing
from tools.league.tables import answer_rows, measure_rows

PAGE = Path(__file__).parent / "page"
SIDE = 168  # largest side of a thumbnail in pixels
PERCENTILE = 99.0  # of |value|, where a map's colours end
TILES_SENTENCE = (
    "The run's own network, with nine tiles of the image as players; the error is the distance of "
    "the map's sums over the tiles from their exact Shapley values, as a share of their length."
)


@dataclass(frozen=True, kw_only=True)
class League:
    """All that the page shows.

    Attributes:
        title: The heading.
        plan: How many images are measured, and how.
        cases: The known answers apart from the tiles.
        standings: The methods, in the order of the tables.
        left_out: Methods that cannot explain the network, with the reason.
        galleries: Images with their maps.
        colormap: Name of the maps' colours.
        descriptions: What the measures of the run's maps mean, by name.
    """

    title: str
    plan: str
    cases: Sequence[KnownAnswer]
    standings: Sequence[Standing]
    left_out: Mapping[str, str]
    galleries: Sequence[Gallery]
    colormap: str
    descriptions: Mapping[str, str]


def write_page(path: Path, league: League) -> None:
    """Write the page."""
    values = {
        "league": league,
        "answers": answer_rows(league.standings),
        "measures": measure_rows(league.standings),
        "sentences": {"tiles": TILES_SENTENCE}
        | {case.name: case.sentence for case in league.cases},
        "descriptions": {name: league.descriptions[name] for name in MEASURES}
        | {"randomised": randomisation.DESCRIPTION, "stability": stability.DESCRIPTION},
        "limits": {"found": FOUND, "still_alike": randomisation.STILL_ALIKE},
        "strips": [
            (gallery, _thumbnails(gallery, league.colormap)) for gallery in league.galleries
        ],
        "floor": FLOOR,
        "ceiling": CEILING,
    }
    page = fill(PAGE / "league.html", PAGE / "league.css", values)
    path.write_text(page, encoding="utf-8")


def _thumbnails(gallery: Gallery, colormap: str) -> list[tuple[str, str]]:
    """The image and its maps: name and `data:` address."""
    image = gallery.image
    size = image.shape[1], image.shape[2]
    fit = Fit.of(size, (SIDE, SIDE))
    thumbnails: list[tuple[str, str]] = []
    for name, values in gallery.maps.items():
        blocks = block_sums(values, gallery.grain)
        strengths = np.abs(blocks)
        limit = float(np.percentile(strengths, PERCENTILE)) or float(strengths.max()) or 1.0
        painter = Painter(Scale(limit, colormap, gallery.grain), fit, gallery.dark)
        photo, painted = painter.paint(image, blocks[None])
        if not thumbnails:
            thumbnails.append(("image", _address(photo)))
        thumbnails.append((name, _address(painted)))
    return thumbnails


def _address(colors: NDArray[np.uint8]) -> str:
    """A `data:` address of the picture (h, w, 3)."""
    file = io.BytesIO()
    Image.fromarray(colors).save(file, "PNG")
    return f"data:image/png;base64,{base64_text(file.getvalue())}"
