"""DeepSHAP for image networks: shap's values, faster, and additive for every network it takes.

It stands on PyTorch alone: copy the folder to use it elsewhere.
"""

from .engine import DeepShap
from .export import UnsupportedOperation
from .portable import portable

__all__ = ["DeepShap", "UnsupportedOperation", "portable"]
