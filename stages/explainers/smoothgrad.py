"""SmoothGrad: the gradient, averaged over noisy copies of the image; captum's `NoiseTunnel`.

With its sign, which counts where objects have the same brightness in all images, as in MNIST.

Source: Smilkov et al. 2017, arXiv:1706.03825.
"""

import torch
from torch import Tensor, nn

from stages.explainers.base.captum_extra import captum
from stages.explainers.base.contract import Attribute
from stages.explainers.base.one_by_one import one_by_one

VALUES = (
    "mean gradient of the output by a pixel near the image: output units per unit of the pixel (0 "
    "to 255); says where a brighter pixel raises the output, not what the pixel has contributed"
)
ADDS_UP = False

SAMPLES = 50  # noisy copies
NOISE = 0.15  # standard deviation, as a share of the image's range of pixel values


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; each image draws the same noise, from `seed`."""
    tunnel = captum.NoiseTunnel(captum.Saliency(network))

    def map_one(image: Tensor, number: Tensor) -> Tensor:
        """The map (1, c, h, w) of one image (1, c, h, w)."""
        deviation = NOISE * float(image.max() - image.min())
        with torch.random.fork_rng(devices=[image.device] if image.is_cuda else []):
            torch.manual_seed(seed)
            values: Tensor = tunnel.attribute(
                image.requires_grad_(),
                nt_type="smoothgrad",
                nt_samples=SAMPLES,
                stdevs=max(deviation, torch.finfo(image.dtype).tiny),
                target=number,
                abs=False,
            )
        return values

    def map_each(images: Tensor, classes: Tensor) -> Tensor:
        return torch.cat(list(map(map_one, images.split(1), classes.split(1))))

    return one_by_one(map_each)
