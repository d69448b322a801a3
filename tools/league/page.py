"""The league as a page: one file, offline, without scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stages.artifacts.measurements import Description
from stages.drawing.grain import block_sums
from stages.drawing.scale import Scale
from stages.drawing.thumbnails import Fit, Painter
from stages.measures.methods.randomisation import STILL_ALIKE
from stages.webpage.offline import fill, image_address
from tools.league.entrants import CEILING, FLOOR
from tools.league.galleries import Gallery
from tools.league.known_answers import FOUND, KnownAnswer
from tools.league.standings import TILES, Standing
from tools.league.tables import AGAIN, answer_rows, measure_rows

PAGE = Path(__file__).parent / "page"
SIDE = 168  # largest side of a thumbnail in pixels
PERCENTILE = 99.0  # of |value|, where a map's colours end


@dataclass(frozen=True, kw_only=True)
class League:
    """All that the page shows.

    Attributes:
        title: The heading.
        sampled: Whether the values of the tiles are estimated.
        images: Which images are measured, in words.
        again: Which images are explained again, in words.
        cases: The known answers apart from the tiles.
        standings: The methods, in the order of the tables.
        left_out: Methods that cannot explain the network, with the reason.
        galleries: Images with their maps.
        colormap: Name of the maps' colours.
        measures: Descriptions of the measures of the run's maps, as in `MEASURES`.
    """

    title: str
    sampled: bool
    images: str
    again: str
    cases: Sequence[KnownAnswer]
    standings: Sequence[Standing]
    left_out: Mapping[str, str]
    galleries: Sequence[Gallery]
    colormap: str
    measures: Mapping[str, Description]


def write_page(path: Path, league: League) -> None:
    """Write the page."""
    values = {
        "league": league,
        "answers": answer_rows(league.standings),
        "measures": measure_rows(league.standings, league.measures),
        "sentences": {TILES: tiles_sentence(league.sampled)}
        | {case.name: case.sentence for case in league.cases},
        "descriptions": {name: text for name, (text, *_) in {**league.measures, **AGAIN}.items()},
        "limits": {"found": FOUND, "still_alike": STILL_ALIKE},
        "strips": [
            (gallery, _thumbnails(gallery, league.colormap)) for gallery in league.galleries
        ],
        "floor": FLOOR,
        "ceiling": CEILING,
    }
    page = fill(PAGE / "league.html", PAGE / "league.css", values)
    path.write_text(page, encoding="utf-8")


def tiles_sentence(sampled: bool) -> str:
    """What the known answer on the run's own network is."""
    kind = "estimated" if sampled else "exact"
    noise = " Random orders of the tiles give these estimates; their noise is subtracted."
    return (
        "The run's own network, with nine tiles of the image as players; the error is the distance "
        f"of the map's sums over the tiles from their {kind} Shapley values, as a share of their "
        f"length.{noise * sampled}"
    )


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
            thumbnails.append(("image", image_address(Image.fromarray(photo))))
        thumbnails.append((name, image_address(Image.fromarray(painted))))
    return thumbnails
