"""The Python code in the README runs and does what its comments say."""

import re
from pathlib import Path

import torch
from torch import nn

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_first_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 6))
    names = {
        "network": network,
        "background": torch.rand(20, 1, 8, 8),
        "images": torch.rand(2, 1, 8, 8),
    }
    exec(example, names)
    assert torch.allclose(names["outputs"], network(names["images"]), atol=1e-5)
    assert names["top"].shape == (2, 3)
    assert names["values"].shape == (2, 1, 8, 8, 6)
    assert names["groups"].shape == (2, 10, 8, 8, 6)
    every = names["values"]
    grouped = names["groups"].mean(1)  # groups of equal size
    assert torch.allclose(grouped, every.sum(1), atol=1e-6)


def test_the_files_that_it_links_to_exist() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", README.read_text(encoding="utf-8"))
    assert links
    assert all((README.parent / link).exists() for link in links)
