"""The methods that are compared: the run's own, those of `quality.methods`, and exact values."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from stages.artifacts.explanation import Explanation
from stages.explainers.base.contract import values_of
from stages.measures.explanations.base.baselines import BASELINES
from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.maps import (
    Maps,
    maps_of_baseline,
    maps_of_method,
    maps_of_run,
    missing_maps,
    scaled_to,
    seconds_an_image,
)
from stages.measures.explanations.base.sampled_tiles import sample_tiles
from stages.measures.explanations.base.subject import Subject, measurable
from stages.measures.explanations.base.tiles import (
    TileGame,
    exact_game,
    game_of_tiles,
    play_tiles,
    tile_sums,
)

EXACT = "exact"


def methods_to_measure(
    explanation: Explanation, subject: Subject, names: Iterable[str]
) -> dict[str, Measured]:
    """Maps of each method by name: first the run's own, then these, each once."""
    game = game_of_tiles(subject)
    tile_game = play(game)
    own = maps_of_run(explanation, subject, game)
    _report_missing(own, subject.contrasts)
    maps = {explanation.about["method"]: own}
    for name in names:
        if name not in maps:
            maps[name] = _maps_of(name, subject, game, tile_game)
    return {
        name: Measured(
            subject=subject,
            maps=found,
            tile_sums=tile_sums(found.game),
            tile_game=tile_game,
        )
        for name, found in maps.items()
    }


def play(game: Subject) -> TileGame:
    """The tile game of images, see `game_of_tiles`; estimated if the plan samples."""
    return sample_tiles(game) if game.plan.sampled else exact_game(play_tiles(game))


def _maps_of(name: str, subject: Subject, game: Subject, tile_game: TileGame) -> Maps:
    if name not in BASELINES:
        found = maps_of_method(name, subject, game)
        if values_of(name).add_up:
            return found
        return replace(found, game=scaled_to(found.game, np.abs(tile_game.changes)))
    maps = BASELINES[name](subject.images.numpy())
    return maps_of_baseline(maps, tile_game.changes)


def exact_values(measured: Measured) -> Measured:
    """The exact Shapley values of the tiles, in the game of this method; it has no maps."""
    tile_game = measured.tile_game
    game = game_of_tiles(measured.subject)
    height, width = game.images.shape[2:]
    return Measured(
        subject=game,
        maps=missing_maps(len(tile_game.shapley), (height, width)),
        tile_sums=tile_game.shapley,
        tile_game=tile_game,
    )


def _report_missing(own: Maps, contrasts: bool) -> None:
    """Print how many images lack a map that a measure of the others needs."""
    needed = [(own.predicted, "predicted class")]
    if contrasts:
        needed.append((own.contrast, "predicted class or runner-up"))
    for maps, classes in needed:
        missing = len(maps) - len(measurable(maps))
        if 0 < missing < len(maps):  # else the measure does not apply
            print(
                f"{missing:,} of {len(maps):,} explained images have no map of their {classes}, so "
                "measures that need it leave them out; explain.outputs: {top: 2} gives both"
            )


def seconds_by_method(methods: Mapping[str, Measured]) -> dict[str, float]:
    """Seconds per image by method; empty unless methods are compared, since times never repeat."""
    names = [name for name in methods if name not in BASELINES]
    if len(names) < 2:
        return {}
    return {name: seconds_an_image(name, methods[name].subject) for name in names}
