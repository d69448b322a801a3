"""Standings from small networks: estimated values, methods that fail, order and wording."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Description
from stages.explainers.base.contract import Attributions
from stages.measures.explanations.base.methods import methods_to_measure, play
from stages.measures.explanations.base.plan import Plan
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import game_of_tiles
from tests.measures.subjects import small_images, small_network, subject
from tests.plugin_modules import add_plugin
from tools.league import again, entrants
from tools.league.entrants import CEILING, Entrant, field_for, maps_of
from tools.league.galleries import Chosen, galleries_of
from tools.league.known_answers import fitted, known_answers, planted_region
from tools.league.page import tiles_sentence
from tools.league.standings import (
    MEASURES,
    TILES,
    UNKNOWN,
    Standing,
    _place,
    standings_of,
    tiles_number,
)
from tools.league.tables import again_sentence, answer_rows, images_of, measure_rows

N, K = 4, 3
DEEP = Entrant("deep", "", True)
OWN = Entrant("own", "", False)


def measured(sampled: bool = False) -> Subject:
    images, background = ((255 * small_images(n)).round().float() for n in (N, 6))
    made = subject(small_network(2, K).float(), images, background)
    return replace(made, plan=Plan(N, sampled, 0))


def explanation_of(explained: Subject) -> Explanation:
    """Maps of all classes, of random numbers."""
    images, background = (
        array.numpy().astype(np.uint8) for array in (explained.images, explained.background)
    )
    outputs = explained.network(explained.images).numpy()
    return Explanation(
        base_values=np.zeros(K),
        outputs=outputs,
        probabilities=np.eye(K, dtype=np.float32)[explained.predicted],
        classes=np.tile(np.arange(K), (N, 1)),
        images=images,
        labels=np.zeros(N, np.int64),
        names=np.arange(N),
        indices=np.arange(N),
        background=background,
        background_indices=np.arange(len(background)),
        about={
            "method": "deep",
            "output": "logits",
            "class_names": ["a", "b", "c"],
            "parameters": {"explain": {"seed": 0}},
        },
        values=np.random.default_rng(0).normal(size=(*images.shape, K)).astype(np.float32),
    )


@pytest.fixture
def add_own(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Adds a method of this `build` to the explainers, beside deep."""

    def add(build: Any) -> None:
        add_plugin(monkeypatch, "explainers.own", build)
        monkeypatch.setattr(entrants, "plugin_names", lambda _: ["deep", "own"])

    return add


def filled(value: float) -> Callable[..., Attributions]:
    """Maps that are 1, with one pixel of another value."""

    def attribute(images: torch.Tensor, classes: torch.Tensor) -> Attributions:
        values = np.ones((*images.shape, classes.shape[1]))
        values[:, 0, 3, 3] = value
        return Attributions(values)

    return attribute


def test_noise_of_estimated_values_is_subtracted_from_the_tiles_error() -> None:
    """Of fitted sums too, if values do not add up."""
    explained = measured(sampled=True)
    found = methods_to_measure(explanation_of(explained), explained, ["gradient_x_input"])
    for name, add_up in (("deep", True), ("gradient_x_input", False)):
        sums, game = found[name].tile_sums, found[name].tile_game
        if not add_up:
            sums = fitted(sums, game.shapley)
        noise = game.variances.sum(axis=1)
        assert noise.min() > 0
        squares = (((sums - game.shapley) ** 2).sum(axis=1) - noise).clip(min=0)
        lengths = (game.shapley**2).sum(axis=1) - noise
        error = np.sqrt(squares / lengths).mean()
        assert tiles_number(found[name], add_up).mean == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize("sampled", [True, False])
