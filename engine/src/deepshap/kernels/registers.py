"""Code that numba cannot express: instructions for LLVM that keep sums in registers.

Each function here is an intrinsic: numba calls it while compiling, to learn the types and to emit
instructions through `b`, LLVM's builder.
"""

import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from deepshap.kernels.layout import LANES

_I32, _I64, _VECTOR = ir.IntType(32), ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)


def _plain(context: Any, b: Any, value: Any, type_: Any) -> Any:
    """The address of an array's first number; a number unchanged; a list for a tuple."""
    if isinstance(type_, types.Array):
        return context.make_array(type_)(context, b, value).data
    if isinstance(type_, types.Number):
        return value
    items = enumerate(type_)
    return [_plain(context, b, b.extract_value(value, at), item_type) for at, item_type in items]


def _load(b: Any, array: Any, *index: Any) -> Any:
    """The number at the sum of the indices."""
    return b.load(b.gep(array, [functools.reduce(b.add, index)]))


def _vector_at(b: Any, array: Any, *index: Any) -> Any:
    """The address of a vector that begins at the sum of the indices."""
    return b.bitcast(b.gep(array, [functools.reduce(b.add, index)]), _VECTOR.as_pointer())


def _spread(b: Any, number: Any) -> Any:
    """A vector with the same number in every lane."""
    first = b.insert_element(
        ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined), number, _I32(0)
    )
    return b.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, LANES), None))


def _multiply_add(b: Any, x: Any, y: Any, z: Any) -> Any:
    """X * y + z, in one instruction where the processor has it."""
    return b.fadd(b.fmul(x, y, flags=("contract",)), z, flags=("contract",))


