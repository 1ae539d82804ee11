"""Short vector loops and random bits for the Gibbs kernel: what LLVM must be told, and no more."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, import-untyped, unreachable"

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


VECTOR = ir.VectorType(ir.FloatType(), LANES)
WHOLE = ir.VectorType(ir.IntType(32), LANES)


def _same(number):
    """Make a vector of one float."""
    return ir.Constant(VECTOR, [number] * LANES)


def _lanes(builder, base, index):
    """Point at the vector that starts at an index of a float array."""
    return builder.bitcast(builder.gep(base, [index]), VECTOR.as_pointer())


def _data(context, builder, signature, values, i):
    """Point at the first number of an array argument."""
    return context.make_array(signature.args[i])(context, builder, values[i]).data


def _larger(builder, a, b):
    """Lane by lane, the larger."""
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _plus(builder, a, b):
    """Lane by lane, the sum."""
    return builder.fadd(a, b)


def _across(builder, vector, join):
    """Join all lanes of a vector by halves; every lane of the result has the answer."""
    half = LANES // 2
    while half:
        turned = ir.Constant(WHOLE, [lane ^ half for lane in range(LANES)])
        vector = join(builder, vector, builder.shuffle_vector(vector, vector, turned))
        half //= 2
    return vector


def _first(builder, vector):
    """Take a vector's first number."""
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


def _add_rows(groups):
    """Make a function that adds rows, from lane ``at`` on, some groups of lanes at once.

    Written out for LLVM, which does not vectorise so short a loop by itself.
    """

    @intrinsic
    def add_rows(context, sums, at, tables, places, person, blocks):
        def build(context, builder, signature, values):
            starts = context.make_array(signature.args[3])(context, builder, values[3])
            across = cgutils.unpack_tuple(builder, starts.shape)[1]
            to, table = (_data(context, builder, signature, values, i) for i in (0, 2))

            def group(base, index, number):
                return _lanes(builder, base, builder.add(index, index.type(number * LANES)))

            totals = [cgutils.alloca_once(builder, VECTOR) for _ in range(groups)]
            for total in totals:
                builder.store(_same(0.0), total)
            with cgutils.for_range(builder, values[5]) as loop:
                place = builder.add(builder.mul(loop.index, across), values[4])
                row = builder.add(builder.load(builder.gep(starts.data, [place])), values[1])
                for number, total in enumerate(totals):
                    part = builder.load(group(table, row, number), align=4)
                    builder.store(builder.fadd(builder.load(total), part), total)
            for number, total in enumerate(totals):
                builder.store(builder.load(total), group(to, values[1], number), align=4)
            return context.get_dummy_value()

        return types.void(sums, types.int64, tables, places, types.int64, types.int64), build

    return add_rows


_add_1, _add_2, _add_3, _add_4 = (_add_rows(groups) for groups in (1, 2, 3, 4))


@njit(inline="always")
def add_rows(sums, lo, hi, tables, places, person, blocks):
    """Store in ``sums[lo:hi]`` the sums over blocks b of ``tables[places[b, person] + lane]``."""
    at, end = lo // LANES * LANES, -(-hi // LANES) * LANES
    while end - at >= 4 * LANES:
        _add_4(sums, at, tables, places, person, blocks)
        at += 4 * LANES
    if end - at == LANES:
        _add_1(sums, at, tables, places, person, blocks)
    elif end - at == 2 * LANES:
        _add_2(sums, at, tables, places, person, blocks)
    elif end - at == 3 * LANES:
        _add_3(sums, at, tables, places, person, blocks)


def _exp(builder, x):
    """e^x for x <= 0, to six digits: 2^n times a polynomial."""
    y = builder.fadd(builder.fmul(x, _same(1.4426950408889634)), _same(127.0))
    y = _larger(builder, y, _same(27.0))
    n = builder.fptosi(y, WHOLE)
    f = builder.fsub(y, builder.sitofp(n, VECTOR))
    p = _same(0.0018775767)
    for next_one in (0.0089893397, 0.055826318, 0.24015361, 0.69315308, 0.99999994):
        p = builder.fadd(
            builder.fmul(p, f, flags=["contract"]), _same(next_one), flags=["contract"]
        )
    power = builder.shl(n, ir.Constant(WHOLE, [23] * LANES))
    return builder.fmul(p, builder.bitcast(power, VECTOR))


@intrinsic
def _weigh(context, logits, begin, end, lo, hi):
    """Turn log weights into weights, in place, and add up: the largest 1, outside lo..hi next to 0.

    ``begin`` and ``end`` are ``lo`` and ``hi`` taken to multiples of `LANES`.
    """

    def build(context, builder, signature, values):
        data = _data(context, builder, signature, values, 0)
        begin, end, lo, hi = values[1:]
        step = begin.type(LANES)
        top, total = (cgutils.alloca_once(builder, VECTOR) for _ in range(2))
        builder.store(_same(-1e9), top)
        builder.store(_same(0.0), total)

        def lane_of(bound, start):
            """Place of a bound among the lanes from start on."""
            bound = builder.trunc(builder.sub(bound, start), ir.IntType(32))
            one = builder.insert_element(
                ir.Constant(WHOLE, ir.Undefined), bound, ir.Constant(ir.IntType(32), 0)
            )
            return builder.shuffle_vector(one, one, ir.Constant(WHOLE, [0] * LANES))

        number = ir.Constant(WHOLE, list(range(LANES)))
        with cgutils.for_range_slice(builder, begin, end, step, begin.type) as (j, _):
            here = builder.load(_lanes(builder, data, j), align=4)
            inside = builder.and_(
                builder.icmp_signed(">=", number, lane_of(lo, j)),
                builder.icmp_signed("<", number, lane_of(hi, j)),
            )
            here = builder.select(inside, here, _same(-1e9))
            builder.store(here, _lanes(builder, data, j), align=4)
            builder.store(_larger(builder, here, builder.load(top)), top)
        most = _across(builder, builder.load(top), _larger)
        with cgutils.for_range_slice(builder, begin, end, step, begin.type) as (j, _):
            here = builder.load(_lanes(builder, data, j), align=4)
            here = _exp(builder, builder.fsub(here, most))
            builder.store(here, _lanes(builder, data, j), align=4)
            builder.store(builder.fadd(builder.load(total), here), total)
        return _first(builder, _across(builder, builder.load(total), _plus))

    index = types.int64
    return types.float32(logits, index, index, index, index), build


@intrinsic
def _sum(context, weights, at):
    """Add up ``weights[at : at + LANES]``."""

    def build(context, builder, signature, values):
        data = _data(context, builder, signature, values, 0)
        here = builder.load(_lanes(builder, data, values[1]), align=4)
        return _first(builder, _across(builder, here, _plus))

    return types.float32(weights, types.int64), build


@njit(inline="always", fastmath=True)
def drawn(logits, lo, hi, u):
    """Draw a level from ``lo`` to ``hi - 1`` by its log weight; overwrites ``logits``."""
    begin, end = lo // LANES * LANES, -(-hi // LANES) * LANES
    left = u * _weigh(logits, begin, end, lo, hi)
    level = begin
    while level + LANES < end:  # whole lanes first: a step each would be long for many levels
        some = _sum(logits, level)
        if left < some:
            break
        left -= some
        level += LANES
    passed = 0
    for j in range(level, level + LANES):  # without a branch, for none could be foreseen
        left -= logits[j]
        passed += left >= np.float32(0.0)
    level = min(max(level + passed, lo), hi - 1)
    while logits[level] < RARE and level > lo:  # rounding ran past the possible
        level -= 1
    return level
