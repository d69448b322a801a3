"""Processes share work through a folder, even if some are killed."""

from itertools import chain
from pathlib import Path

import pytest

from stages.ranks import shards
from stages.ranks.shards import n_finished, new_shard, shards_of, unfinished, until_finished


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_SIZE", 4)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("n_images", [1, 3, 4, 5, 12])
def test_every_image_is_in_exactly_one_shard(n_images: int, tmp_path: Path) -> None:
    rows = [range(n_images)[shard.rows] for shard in shards_of(n_images, tmp_path)]
    assert list(chain.from_iterable(rows)) == list(range(n_images))
    assert all(len(indices) <= 4 for indices in rows)


@pytest.mark.usefixtures("small")
def test_processes_share_shards_and_do_each_once(tmp_path: Path) -> None:
    all_shards = shards_of(12, tmp_path)
    first, second = unfinished(all_shards), unfinished(all_shards)
    done = []
    for worker in (first, second, first):
        shard = next(worker)
        with new_shard(shard) as folder:
            (folder / "values").touch()
        done.append(shard)
    assert sorted(done) == sorted(all_shards)
    assert list(first) == list(second) == []
    assert n_finished(all_shards) == 12


@pytest.mark.usefixtures("small")
def test_another_process_does_the_shard_of_a_dead_one_last(tmp_path: Path) -> None:
    all_shards = shards_of(12, tmp_path)
    dead = next(unfinished(all_shards))
    done = []
    for shard in unfinished(all_shards):
        done.append(shard)
        with new_shard(shard):
            pass
    assert done == [*all_shards[1:], dead]


@pytest.mark.usefixtures("small")
def test_the_first_process_to_finish_a_shard_wins(tmp_path: Path) -> None:
    (shard,) = shards_of(4, tmp_path)
    with new_shard(shard) as slow:
        (slow / "values").write_text("slow")
        with new_shard(shard) as fast:
            (fast / "values").write_text("fast")
    assert (shard.folder / "values").read_text() == "fast"
    assert [path.name for path in tmp_path.iterdir()] == [shard.folder.name]


@pytest.mark.usefixtures("small")
def test_a_folder_hidden_by_a_network_file_system_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS may cache for seconds that another host's folder is missing; renaming still finds it."""
    (shard,) = shards_of(4, tmp_path)
    with new_shard(shard) as fast:
        (fast / "values").write_text("fast")
    with new_shard(shard) as slow:
        (slow / "values").write_text("slow")
        monkeypatch.setattr(Path, "exists", lambda path: False)
    assert (shard.folder / "values").read_text() == "fast"


@pytest.mark.usefixtures("small")
def test_a_shard_that_cannot_be_renamed_is_an_error(tmp_path: Path) -> None:
    (shard,) = shards_of(4, tmp_path)
    shard.folder.touch()
    with pytest.raises(NotADirectoryError), new_shard(shard):
        pass


@pytest.mark.usefixtures("small")
def test_repeating_a_shard_stops_once_another_process_finishes_it(tmp_path: Path) -> None:
    (shard,) = shards_of(4, tmp_path)
    seen = []
    with new_shard(shard):
        for piece in until_finished(shard, range(3)):
            seen.append(piece)
            with new_shard(shard) as fast:
                (fast / "values").write_text("fast")
    assert seen == [0]
    assert (shard.folder / "values").read_text() == "fast"
    assert [path.name for path in tmp_path.iterdir()] == [shard.folder.name]


@pytest.mark.parametrize(
    ("n_images", "n_shards"), [(1, 1), (32, 1), (100, 4), (10_000, 16), (10**6, 977)]
)
def test_few_images_are_cut_into_shards_too(n_images: int, n_shards: int, tmp_path: Path) -> None:
    """So that each of several processes gets some."""
    assert len(shards_of(n_images, tmp_path)) == n_shards


@pytest.mark.usefixtures("small")
def test_a_failed_shard_leaves_nothing_behind(tmp_path: Path) -> None:
    (shard,) = shards_of(4, tmp_path)
    with pytest.raises(RuntimeError), new_shard(shard):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
