"""Compare all methods on the last run's network: `python -m tools.league [--image N]`.

Every method in `stages/explainers/` that can explain the network takes part, between random numbers
and exact values. Prints two tables, what the methods find of answers that are known and measures
of their maps, and writes them with the maps of some images to `plots/league/index.html`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_folder
from stages.base.params.reading import load_params
from stages.base.params.sections import StageParams
from stages.drawing.grain import chosen_grain
from stages.measures.explanations.base.all_measures import describe, load_measures
from stages.measures.explanations.base.plan import Plan, plan_for
from stages.measures.explanations.base.subject import Subject, subject_of
from stages.networks.checkpoint import Checkpoint
from stages.params.report import Report
from tools.command import run_command
from tools.explain import load_last_run
from tools.league.entrants import Field, field_for
from tools.league.galleries import Chosen, galleries_of
from tools.league.known_answers import known_answers
from tools.league.page import League, write_page
from tools.league.standings import MEASURES, standings_of
from tools.league.tables import again_sentence, answer_rows, images_of, measure_rows
from tools.markdown import table

FOLDER = Path("plots/league")
N_IMAGES = 10  # the first explained images, which are measured


class Params(StageParams):
    """The section of `params.yaml` that is used."""

    report: Report


def main(arguments: Sequence[str]) -> None:
    """Compare, write, print."""
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
    league = compare(explanation, checkpoint, which, params.report.colormap)
    with new_folder(FOLDER) as written:
        write_page(written / "index.html", league)
    print(f"{league.title} ({league.images})\n")
    for rows in (answer_rows(league.standings), measure_rows(league.standings, league.measures)):
        print(f"{table(rows, aligned=len(rows[0]))}\n")
    print(league.again)
    for name, reason in league.left_out.items():
        print(f"left out: {name}: {reason}")
    print((FOLDER / "index.html").resolve().as_uri())


def compare(
    explanation: Explanation, checkpoint: Checkpoint, which: Chosen, colormap: str
) -> League:
    """All that is printed and shown.

    Args:
        explanation: The run's; its first images are measured.
        checkpoint: The network.
        which: The image whose maps are drawn.
        colormap: Name of the maps' colours.
    """
    some = explanation.of_images(slice(N_IMAGES))
    subject, field = _start(some, checkpoint)
    cases = known_answers()
    standings = standings_of(some, subject, field.entrants, cases)
    loaded, about = load_measures(), explanation.about
    return League(
        title=f"League of methods: {about['dataset']}, {about['network']}",
        sampled=subject.plan.sampled,
        images=images_of(subject.plan),
        again=again_sentence(subject),
        cases=cases,
        standings=standings,
        left_out=field.left_out,
        galleries=galleries_of(explanation, subject, which, standings, cases),
        colormap=colormap,
        measures=describe({name: loaded[name] for name in MEASURES}),
    )


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
    device = next(network.buffers()).device
    own = explanation.about["method"]
    tried = subject_of(explanation, network, device, Plan(0, False, 0))
    field = field_for(tried, own)
    names = [entrant.name for entrant in field.entrants]
    if own not in names:
        raise UserError(f"league: the run's own method fails: {field.left_out[own]}")
    return replace(tried, plan=plan_for(explanation, network, device, "auto", names)), field


if __name__ == "__main__":
    run_command(main, interrupted="nothing was written")
