"""Measure the network on the test split: `python -m stages.evaluate`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_names, load_split
from stages.base.errors.user import UserError
from stages.base.files.arrays import concatenate_on_disk
from stages.base.files.atomic import new_file
from stages.base.files.formats import write_json
from stages.base.files.tables import write_csv
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.stage import run_stage
from stages.measures.predictions.base.all_measures import measure_all, report_absent
from stages.measures.predictions.base.features import measure_features
from stages.measures.predictions.base.reliability import reliability
from stages.measures.predictions.base.tables import confusion, mistakes
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict_batches, probabilities_of

METRICS, PLOTS = Path("metrics/evaluate.json"), Path("plots")
NEEDS_LESS = "fewer or smaller images (preprocess.limit, preprocess.image_size)"


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName


def main(params: Params) -> None:
    """Predict, measure, write."""
    device = choose_device(params.device)
    configure_process_for(device)
    checkpoint = load_checkpoint(device)
    names = checkpoint.info.class_names
    test = load_split("test")
    batches = predict_probabilities(checkpoint, torch.from_numpy(test.images), device)
    probabilities = concatenate_on_disk(batches)
    metrics = measure_all(probabilities, test.labels)
    predictions = Predictions(probabilities, test.labels, load_names("test"), names, metrics)
    predictions.save()
    measure_features(checkpoint.network, load_split("train").images, test.images, device).save()
    write_csv(PLOTS / "confusion.csv", confusion(predictions))
    write_csv(PLOTS / "reliability.csv", reliability(probabilities, test.labels))
    write_csv(PLOTS / "mistakes.csv", mistakes(predictions))
    with new_file(METRICS) as file:
        write_json(file, metrics)
    report_absent(test.labels, names)
    print(f"test accuracy {metrics['accuracy']:.2%}, log loss {metrics['log_loss']:.4f}")


def predict_probabilities(
    checkpoint: Checkpoint, images: Tensor, device: torch.device
) -> Iterator[NDArray[np.float64]]:
    """Yield class probabilities, a batch (b, k) at a time, of images (n, c, h, w) on any device.

    Raises:
        UserError: An output of the network, which is on `device`, is not finite.
    """
    n_wrong = 0
    for logits in predict_batches(checkpoint.network, images, device):
        n_wrong += int((~logits.isfinite()).any(dim=1).sum())
        yield probabilities_of(logits.cpu().double(), checkpoint.info.multiple).numpy()
    if n_wrong:
        raise UserError(
            f"evaluate: {checkpoint.architecture} gives outputs that are not finite for "
            f"{n_wrong:,} of {len(images):,} test images; check model.weights and the network, or "
            "lower train.learning_rate"
        )


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
