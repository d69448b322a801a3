"""The page of networks with one logit, or with several labels an image."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect
from sklearn.datasets import load_digits
from torch import nn

from deepshap import DeepShap
from stages.architectures import single_conv
from stages.artifacts.explanation import Explanation
from stages.artifacts.features import TrainingFeatures
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Split, has_label
from stages.attribution.portable import portable_network
from stages.explorer.document import write_explorer
from stages.explorer.live import live_panel
from stages.figures.run import Run
from stages.measures.predictions.base.features import features_of
from stages.networks.build import Standardize, Statistics
from stages.networks.outputs import returns_logits
from stages.networks.predict import predict, probabilities_of

from .opened import canvas, opened

pytestmark = pytest.mark.browser

N_EXPLAINED, N_BACKGROUND = 6, 30
SEVERAL = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1], [1, 0, 0]])


def digits() -> NDArray[np.uint8]:
    images = load_digits().images[: N_EXPLAINED + N_BACKGROUND] * 15.9375
    return images.astype(np.uint8)[:, None].repeat(2, axis=2).repeat(2, axis=3)


def run_of(network: nn.Module, labels: NDArray[np.int64], names: list[str], **about: Any) -> Run:
    """An explanation by a network with fresh weights; a map of each class or of the one logit."""
    images = digits()
    shown, background = images[:N_EXPLAINED], images[N_EXPLAINED:]
    classes = [1] if about.get("one_logit") else list(range(len(names)))
    explainer = DeepShap(network, torch.from_numpy(background).float())
    values = explainer.attribute(torch.from_numpy(shown).float(), torch.tensor(classes)).numpy()
    logits = predict(network, torch.from_numpy(shown).float()).double()
    probabilities = probabilities_of(logits, multiple=labels.ndim == 2).numpy().astype(np.float32)
    indices = np.arange(N_EXPLAINED)
    explanation = Explanation(
        values=values,
        base_values=explainer.base_values.double().numpy(),
        outputs=logits.numpy(),
        probabilities=probabilities,
        classes=np.tile(classes, (N_EXPLAINED, 1)),
        images=shown,
        labels=labels,
        indices=indices,
        names=indices,
        background=background,
        background_indices=np.arange(N_BACKGROUND),
        about={
            **{"class_names": names, "dataset": "digits", "network": "single_conv"},
            **{"output": "logits", "method": "deep", "background": "random"},
            **{"n_background": N_BACKGROUND, "n_train": 600, "n_groups": 0},
            **{"parameters": {}, "versions": {}, **about},
        },
    )
    first = torch.from_numpy(background[:1]).float()
    return Run(
        explanation,
        Predictions(probabilities, labels, indices, tuple(names), {"accuracy": 0.75}),
        Split(background, np.resize(labels, (N_BACKGROUND, *labels.shape[1:]))),
        "red_blue",
        portable=portable_network(network, first),
        features=TrainingFeatures.of(
            *(features_of(network, part, torch.device("cpu")) for part in (background, shown))
        ),
    )


def network_of(n_logits: int) -> nn.Module:
    torch.manual_seed(1)
    body = single_conv.build(1, (16, 16), n_logits)
    if n_logits == 1:
        returns_logits(body, 2)
    return (
        nn.Sequential(Standardize(Statistics((0.3,), (0.37,))), body).eval().requires_grad_(False)
    )


@pytest.fixture(scope="module")
def labelled() -> Run:
    parameters = {"data": {"labels": "multiple"}}
    return run_of(network_of(3), SEVERAL, ["round", "tall", "even"], parameters=parameters)


@pytest.fixture
def page(browser: Browser, tmp_path: Path, labelled: Run) -> Iterator[Page]:
    write_explorer(tmp_path / "explorer.html", labelled)
    yield from opened(browser, tmp_path / "explorer.html")


def test_true_and_predicted_labels_are_shown(page: Page, labelled: Run) -> None:
    names = np.array(["round", "tall", "even"])
    explanation = labelled.explanation
    expect(page.locator("#headline")).to_contain_text("accuracy 75.0 % of all labels on 6 test")
    expect(page.locator("#confusion")).to_be_hidden()
    expect(page.locator("#class-table th").nth(6)).to_have_text("average precision")
    for index, probabilities in enumerate(explanation.probabilities):
        page.locator("#gallery li").nth(index).click()
        predicted = probabilities > 0.5
        true = has_label(SEVERAL, 3)[index]
        for prefix, chosen in (("true labels ", true), ("predicted ", predicted)):
            text = ", ".join(names[chosen]) or "none"
            expect(page.locator("#verdict")).to_contain_text(f"{prefix}{text}")
        rows = page.locator("#classes tbody tr")
        for number in range(3):
            roles = [role for role, on in (("predicted", predicted), ("true", true)) if on[number]]
            expect(rows.nth(number).locator("small").first).to_have_text(", ".join(roles))
            expect(rows.nth(number)).to_contain_text(f"{probabilities[number]:.3f}")


def test_labels_are_filtered(page: Page) -> None:
    page.locator("#true").select_option("even")
    expect(page.locator("#gallery li")).to_have_count(int(SEVERAL[:, 2].sum()))


def test_a_drawing_gets_a_probability_for_each_label(page: Page) -> None:
    page.locator("#try").scroll_into_view_if_needed()
    page.locator("#sketch").click(position={"x": 60, "y": 60})
    expect(page.locator("#try-sum")).to_contain_text("30 of 30 background images")
    cells = page.locator("#try-classes tbody tr td:nth-child(2)").all_inner_texts()
    assert max(map(float, cells)) == pytest.approx(sigmoid_of_logit(page), abs=3e-3)


def test_a_drawing_gets_maps_of_the_probabilities_of_labels(
    browser: Browser, tmp_path: Path, labelled: Run
) -> None:
    """A sigmoid for each label is explained as by the engine."""
    network = nn.Sequential(network_of(3), nn.Sigmoid()).eval()
    about = {"output": "probabilities", "parameters": {"data": {"labels": "multiple"}}}
    run = run_of(network, SEVERAL, ["round", "tall", "even"], **about)
    write_explorer(tmp_path / "explorer.html", run)
    explainer = DeepShap(network, torch.from_numpy(run.explanation.background).float())
    for page in opened(browser, tmp_path / "explorer.html"):
        page.locator("#try").scroll_into_view_if_needed()
        page.locator("#sketch").click(position={"x": 60, "y": 60})
        expect(page.locator("#try-sum")).to_contain_text("30 of 30 background images")
        seen = torch.from_numpy(
            canvas(page, "#seen")[..., :1].transpose(2, 0, 1).astype(np.float32)
        )
        values = explainer.attribute(seen[None])[0, 0]
        outputs = network(seen[None])[0]
        for number, name in enumerate(["round", "tall", "even"]):
            page.locator("#try-for").select_option(str(number))
            expect(page.locator("#try-sum")).to_contain_text(f"{name}: ")
            expect(page.locator("#try-sum")).to_contain_text("30 of 30 background images")
            end = float(f"{values[..., number].abs().max():.2g}")
            expect(page.locator("#try-ends")).to_contain_text(f"raises +{end:g}")
            cells = page.locator("#try-classes tbody tr", has_text=name).locator("td:nth-child(2)")
            assert float(cells.inner_text()) == pytest.approx(float(outputs[number]), abs=1e-3)


def sigmoid_of_logit(page: Page) -> float:
    """The probability of the class whose logit is shown, with two decimals."""
    sentence = page.locator("#try-sum").inner_text().replace("\N{MINUS SIGN}", "-")
    (z,) = re.findall(r"= (-?[\d.]+) logits", sentence)
    return float(1 / (1 + np.exp(-float(z))))


def test_one_logit_is_for_one_class_and_against_the_other(browser: Browser, tmp_path: Path) -> None:
    labels = np.array([0, 1, 0, 1, 1, 0])
    run = run_of(network_of(1), labels, ["three", "eight"], one_logit=True)
    write_explorer(tmp_path / "explorer.html", run)
    for page in opened(browser, tmp_path / "explorer.html"):
        expect(page.locator("#ends span").first).to_contain_text("for three")
        expect(page.locator("#ends span").last).to_contain_text("for eight")
        expect(page.locator("#map-words")).to_contain_text(
            "The network has one logit, of class eight: what lowers it is evidence for three."
        )
        page.locator("#try").scroll_into_view_if_needed()
        page.locator("#sketch").click(position={"x": 60, "y": 60})
        expect(page.locator("#try-sum")).to_contain_text("eight: base value")
        expect(page.locator("#try-sum")).to_contain_text("30 of 30 background images")
        assert page.locator("#try-for option").all_inner_texts() == ["eight"]
        expect(page.locator("#try-classes button")).to_have_count(1)
        texts = page.locator("#try-classes tbody tr td:nth-child(2)").all_inner_texts()
        positive = sigmoid_of_logit(page)
        assert [float(text) for text in texts] == pytest.approx([1 - positive, positive], abs=3e-3)


def test_the_page_holds_features_whatever_the_labels_are(labelled: Run) -> None:
    one_logit = run_of(network_of(1), np.arange(6) % 2, ["three", "eight"], one_logit=True)
    for run in (labelled, one_logit):
        assert live_panel(run).content["features"]["n"] == N_BACKGROUND
