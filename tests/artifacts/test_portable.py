"""The portable network: saved, loaded, and the same bytes every time."""

from pathlib import Path

import numpy as np

from stages.artifacts.portable import PortableNetwork


def test_a_saved_network_is_loaded_unchanged_and_its_bytes_are_reproducible(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    operation = {
        "kind": "linear",
        "inputs": [0],
        "shape": [3],
        "settings": {},
        "arrays": {"weight": "1_weight"},
    }
    network = PortableNetwork([operation], {"1_weight": weight})
    for name in ("first", "second"):
        network.save(tmp_path / name)
    loaded = PortableNetwork.load(tmp_path / "first")
    assert loaded.operations == (operation,)
    assert loaded.reason == ""
    np.testing.assert_array_equal(loaded.arrays["1_weight"], weight)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_the_reason_for_a_missing_network_is_saved(tmp_path: Path) -> None:
    PortableNetwork(reason="it is too large").save(tmp_path / "portable")
    assert PortableNetwork.load(tmp_path / "portable") == PortableNetwork(reason="it is too large")
