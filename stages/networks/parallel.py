"""Runs batches in parallel, each on one CPU core, with the same results on any number of cores.

PyTorch instead splits single operations among cores, and the last digits of a sum depend on where
it is split. The engine's `chunks.py` has a copy, since the engine imports nothing else of the
project, and editing the engine must not rerun training.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

Map = Callable[..., Iterator[Tensor]]


@contextmanager
def one_core_each(device: torch.device) -> Iterator[Map]:
    """A `map` that runs each item on one core, in parallel on the CPU, in sequence on a GPU.

    Inside this context, PyTorch uses one thread per operation in the whole process.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if device.type != "cpu" or n_threads == 1:
            yield map
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                yield pool.map
    finally:
        torch.set_num_threads(n_threads)
