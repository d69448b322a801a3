"""The stages' results, held against other people's code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shap
import torch
from safetensors.numpy import load_file
from torch import nn
from torch.nn.functional import cross_entropy

from stages import evaluate, train
from stages.artifacts.explanation import Explanation
from stages.artifacts.splits import Facts, load_facts, load_split
from stages.networks.build import build_network, load_network
from stages.params.train import Train
from tests.conftest import Project

FACTS = Facts("mnist", tuple("0123456789"), 1, (28, 28), (0.1307,), (0.3081,))
OPTIONS: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 32,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "constant",
    "precision": "float32",
    "keep": "last",
    "augment": [],
}


@pytest.fixture
def images() -> train.Labelled:
    """Two classes that differ in which half is bright."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 100, (200, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.arange(200) % 2
    pixels[labels == 1, :, :14] += 120
    return train.Labelled(pixels, labels)


@pytest.mark.parametrize(("name", "count"), [("convnet", 34_826), ("lenet", 21_840)])
def test_networks_have_the_parameters_of_the_tutorials(name: str, count: int) -> None:
    network = build_network(name, FACTS)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_the_first_layer_is_totensor_and_normalize() -> None:
    from torchvision.transforms.v2 import functional

    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    expected = functional.normalize(
        functional.to_dtype(images, torch.float32, scale=True), list(FACTS.mean), list(FACTS.std)
    )
    first = build_network("lenet", FACTS)[0]  # type: ignore[index]
    torch.testing.assert_close(first(images), expected)
    torch.testing.assert_close(first(images.float()), expected)


def literal_training(network: nn.Module, images: train.Labelled, options: Train, seed: int) -> None:
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
    network = build_network(name, FACTS)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def test_fit_is_the_usual_loop(images: train.Labelled) -> None:
    options = Train.model_validate(OPTIONS)
    torch.manual_seed(3)
    fitted = without_dropout("convnet")
    literal = without_dropout("convnet")
    literal.load_state_dict(fitted.state_dict())
    history = train.fit(fitted, images, images, options, seed=3)
    literal_training(literal.train(), images, options, seed=3)
    for ours, theirs in zip(fitted.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    assert history["epoch"].tolist() == [1, 2]
    assert history["learning_rate"].tolist() == [0.05, 0.05]
    with torch.no_grad():
        logits = fitted.eval()(images.images)
    loss = cross_entropy(logits, images.labels).item()
    assert history["validation_loss"].iloc[-1] == pytest.approx(loss)


def test_the_best_epoch_is_kept(images: train.Labelled) -> None:
    upside_down = train.Labelled(images.images, 1 - images.labels)
    torch.manual_seed(0)
    network = build_network("lenet", FACTS)
    options = Train.model_validate(OPTIONS | {"epochs": 4, "keep": "best"})
    history = train.fit(network, images, upside_down, options, seed=0)
    best = history["validation_loss"].min()
    assert best < history["validation_loss"].iloc[-1]
    assert train.evaluate(network, upside_down).loss == pytest.approx(best)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_optimiser_learns_in_every_precision(
    images: train.Labelled, optimizer: str, precision: str
) -> None:
    torch.manual_seed(0)
    rate = 0.01 if optimizer == "sgd" else 2e-3
    changes = {"optimizer": optimizer, "precision": precision, "learning_rate": rate, "epochs": 8}
    options = Train.model_validate(OPTIONS | changes | {"schedule": "one_cycle"})
    history = train.fit(build_network("lenet", FACTS), images, images, options, seed=0)
    assert history["validation_accuracy"].iloc[-1] > 0.95


def test_one_cycle_goes_up_to_the_rate_and_down_to_nothing() -> None:
    options = Train.model_validate(OPTIONS | {"schedule": "one_cycle"})
    optimizer = train.build_optimizer(nn.Linear(1, 1), options)
    schedule = train.build_schedule(optimizer, options, n_steps=100)
    rates = []
    for _ in range(99):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(0.05, rel=1e-3)
    assert rates[0] < 0.1 * 0.05
    assert rates[-1] < 0.001 * 0.05
    assert optimizer.param_groups[0]["momentum"] == 0.9


def test_metrics_in_closed_form() -> None:
    """Ten sure predictions of which eight are right, ten unsure ones of which five are right."""
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.45, 0.55]] * 10)
    labels = np.array([0] * 8 + [1] * 2 + [1] * 5 + [0] * 5)
    metrics = evaluate.measure(probabilities, labels, ("no", "yes"))
    assert metrics["accuracy"] == pytest.approx(13 / 20)
    assert metrics["expected_calibration_error"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.05)
    log_loss = -(8 * np.log(0.9) + 2 * np.log(0.1) + 5 * np.log(0.55) + 5 * np.log(0.45)) / 20
    assert metrics["log_loss"] == pytest.approx(log_loss)
    assert metrics["class"]["no"]["precision"] == pytest.approx(8 / 10)
    assert metrics["class"]["no"]["recall"] == pytest.approx(8 / 13)
    assert metrics["class"]["yes"]["f1"] == pytest.approx(2 * 0.5 * (5 / 7) / (0.5 + 5 / 7))