def test_estimated_values_are_no_right_answer(sampled: bool) -> None:
    explained = measured(sampled)
    explanation, cases = explanation_of(explained), [planted_region()]
    standings = standings_of(explanation, explained, [DEEP], cases)
    ceiling, deep = standings
    assert ceiling.entrant.name == CEILING
    assert (ceiling.answers[TILES] == UNKNOWN) == sampled
    assert ceiling.answers["planted region"].mean == pytest.approx(0, abs=1e-12)
    assert deep.answers[TILES].mean > 0
    assert answer_rows(standings)[1][2] == ("–" if sampled else "0.00 ✓")
    gallery, _ = galleries_of(explanation, explained, Chosen(1, 1), standings, cases)
    right = "estimated" if sampled else "exact"
    assert list(gallery.maps) == [right, "deep"]
    assert gallery.note.startswith(f"{right.capitalize()} values are those of nine tiles")
    shapley = play(game_of_tiles(explained)).shapley[1]
    if not sampled:  # the same game as for the error
        assert gallery.maps[right].sum() == pytest.approx(shapley.sum(), rel=1e-9)
    assert ("estimated" in tiles_sentence(sampled)) == sampled
    assert ("exact" in tiles_sentence(sampled)) == (not sampled)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_method_whose_values_are_not_finite_is_left_out(
    value: float, add_own: Callable[[Any], None]
) -> None:
    add_own(lambda *_: filled(value))
    field = field_for(measured(), "deep")
    assert [entrant.name for entrant in field.entrants] == ["deep", "edges", "random"]
    assert field.left_out["own"].startswith(
        "stages/explainers/own.py: returned NaN or infinite values for this network; "
    )


def test_a_method_that_fails_later_has_no_numbers_where_it_fails(
    add_own: Callable[[Any], None],
) -> None:
    add_own(lambda _network, background, _seed: filled(1 if len(background) == 2 else np.nan))
    explained = measured()
    assert not field_for(explained, "deep").left_out
    explanation, cases = explanation_of(explained), known_answers()
    standings = standings_of(explanation, explained, [DEEP, OWN], cases)
    by_name = {standing.entrant.name: standing for standing in standings}
    own = by_name["own"]
    assert [own.answers[case.name] for case in cases] == [UNKNOWN] * 3
    assert own.n_found == 0
    assert own.again is not None
    assert own.again.randomisation is None
    assert len(own.again.stability) == 0
    descriptions = {name: Description("", "lower", False) for name in MEASURES}
    row = {name: cells for name, *cells in measure_rows(standings, descriptions)}["own"]
    assert row[-3:] == ["–", "–", "–"]
    first, *others = galleries_of(explanation, explained, Chosen(0, 1), standings, cases)
    assert list(first.maps) == ["exact", "deep"]
    assert all("own" not in other.maps for other in others)


@pytest.mark.parametrize("multiple", [True, False])
def test_stability_is_of_versions_with_the_same_predictions(
    multiple: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predictions(_maps: Any, _outputs: Any, predicted_of: Any, images: Any, _seed: int) -> Any:
        return predicted_of(images)

    monkeypatch.setattr(again, "stability_of", predictions)
    explained = replace(measured(), multiple=multiple)
    logits = explained.network(explained.images)
    found = again.explain_again("edges", explained).stability
    expected = logits > 0 if multiple else logits == logits.max(dim=1, keepdim=True).values
    np.testing.assert_array_equal(found, expected)
    assert expected.sum() != (logits > 0).sum() or multiple


def test_methods_that_sample_draw_from_the_runs_seed() -> None:
    explained = measured()
    first, same, other = (
        maps_of("smoothgrad", replace(explained, seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0


def standing(name: str, seconds: float, error: float = 1.0) -> Standing:
    number = UNKNOWN._replace(mean=error)
    return Standing(
        entrant=Entrant(name, "", True),
        answers={"a": number},
        known_maps={},
        measures={},
        again=None,
        seconds=seconds,
    )


def test_methods_that_find_as_many_answers_are_in_the_order_of_their_names() -> None:
    """Times, which change from run to run, do not count."""
    seconds = {"random": 2.0, "b": 1.0, "edges": 3.0, "a": 5.0, "c": 9.0, "exact": 9.0}
    found = ["exact", "c"]
    drawn = [standing(name, s, 1.0 - (name in found)) for name, s in seconds.items()]
    ordered = [one.entrant.name for one in sorted(drawn, key=_place)]
    assert ordered == ["exact", "c", "a", "b", "edges", "random"]


def test_numbers_of_images_in_words() -> None:
    assert images_of(Plan(1, False, 0)) == "1 image"
    assert images_of(Plan(12, True, 0)) == "12 images, by sampling"
    one = measured().subset(1, 1)
    assert again_sentence(one).endswith("explain 1 image again, against 1 background image.")
    assert again_sentence(measured()).endswith("4 images again, against 6 background images.")


def test_heads_say_which_direction_is_better() -> None:
    measures = {"removal_gain": Description("", "higher", True)}
    assert measure_rows([], measures) == [
        (
            "method",
            "removal_gain (higher)",
            "randomised (lower)",
            "all re-drawn",
            "stability (lower)",
        )
    ]
