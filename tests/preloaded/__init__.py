"""Starts `python -m` and `dvc` without importing PyTorch each time, which takes seconds.

`Server.programs` is a folder with programs of these names. They run in a fork of a server that has
imported the libraries, but nothing of this repository. Where a fork would not be the same, such as
with other environment variables, they start the real program.
"""

import atexit
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent


class Server:
    """The folder of programs, and the process that they ask; it ends with this process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="preloaded")
        self.programs = Path(self._folder.name)
        address = self.programs / "socket"
        source = (HERE / "program.py").read_text()
        for name in ("python", "dvc"):
            real = Path(sys.executable).with_name(name)
            program = self.programs / name
            header = f"#!{sys.executable} -IS\nADDRESS, REAL = {str(address)!r}, {str(real)!r}\n"
            program.write_text(header + source)
            program.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, HERE / "server.py", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._process.communicate()  # closes its input
        self._folder.cleanup()
