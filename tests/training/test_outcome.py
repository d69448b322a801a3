"""What is said about a training that has few steps, or that failed."""

import math

import pytest
import torch
from torch import nn

from stages.training.fitting import DeviceSplit, Score, Training
from stages.training.outcome import report_few_steps, report_outcome

from .options import options

NAMES = ("cat", "dog", "horse")
SINGLE = torch.tensor([0, 1, 2, 0])
SEVERAL = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]])


class Fixed(nn.Module):
    """The same logits for each image, plus a multiple of the image's only pixel."""

    def __init__(self, logits: list[float], slope: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float32))
        self.slope = slope

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        index = torch.arange(len(self.logits))
        return self.logits - self.slope * (images.flatten(1).float() - index) ** 2


def finished(logits: list[float], slope: float, losses: list[float], **changes: object) -> Training:
    network = nn.Sequential(Fixed(logits, slope))
    training = Training(network, options(epochs=len(losses), **changes), 1000, 0)
    for loss in losses:
        training.record(Score(0.5, 0.5), Score(loss, 0.5), 0.05)
    return training


def images(labels: torch.Tensor) -> DeviceSplit:
    """Images whose only pixel is 0, 1, 2, 0."""
    return DeviceSplit(torch.tensor([0, 1, 2, 0]).view(4, 1, 1, 1), labels)


@pytest.mark.parametrize(
    ("labels", "logits", "loss", "said"),
    [
        (
            SINGLE,
            [0, 9, 0],
            2387.1,
            "predicts dog for all 4 validation images (validation loss 2,387",
        ),
        (SINGLE, [0, 0, 9], 0.5, "predicts horse for all 4"),
        (SEVERAL, [-9, 9, 9], 0.5, "predicts dog, horse for all 4 validation images"),
        (SEVERAL, [-9, -9, -9], 0.5, "predicts no label for all 4 validation images"),
    ],
)
def test_a_network_that_predicts_the_same_for_all_images(
    labels: torch.Tensor,
    logits: list[float],
    loss: float,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_outcome(finished(logits, 0, [0.6, loss]), images(labels), NAMES)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"train: the network {said}" in line
    assert f"validation loss {loss:,.2f}" in line


@pytest.mark.parametrize(
    ("labels", "guess"), [(SINGLE, math.log(3)), (SEVERAL, math.log(2))], ids=["single", "several"]
)
def test_a_loss_above_that_of_a_guess(
    labels: torch.Tensor, guess: float, capsys: pytest.CaptureFixture[str]
) -> None:
    logits = [0.0, 0, 0] if labels.ndim == 1 else [0.5, 0.5, 0.5]
    report_outcome(finished(logits, 1, [0.1, guess - 0.01]), images(labels), NAMES)
    assert capsys.readouterr().out == ""
    report_outcome(finished(logits, 1, [0.1, guess + 0.01]), images(labels), NAMES)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"train: the last epoch's validation loss is {guess + 0.01:.2f}, above")


def test_images_that_are_alike_may_be_predicted_alike(capsys: pytest.CaptureFixture[str]) -> None:
    report_outcome(finished([9, 0, 0], 0, [0.6]), images(torch.zeros(4, dtype=torch.int64)), NAMES)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"batch_size": 8}, "lower train.learning_rate (got 0.05), or start from trained weights"),
        (
            {"batch_size": 128},
            "it took few steps: lower train.batch_size (got 128) or raise train.epochs (got 2)",
        ),
    ],
)
def test_the_advice_depends_on_the_number_of_steps(
    changes: dict[str, int], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report_outcome(finished([0, 9, 0], 0, [0.6, 9], **changes), images(SINGLE), NAMES)
    assert advice in capsys.readouterr().out


@pytest.mark.parametrize(
    ("n_images", "batch_size", "epochs", "said"),
    [
        (86, 128, 6, "86 images in batches of 128 are 1 step an epoch, 6 in all"),
        (86, 16, 16, "86 images in batches of 16 are 6 steps an epoch, 96 in all"),
        (86, 16, 17, ""),
    ],
)
def test_few_steps_are_reported(
    n_images: int, batch_size: int, epochs: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report_few_steps(options(batch_size=batch_size, epochs=epochs), n_images)
    printed = capsys.readouterr().out
    assert said in printed
    assert (printed == "") == (said == "")
    assert ("lower train.batch_size" in printed) == (batch_size == 128), "16 is small already"
