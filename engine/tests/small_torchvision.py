"""Small versions of torchvision's networks, made of its own classes; each is explained in seconds.

AlexNet, Inception v3, GoogLeNet and VGG have one width only, so they are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig
from torchvision.models.maxvit import MaxVit
from torchvision.models.mobilenetv3 import InvertedResidualConfig
from torchvision.models.regnet import BlockParams
from torchvision.models.resnet import BasicBlock
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

N_OUTPUTS = 10


def convnext() -> nn.Module:
    blocks = [CNBlockConfig(16, 24, 1), CNBlockConfig(24, None, 2)]
    return models.ConvNeXt(blocks, num_classes=N_OUTPUTS)


def densenet() -> nn.Module:
    return models.DenseNet(8, (2, 2, 1, 1), 16, num_classes=N_OUTPUTS)


def efficientnet() -> nn.Module:
    blocks = [
        FusedMBConvConfig(2, 3, 2, 16, 16, 1),
        MBConvConfig(1, 3, 1, 16, 16, 1),
        MBConvConfig(4, 5, 2, 16, 24, 2),
    ]
    return models.EfficientNet(blocks, dropout=0.2, num_classes=N_OUTPUTS)


def maxvit() -> nn.Module:
    return MaxVit((32, 32), 16, 4, [16, 32], [1, 1], 8, 0.0, num_classes=N_OUTPUTS)


def mobilenet_v2() -> nn.Module:
    blocks = [[1, 16, 1, 1], [6, 24, 2, 2]]
    return models.MobileNetV2(N_OUTPUTS, 0.5, blocks)


def mobilenet_v3() -> nn.Module:
    def block(*arguments: object) -> InvertedResidualConfig:
        return InvertedResidualConfig(*arguments, width_mult=1.0)

    blocks = [block(16, 3, 16, 16, True, "RE", 2, 1), block(16, 5, 32, 24, True, "HS", 2, 1)]
    return models.MobileNetV3(blocks, 64, num_classes=N_OUTPUTS)


def regnet() -> nn.Module:
    blocks = BlockParams.from_init_params(4, 16, 8.0, 2.0, 8, se_ratio=0.25)
    return models.RegNet(blocks, num_classes=N_OUTPUTS)


def resnet() -> nn.Module:
    return models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=N_OUTPUTS)


def shufflenet() -> nn.Module:
    return models.ShuffleNetV2([2, 2, 1], [16, 32, 48, 64, 96], num_classes=N_OUTPUTS)


def swin_v2() -> nn.Module:
    return models.SwinTransformer(
        [2, 2],
        16,
        [2, 1],
        [2, 4],
        [4, 4],
        num_classes=N_OUTPUTS,
        block=SwinTransformerBlockV2,
        downsample_layer=PatchMergingV2,
    )


def vision_transformer() -> nn.Module:
    return models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=N_OUTPUTS)


SMALL: dict[str, Callable[[], nn.Module]] = {
    "convnext": convnext,
    "densenet": densenet,
    "efficientnet": efficientnet,
    "maxvit": maxvit,
    "mnasnet": partial(models.MNASNet, 0.35, num_classes=N_OUTPUTS),
    "mobilenetv2": mobilenet_v2,
    "mobilenetv3": mobilenet_v3,
    "regnet": regnet,
    "resnet": resnet,
    "shufflenetv2": shufflenet,
    "squeezenet": partial(models.SqueezeNet, "1_1", num_classes=N_OUTPUTS),
    "swin_transformer": swin_v2,
    "vision_transformer": vision_transformer,
}
