"""Measure the explanations and compare them with baselines: `python -m stages.quality`."""

from pathlib import Path

import numpy as np

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Measurements
from stages.base.files.tables import write_csv
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.progress import progress_folder
from stages.base.run.stage import run_stage
from stages.measures.attributions.additivity import additivity_l1_log10
from stages.measures.explanations.base.all_measures import describe, load_measures, measure_all
from stages.measures.explanations.base.methods import (
    EXACT,
    exact_values,
    methods_to_measure,
    seconds_by_method,
)
from stages.measures.explanations.base.plan import plan_for
from stages.measures.explanations.base.subject import subject_of
from stages.measures.explanations.base.tables import removal_table, tile_table
from stages.networks.checkpoint import load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.params.quality import Quality

PLOTS = Path("plots")

NEEDS_LESS = (
    "fewer images or fewer outputs of each (explain.n_images, explain.outputs), or fewer "
    "methods to compare with (quality.methods)"
)


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    quality: Quality


def main(params: Params) -> None:
    """Read, measure the run's method and the others, write."""
    measures = load_measures()
    device = choose_device(params.device)
    configure_process_for(device)
    explanation = Explanation.load()
    network = load_checkpoint(device).network.requires_grad_(False)
    others = params.quality.methods
    plan = plan_for(explanation, network, device, params.quality.n_images, others)
    print(f"quality: {plan.describe(len(explanation.images))}")
    saved = progress_folder("quality", params)
    if any(saved.iterdir()):
        print("quality: resuming an interrupted run")
    subject = subject_of(explanation, network, device, plan, saved)
    methods = methods_to_measure(explanation, subject, others)
    exact = {} if plan.sampled else {EXACT: exact_values(methods[explanation.about["method"]])}
    table = measure_all(measures, {**methods, **exact})
    images = table["index"].to_numpy()
    table["index"] = explanation.indices[images]
    table.insert(2, "name", explanation.names[images])
    additivity = np.nan if explanation.nothing_to_explain else additivity_l1_log10(explanation)
    measurements = Measurements(
        table, describe(measures), additivity if np.isfinite(additivity) else None, plan._asdict()
    )
    measurements.save()
    means = measurements.by_method
    means["seconds"] = means["method"].map(seconds_by_method(methods))
    write_csv(PLOTS / "methods.csv", means)
    write_csv(PLOTS / "removal.csv", removal_table(methods))
    write_csv(PLOTS / "tiles.csv", tile_table(methods, explanation))


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
