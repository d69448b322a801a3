"""Forks a process for each request: see tests/preloaded. Argument: the socket's path."""

import atexit
import gc
import importlib
import marshal
import os
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

# Not torchvision, whose import adds operations to PyTorch. None may start a thread: a fork has one.
LIBRARIES = (
    *("numpy", "scipy.stats", "torch", "torch._dynamo", "torch.export", "torch.utils.data"),
    *("numba", "networkx", "pandas", "sklearn.model_selection", "matplotlib.figure"),
    *("PIL.ImageDraw", "jinja2", "pydantic.main", "pydantic.type_adapter", "ruamel.yaml"),
    *("safetensors.numpy", "safetensors.torch", "tqdm"),
    *("dvc.cli.parser", "dvc.repo.index", "dvc.repo.reproduce", "dvc.repo.plots"),
    *("dvc.repo.experiments.show", "dvc.stage.params", "dvc.stage.run", "dvc_task.app", "pygit2"),
)
AT_START = dict(os.environ)
# Variables that no library reads when it is imported: those of shells, of Python itself (the last),
# and of DVC and its queue.
MAY_DIFFER = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
OF_DVC = ("DVC_", "CELERY_", "_MP_FORK_")


def read_by_imports(env: dict[str, str]) -> dict[str, str]:
    """The variables that may change what an import does."""
    return {k: v for k, v in env.items() if k not in MAY_DIFFER and not k.startswith(OF_DVC)}


def serve(address: str) -> None:
    """Wait for requests, until the input is closed."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(100)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leave no zombies
        while select.select([listener, 0], [], [])[0] != [0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                answer(connection)
            connection.close()


def answer(connection: socket.socket) -> NoReturn:
    """Fork once more and run the program there; here, send its exit code."""
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    request = b"".join(iter(lambda: connection.recv(65536), b""))
    name, arguments, folder, env = marshal.loads(request)
    known = name == "dvc" or arguments[:1] == ["-m"]
    if not known or read_by_imports(env) != read_by_imports(AT_START):
        connection.sendall(b"refused")
    elif child := os.fork():
        _, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    else:
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(folder)
        by_python = {k: v for k, v in AT_START.items() if k == "LC_CTYPE"}
        os.environ.clear()  # of what libraries have set, too
        os.environ.update(by_python | env)
        finish(run, name, arguments)
    os._exit(0)


def run(name: str, arguments: list[str]) -> None:
    """Do what the interpreter does when it starts."""
    sys.modules["__main__"] = ModuleType("__main__")
    sys.modules.pop("__mp_main__", None)
    if name == "dvc":
        from dvc.cli import main

        sys.argv = [name, *arguments]
        sys.path[0] = str(Path(sys.executable).parent)
        sys.exit(main())
    sys.path[0] = str(Path.cwd())
    _, module, *rest = arguments
    sys.argv = ["-m", *rest]
    runpy._run_module_as_main(module)  # what `python -m` calls; run_module leaves other traces


def finish(call: Callable[..., None], *arguments: Any) -> NoReturn:
    """Call and end as the interpreter does, but free nothing, which takes half a second."""
    code: object = 0
    try:
        call(*arguments)
    except SystemExit as end:
        code = end.code or 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # as the interpreter does at its end: waits for other threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def preload() -> None:
    """Import the libraries, and have those that prepare themselves at the first call do so."""
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # of pandas's pyarrow
    for library in LIBRARIES:
        importlib.import_module(library)
    import numba
    import torch
    from tqdm import tqdm

    interval, tqdm.monitor_interval = tqdm.monitor_interval, 0  # else it starts a thread
    numba.njit("int64(int64)")(lambda number: number)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.ReLU())
    exported = torch.export.export(network, (torch.zeros(1, 1, 2, 2),), strict=False)
    exported.run_decompositions()
    tqdm.monitor_interval = interval


if __name__ == "__main__":
    preload()
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, f"a library has started a thread: {threads}"
    gc.collect()
    gc.freeze()
    serve(sys.argv[1])
