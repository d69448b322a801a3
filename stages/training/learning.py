"""Trains a network epoch by epoch, and saves curves and progress after each."""

import time
from pathlib import Path

import pandas as pd

from stages.base.files.tables import write_csv
from stages.base.run.rank import rank
from stages.base.run.stage import require_true_record
from stages.training.fitting import COLUMNS, DeviceSplit, Training, fit
from stages.training.progress import resume, save_progress

CURVES = Path("plots/training.csv")


def learn(
    training: Training, train: DeviceSplit, validation: DeviceSplit, progress_folder: Path
) -> None:
    """Train the network, and write the curves; resume an interrupted run if there is one.

    Args:
        training: The training to start, or to resume; changed in place.
        train: Images to learn from.
        validation: Images to choose the best epoch by.
        progress_folder: The folder of this stage's saved work.

    Raises:
        UserError: As `fit` does, or code or parameters were edited during an epoch.
    """
    file = progress_folder / "epoch.pt"
    resume(training, file)
    _write_curves(training.history())
    start, n_resumed = time.perf_counter(), len(training.rows)
    for _ in fit(training, train, validation):
        require_true_record()
        _write_curves(training.history())
        save_progress(training, file)
    n_epochs, seconds = len(training.rows) - n_resumed, time.perf_counter() - start
    print(f"trained {n_epochs} epoch{'s' * (n_epochs != 1)} in {seconds:.1f} s")


def write_empty_curves() -> None:
    """Write the curves of a network that is used without training."""
    _write_curves(pd.DataFrame(columns=COLUMNS))


def _write_curves(history: pd.DataFrame) -> None:
    if rank() == 0:
        write_csv(CURVES, history)
