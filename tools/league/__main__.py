"""Compare all methods on the last run's network: `python -m tools.league [--image N]`.

Every method in `stages/explainers/` that can explain the network takes part, between random numbers
and exact values. Prints two tables, what the methods find of answers that are known and measures
of their maps, and writes them with the maps of some images to `plots/league/index.html`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_folder
from stages.base.params.reading import load_params
from stages.base.params.sections import StageParams
from stages.drawing.grain import chosen_grain
from stages.measures.explanations.base.all_measures import load_measures
from stages.measures.explanations.base.plan import Plan, Work, choose_plan
from stages.measures.explanations.base.subject import Subject, subject_of
from stages.networks.checkpoint import Checkpoint
from stages.params.report import Report
from tools.command import run_command
from tools.explain import load_last_run
from tools.league.entrants import Field, field_for
from tools.league.galleries import Chosen, galleries_of
from tools.league.known_answers import known_answers
from tools.league.page import League, write_page
from tools.league.standings import first_images, standings_of
from tools.league.tables import answer_rows, markdown, measure_rows

FOLDER = Path("plots/league")
N_IMAGES = 10  # the first explained images, which are measured


class Params(StageParams):
    """The section of `params.yaml` that is used."""

    report: Report


def main(arguments: Sequence[str]) -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tools.league", description=__doc__)
    parser.add_argument("--image", default="0", metavar="N", help="whose maps the page shows")
    chosen = parser.parse_args(arguments).image
    params = load_params(Params)
    checkpoint, explanation = load_last_run()
    index = _image_number(chosen, len(explanation.images))
    which = Chosen(index, chosen_grain(params.report.grain, explanation.images.shape))
    if explanation.nothing_to_explain:
        raise UserError(
            "league: the network's outputs are the same for all images, so there is nothing to "
            "explain; train another network, then run dvc repro"
        )
    some = first_images(explanation, N_IMAGES)
    subject, field = _start(some, checkpoint)
    cases = known_answers()
    standings = standings_of(some, subject, field.entrants, cases)
    about = explanation.about
    league = League(
        title=f"League of methods: {about['dataset']}, {about['network']}",
        plan=f"{subject.plan.n_images} images{', by sampling' * subject.plan.sampled}",
        cases=cases,
        standings=standings,
        left_out=field.left_out,
        galleries=galleries_of(explanation, subject, which, standings, cases),
        colormap=params.report.colormap,
        descriptions={name: measure.DESCRIPTION for name, measure in load_measures().items()},
    )
    with new_folder(FOLDER) as written:
        write_page(written / "index.html", league)
    print(f"{league.title}\n\n{markdown(answer_rows(standings))}\n")
    print(f"{markdown(measure_rows(standings))}\n")
    for name, reason in field.left_out.items():
        print(f"left out: {name}: {reason}")
    print((FOLDER / "index.html").resolve().as_uri())


def _image_number(text: str, n_images: int) -> int:
    """The position of the image among the explained ones.

    Raises:
        UserError: It is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) < n_images):
        raise UserError(
            f"--image: must be the position of an explained image, 0 to {n_images - 1} (got "
            f"{text}): make league IMAGE=0"
        )
    return int(text)


def _start(explanation: Explanation, checkpoint: Checkpoint) -> tuple[Subject, Field]:
    """The network and images to measure, and the methods."""
    network = checkpoint.network.requires_grad_(False)
    device = next(iter(network.buffers())).device
    own = explanation.about["method"]
    tried = subject_of(explanation, network, device, Plan(0, False, 0))
    field = field_for(tried, own)
    if own not in [entrant.name for entrant in field.entrants]:
        raise UserError(f"league: the run's own method fails: {field.left_out[own]}")
    n_images, *_, n_maps = explanation.values.shape
    work = Work(n_images, n_maps, len(explanation.background), len(field.entrants))
    image = torch.from_numpy(np.array(explanation.images[:1])).to(device).float()
    plan = choose_plan("auto", work, network, image)
    return subject_of(explanation, network, device, plan), field


if __name__ == "__main__":
    run_command(main, interrupted="nothing was written")
