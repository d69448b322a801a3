"""Turn raw files into training, validation and test arrays: `python -m stages.preprocess`."""

import sys

import numpy as np

from stages.artifacts.splits import DatasetInfo, Split, is_multiple, save_splits
from stages.base.params.sections import Seed, StageParams
from stages.base.run.stage import run_stage
from stages.datasets.base.raw import RawInfo, read_dataset
from stages.params.preprocess import Preprocess
from stages.preparation.arrays import require_memory, shape_of_first, to_arrays
from stages.preparation.duplicates import leak_warning, require_different
from stages.preparation.pixels import chosen_range
from stages.preparation.soundness import require_sound
from stages.preparation.splitting import split_dataset

NEEDS_LESS = "fewer or smaller images (preprocess.limit, preprocess.image_size)"


class Params(StageParams):
    """The parameters that this stage reads."""

    seed: Seed
    preprocess: Preprocess


def main(params: Params) -> None:
    """Read, check, split and convert the images; write them with their statistics."""
    raw, dataset = read_dataset()
    require_sound(dataset, is_multiple(raw.parameters))
    selections = split_dataset(dataset, params.preprocess, params.seed)
    train = selections["train"]
    pixel_range = chosen_range(train.ranges, train.windows, params.preprocess.pixel_range)
    shape = shape_of_first(train, params.preprocess, pixel_range)
    require_memory(selections, shape)
    splits = {
        name: to_arrays(selection, params.preprocess, shape, pixel_range)
        for name, selection in selections.items()
    }
    require_different(splits["train"].images)
    names = {name: selection.names for name, selection in selections.items()}
    if warning := leak_warning(splits, names):
        print(warning, file=sys.stderr)
    info = describe(raw, splits["train"], dataset.class_names, params, pixel_range)
    save_splits(info, splits, names)
    for name, split in splits.items():
        print(f"{name}: {len(split.labels):,} images")


def describe(
    raw: RawInfo,
    train: Split,
    class_names: tuple[str, ...],
    params: Params,
    pixel_range: tuple[float, float] | None = None,
) -> DatasetInfo:
    """The description of the data set, with the pixel statistics of the training split.

    The standard deviation of a constant channel is set to 1, since later stages divide by it.
    """
    _, channels, height, width = train.images.shape
    mean = train.images.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    std = train.images.std(axis=(0, 2, 3), dtype=np.float64) / 255
    return DatasetInfo(
        name=raw.name,
        class_names=class_names,
        channels=channels,
        image_size=(height, width),
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1).tolist()),
        parameters={**raw.parameters, **params.model_dump()},
        pixel_range=pixel_range,
    )


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
