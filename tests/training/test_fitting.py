"""The training loop, compared with a literal one."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from stages.artifacts.splits import Split
from stages.base.errors.user import UserError
from stages.networks.build import build_network
from stages.params.train import Train
from stages.training.fitting import (
    DeviceSplit,
    Training,
    fit,
    require_usable_last_batch,
    score,
    to_device,
)
from tests.factory import dataset_info

from .options import options

INFO = dataset_info(mean=0.1307, std=0.3081)


@pytest.fixture
def images() -> DeviceSplit:
    """Images of two classes: the upper half is brighter in one of them."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 100, (200, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.arange(200) % 2
    pixels[labels == 1, :, :14] += 120
    return DeviceSplit(pixels, labels)


def trained(
    network: nn.Module, train: DeviceSplit, validation: DeviceSplit, options: Train, seed: int = 0
) -> pd.DataFrame:
    """Train a network and return the history."""
    training = Training(network, options, len(train.labels), seed)
    assert len(list(fit(training, train, validation))) == options.epochs
    return training.history()


def literal_training(network: nn.Module, images: DeviceSplit, options: Train, seed: int) -> None:
    """The usual loop, in its simplest form, without dropout and progress bars."""
    optimizer = torch.optim.SGD(network.parameters(), options.learning_rate, options.momentum)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(options.epochs):
        order = torch.randperm(len(images.labels), generator=generator)
        for start in range(0, len(order), options.batch_size):
            batch = order[start : start + options.batch_size]
            optimizer.zero_grad()
            cross_entropy(network(images.images[batch]), images.labels[batch]).backward()
            optimizer.step()


def without_dropout(name: str) -> nn.Module:
    network = build_network(name, INFO, {})
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def test_fit_equals_the_usual_training_loop(images: DeviceSplit) -> None:
    torch.manual_seed(3)
    fitted = without_dropout("convnet")
    literal = without_dropout("convnet")
    literal.load_state_dict(fitted.state_dict())
    history = trained(fitted, images, images, options(), seed=3)
    literal_training(literal.train(), images, options(), seed=3)
    for ours, theirs in zip(fitted.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    assert history["epoch"].tolist() == [1, 2]
    assert history["learning_rate"].tolist() == [0.05, 0.05]
    with torch.no_grad():
        logits = fitted.eval()(images.images)
    loss = cross_entropy(logits, images.labels).item()
    assert history["validation_loss"].iloc[-1] == pytest.approx(loss)


def test_weights_of_the_best_epoch_are_kept(images: DeviceSplit) -> None:
    upside_down = DeviceSplit(images.images, 1 - images.labels)
    torch.manual_seed(0)
    network = build_network("lenet", INFO, {})
    slow = options(epochs=6, learning_rate=0.01, keep="best")  # learns for any draws of dropout
    history = trained(network, images, upside_down, slow)
    best = history["validation_loss"].min()
    assert best < history["validation_loss"].iloc[-1]
    assert score(network, upside_down).loss == pytest.approx(best)


@pytest.mark.unhurried
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_optimiser_learns_in_every_precision(
    images: DeviceSplit, optimizer: str, precision: str
) -> None:
    torch.manual_seed(0)
    rate = 0.01 if optimizer == "sgd" else 2e-3
    changed = options(
        optimizer=optimizer,
        precision=precision,
        learning_rate=rate,
        epochs=8,
        schedule="one_cycle",
    )
    history = trained(build_network("lenet", INFO, {}), images, images, changed)
    assert history["validation_accuracy"].iloc[-1] > 0.95


def test_the_history_grows_with_each_epoch(images: DeviceSplit) -> None:
    torch.manual_seed(0)
    training = Training(build_network("lenet", INFO, {}), options(epochs=3), len(images.labels), 0)
    histories = [training.history() for _ in fit(training, images, images)]
    assert [history["epoch"].tolist() for history in histories] == [[1], [1, 2], [1, 2, 3]]
    for earlier, later in itertools.pairwise(histories):
        assert later[:-1].equals(earlier)


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_the_recorded_rates_are_those_of_the_last_steps(images: DeviceSplit, epochs: int) -> None:
    """So one cycle ends near 0 in the history, as in training."""
    chosen = options(epochs=epochs, schedule="one_cycle")
    history = trained(build_network("single_conv", INFO, {}), images, images, chosen)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.05)
    steps = 7 * epochs  # 200 images in batches of 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.05, total_steps=steps, cycle_momentum=False
    )
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert history["learning_rate"].tolist() == pytest.approx(rates[6::7])
    assert history["learning_rate"].iloc[-1] < 1e-3 * 0.05


