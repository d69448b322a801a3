"""Turn the raw files into training, validation and test arrays: `python -m stages.preprocess`."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from stages.params.data import DataName
from stages.params.preprocess import SMALLEST_SIDE, Preprocess
from stages.pipeline.dataset import Images, Pictures, load_dataset
from stages.pipeline.errors import UserError
from stages.pipeline.files import new_folder
from stages.pipeline.params import Seed, StageParams
from stages.pipeline.splits import Facts, Split, SplitName, save_facts, save_split
from stages.pipeline.stage import run_stage
from stages.pipeline.strata import stratified_picks

MODES = {"grey": "L", "rgb": "RGB"}  # of Pillow

Labels = NDArray[np.int64]
Positions = NDArray[np.int64]
Shape = tuple[int, int, int]


class Params(StageParams):
    """What this stage reads."""

    seed: Seed
    data: DataName
    preprocess: Preprocess


def main(params: Params) -> None:
    """Read, split, bring to one form, measure, write."""
    dataset, options = params.data.dataset, params.preprocess
    images = load_dataset(dataset).read(Path("data/raw"))
    require_sound(images)
    divided = divide(images, options, params.seed)
    shape = first_shape(*divided["train"], options)
    splits = {name: to_arrays(*part, options, shape) for name, part in divided.items()}
    with new_folder(Path("data/prepared")) as folder:
        save_facts(folder, describe(dataset, splits["train"], images.class_names))
        for name, split in splits.items():
            save_split(folder, name, split)
            print(f"{name}: {len(split.labels):,} images")


def require_sound(images: Images) -> None:
    """Refuse what no classifier can be trained on, whichever data set it comes from.

    Raises:
        UserError: There are fewer than two classes, two of one name, a label that names no
            class, or a class without a training image.
    """
    n_classes = len(images.class_names)
    if n_classes < 2:
        raise UserError(f"data: {n_classes} class, expected at least 2; add images of another")
    twice = [name for name, count in Counter(images.class_names).items() if count > 1]
    if twice:
        raise UserError(f"data: class names must differ (got {twice[0]!r} twice); rename one")
    for name, pictures in (("train", images.train), ("test", images.test or images.train)):
        labels = pictures.labels
        if len(labels) != len(pictures.images):
            raise UserError(f"data: {len(pictures.images)} {name} images, {len(labels)} labels")
        outside = labels[(labels < 0) | (labels >= n_classes)]
        if len(outside):
            raise UserError(
                f"data: {len(outside)} {name} labels, such as {outside[0]}, name none of the "
                f"{n_classes} classes 0 … {n_classes - 1}; mend the labels"
            )
    missing = np.setdiff1d(np.arange(n_classes), images.train.labels)
    if len(missing):
        names = ", ".join(images.class_names[label] for label in missing[:10])
        more = f" and {len(missing) - 10:,} more" if len(missing) > 10 else ""
        raise UserError(f"data: no training image of {names}{more}; add some or remove the class")


def divide(
    images: Images, options: Preprocess, seed: int
) -> dict[SplitName, tuple[Pictures, Positions]]:
    """Say which images make up each split: where they are, and their positions, ascending."""
    train, test = images.train, images.test
    positions = np.arange(len(train.labels))
    if test is None:
        test = train
        positions, of_test = stratified(
            train.labels, positions, "preprocess.test_fraction", seed, options.test_fraction
        )
    else:
        of_test = np.arange(len(test.labels))
    if options.limit is not None:
        positions = limited(train.labels, positions, options.limit, seed)
        of_test = limited(test.labels, of_test, options.limit, seed)
    of_train, of_validation = stratified(
        train.labels, positions, "preprocess.validation_fraction", seed, options.validation_fraction
    )
    return {
        "train": (train, of_train),
        "validation": (train, of_validation),
        "test": (test, of_test),
    }


def limited(labels: Labels, positions: Positions, limit: int, seed: int) -> Positions:
    """Draw `limit` positions, the classes as frequent as in all; all if there are fewer."""
    if limit >= len(positions):
        return positions
    return positions[stratified_picks(labels[positions], limit, seed)]


def stratified(
    labels: Labels, positions: Positions, parameter: str, seed: int, held_out: float
) -> tuple[Positions, Positions]:
    """Divide positions into (kept, held out), each ascending, the classes as frequent in both.

    Args:
        labels: Of all images (n,).
        positions: Some of them.
        parameter: What has asked for it, for the message.
        seed: Which ones.
        held_out: Share of the positions.

    Raises:
        UserError: A part would be without one of the classes.
    """
    among = labels[positions]
    try:
        kept, other = train_test_split(
            positions, stratify=among, random_state=seed, test_size=held_out
        )
    except ValueError as error:
        raise UserError(
            f"{parameter}: cannot divide {len(among):,} images of {len(np.unique(among))} "
            f"classes so that each part holds every class ({error}); choose a larger part"
        ) from None
    return np.sort(kept), np.sort(other)


def reformed(image: NDArray[np.uint8], options: Preprocess) -> NDArray[np.uint8]:
    """Bring an image (channels, height, width) to the size and colours that are asked for.

    Sizes are changed bilinearly, smoothed when made smaller; other proportions stretch the image.
    """
    picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    if options.color is not None:
        picture = picture.convert(MODES[options.color])
    if options.image_size is not None:
        height, width = options.image_size
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def first_shape(pictures: Pictures, positions: Positions, options: Preprocess) -> Shape:
    """Channels, height and width that every image shall have.

    Raises:
        UserError: It is too small for anything to be seen on it.
    """
    channels, height, width = reformed(pictures.images[int(positions[0])], options).shape
    if min(height, width) < SMALLEST_SIDE:
        raise UserError(
            f"data: images of {height}×{width} pixels, expected at least {SMALLEST_SIDE}×"
            f"{SMALLEST_SIDE}; set preprocess.image_size to enlarge them"
        )
    return channels, height, width


def to_arrays(pictures: Pictures, positions: Positions, options: Preprocess, shape: Shape) -> Split:
    """Decode the chosen images and bring them to one form.

    Raises:
        UserError: They differ, and no parameter says what to bring them to.
    """
    labels = pictures.labels[positions]
    if isinstance(pictures.images, np.ndarray) and pictures.images.shape[1:] == shape:
        return Split(pictures.images[positions], labels)
    images = np.empty((len(positions), *shape), np.uint8)
    for row, position in enumerate(
        tqdm(positions, desc="images", delay=1, leave=False, disable=None)
    ):
        image = reformed(pictures.images[int(position)], options)
        if image.shape != shape:
            expected, got = ("×".join(map(str, size)) for size in (shape, image.shape))
            raise UserError(
                f"data: images differ in channels × height × width: one is {got}, the first is "
                f"{expected}; set preprocess.image_size and preprocess.color to bring all to one"
            )
        images[row] = image
    return Split(images, labels)


def describe(dataset: str, train: Split, class_names: tuple[str, ...]) -> Facts:
    """Say what later stages need to know, with the pixel statistics of the training split.

    A channel that never changes gets a standard deviation of 1, so that it can be divided by.
    """
    _, channels, height, width = train.images.shape
    mean = train.images.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    std = train.images.std(axis=(0, 2, 3), dtype=np.float64) / 255
    return Facts(
        dataset=dataset,
        class_names=class_names,
        channels=channels,
        image_size=(height, width),
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1).tolist()),
    )


if __name__ == "__main__":
    run_stage(main, Params)
