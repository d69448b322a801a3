"""Kuzushiji-MNIST: 70,000 cursive hiragana (Clanuwat et al. 2018, arXiv:1812.01718), 28×28 grey.

SHA-256 are published for the `.gz` files only, so no other compression is accepted.
"""

from stages.datasets.base.idx import IdxDataset

_kmnist = IdxDataset(
    name="kmnist",
    torchvision_class="KMNIST",
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    sha256={
        "train-images-idx3-ubyte.gz": (
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"
        ),
        "train-labels-idx1-ubyte.gz": (
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"
        ),
    },
)
fetch, read = _kmnist.fetch, _kmnist.read
