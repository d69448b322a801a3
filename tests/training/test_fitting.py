"""The training loop, held against the usual one."""

import itertools

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from stages.artifacts.splits import DatasetInfo
from stages.core.errors import UserError
from stages.networks.build import build_network
from stages.params.train import Train
from stages.training.fitting import DeviceSplit, Training, fit, score

from .options import options

INFO = DatasetInfo("mnist", tuple("0123456789"), 1, (28, 28), (0.1307,), (0.3081,), {})


@pytest.fixture
def images() -> DeviceSplit:
    """Two classes that differ in which half is bright."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 100, (200, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.arange(200) % 2
    pixels[labels == 1, :, :14] += 120
    return DeviceSplit(pixels, labels)


def trained(
    network: nn.Module, train: DeviceSplit, validation: DeviceSplit, options: Train, seed: int = 0
) -> pd.DataFrame:
    """Train a network; the history."""
    training = Training(network, options, len(train.labels), seed)
    assert len(list(fit(training, train, validation))) == options.epochs
    return training.history()


def literal_training(network: nn.Module, images: DeviceSplit, options: Train, seed: int) -> None:
    """The usual loop, written down once more, without dropout and progress bars."""
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


def test_fit_is_the_usual_loop(images: DeviceSplit) -> None:
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


def test_the_best_epoch_is_kept(images: DeviceSplit) -> None:
    upside_down = DeviceSplit(images.images, 1 - images.labels)
    torch.manual_seed(0)
    network = build_network("lenet", INFO, {})
    history = trained(network, images, upside_down, options(epochs=4, keep="best"))
    best = history["validation_loss"].min()
    assert best < history["validation_loss"].iloc[-1]
    assert score(network, upside_down).loss == pytest.approx(best)


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


def test_each_epoch_shows_the_curves_so_far(images: DeviceSplit) -> None:
    torch.manual_seed(0)
    training = Training(build_network("lenet", INFO, {}), options(epochs=3), len(images.labels), 0)
    histories = [training.history() for _ in fit(training, images, images)]
    assert [history["epoch"].tolist() for history in histories] == [[1], [1, 2], [1, 2, 3]]
    for earlier, later in itertools.pairwise(histories):
        assert later[:-1].equals(earlier)


def test_a_loss_that_is_not_finite_stops_the_run(images: DeviceSplit) -> None:
    network = build_network("lenet", INFO, {})
    message = r"no longer finite in epoch 1; lower train\.learning_rate \(got 1e\+30\)"
    with pytest.raises(UserError, match=message):
        trained(network, images, images, options(learning_rate=1e30))
