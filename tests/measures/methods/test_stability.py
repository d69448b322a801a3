"""Stability, against Quantus, a literal computation, and methods whose answer is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.measures.methods.stability import CHANGES, REACH, nearby, stability, stability_of
from tests.measures.methods.oracle import quantus


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def outputs_near(outputs: np.ndarray, n_versions: int) -> np.ndarray:
    """Changed outputs (r, n, k)."""
    return outputs + 0.01 * drawn(n_versions, *outputs.shape)


def test_a_single_change_equals_quantus_ratio_of_lengths() -> None:
    """Its Lipschitz ratio, of maps and outputs that are divided by their lengths."""
    oracle = quantus().similarity_func
    maps, changed = drawn(6, 5, 7), drawn(1, 6, 5, 7)
    outputs = 3 * drawn(6, 4)
    moved = outputs_near(outputs, 1)
    found = stability(maps, changed, outputs, moved, np.ones((1, 6), bool))
    for i in range(6):
        length, size = np.linalg.norm(maps[i]), np.linalg.norm(outputs[i])
        theirs = oracle.lipschitz_constant(
            a=maps[i].ravel() / length,
            b=changed[0, i].ravel() / length,
            c=outputs[i] / size,
            d=moved[0, i] / size,
            norm_numerator=oracle.distance_euclidean,
            norm_denominator=oracle.distance_euclidean,
        )
        assert found[i] == pytest.approx(theirs, rel=1e-6)


def test_of_even_strengths_it_equals_quantus_relative_output_stability() -> None:
    """Where every pixel has the same |value|, its relative changes and ours are the same."""
    metric = quantus().RelativeOutputStability(disable_warnings=True, display_progressbar=False)
    maps = 0.3 * np.sign(drawn(6, 5, 7))
    changed, outputs = maps + 0.1 * drawn(6, 5, 7), 3 * drawn(6, 4)
    moved = outputs_near(outputs, 1)[0]
    theirs = metric.relative_output_stability_objective(outputs, moved, maps, changed)
    found = stability(maps, changed[None], outputs, moved[None], np.ones((1, 6), bool))
    factor = np.linalg.norm(outputs, axis=1) / np.sqrt(5 * 7)
    np.testing.assert_allclose(found, theirs * factor, rtol=1e-6)


def test_several_changes_are_root_mean_squares_over_the_admissible_ones() -> None:
    maps, changed = drawn(4, 3, 3), drawn(5, 4, 3, 3)
    outputs, moved = drawn(4, 3), drawn(5, 4, 3)
    admissible = (
        np.array([[1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]) > 0
    )
    found = stability(maps, changed, outputs, moved, admissible)
    for i in range(4):
        map_changes, output_changes = [], []
        for r in range(5):
            if admissible[r, i]:
                map_changes.append(np.sum((changed[r, i] - maps[i]) ** 2) / np.sum(maps[i] ** 2))
                output_changes.append(
                    np.sum((moved[r, i] - outputs[i]) ** 2) / np.sum(outputs[i] ** 2)
                )
        expected = (
            np.sqrt(np.mean(map_changes) / np.mean(output_changes)) if map_changes else np.nan
        )
        assert found[i] == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_undefined_values_are_nan() -> None:
    """For an image without admissible versions, for the same outputs, for a map of 0."""
    maps, outputs = np.ones((3, 2, 2)), np.array([[1.0, 0], [1, 0], [1, 0]])
    maps[2] = 0
    moved = np.array([[[2.0, 0], [1, 0], [2, 0]]])
    admissible = np.array([[False, True, True]])
    assert np.isnan(stability(maps, maps[None] + 1, outputs, moved, admissible)).all()


def test_changes_are_small_and_within_the_range_of_pixels() -> None:
    images = torch.tensor([0.0, 3, 128, 255]).view(1, 1, 2, 2).expand(3, 1, 2, 2)
    changed = nearby(images, 0)
    assert changed.shape == (CHANGES, 3, 1, 2, 2)
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (changed - images).abs().max() <= REACH
    assert (changed - images).abs().max() > REACH / 2
    assert torch.equal(changed, nearby(images, 0))


def always_the_first(images: Tensor) -> np.ndarray:
    """The first of two classes."""
    return np.tile([True, False], (len(images), 1))


def weighted(images: Tensor) -> np.ndarray:
    return (images[:, 0] * torch.arange(1.0, 13).view(3, 4)).numpy()


def test_maps_as_outputs_change_alike_and_fixed_maps_not_at_all() -> None:
    """A map that is the output scores 1; one that never changes scores 0."""
    images = 100 + 50 * torch.rand(4, 1, 3, 4, generator=torch.Generator().manual_seed(0))

    def outputs_of(given: Tensor) -> np.ndarray:
        return weighted(given).reshape(len(given), -1)

    found = stability_of(weighted, outputs_of, always_the_first, images, 0)
    np.testing.assert_allclose(found, 1, rtol=1e-12)
    fixed = stability_of(lambda _: weighted(images), outputs_of, always_the_first, images, 0)
    np.testing.assert_array_equal(fixed, 0)


def test_versions_with_any_other_label_do_not_count() -> None:
    """The brighter half of the versions has another second label."""
    images = torch.full((1, 1, 8, 8), 128.0)
    means = nearby(images, 0).mean(dim=(2, 3, 4))[:, 0]
    limit = means.median()

    def predicted_of(given: Tensor) -> np.ndarray:
        return np.array([[True, bool(image.mean() > limit)] for image in given])

    def outputs_of(given: Tensor) -> np.ndarray:
        """Of the versions that count, they change as much as the map; of others, far more."""
        factors = np.where(predicted_of(given)[:, 1] == predicted_of(images)[0, 1], 1, 1000)
        return given.flatten(1).numpy() * factors[:, None]

    found = stability_of(lambda given: given[:, 0].numpy(), outputs_of, predicted_of, images, 0)
    assert 0 < (means > limit).sum() < CHANGES
    np.testing.assert_allclose(found, 1, rtol=1e-6)
