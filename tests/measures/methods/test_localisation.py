"""Localisation, against Quantus and closed forms."""

import numpy as np

from stages.measures.methods.localisation import localisation
from tests.measures.methods.oracle import quantus

REGION = np.zeros((6, 8), bool)
REGION[1:4, 2:7] = True


def test_it_equals_quantus_relevance_mass_accuracy() -> None:
    maps = np.random.default_rng(0).normal(size=(5, 6, 8))
    metric = quantus().RelevanceMassAccuracy(
        abs=True, normalise=False, disable_warnings=True, display_progressbar=False
    )
    masks = np.broadcast_to(REGION, (5, 1, 6, 8))
    theirs = metric.evaluate_batch(a_batch=np.abs(maps)[:, None], s_batch=masks)
    np.testing.assert_allclose(localisation(maps, REGION), theirs, rtol=1e-6)


def test_closed_forms() -> None:
    inside, outside = REGION.astype(float), (~REGION).astype(float)
    maps = np.stack([-inside, outside, np.ones((6, 8)), inside - outside, 0 * inside])
    share = 15 / 48
    np.testing.assert_allclose(localisation(maps, REGION), [1, 0, share, share, np.nan])
