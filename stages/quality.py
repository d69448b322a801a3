"""Measure the explanations, beside those of other methods: `python -m stages.quality`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from stages.artifacts.explanation import Explanation
from stages.artifacts.quality import MEASURES, Quality
from stages.core.files import write_csv
from stages.core.sections import DeviceName, StageParams
from stages.core.stage import run_stage
from stages.measures.background_error import background_error
from stages.measures.base.baselines import BASELINES
from stages.measures.base.maps import (
    Maps,
    maps_of_baseline,
    maps_of_method,
    maps_of_run,
    seconds_an_image,
)
from stages.measures.base.subject import Subject, measurable, two_most_probable
from stages.measures.concentration import concentration
from stages.measures.contrast_shift import contrast_shift
from stages.measures.removal_gain import ORDERS, REMOVED, removal_curves, removal_gain
from stages.measures.tiles_error import (
    coalition_error,
    game_of_tiles,
    play_tiles,
    shapley_values,
    tile_sums,
    tiles_error,
)
from stages.networks.checkpoint import load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import with_output
from stages.params.quality import Quality as QualityParams

PLOTS = Path("plots")
EXACT = "exact"
BAND = 2  # standard errors on either side of a curve


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    quality: QualityParams


def main(params: Params) -> None:
    """Read, measure the run's method and the others, write."""
    device = choose_device(params.device)
    configure_process_for(device)
    explanation = Explanation.load()
    network = load_checkpoint(device).network.requires_grad_(False)
    subject = subject_of(explanation, network, device)
    game = game_of_tiles(subject)
    values = play_tiles(game)
    own = maps_of_run(explanation, subject, game)
    report_missing(own)
    maps = {explanation.about["method"]: own}
    for name in params.quality.methods:
        if name not in maps:
            maps[name] = maps_of(name, subject, game, values)
    curves = {name: removal_curves(subject, its.predicted) for name, its in maps.items()}
    table = measure(subject, maps, curves, values)
    quality = Quality(table.assign(index=explanation.indices[table["index"]]))
    quality.save()
    methods = quality.by_method
    methods["seconds"] = methods["method"].map(seconds_by_method(subject, maps))
    write_csv(PLOTS / "methods.csv", methods)
    write_csv(PLOTS / "removal.csv", removal_table(curves))
    write_csv(PLOTS / "tiles.csv", tile_table(maps, values, explanation.indices))


def subject_of(explanation: Explanation, network: nn.Module, device: torch.device) -> Subject:
    """What was explained, and how the network's outputs are to be read."""
    predicted, runner_up = two_most_probable(explanation.probabilities)
    images, background = (
        torch.from_numpy(part).to(device).float()
        for part in (explanation.images, explanation.background)
    )
    return Subject(
        network=network,
        explained=with_output(network, explanation.about["output"]),
        images=images,
        background=background,
        predicted=predicted,
        runner_up=runner_up,
        seed=explanation.about["parameters"]["explain"]["seed"],
    )


def maps_of(name: str, subject: Subject, game: Subject, values: NDArray[np.float64]) -> Maps:
    """Those of a baseline or of a method."""
    if name not in BASELINES:
        return maps_of_method(name, subject, game)
    images = subject.images.byte().cpu().numpy()
    return maps_of_baseline(BASELINES[name](images), values[:, -1] - values[:, 0])


def report_missing(own: Maps) -> None:
    """Print how many images lack a map that a measure needs."""
    for maps, needed, measures in (
        (own.predicted, "predicted class", "removal_gain, background_error and concentration"),
        (own.contrast, "predicted class or runner-up", "contrast_shift"),
    ):
        if missing := len(maps) - len(measurable(maps)):
            print(
                f"{missing:,} of {len(maps):,} explained images have no map of their {needed}, so "
                f"{measures} leave them out; explain.outputs: {{top: 2}} gives both"
            )


def seconds_by_method(subject: Subject, maps: Mapping[str, Maps]) -> dict[str, float]:
    """Seconds an image, where methods are compared: a clock's time is never the same twice."""
    names = [name for name in maps if name not in BASELINES]
    return {name: seconds_an_image(name, subject) for name in names} if len(names) > 1 else {}


def measure(
    subject: Subject,
    maps: Mapping[str, Maps],
    curves: Mapping[str, NDArray[np.float64]],
    values: NDArray[np.float64],
) -> pd.DataFrame:
    """All measures of all methods.

    Returns:
        A row for each method and image, as `Quality.measures`, with the image's number among those
        explained as `index`. The method `exact` has the measures of the Shapley values themselves.
    """
    tables = {
        name: {
            "removal_gain": removal_gain(curves[name]),
            "contrast_shift": contrast_shift(subject, its.contrast),
            **tile_measures(tile_sums(its.game), values),
            "concentration": concentration(its.predicted),
        }
        for name, its in maps.items()
    }
    for name, its in maps.items():
        if its.errors is not None:
            tables[name]["background_error"] = background_error(its.errors, its.predicted)
    tables[EXACT] = tile_measures(shapley_values(values), values)
    by_method = {
        name: pd.DataFrame({measure: pd.Series(column) for measure, column in table.items()})
        for name, table in tables.items()
    }
    table = pd.concat(by_method, names=["method", "index"]).reset_index()
    return table.reindex(columns=["method", "index", *MEASURES])


def tile_measures(
    sums: NDArray[np.float64], values: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The measures of attributions (t, 9) in the game of tiles."""
    return {
        "tiles_error": tiles_error(sums, values),
        "coalition_error": coalition_error(sums, values),
    }


def removal_table(curves: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Mean curves, a row for each method, order and step.

    Columns: method, order, removed (share of the pixels), probability (of the predicted class, mean
    over the images), low and high (two standard errors from it; empty with one image).
    """
    rows = []
    for name, of_method in curves.items():
        for order, of_order in zip(ORDERS, np.moveaxis(of_method, 1, 0), strict=True):
            by_step = pd.DataFrame(of_order, columns=REMOVED)
            mean, reach = by_step.mean(), BAND * by_step.sem()
            columns = {"probability": mean, "low": mean - reach, "high": mean + reach}
            table = pd.DataFrame(columns).rename_axis("removed").reset_index()
            rows.append(table.assign(method=name, order=order))
    table = pd.concat(rows).dropna(subset="probability")
    return table[["method", "order", "removed", "probability", "low", "high"]]


def tile_table(
    maps: Mapping[str, Maps], values: NDArray[np.float64], indices: NDArray[np.int64]
) -> pd.DataFrame:
    """Attributions of tiles against their Shapley values, a row for each method, image and tile.

    Columns: method, index (of the image in the test split), tile (0 … 8, row by row), exact,
    attributed (both in the unit of the explained output).
    """
    exact = shapley_values(values)
    n_images, n_tiles = exact.shape
    tables = [
        pd.DataFrame(
            {
                "method": name,
                "index": np.repeat(indices[:n_images], n_tiles),
                "tile": np.tile(np.arange(n_tiles), n_images),
                "exact": exact.ravel(),
                "attributed": tile_sums(its.game).ravel(),
            }
        )
        for name, its in maps.items()
    ]
    return pd.concat(tables)


if __name__ == "__main__":
    run_stage(main, Params)
