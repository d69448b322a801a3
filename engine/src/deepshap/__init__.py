"""DeepSHAP for image networks: shap's values, faster, and additive for every network it accepts.

Depends on PyTorch and NumPy only; numba makes it faster where it is installed.
"""

from deepshap.engine import DeepShap
from deepshap.graph.export import UnsupportedOperation
from deepshap.graph.portable import portable_operations

__all__ = ["DeepShap", "UnsupportedOperation", "portable_operations"]
