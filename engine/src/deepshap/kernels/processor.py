"""How many numbers the processor's registers hold, as LLVM compiles for it."""

import functools
import re

from llvmlite import binding, ir
from numba.core.registry import cpu_target

from deepshap.kernels.layout import LANES

_NUMBERS = {"x": 4, "y": 8, "z": 16, "q": 4}
"""Float32 numbers in a register of SSE, AVX2, AVX-512 and NEON, by the first letter of its name."""

_OTHERWISE = 8
"""Vectors of processors whose registers have other names."""


@functools.cache
def n_vectors() -> int:
    """Vectors of `LANES` numbers that all registers hold: 32 with AVX-512, 8 with AVX2 or NEON.

    Numba's environment variables, such as NUMBA_CPU_NAME, choose another processor.
    """
    return count_vectors(*cpu_target.target_context.codegen().magic_tuple())


def count_vectors(triple: str, name: str, features: str) -> int:
    """`n_vectors` of a processor, by the names that LLVM gives it.

    LLVM compiles a function that needs more vectors than any processor holds, and uses all of the
    registers.
    """
    machine = binding.Target.from_triple(triple).create_target_machine(name, features, opt=0)
    code = machine.emit_assembly(binding.parse_assembly(_copy(64)))
    registers = set(re.findall(r"\b([xyz]mm|q)(\d+)\b", code))
    return sum(_NUMBERS[kind[0]] for kind, _ in registers) // LANES or _OTHERWISE


def _copy(n: int) -> str:
    """LLVM's code of a function that reads n vectors and writes them in reverse order."""
    vector = ir.VectorType(ir.FloatType(), LANES)
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [vector.as_pointer()]), "copy")
    b = ir.IRBuilder(function.append_basic_block())
    addresses = [b.gep(function.args[0], [ir.IntType(64)(at)]) for at in range(n)]
    read = [b.load(address) for address in addresses]
    for value, address in zip(reversed(read), addresses, strict=True):
        b.store(value, address)
    b.ret_void()
    return str(module)
