"""EfficientNet-Lite0 with the names of its published weights: Tan and Le 2019, arXiv:1905.11946."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

# Repeats, kernel, stride, expansion, channels in, channels out. Lite: no squeeze and excitation.
STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: images of even size less on the left and top."""

    def forward(self, images: Tensor) -> Tensor:
        total = self.kernel_size[0] - self.stride[0]
        sides = (total // 2, total - total // 2) * 2
        return conv2d(pad(images, sides), self.weight, stride=self.stride, groups=self.groups)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    def __init__(self, kernel: int, stride: int, expansion: int, before: int, after: int) -> None:
        super().__init__()
        width = before * expansion
        self.residual = stride == 1 and before == after
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = SameConv(before, width, 1, bias=False)
            self._bn0 = norm(width)
        self._depthwise_conv = SameConv(width, width, kernel, stride, groups=width, bias=False)
        self._bn1 = norm(width)
        self._project_conv = SameConv(width, after, 1, bias=False)
        self._bn2 = norm(after)

    def forward(self, features: Tensor) -> Tensor:
        new = features
        if self.expands:
            new = relu6(self._bn0(self._expand_conv(new)))
        new = relu6(self._bn1(self._depthwise_conv(new)))
        new = self._bn2(self._project_conv(new))
        return features + new if self.residual else new


class EfficientNetLite0(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = norm(32)
        blocks = [
            Block(kernel, 1 if number else stride, expansion, after if number else before, after)
            for repeats, kernel, stride, expansion, before, after in STAGES
            for number in range(repeats)
        ]
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = SameConv(320, 1280, 1, bias=False)
        self._bn1 = norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, images: Tensor) -> Tensor:
        features = self._blocks(relu6(self._bn0(self._conv_stem(images))))
        features = relu6(self._bn1(self._conv_head(features)))
        logits: Tensor = self._fc(torch.mean(features, dim=(2, 3)))
        return logits
