"""The stages of the pipeline. Importing this package prepares a process that runs one of them."""

import sys
from pathlib import Path

# A DVC experiment runs in another checkout: use that checkout's engine, not the installed one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "engine/src"))

if sys.argv[:1] == ["-m"]:  # only while `python -m stages.<name>` starts
    from stages.base.run.snapshot import prepare_process

    prepare_process()
