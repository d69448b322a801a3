"""A small vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929) for images from 8×8.

Two convolutions make one token of 4×4 pixels (Xiao et al. 2021, arXiv:2106.14881). They accept
images of any size and train faster than patches. The mean token is classified.
"""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Count = Annotated[int, Field(ge=1)]


class Tokens(nn.Module):
    """Tokens of 4×4 pixels and their surroundings, with learned positions added."""

    def __init__(self, channels: int, image_size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width // 2, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
        )
        rows, columns = (math.ceil(side / 4) for side in image_size)
        self.positions = nn.Parameter(torch.empty(rows * columns, width))
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, channels, height, width) to tokens (n, t, width)."""
        features: Tensor = self.stem(images)  # (n, width, rows, columns)
        return features.flatten(2).transpose(1, 2) + self.positions


class Attention(nn.Module):
    """Multi-head self-attention: each token becomes a mean of all tokens' values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, t, width) to the same shape."""
        projected = self.project_in(tokens).unflatten(2, (3, self.heads, -1))
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)  # (n, heads, t, head_width) each
        means = scaled_dot_product_attention(queries, keys, values)
        mixed: Tensor = self.project_out(means.transpose(1, 2).flatten(2))
        return mixed


class Block(nn.Module):
    """Attention, then a perceptron; both read normalised tokens and add to the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, t, width) to the same shape."""
        attended: Tensor = tokens + self.attention(tokens)
        mapped: Tensor = attended + self.perceptron(attended)
        return mapped


class MeanToken(nn.Module):
    """The mean over the tokens."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, t, width) to (n, width)."""
        return tokens.mean(dim=1)


def build(
    channels: int,
    image_size: tuple[int, int],
    n_classes: int,
    *,
    depth: Count = 4,
    heads: Count = 4,
    head_width: Annotated[int, Field(ge=2)] = 16,
) -> nn.Module:
    """Build the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels.
        n_classes: Number of outputs.
        depth: Number of blocks.
        heads: Attention heads in each block.
        head_width: Features per head; a token has `heads * head_width` features.

    Returns:
        Maps standardised images (n, channels, height, width) to logits (n, n_classes).
    """
    width = heads * head_width
    return nn.Sequential(
        Tokens(channels, image_size, width),
        *(Block(width, heads) for _ in range(depth)),
        nn.LayerNorm(width),
        MeanToken(),
        nn.Linear(width, n_classes),
    )
