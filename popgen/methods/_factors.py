"""Margins as factors of a log-linear field: what the Gibbs kernels look up, laid out flat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen.domain import OUTSIDE, Domain
from popgen.margin import Margin
from popgen.methods._gibbs import Cells, Conditionals
from popgen.methods._lanes import LANES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEVER = -1e5
"""Log weight of what a margin says nobody is; such cells are never drawn."""

MERGED = 32
"""Most rows of a table that holds the sums of several factors' rows: it must stay in the cache."""


@dataclass(frozen=True, eq=False)
class Factor:
    """One margin over the field's variables, as shares of everybody.

    Attributes
    ----------
    name : str
    axes : tuple of int
        The field's variables that it speaks of.
    codes : tuple of int arrays
        For each of them: which of the factor's levels holds each of the variable's. People outside
        the margin are in a last level, of which nothing is known.
    target, se : array
        Share of everybody in each cell, and its standard error; 0 where outside.
    inside : array of bool
        The cells of which the margin speaks.
    """

    name: str
    axes: tuple[int, ...]
    codes: tuple[Ints, ...]
    target: Floats
    se: Floats
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, margin: Margin, domain: Domain, total: float) -> Factor:
        """State a margin on the variables of a domain."""
        table = margin.table
        pad = [(0, 0 if rule.complete else 1) for rule in margin.maps]
        codes = tuple(
            np.where(rule.codes == OUTSIDE, len(rule.coarse), rule.codes).astype(np.int64)
            for rule in margin.maps
        )
        se = np.zeros(table.domain.shape) if table.se is None else table.se
        return cls(
            margin.name,
            tuple(domain.axis(name) for name in margin.variables),
            codes,
            np.pad(table.counts / total, pad),
            np.pad(se / total, pad),
            np.pad(np.ones(table.domain.shape, bool), pad),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels along each axis, the one for people outside included."""
        return self.target.shape


def indexed(factors: Sequence[Factor]) -> Cells:
    """Lay out which cell of each factor a person is in."""
    terms = _Terms()
    first = [0]
    for factor in factors:
        strides = _strides(factor.shape)
        for axis, codes, stride in zip(factor.axes, factor.codes, strides, strict=True):
            terms.add(axis, codes * stride)
        first.append(len(terms.other))
    start = np.cumsum([0, *(factor.target.size for factor in factors)])
    return Cells(start, np.array(first), *terms.arrays())


class Layout:
    """Where each factor's rows are in the tables that decide a person's next level.

    Parameters
    ----------
    sizes : sequence of int
        Levels of each variable.
    factors : sequence of Factor
    """

    def __init__(self, sizes: Sequence[int], factors: Sequence[Factor]) -> None:
        self.sizes = np.array(sizes, np.int64)
        self.width = -(-self.sizes // LANES) * LANES
        self.factors = tuple(factors)
        self.blocks: list[tuple[int, int, tuple[int, ...]]] = []  # variable, first number, factors
        terms = _Terms()
        first_block, first_term, at = [0], [0], 0
        for v, width in enumerate(self.width.tolist()):
            for together in self._together(v):
                self.blocks.append((v, at, together))
                stride = width * math.prod(self._rows(f, v) for f in together)
                at += stride
                ends = [(f, i) for f in together for i in range(len(factors[f].axes))]
                for f, i in ends:
                    if factors[f].axes[i] != v:
                        stride //= factors[f].shape[i]
                        terms.add(factors[f].axes[i], factors[f].codes[i] * stride)
                first_term.append(len(terms.other))
            first_block.append(len(self.blocks))
        self.tables = np.full(at, NEVER, np.float32)
        self.first_block, self.first_term = np.array(first_block), np.array(first_term)
        self.block_start = np.array([begin for _, begin, _ in self.blocks], np.int64)
        self.other, self.map_start, self.maps = terms.arrays()
        self.pivot, self.pivot_start, self.low, self.high = possible_ranges(sizes, factors)

    def _rows(self, f: int, v: int) -> int:
        """How many rows of a variable's log weights a factor has."""
        factor = self.factors[f]
        return math.prod(s for s, axis in zip(factor.shape, factor.axes, strict=True) if axis != v)

    def _together(self, v: int) -> list[tuple[int, ...]]:
        """Gather a variable's factors; those of few rows share a table that holds their sums."""
        found: list[tuple[int, ...]] = []
        for f in sorted(
            (f for f, factor in enumerate(self.factors) if v in factor.axes),
            key=lambda f: self._rows(f, v),
        ):
            last = found[-1] if found else ()
            if found and math.prod(self._rows(other, v) for other in (*last, f)) <= MERGED:
                found[-1] = (*last, f)
            else:
                found.append((f,))
        return found

    def conditionals(self, logs: Sequence[Floats]) -> Conditionals:
        """Return the tables of a field whose factors have these log weights."""
        tables = self.tables.copy()
        for v, begin, together in self.blocks:
            size, width = int(self.sizes[v]), int(self.width[v])
            rows = np.zeros((1, size))
            for f in together:
                own = self.factors[f].axes.index(v)
                more = np.moveaxis(logs[f], own, -1)[..., self.factors[f].codes[own]]
                rows = (rows[:, None] + more.reshape(1, -1, size)).reshape(-1, size)
            tables[begin : begin + len(rows) * width].reshape(-1, width)[:, :size] = rows
        return Conditionals(
            self.sizes, self.width, self.first_block, self.block_start, self.first_term, self.other,
            self.map_start, self.maps, self.pivot, self.pivot_start, self.low, self.high, tables,
        )  # fmt: skip


def possible_ranges(
    sizes: Sequence[int], factors: Sequence[Factor]
) -> tuple[Ints, Ints, Ints, Ints]:
    """For each variable, the other that narrows its levels down most, and to what range."""
    pivot, start, low, high = [], [0], [], []
    for v, size in enumerate(sizes):
        best, most = (-1, np.zeros(0, np.int64), np.zeros(0, np.int64)), 0.8 * size
        for factor in factors:
            if len(factor.axes) != 2 or v not in factor.axes:
                continue
            own = factor.axes.index(v)
            some = (factor.target > 0) | (factor.se > 0) | ~factor.inside
            some = np.moveaxis(some, own, 1)[factor.codes[1 - own]][:, factor.codes[own]]
            share = np.moveaxis(factor.target, own, 1).sum(1)[factor.codes[1 - own]]
            lo, hi = some.argmax(1), size - some[:, ::-1].argmax(1)
            expected = float((hi - lo) @ share) / max(share.sum(), 1e-300)
            if factor.inside.all() and expected < most:
                best, most = (factor.axes[1 - own], lo, hi), expected
        pivot.append(best[0])
        low.append(best[1])
        high.append(best[2])
        start.append(start[-1] + len(best[1]))
    return np.array(pivot), np.array(start[:-1]), np.concatenate(low), np.concatenate(high)


class _Terms:
    """Terms of a sum, each a variable and where its map is in one long array."""

    def __init__(self) -> None:
        self.other: list[int] = []
        self.start: list[int] = []
        self.maps: list[Ints] = []
        self.length = 0

    def add(self, other: int, codes: Ints) -> None:
        self.other.append(other)
        self.start.append(self.length)
        self.maps.append(codes)
        self.length += len(codes)

    def arrays(self) -> tuple[Ints, Ints, Ints]:
        maps = np.concatenate(self.maps) if self.maps else np.zeros(0, np.int64)
        return np.array(self.other, np.int64), np.array(self.start, np.int64), maps


def _strides(shape: Sequence[int]) -> list[int]:
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]
