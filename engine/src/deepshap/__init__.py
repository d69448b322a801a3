"""DeepSHAP for image networks: shap's values, faster, and additive for every network it takes.

It stands on PyTorch alone: copy the folder to use it elsewhere.
"""

from deepshap.engine import DeepShap
from deepshap.graph.export import UnsupportedOperation
from deepshap.graph.portable import portable_operations

__all__ = ["DeepShap", "UnsupportedOperation", "portable_operations"]
