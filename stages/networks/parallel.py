"""Shares batches among the processor's cores, each batch on one core alone.

PyTorch shares a single operation among cores instead, and where it cuts the sums decides their last
digits. Here results are the same on any number of cores. The engine's `chunks.py` has a copy: it
imports nothing of the project, and an edit of it must not train anew.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

Map = Callable[..., Iterator[Tensor]]


@contextmanager
def one_core_each(device: torch.device) -> Iterator[Map]:
    """A `map` that calls its function on one core an item; on a GPU one item after the other."""
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
