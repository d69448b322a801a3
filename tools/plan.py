"""Estimate what `dvc repro` would cost, without running it: `python -m tools.plan`.

A piece of each stage's work is measured with an untrained network of the same size; its results
are thrown away.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stages.artifacts.splits import DatasetInfo, Split, load_info, load_split
from stages.base.errors.user import UserError
from stages.base.params.reading import load_params
from stages.base.run.bars import duration, peak_memory
from stages.explainers.base.contract import build_explainer
from stages.explainers.base.slices import SLICE_IMAGES
from stages.measures.explanations.base.plan import Work, choose_plan
from stages.networks.build import build_network
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict, with_output
from stages.params.explain import Explain
from stages.params.whole import AllParams
from stages.shortcut_search.rule import Grid
from stages.shortcut_search.search import most_passes
from stages.training.fitting import Training, shuffled_batches, to_device, train_epoch
from tools.command import run_command

MEASURED_STEPS = 4
MEASURED_IMAGES = 64


class Cost(NamedTuple):
    """What a stage costs.

    Attributes:
        stage: Name of the stage.
        work: What it has to do.
        seconds: Estimated time.
        n_bytes: What it writes.
    """

    stage: str
    work: str
    seconds: float
    n_bytes: int


class Setup(NamedTuple):
    """Parameters, prepared images, and an untrained network on its device."""

    params: AllParams
    info: DatasetInfo
    train: Split
    test: Split
    network: nn.Sequential
    device: torch.device

    def test_images(self, n_images: int) -> Tensor:
        """The first test images (n, c, h, w), on the device."""
        return torch.from_numpy(self.test.images[:n_images]).to(self.device).float()

    @property
    def work(self) -> Work:
        """What is explained, and what is measured."""
        explain = self.params.explain
        return Work(
            n_images=n_explained(explain, self.info, len(self.test.labels)),
            n_maps=n_classes_explained(explain, self.info),
            n_background=explain.n_background,
            n_methods=len({explain.method, *self.params.quality.methods}),
        )


def main(_: Sequence[str]) -> None:
    """Measure, and print a table."""
    setup = load_setup()
    stages = (
        *(cost_of_training, cost_of_evaluation, cost_of_explaining, cost_of_quality),
        cost_of_shortcuts,
    )
    costs = [cost(setup) for cost in tqdm(stages, "measure", leave=False, disable=None)]
    seconds, n_bytes = sum(cost.seconds for cost in costs), sum(cost.n_bytes for cost in costs)
    for cost in (*costs, Cost("together", "", seconds, n_bytes)):
        time_and_size = f"{duration(cost.seconds):>8}{size(cost.n_bytes):>10}"
        print(f"{cost.stage:<10}{cost.work:<64}{time_and_size}")
    print(f"memory: at least {size(peak_memory())}. Stages that are up to date cost nothing.")


def load_setup() -> Setup:
    """Read the parameters and the prepared images, and build the network.

    Raises:
        UserError: A parameter is wrong, or the images are not prepared yet.
    """
    params = load_params(AllParams)
    try:
        info, train, test = load_info(), load_split("train"), load_split("test")
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename}: no such file; run dvc repro preprocess first, which prepares the "
            "images"
        ) from None
    device = choose_device(params.device)
    configure_process_for(device)
    network = build_network(params.model.architecture, info, params.model.options)
    return Setup(params, info, train, test, network.to(device), device)


def cost_of_training(setup: Setup) -> Cost:
    """The cost of `train`, from a few steps."""
    options, network = setup.params.train, setup.network
    n_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    if options.epochs == 0:
        return Cost("train", "nothing, as train.epochs is 0", 0, n_bytes)
    training = Training(network, options, len(setup.train.labels), seed=0)
    few = slice(options.batch_size * MEASURED_STEPS)
    images = to_device(Split(setup.train.images[few], setup.train.labels[few]), setup.device)

    def take(n_steps: int) -> None:
        batches = shuffled_batches(images, options.batch_size, options.augment, training.generator)
        some = itertools.islice(batches, n_steps)
        train_epoch(network, some, training)

    take(1)
    n_measured = min(MEASURED_STEPS, training.steps_an_epoch)
    seconds = seconds_for(lambda: take(n_measured)) / n_measured
    n_steps = options.epochs * training.steps_an_epoch
    work = f"{n_steps:,} steps of {options.batch_size} images, in {options.epochs} epochs"
    return Cost("train", work, seconds * n_steps, n_bytes)


def cost_of_evaluation(setup: Setup) -> Cost:
    """The cost of `evaluate`, from one batch."""
    n_images, n_classes = len(setup.test.labels), len(setup.info.class_names)
    seconds = seconds_to_predict(setup) * n_images
    return Cost("evaluate", f"{n_images:,} images", seconds, 8 * n_images * n_classes)


def cost_of_explaining(setup: Setup) -> Cost:
    """The cost of `explain`, from one slice of images."""
    options, work = setup.params.explain, setup.work
    drawn = setup.train.images[: options.n_background]
    background = torch.from_numpy(drawn).to(setup.device).float()
    network = with_output(setup.network.eval().requires_grad_(False), options.output)
    images = setup.test_images(SLICE_IMAGES)
    classes = torch.arange(work.n_maps).expand(len(images), -1)
    start = time.perf_counter()
    attribute = build_explainer(options.method, network, background, options.seed)
    attribute(images[:1], classes[:1])
    preparation = time.perf_counter() - start
    seconds = seconds_for(lambda: attribute(images, classes)) / len(images)
    text = f"{work.n_images:,} images × {work.n_maps} maps, {len(drawn)} background images"
    n_floats = images[0].numel() + images[0, 0].numel()  # of a map, and of its errors
    n_bytes = 4 * work.n_images * work.n_maps * n_floats
    return Cost("explain", text, preparation + seconds * work.n_images, n_bytes)


def cost_of_quality(setup: Setup) -> Cost:
    """The cost of `quality`, from one batch; without other methods that it may have to run."""
    n_images = setup.params.quality.n_images
    plan = choose_plan(n_images, setup.work, setup.network, setup.test_images(1))
    text = plan.describe(setup.work.n_images)
    return Cost("quality", text, seconds_to_predict(setup) * plan.passes, 0)


def cost_of_shortcuts(setup: Setup) -> Cost:
    """The cost of `shortcuts`: to explain one map of each image, then to paste."""
    wanted = setup.params.shortcuts
    split = setup.test if wanted.split == "test" else setup.train
    n_images = min(wanted.n_images, len(split.labels))
    if n_images == 0 or setup.info.multiple:
        return Cost("shortcuts", "nothing is searched", 0, 0)
    one_map = setup.params.explain.model_copy(
        update={"images": "first", "n_images": n_images, "outputs": "predicted"}
    )
    params = setup.params.model_copy(update={"explain": one_map})
    explaining = cost_of_explaining(setup._replace(params=params))
    passes = most_passes(len(setup.info.class_names))
    seconds = explaining.seconds + seconds_to_predict(setup) * passes
    grid = Grid.of(setup.info.image_size)
    text = f"{n_images:,} images × 1 map, at most {passes:,} passes of the network"
    return Cost("shortcuts", text, seconds, 4 * n_images * math.prod(grid.shape))


def n_explained(options: Explain, info: DatasetInfo, n_test: int) -> int:
    """How many images `explain.images` chooses, at most."""
    items = [options.images] if isinstance(options.images, str) else options.images
    some = min(options.n_images, n_test)
    counts: dict[str | int, int] = dict.fromkeys(("first", "random", "mistakes"), some)
    counts |= {"all": n_test, "per_class": len(info.class_names)}
    return sum(counts.get(item, 1) for item in items)


def n_classes_explained(options: Explain, info: DatasetInfo) -> int:
    """How many maps of each image `explain.outputs` asks for."""
    wanted = options.outputs
    if isinstance(wanted, Mapping):
        return wanted["top"]
    if isinstance(wanted, str):
        return 1 if wanted == "predicted" else len(info.class_names)
    return len(wanted)


def seconds_to_predict(setup: Setup) -> float:
    """Time that an image takes to pass the network."""
    network, images = setup.network.eval(), setup.test_images(MEASURED_IMAGES)
    predict(network, images)  # the first run prepares more
    return seconds_for(lambda: predict(network, images)) / len(images)


def seconds_for(run: Callable[[], object]) -> float:
    """Time that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def size(n_bytes: int) -> str:
    """A number of bytes in GB, MB or kB."""
    for unit_bytes, unit in ((1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit_bytes:
            return f"{n_bytes / unit_bytes:.1f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


if __name__ == "__main__":
    run_command(main)