def test_the_surest_mistake_comes_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    table = evaluate.mistakes(probabilities, np.array([0, 0, 0, 1]), ("a", "b"))
    assert table["index"].tolist() == [1, 2, 3]
    assert table["actual"].tolist() == ["a", "a", "b"]
    assert table["probability"].tolist() == [0.8, 0.7, 0.6]
    assert table["probability_of_actual"].tolist() == [0.2, 0.3, 0.4]


def test_the_splits_are_those_of_the_archive(ran_project: Project) -> None:
    prepared = ran_project.root / "data/prepared"
    sizes = {name: len(load_split(prepared, name).labels) for name in ("train", "validation")}
    assert sizes == {"train": 540, "validation": 60}
    test = load_split(prepared, "test")
    assert len(test.labels) == 600
    facts, images = load_facts(prepared), load_split(prepared, "train").images
    assert facts.mean[0] == pytest.approx(images.mean() / 255)
    assert facts.std[0] == pytest.approx(images.std() / 255)


def test_metrics_follow_from_the_predictions(ran_project: Project) -> None:
    predictions = ran_project.root / "data/predictions"
    probabilities = np.load(predictions / "probabilities.npy")
    labels = np.load(predictions / "labels.npy")
    metrics = json.loads((ran_project.root / "metrics/evaluate.json").read_text())
    assert metrics["accuracy"] == (probabilities.argmax(axis=1) == labels).mean()
    confusion = pd.read_csv(ran_project.root / "plots/confusion.csv")
    assert len(confusion) == 600
    assert (confusion["actual"] == confusion["predicted"]).mean() == metrics["accuracy"]


def test_the_checkpoint_rebuilds_the_network(ran_project: Project) -> None:
    folder = ran_project.root / "data/model"
    network, facts = load_network(folder, torch.device("cpu"))
    weights = load_file(folder / "weights.safetensors")
    assert {name: tuple(t.shape) for name, t in network.state_dict().items()} == {
        name: array.shape for name, array in weights.items()
    }
    test = load_split(ran_project.root / "data/prepared", "test")
    with torch.no_grad():
        logits = network(torch.from_numpy(test.images))
    stored = np.load(ran_project.root / "data/predictions/probabilities.npy")
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), stored, atol=1e-6)
    assert facts == load_facts(ran_project.root / "data/prepared")


def rebuilt(project: Project, output: str) -> nn.Module:
    network, _ = load_network(project.root / "data/model", torch.device("cpu"))
    return network if output == "logits" else nn.Sequential(network, nn.Softmax(dim=1)).eval()


def background_of(project: Project) -> torch.Tensor:
    """Ten images by the rule in `choose_background`, drawn as the stage draws them."""
    from stages.core.sections import StageParams, load_params
    from stages.params.explain import Explain
    from stages.sampling.choices import choose_background

    class Params(StageParams):
        explain: Explain

    options = load_params(Params, project.root / "params.yaml").explain
    split = load_split(project.root / "data/prepared", "train")
    return torch.from_numpy(split.images[choose_background(options, split.labels)]).float()


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("method", ["shap_deep", "shap_gradient"])
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_values_of_shap_come_through_untouched(project: Project, method: str, output: str) -> None:
    project.set({"explain.method": method, "explain.output": output, "explain.tolerance": 10.0})
    result = project.stage("explain")
    assert result.returncode == 0, result.stderr
    stored = Explanation.load(project.root / "data/shap")
    images = torch.from_numpy(stored.images).float()
    network, background = rebuilt(project, output), background_of(project)
    if method == "shap_deep":
        direct = shap.DeepExplainer(network, background).shap_values(images, check_additivity=False)
    else:
        direct = shap.GradientExplainer(network, background).shap_values(images, rseed=0)
    assert np.array_equal(stored.values, np.asarray(direct, np.float32))
    with torch.no_grad():
        outputs = network(images).double().numpy()
        base_values = network(background).double().numpy().mean(axis=0)
    np.testing.assert_allclose(stored.outputs, outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(stored.base_values, base_values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_our_values_are_those_of_shap(project: Project, output: str) -> None:
    """In float64, where shap's own rounding does not hide a difference."""
    project.set({"explain.method": "deep", "explain.output": output})
    result = project.stage("explain")
    assert result.returncode == 0, result.stderr
    stored = Explanation.load(project.root / "data/shap")
    network, background = rebuilt(project, output).double(), background_of(project).double()
    images = torch.from_numpy(stored.images).double()
    values = shap.DeepExplainer(network, background).shap_values(images, check_additivity=False)
    np.testing.assert_allclose(stored.values, values, rtol=0, atol=1e-5 * np.abs(values).max())


def test_the_explanation_is_enough_for_shap(ran_project: Project, tmp_path: Path) -> None:
    stored = Explanation.load(ran_project.root / "data/shap")
    rebuilt = shap.Explanation(
        values=np.array(stored.values),
        base_values=np.tile(stored.base_values, (len(stored.labels), 1)),
        data=stored.images,
        output_names=stored.class_names,
    )
    assert rebuilt.shape == (3, 1, 28, 28, 10)
    change = rebuilt.values.sum(axis=(1, 2, 3)) + rebuilt.base_values
    np.testing.assert_allclose(change, stored.outputs, rtol=1e-3, atol=1e-3)
