"""Short vector loops and random bits for the Gibbs kernel: what LLVM must be told, and no more."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, import-untyped"

from __future__ import annotations

import numpy as np
from llvmlite import ir  # comes with numba
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
"""Numbers that a processor adds at once; rows are padded to a multiple."""

RARE = np.float32(1e-20)
"""A level so much less likely than the likeliest is never drawn."""

GOLDEN = 0x9E3779B97F4A7C15
"""Step of a random stream."""


@njit(inline="always")
def mixed(z):
    """Scramble 64 bits (SplitMix64; Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def unit(bits):
    """Take 64 random bits as a number in [0, 1)."""
    return np.float32((bits >> np.uint64(40)) * (1.0 / 16777216.0))


@intrinsic
def _as_float(context, bits):
    """Take 32 bits as a float."""

    def build(context, builder, signature, values):
        return builder.bitcast(values[0], context.get_value_type(types.float32))

    return types.float32(types.int32), build


@intrinsic
def add_rows(context, sums, at, tables, places, rows):
    """Store in ``sums[at : at + LANES]`` the sums over rows of ``tables[places[row] + at + lane]``.

    Written out for LLVM, which does not vectorise so short a loop by itself.
    """

    def build(context, builder, signature, values):
        def pointer(i):
            return context.make_array(signature.args[i])(context, builder, values[i]).data

        vector = ir.VectorType(ir.FloatType(), LANES)

        def lanes(base, index):
            return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

        total = cgutils.alloca_once(builder, vector)
        builder.store(ir.Constant(vector, [0.0] * LANES), total)
        start, first = pointer(2), pointer(3)
        with cgutils.for_range(builder, values[4]) as loop:
            row = builder.add(builder.load(builder.gep(first, [loop.index])), values[1])
            part = builder.load(lanes(start, row), align=4)
            builder.store(builder.fadd(builder.load(total), part), total)
        builder.store(builder.load(total), lanes(pointer(0), values[1]), align=4)
        return context.get_dummy_value()

    return types.void(sums, types.int64, tables, places, types.int64), build


@njit(inline="always", fastmath=True)
def _exp(x):
    """e^x for x <= 0, to six digits: 2^n times a polynomial, so that loops vectorise."""
    y = max(x * np.float32(1.4426950408889634) + np.float32(127.0), np.float32(27.0))
    n = np.int32(y)
    f = y - np.float32(n)
    p = np.float32(0.0018775767)
    p = p * f + np.float32(0.0089893397)
    p = p * f + np.float32(0.055826318)
    p = p * f + np.float32(0.24015361)
    p = p * f + np.float32(0.69315308)
    p = p * f + np.float32(0.99999994)
    return p * _as_float(np.int32(n << np.int32(23)))


@njit(inline="always", fastmath=True)
def drawn(logits, lo, hi, u):
    """Draw a level from ``lo`` to ``hi - 1`` by its log weight; overwrites ``logits``."""
    begin, end = lo // LANES * LANES, -(-hi // LANES) * LANES
    for j in range(begin, lo):
        logits[j] = np.float32(-1e9)
    for j in range(hi, end):
        logits[j] = np.float32(-1e9)
    top = np.float32(-1e9)
    for j in range(begin, end):
        top = max(top, logits[j])
    total = np.float32(0.0)
    for j in range(begin, end):
        logits[j] = _exp(logits[j] - top)
        total += logits[j]
    level = lo
    left = u * total - logits[lo]
    while left >= np.float32(0.0) and level < hi - 1:
        level += 1
        left -= logits[level]
    while logits[level] < RARE and level > lo:  # rounding ran past the possible
        level -= 1
    return level
