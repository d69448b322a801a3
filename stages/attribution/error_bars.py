"""Error bars: how much each attribution would change with other background images."""

from collections.abc import Iterable, Iterator

import numpy as np

from stages.artifacts.explanation import AttributionSlice, ExplainedImages
from stages.explainers.base.contract import Attributions
from stages.sampling.background import standard_error


def with_errors(
    slices: Iterable[Attributions], explained: ExplainedImages
) -> Iterator[AttributionSlice]:
    """Add error bars to the attributions of methods that have background groups.

    Args:
        slices: Attributions of the images, in order.
        explained: The explained images.
    """
    n_background, n_train = len(explained.background), explained.about["n_train"]
    measured_maps = explained.map_indices(explained.measured)
    done = 0
    for values, groups in slices:
        if groups is None:
            yield AttributionSlice(values)
        else:
            map_index = measured_maps[done : done + len(values), None, None, None, None]
            means = np.take_along_axis(groups, map_index.clip(min=0), axis=4)
            yield AttributionSlice(
                values,
                standard_error(groups, n_background, n_train),
                np.where(map_index < 0, np.nan, means)[..., 0],
            )
        done += len(values)
