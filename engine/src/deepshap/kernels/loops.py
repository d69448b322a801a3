"""Loads the compiled loops and runs them, unless numba is missing or cannot compile them."""

import functools
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

_FAILED: set[str] = set()
"""Loops that numba could not compile in this process."""


@functools.cache
def available() -> dict[str, Callable[..., None]]:
    """The loops by name; empty without numba."""
    try:
        if importlib.util.find_spec("numba") is None:
            return {}
        from deepshap.kernels import convolutions, in_order, ratios
    except (ImportError, OSError, SystemError) as error:  # e.g. numba does not match NumPy
        message = f"DeepSHAP: cannot load numba, so PyTorch computes instead: {error}"
        warnings.warn(message, stacklevel=2)
        return {}
    loops = (
        convolutions.transposed, convolutions.contracted, in_order.pointwise, in_order.depthwise,
        ratios.pool_ratios, ratios.relu_ratios,
    )  # fmt: skip
    return {loop.__name__: loop for loop in loops}


def n_registers() -> int:
    """Vectors that the processor's registers hold; needs numba."""
    from deepshap.kernels import processor

    return processor.n_vectors()


def run(name: str, *arguments: Any) -> bool:
    """Run a loop. Returns False if it cannot be compiled."""
    if name in _FAILED:
        return False
    try:
        available()[name](*arguments)
    except (MemoryError, IndexError):  # raised by the loops; IndexError with NUMBA_BOUNDSCHECK
        raise
    except Exception as error:  # numba and LLVM raise many types while compiling
        _FAILED.add(name)
        lines = [line.strip() for line in str(error).splitlines() if line.strip()][:2]
        reason = ": ".join([type(error).__name__, *lines])
        message = f"DeepSHAP: cannot compile {name}, so PyTorch computes instead: {reason}"
        warnings.warn(message, stacklevel=2)
    return name not in _FAILED