def _accumulate(
    typing: Any, sizes: Any, out: Any, others: Any, weights: Any, rows: Any, entries: Any,
    stretches: Any, n_stretches: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Add up outer products in registers: out[k] = Σ_s ratio[s] rows[k, s] weights[s].

    `sizes` holds four tuples. Their lengths are the outputs k and the vectors of a panel, the
    numbers from one k of `rows` to the next (0 if unknown), and 1 for out[k] += (u - v) * Σ or 2
    for out[k] = Σ + u[k] * v instead, where u and v are numbers of each channel.
    Because LLVM knows these sizes, it keeps all sums and addresses in registers, unlike numba's own
    loops. An entry s costs one multiply-add per sum, one read and one product per vector, and one
    read per k. This reaches four fifths of a core's peak.

    Args:
        out: (array, start, step from one k to the next).
        others: (array of u, start, step from one k to the next, array of v, start).
        weights: (array, start).
        rows: (array, start, step from one k to the next).
        entries: (ratios, addresses), one number per entry. The upper 32 bits of an address are a
            signed offset into `weights`, the lower 32 bits an offset into `rows`.
        stretches: (n, 3) int64: first entry, one past the last entry, start in `weights`.
        n_stretches: The number of stretches.
    """
    n_k, n_v, n_step, ending = (len(size) for size in sizes)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        plain = (_plain(context, b, *each) for each in zip(arguments, signature.args, strict=True))
        (_, (out, out_at, out_step), (*u, u_step, v_, v_at), (weights, weights_at),
         (rows, rows_at, rows_step), (ratio, addresses), stretches,
         n_stretches) = plain  # fmt: skip
        rows_step = _I64(n_step) if n_step else rows_step
        starts = [_I64(v * LANES) for v in range(n_v)]
        sums = {(k, v): cgutils.alloca_once(b, _VECTOR) for k in range(n_k) for v in range(n_v)}
        for total in sums.values():
            b.store(ir.Constant(_VECTOR, None), total)
        with cgutils.for_range(b, n_stretches) as stretch:
            fields = [b.add(b.mul(stretch.index, _I64(3)), _I64(at)) for at in range(3)]
            start, stop, base = (_load(b, stretches, field) for field in fields)
            with cgutils.for_range(b, stop, start=start) as entry:
                both = _load(b, addresses, entry.index)  # one read for two offsets
                row, weight = b.and_(both, _I64(2**32 - 1)), b.ashr(both, _I64(32))
                share = _spread(b, _load(b, ratio, entry.index))
                sides = (_vector_at(b, weights, weights_at, base, weight, at) for at in starts)
                scaled = [b.fmul(share, b.load(side, align=4)) for side in sides]
                for k in range(n_k):
                    one = _spread(b, _load(b, rows, rows_at, row, b.mul(rows_step, _I64(k))))
                    for v in range(n_v):
                        total = sums[k, v]
                        b.store(_multiply_add(b, one, scaled[v], b.load(total)), total)
        for (k, v), total in sums.items():
            at = _vector_at(b, out, out_at, b.mul(out_step, _I64(k)), starts[v])
            result = b.load(total)
            if ending:
                left = _vector_at(b, *u, b.mul(u_step, _I64(k)), starts[v])
                right = _vector_at(b, v_, v_at, starts[v])
                left, right = (b.load(side, align=4) for side in (left, right))
            if ending == 1:
                result = _multiply_add(b, b.fsub(left, right), result, b.load(at, align=4))
            if ending == 2:
                result = _multiply_add(b, left, right, result)
            b.store(result, at, align=4)
        return context.get_dummy_value()

    arguments = sizes, out, others, weights, rows, entries, stretches, n_stretches
    return types.void(*arguments), generate


def _product(
    typing: Any, sizes: Any, out: Any, others: Any, weights: Any, rows: Any, c: Any, places: Any
) -> tuple[Any, Any]:
    """A tile of a matrix product in registers: out[row] = Σ_c rows[row, c] weights[c].

    `sizes` holds three tuples. Their lengths are the rows and the vectors of the tile, and 2 for
    out[row] = Σ + u[row] * v[row] instead.

    Args:
        out: (array, start).
        others: (array of u, start, array of v, start).
        weights: (array, start); a line of all vectors for each c.
        rows: (array, start); a line of c numbers for each row.
        c: The length of the sums.
        places: (array, start); three numbers for each row: what to add to the starts of out, u, v.
    """
    n_rows, n_v, ending = (len(size) for size in sizes)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        plain = (_plain(context, b, *each) for each in zip(arguments, signature.args, strict=True))
        (_, (out, out_at), (u, u_at, v_, v_at), (weights, weights_at), (rows, rows_at), c,
         (places, places_at)) = plain  # fmt: skip
        starts = [_I64(v * LANES) for v in range(n_v)]
        sums = {(r, v): cgutils.alloca_once(b, _VECTOR) for r in range(n_rows) for v in range(n_v)}
        for total in sums.values():
            b.store(ir.Constant(_VECTOR, None), total)
        lines = [b.add(rows_at, b.mul(c, _I64(row))) for row in range(n_rows)]
        with cgutils.for_range(b, c) as loop:
            line = b.add(weights_at, b.mul(loop.index, _I64(n_v * LANES)))
            sides = [b.load(_vector_at(b, weights, line, at), align=4) for at in starts]
            for row in range(n_rows):
                one = _spread(b, _load(b, rows, lines[row], loop.index))
                for v in range(n_v):
                    total = sums[row, v]
                    b.store(_multiply_add(b, one, sides[v], b.load(total)), total)
        for (row, v), result in sums.items():
            fields = [_load(b, places, places_at, _I64(3 * row + at)) for at in range(3)]
            ends = ((out, out_at), (u, u_at), (v_, v_at))
            at, left, right = (
                _vector_at(b, array, start, field, starts[v])
                for (array, start), field in zip(ends, fields, strict=True)
            )
            _store_sum(b, ending, b.load(result), at, left, right)
        return context.get_dummy_value()

    return types.void(sizes, out, others, weights, rows, c, places), generate


def _scale(typing: Any, out: Any, rows: Any, ratio: Any, c: Any) -> tuple[Any, Any]:
    """Multiply c numbers, at least 16, by their ratios: out = rows * ratio.

    Args:
        out, rows, ratio: (array, start) each.
        c: How many numbers.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        plain = (_plain(context, b, *each) for each in zip(arguments, signature.args, strict=True))
        *ends, c = plain
        last = b.sub(c, _I64(LANES))
        with cgutils.for_range(b, b.udiv(b.add(c, _I64(LANES - 1)), _I64(LANES))) as loop:
            lane = b.mul(loop.index, _I64(LANES))
            side = b.select(b.icmp_signed("<", lane, last), lane, last)  # overlaps the one before
            at, *factors = (_vector_at(b, array, start, side) for array, start in ends)
            b.store(b.fmul(*(b.load(factor, align=4) for factor in factors)), at, align=4)
        return context.get_dummy_value()

    return types.void(out, rows, ratio, types.int64), generate


def _weighted_sum(
    typing: Any, sizes: Any, out: Any, others: Any, weights: Any, ratio: Any, rows: Any,
    taps: Any, n_taps: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Sums of 16 channels in registers: out[k] = Σ_tap ratio[tap] weights[tap] rows[k, tap].

    `sizes` holds two tuples. Their lengths are the outputs k, and 2 for out[k] = Σ + u[k] * v
    instead.

    Args:
        out: (array, start, step from one k to the next).
        others: (array of u, start, step from one k to the next, array of v, start).
        weights, ratio: (array, start).
        rows: (array, start, step from one k to the next).
        taps: Three numbers for each tap: what to add to the starts of weights, ratio and rows.
        n_taps: The number of taps.
    """
    n_k, ending = (len(size) for size in sizes)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        plain = (_plain(context, b, *each) for each in zip(arguments, signature.args, strict=True))
        (_, (out, out_at, out_step), (u, u_at, u_step, v_, v_at), weights, ratio,
         (rows, rows_at, rows_step), taps, n_taps) = plain  # fmt: skip
        sums = [cgutils.alloca_once(b, _VECTOR) for _ in range(n_k)]
        for total in sums:
            b.store(ir.Constant(_VECTOR, None), total)
        with cgutils.for_range(b, n_taps) as tap:
            fields = [_load(b, taps, b.mul(tap.index, _I64(3)), _I64(at)) for at in range(3)]
            factors = (
                b.load(_vector_at(b, array, start, field), align=4)
                for (array, start), field in zip((weights, ratio), fields[:2], strict=True)
            )
            scaled = b.fmul(*factors)
            for k, total in enumerate(sums):
                side = _vector_at(b, rows, rows_at, fields[2], b.mul(rows_step, _I64(k)))
                result = _multiply_add(b, scaled, b.load(side, align=4), b.load(total))
                b.store(result, total)
        for k, total in enumerate(sums):
            at = _vector_at(b, out, out_at, b.mul(out_step, _I64(k)))
            left = _vector_at(b, u, u_at, b.mul(u_step, _I64(k)))
            _store_sum(b, ending, b.load(total), at, left, _vector_at(b, v_, v_at))
        return context.get_dummy_value()

    return types.void(sizes, out, others, weights, ratio, rows, taps, n_taps), generate


def _store_sum(b: Any, ending: int, result: Any, at: Any, u: Any, v: Any) -> None:
    """Write a vector of sums; with an ending, plus the product of the vectors at u and v."""
    if ending:
        result = _multiply_add(b, b.load(u, align=4), b.load(v, align=4), result)
    b.store(result, at, align=4)


def _mask(typing: Any, ratio: Any, offset: Any, start: Any, position: Any) -> tuple[Any, Any]:
    """A bit for each of 16 ratios from `start` on: whether it is not 0 and has this position."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        plain = (_plain(context, b, *each) for each in zip(arguments, signature.args, strict=True))
        *arrays, start, position = plain
        kinds = ir.FloatType(), ir.IntType(8)
        ratios, offsets = (
            b.load(
                b.bitcast(b.gep(array, [start]), ir.VectorType(kind, LANES).as_pointer()), align=1
            )
            for array, kind in zip(arrays, kinds, strict=True)
        )
        matches = b.icmp_unsigned("==", offsets, _spread(b, b.trunc(position, ir.IntType(8))))
        bits = b.and_(matches, b.fcmp_unordered("!=", ratios, ir.Constant(ratios.type, None)))
        return b.zext(b.bitcast(bits, ir.IntType(LANES)), _I64)

    return types.int64(ratio, offset, types.int64, types.int64), generate


def _prefetch(typing: Any, array: Any, start: Any, n_vectors: Any) -> tuple[Any, Any]:
    """Bring `n_vectors` vectors from `start` on into the cache; they may lie outside the array."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        plain = (_plain(context, b, *each) for each in zip(arguments, signature.args, strict=True))
        array, start, n_vectors = plain
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        fetch = b.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        how = _I32(0), _I32(3), _I32(1)  # to read, into the nearest cache, of data
        with cgutils.for_range(b, n_vectors) as loop:
            at = b.add(start, b.mul(loop.index, _I64(LANES)))
            b.call(fetch, [b.bitcast(b.gep(array, [at]), byte), *how])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


accumulate: Any = intrinsic(_accumulate)
scale: Any = intrinsic(_scale)
product: Any = intrinsic(_product)
weighted_sum: Any = intrinsic(_weighted_sum)
mask: Any = intrinsic(_mask)
prefetch: Any = intrinsic(_prefetch)
