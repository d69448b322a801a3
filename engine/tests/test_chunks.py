"""The background is cut into chunks, pieces and groups, which must not change the values."""

import functools
from typing import Any

import pytest
import torch
from torch import fx, nn

from deepshap import engine
from deepshap.chunks import cut
from deepshap.graph.program import Batch, Program

from .networks import NETWORKS, explainer_of, images, shared

F64 = torch.float64


@pytest.mark.parametrize("n_background", [1, 2, 7, 20, 100, 1003])
@pytest.mark.parametrize("n_groups", [1, 2, 3, 10])
@pytest.mark.parametrize("largest", [1, 4, 33, 10_000])
def test_every_image_is_in_one_chunk_and_in_its_group(
    n_background: int, n_groups: int, largest: int
) -> None:
    n_groups = min(n_groups, n_background)
    chunks = cut(n_background, n_groups, largest)
    background_indices = range(n_background)
    assert [at for chunk in chunks for at in background_indices[chunk.images]] == list(
        background_indices
    )
    assert max(map(len, chunks)) <= largest
    assert len(chunks) >= min(4, n_background)
    if n_groups == 1:
        assert max(map(len, chunks)) <= 2 * min(map(len, chunks))
    groups = torch.arange(n_background).tensor_split(n_groups)
    found: list[list[int]] = [[] for _ in groups]
    for chunk in chunks:
        for piece in chunk.pieces:
            found[piece.group] += piece.images
            assert list(background_indices[chunk.images][chunk.within(piece)]) == list(piece.images)
    assert found == [group.tolist() for group in groups]


@pytest.mark.parametrize("n_background", [9, 23])
@pytest.mark.parametrize("name", ["conv relu pool", "standardized", "residual", "linear alone"])
def test_attributions_by_group_are_those_against_its_images_alone(
    name: str, n_background: int
) -> None:
    network = shared(name, F64)
    x, background = images(2, F64), images(n_background, F64, seed=2)
    explainer = explainer_of(network, background)
    values, groups = explainer.attribute_by_group(x, n_groups=4)
    assert torch.allclose(values, explainer.attribute(x), rtol=0, atol=1e-13)
    assert groups.shape == (2, 4, 10, 10, 3)
    for at, group in enumerate(background.tensor_split(4)):
        alone = explainer_of(network, group).attribute(x).sum(1)
        assert torch.allclose(groups[:, at], alone, rtol=0, atol=1e-13)


def test_groups_work_with_other_outputs_for_each_image() -> None:
    explainer = explainer_of(shared("residual", F64), images(7, F64))
    x, outputs = images(2, F64, seed=3), torch.tensor([[2, 0], [1, 1]])
    _, every = explainer.attribute_by_group(x, n_groups=3)
    _, found = explainer.attribute_by_group(x, outputs, n_groups=3)
    index = outputs[:, None, None, None].expand(*every.shape[:4], 2)
    assert torch.allclose(found, every.gather(-1, index), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n_groups", [0, 8])
def test_an_impossible_number_of_groups_is_refused(n_groups: int) -> None:
    explainer = explainer_of(shared("linear alone", F64), images(7, F64))
    with pytest.raises(ValueError, match=f"n_groups: must be in 1 … 7, got {n_groups}"):
        explainer.attribute_by_group(images(1, F64), n_groups=n_groups)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["conv relu pool", "residual", "linear alone"])
def test_each_image_may_have_other_outputs(
    name: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    explainer = explainer_of(shared(name, F64), images(5, F64))
    x = images(4, F64, seed=3)
    every = explainer.attribute(x)
    outputs = torch.tensor([[0, 1], [2, 1], [1, 1], [2, 0]])
    found = explainer.attribute(x, outputs)
    for at, (image, chosen) in enumerate(zip(x, outputs, strict=True)):
        assert torch.allclose(found[at], every[at][..., chosen], atol=1e-13)
        one = explainer.attribute(image[None], outputs[at : at + 1])
        assert torch.allclose(one[0], every[at][..., chosen], atol=1e-13)
    assert torch.equal(explainer.attribute(x, torch.tensor([1, 2])), explainer.attribute(x, [1, 2]))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_sizes_of_batches_and_chunks_do_not_change_values(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = shared(name, F64)
    x, background = images(3, F64), images(7, F64, seed=2)
    values = explainer_of(network, background).attribute(x)
    monkeypatch.setattr(engine, "_MIB", 2**14)
    small = explainer_of(network, background, chunk_mib=1, keep_mib=0)
    assert len(small._chunks(3, 1)) > 2
    assert torch.allclose(small.attribute(x), values, atol=1e-13)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images in each forward pass of the engine."""
    sizes: list[int] = []
    run = Program.run

    def counted(program: Program, images: torch.Tensor) -> Batch:
        sizes.append(len(images))
        return run(program, images)

    monkeypatch.setattr(Program, "run", counted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    return sizes


@functools.cache
def a_mebibyte_per_image() -> nn.Sequential:
    """A network whose ReLU reads 1 MiB for each image of 64×64 pixels in float32."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64**3, 2)]
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize(("keep_mib", "recomputed"), [(4, 0), (3, 4), (0, 4)])
def test_the_background_is_recomputed_only_above_keep_mib(
    passes: list[int], keep_mib: int, recomputed: int
) -> None:
    """Four background images need 4 MiB."""
    background = torch.rand(4, 1, 64, 64)
    explainer = explainer_of(a_mebibyte_per_image(), background, keep_mib=keep_mib)
    passes.clear()
    explainer.attribute(torch.rand(1, 1, 64, 64), [0])
    assert sum(passes) == 1 + recomputed


@pytest.mark.parametrize(("chunk_mib", "most"), [(2, 1), (4, 2), (7, 3), (8, 4), (12, 6)])
def test_a_batch_holds_as_many_images_as_fit_into_chunk_mib(
    monkeypatch: pytest.MonkeyPatch, chunk_mib: int, most: int
) -> None:
    """Per background image the ReLU reads 1 MiB and writes 1 MiB; four images are four chunks."""
    explainer = explainer_of(a_mebibyte_per_image(), torch.rand(4, 1, 64, 64), chunk_mib=chunk_mib)
    batches = []
    attributed = explainer._attributed

    def counted(start: torch.Tensor, node: fx.Node, images: Batch, *rest: Any) -> Any:
        batches.append(len(images))
        return attributed(start, node, images, *rest)

    monkeypatch.setattr(explainer, "_attributed", counted)
    explainer.attribute(torch.rand(6, 1, 64, 64), [0])
    assert max(batches) == most
    assert sum(batches) == 4 * 6


@pytest.mark.parametrize(("keep_mib", "recomputed"), [(0, 24), (2, 12), (3, 8)])
def test_images_share_recomputed_activations_as_far_as_they_fit_into_keep_mib(
    passes: list[int], keep_mib: int, recomputed: int
) -> None:
    """Four background images, six images of 1 MiB each; batches of one image."""
    network, background = a_mebibyte_per_image(), torch.rand(4, 1, 64, 64)
    explainer = explainer_of(network, background, chunk_mib=2, keep_mib=keep_mib)
    x = torch.rand(6, 1, 64, 64)
    passes.clear()
    values = explainer.attribute(x, [0])
    assert set(passes) == {1}
    assert len(passes) == 6 + recomputed
    kept = explainer_of(network, background, chunk_mib=2, keep_mib=16)
    assert torch.equal(values, kept.attribute(x, [0]))
