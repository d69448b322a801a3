"""Images of other than 1 or 3 channels on the page: shown as their mean, maps summed."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from stages.explorer.document import write_explorer
from tests.runs import random_run

from .opened import canvas, decimal, opened
from .test_explorer_errors import point_at

pytestmark = pytest.mark.browser


def test_thirteen_channels_are_shown_as_their_mean(browser: Browser, tmp_path: Path) -> None:
    run = random_run(2, 13, 8, 8, 3)
    write_explorer(tmp_path / "bands.html", run)
    mean = run.explanation.images[0].mean(axis=0)
    for page in opened(browser, tmp_path / "bands.html"):
        for color in np.moveaxis(canvas(page, "#original"), 2, 0):
            assert np.abs(color - mean).max() <= 0.5
        point_at(page, 2, 5)
        expect(page.locator("#pixel")).to_contain_text(f"(brightness {np.rint(mean[2, 5]):.0f})")
        texts = page.locator("#classes .value").all_inner_texts()
        order = np.argsort(-run.explanation.probabilities[0], kind="stable")
        sums = run.explanation.values[0, :, 2, 5].sum(axis=0)
        values = sorted(decimal(text.split()[0]) for text in texts)
        np.testing.assert_allclose(values, sorted(sums[order]), atol=1e-2)
        expect(page.locator("main")).to_contain_text("summed over the 13 channels")
