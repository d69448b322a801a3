"""Stage quality, stopped on its way: the next run goes on and gives the same bytes."""

import re
import signal
import subprocess
import time

import pytest

from tests.conftest import Project, assert_refused
from tests.test_interrupted import finish, started
from tests.test_killed import results

SAVED = "data/unfinished/quality"


def stopped(project: Project, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Run the stage, and stop it with this signal once it has saved rows of two steps."""
    process = started(project, "quality")
    while len({file.parent for file in project.root.glob(f"{SAVED}/*/*/*.npy")}) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    return finish(process)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGINT]
)
def test_a_stopped_run_goes_on(
    project: Project, ran_project: Project, number: signal.Signals
) -> None:
    """Rows are saved at once here, not after two seconds: the run may be shorter."""
    file = project.root / "stages/measures/explanations/base/saved.py"
    source = file.read_text()
    assert source.count("SAVE_EVERY_S = 2.0") == 1
    file.write_text(source.replace("SAVE_EVERY_S = 2.0", "SAVE_EVERY_S = 0.0"))
    result = stopped(project, number)
    if number == signal.SIGINT:
        assert_refused(result, r"^interrupted: finished work was saved; run dvc repro to continue$")
    printed = project.stage("quality")
    assert printed.returncode == 0, printed.stderr
    size = r"^quality: (\d+) of \1 images, [\d,]+ passes of the network$"
    assert re.search(size, printed.stdout, re.MULTILINE)
    assert "quality: resuming an interrupted run\n" in printed.stdout
    assert results(project, "quality") == results(ran_project, "quality")
    assert not (project.root / SAVED).exists()
