"""The stages of the pipeline. Importing this package prepares a process that runs one of them."""

import sys
from pathlib import Path

# An experiment runs in a copy: with the engine of that copy, not the installed one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "engine/src"))

if sys.argv[:1] == ["-m"]:  # only while `python -m stages.<name>` starts
    from stages.base.run.snapshot import begin_stage

    begin_stage()
