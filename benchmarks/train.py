"""Time an epoch of training against the usual loop: `python -m benchmarks.train`.

The usual loop is what tutorials show: torchvision's MNIST with ToTensor and Normalize, a DataLoader,
and the same network, batch size, optimiser and precision. Both run in turn, several times, in one
process; the ratio of the medians is what counts, since machines are noisy.
"""

import argparse
import contextlib
import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from tqdm import tqdm

from stages.datasets import mnist
from stages.params.train import Train
from stages.pipeline.network import build_network
from stages.pipeline.splits import Facts
from stages.train import Labelled, build_optimizer, build_schedule, train_epoch

FACTS = Facts("mnist", mnist.CLASS_NAMES, 1, (28, 28), (0.1307,), (0.3081,))