def test_a_last_batch_of_one_image_is_tried_before_the_first_step(images: DeviceSplit) -> None:
    split = DeviceSplit(images.images[:65], images.labels[:65])
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    before = [weight.clone() for weight in network.parameters()]
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        trained(network, DeviceSplit(split.images.float(), split.labels), images, options())
    for weight, initial in zip(network.parameters(), before, strict=True):
        assert torch.equal(weight, initial), "a step was taken"


def test_trying_the_last_batch_changes_nothing(images: DeviceSplit) -> None:
    """Neither statistics of batch norm, nor what dropout draws next."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    before = {name: entry.clone() for name, entry in network.state_dict().items()}
    state = torch.get_rng_state()
    require_usable_last_batch(Training(network, options(), 65, 0), images.images[:65].float())
    assert torch.equal(torch.get_rng_state(), state)
    for name, entry in network.state_dict().items():
        assert torch.equal(entry, before[name])


def test_a_loss_that_is_not_finite_stops_training(images: DeviceSplit) -> None:
    network = build_network("lenet", INFO, {})
    message = r"no longer finite in epoch 1; lower train\.learning_rate \(got 1e\+30\)"
    with pytest.raises(UserError, match=message):
        trained(network, images, images, options(learning_rate=1e30))


def still_network() -> nn.Module:
    """A network that computes the same in training mode.

    At the learning rate below, its float32 weights do not change.
    """
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 2)).requires_grad_()


def test_the_score_of_an_epoch_is_the_mean_over_its_images(images: DeviceSplit) -> None:
    """Also if the last batch is smaller: of 200 images, it has 8."""
    network = still_network()
    images = DeviceSplit(images.images.float() / 255, images.labels)
    history = trained(network, images, images, options(epochs=1, learning_rate=1e-30))
    with torch.no_grad():
        logits = network(images.images)
    log_probabilities = logits.double().log_softmax(dim=1)
    loss = -log_probabilities[torch.arange(200), images.labels].mean().item()
    accuracy = (logits.argmax(dim=1) == images.labels).double().mean().item()
    assert 0 < accuracy < 1
    assert history.columns.tolist() == [
        *("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
        "learning_rate",
    ]
    (row,) = history.to_numpy()
    assert row.tolist() == pytest.approx([1, loss, accuracy, loss, accuracy, 1e-30], rel=1e-5)


def test_the_last_epoch_is_kept_even_if_an_earlier_one_was_better(images: DeviceSplit) -> None:
    upside_down = DeviceSplit(images.images, 1 - images.labels)
    torch.manual_seed(0)
    network = build_network("lenet", INFO, {})
    slow = options(epochs=6, learning_rate=0.01, keep="last")
    history = trained(network, images, upside_down, slow)
    assert history["validation_loss"].min() < history["validation_loss"].iloc[-1]
    assert score(network, upside_down).loss == pytest.approx(history["validation_loss"].iloc[-1])


def test_a_split_keeps_its_values_on_the_device() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 9), np.uint8)
    images, labels = to_device(Split(pixels, np.arange(4)), torch.device("cpu"))
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert images.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(images, pixels)
    assert labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_network_computes_in_the_given_precision(images: DeviceSplit, precision: str) -> None:
    seen = []
    network = build_network("lenet", INFO, {})
    network[1].register_forward_hook(lambda module, given, output: seen.append(output.dtype))
    trained(network, images, images, options(epochs=1, precision=precision))
    *in_training, in_validation = seen
    assert set(in_training) == {getattr(torch, precision)}
    assert in_validation == torch.float32
