"""DeepSHAP for image networks: shap's values, without its cost, additive for every network it takes.

It stands on PyTorch alone: copy the folder to use it elsewhere.
"""

from .engine import DeepShap
from .operations import UnsupportedOperation

__all__ = ["DeepShap", "UnsupportedOperation"]
