"""Turn raw files into training, validation and test arrays: `python -m stages.preprocess`."""

import math

import numpy as np

from stages.artifacts.splits import DatasetInfo, Split, save_splits
from stages.base.errors.memory import require_free_memory
from stages.base.params.sections import Seed, StageParams
from stages.base.run.stage import run_stage
from stages.datasets.base.raw import RawInfo, read_dataset
from stages.params.preprocess import Preprocess
from stages.preparation.arrays import shape_of_first, to_arrays
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
    require_sound(dataset)
    selections = split_dataset(dataset, params.preprocess, params.seed)
    shape = shape_of_first(selections["train"], params.preprocess)
    n_images = {name: len(selection.indices) for name, selection in selections.items()}
    # One byte per pixel, and eight more per training pixel to compute the standard deviation.
    n_bytes = math.prod(shape) * (sum(n_images.values()) + 8 * n_images["train"])
    require_free_memory(
        n_bytes, f"{sum(n_images.values()):,} images of {shape[1]}×{shape[2]} pixels"
    )
    splits = {
        name: to_arrays(selection, params.preprocess, shape)
        for name, selection in selections.items()
    }
    info = describe(raw, splits["train"], dataset.class_names, params)
    save_splits(info, splits, {name: selection.names for name, selection in selections.items()})
    for name, split in splits.items():
        print(f"{name}: {len(split.labels):,} images")


def describe(
    raw: RawInfo, train: Split, class_names: tuple[str, ...], params: Params
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
    )


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
