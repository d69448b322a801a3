"""Registers of processors, among them some that this machine does not have."""

import pytest
import torch
from llvmlite import binding

from deepshap.kernels.layout import Weight
from deepshap.kernels.processor import count_vectors, n_vectors


@pytest.mark.parametrize(
    ("triple", "name", "expected"),
    [
        ("x86_64-unknown-linux-gnu", "skylake-avx512", 32 * 512),
        ("x86_64-unknown-linux-gnu", "haswell", 16 * 256),
        ("x86_64-unknown-linux-gnu", "nehalem", 16 * 128),
        ("aarch64-unknown-linux-gnu", "neoverse-n1", 32 * 128),
        ("arm64-apple-macosx", "apple-m1", 32 * 128),
    ],
)
def test_registers_hold_as_many_vectors_as_their_bits(
    triple: str, name: str, expected: int
) -> None:
    """A vector has 16 numbers of 32 bits."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    assert count_vectors(triple, name, "") == expected // (16 * 32)


def test_a_processor_whose_registers_have_other_names_can_be_used() -> None:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    n_registers = count_vectors("riscv64-unknown-linux-gnu", "", "")
    panels, *_ = Weight(torch.ones(3, 40, 1, 1)).panels(10, n_registers)
    assert panels.size >= 3 * 40


def test_this_processor_is_known() -> None:
    assert n_vectors() in {4, 8, 32}
