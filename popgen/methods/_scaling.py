"""The IPF kernel: scale a dense table, in place, until it has all of some overlapping margins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from popgen.domain import OUTSIDE, Coarsening, Domain
from popgen.margin import Margin
from popgen.methods._axes import SMALLER, Axes, Floats, keep_axes, largest, multiply
from popgen.table import group_axis

STRIDE, SLOW, FAR = 20, 0.5, 20.0
"""Every so many sweeps, if the miss is still more than this part of what it was a sweep before,
leap ahead: but change no cell more than by e to this power."""

PATIENCE = 1000
"""Sweeps that must take off a hundredth of the miss between them; else the rest will not either."""


def scale_to_margins(
    table: Floats, parts: Sequence[Part], *, tol: float, max_iter: int
) -> tuple[int, float]:
    """Scale a table, in place, to each margin in turn until all are met.

    Parameters
    ----------
    table : array, C-contiguous
        The seed; overwritten by the fit. Zeros stay zero.
    parts : sequence of Part
        Margins as `Slice`, or what `gathered` made of them.
    tol : float
        Largest miss accepted, people.
    max_iter : int
        Most sweeps over all margins.

    Returns
    -------
    iterations : int
        Sweeps made: fewer than ``max_iter`` also if they stopped getting nearer.
    miss : float
        Largest miss met with in the last sweep, people.

    Notes
    -----
    Deming & Stephan (1940), doi:10.1214/aoms/1177731829. The limit is the table nearest to the
    seed in Kullback-Leibler divergence that has the margins (Csiszár 1975,
    doi:10.1214/aop/1176996454). Where margins leave next to nobody for some cells, sweeps come
    nearer ever more slowly, so every few sweeps the last one's factors are raised to the power
    that Aitken's extrapolation gives. Powers and products of factors of margins are factors of
    margins: the limit is the same, and sweeps go on until the margins are met.

    Examples
    --------
    >>> table = np.ones((2, 2))
    >>> rows = Slice((0,), np.array([30.0, 70.0]), (None,))
    >>> columns = Slice((1,), np.array([60.0, 40.0]), (None,))
    >>> scale_to_margins(table, [rows, columns], tol=1e-9, max_iter=10)
    (2, 0.0)
    >>> table.tolist()
    [[18.0, 12.0], [42.0, 28.0]]
    """
    misses: list[float] = []
    leaps = _Leaps(table)
    while len(misses) < max_iter:
        misses.append(max(part.meet(table) for part in parts))
        if misses[-1] <= tol or _stuck(misses):
            break
        if len(misses) < max_iter:
            leaps.after(misses)
    return len(misses), misses[-1]


def _stuck(misses: Sequence[float]) -> bool:
    return len(misses) > PATIENCE and min(misses[-PATIENCE:]) > 0.99 * min(misses[:-PATIENCE])


class _Leaps:
    """Every few sweeps, a leap ahead; shorter ones from then on if one has not paid by the next."""

    def __init__(self, table: Floats) -> None:
        self.table = table
        self.far = FAR
        self.before: Floats | None = None  # the table a sweep before the leap
        self.miss = np.inf  # the miss at the last leap

    def after(self, misses: Sequence[float]) -> None:
        """Look on after each sweep: leap, in place, or judge the last leap."""
        turn = len(misses) % (2 * STRIDE)
        if turn == STRIDE - 1:
            self.before = self.table.copy()
        elif turn == STRIDE:
            self._leap(misses[-1] / misses[-2])
            self.miss = misses[-1]
        elif turn == 0 and misses[-1] > self.miss:
            self.far /= 2

    def _leap(self, pace: float) -> None:
        """Take at once the sweeps still to come, if each does ``pace`` of the one before."""
        step, self.before = self.before, None
        if step is None or not SLOW < pace < 1:
            return
        np.divide(self.table, step, out=step, where=step > 0)
        np.log(step, out=step, where=step > 0)
        step *= min(pace / (1 - pace), self.far / max(largest(step), 1e-300))
        self.table *= np.exp(step, out=step)


def empty_structural_zeros(table: Floats, slices: Sequence[Slice]) -> None:
    """Empty every cell of the table, in place, that some margin says nobody is in."""
    for part in slices:
        if (part.target == 0).any():
            part.scale(table, (part.target > 0).astype(float))


class Part(Protocol):
    """One step of a sweep: a margin, or several that are met on a smaller table."""

    @property
    def axes(self) -> Axes:
        """Axes of the table that the step's ratios depend on, ascending."""
        ...

    def meet(self, table: Floats) -> float:
        """Scale the table, in place; return the largest miss before that, people."""
        ...


@dataclass(frozen=True, eq=False)
class Slice:
    """One margin of a dense table: which axes it keeps, how their levels group, and its target.

    Attributes
    ----------
    axes : tuple of int
        Axes of the table that the margin keeps, ascending.
    target : array
        People in each cell, axes in the order of ``axes``.
    rules : tuple of (Coarsening or None)
        For each axis: which of the target's levels holds each level of the table, if any does;
        None where levels are the same.
    """

    axes: Axes
    target: Floats
    rules: tuple[Coarsening | None, ...]

    @classmethod
    def of(cls, margin: Margin, domain: Domain) -> Slice:
        """Express a margin on the axes of a domain."""
        axes = [domain.axis(name) for name in margin.variables]
        order = np.argsort(axes)
        rules = [margin.maps[i] for i in order]
        return cls(
            tuple(axes[i] for i in order),
            np.ascontiguousarray(np.transpose(margin.table.counts, order)),
            tuple(None if rule.trivial else rule for rule in rules),
        )

    def meet(self, table: Floats) -> float:
        """Scale the table to the margin; where it has nobody to scale, nobody stays."""
        fitted = self.fitted(table)
        miss = largest(fitted - self.target)
        self.scale(table, np.divide(self.target, fitted, out=fitted, where=fitted > 0))
        return miss

    def fitted(self, table: Floats) -> Floats:
        """Return what the table holds in each cell of the margin, in a new array."""
        sums = keep_axes(table, self.axes)
        for axis, rule in enumerate(self.rules):
            if rule is not None:
                sums = group_axis(sums, axis, rule)
        return sums

    def scale(self, table: Floats, ratio: Floats) -> None:
        """Multiply every cell of the table, in place, by its margin cell's ratio."""
        for axis, rule in enumerate(self.rules):
            if rule is not None:
                ratio = np.take(ratio, rule.codes, axis=axis)
                np.moveaxis(ratio, axis, 0)[rule.codes == OUTSIDE] = 1.0
        multiply(table, self.axes, ratio)


@dataclass(frozen=True, eq=False)
class Block:
    """Margins that share axes, met one after another on the smaller table of those axes.

    Ratios that depend on some axes scale the sums over the other axes by themselves. So the sums
    can be scaled to each of the margins, and the table once, by the product of all the ratios: to
    the same result as scaling the table to each margin in turn.

    Attributes
    ----------
    axes : tuple of int
        Axes of the table that some of the margins keep, ascending.
    parts : tuple of Part
        The margins, on the axes of the smaller table.
    """

    axes: Axes
    parts: tuple[Part, ...]

    def meet(self, table: Floats) -> float:
        """Scale the table to the margins."""
        held = keep_axes(table, self.axes)
        scaled = held.copy()
        miss = max(part.meet(scaled) for part in self.parts)
        multiply(table, self.axes, np.divide(scaled, held, out=scaled, where=held > 0))
        return miss


def gathered(shape: Sequence[int], slices: Iterable[Slice]) -> tuple[Part, ...]:
    """Gather margins into blocks, so that a sweep passes over the large table less often.

    Small margins, those that a larger one implies among them, so cost next to nothing.

    Examples
    --------
    >>> import itertools
    >>> pairs = itertools.combinations(range(4), 2)
    >>> six = [Slice(axes, np.ones((9, 9)), (None, None)) for axes in pairs]
    >>> [part.axes for part in gathered((9, 9, 9, 9), six)]
    [(0, 1, 2), (0, 1, 3), (2, 3)]
    """
    groups: list[tuple[Axes, list[Slice]]] = []
    for part in sorted(slices, key=lambda part: -part.target.size):
        for i, (axes, members) in enumerate(groups):
            union = tuple(sorted({*axes, *part.axes}))
            if SMALLER * math.prod(shape[axis] for axis in union) <= math.prod(shape):
                groups[i] = (union, [*members, part])
                break
        else:
            groups.append((part.axes, [part]))
    return tuple(
        _block(shape, axes, members) if len(members) > 1 else members[0] for axes, members in groups
    )


def _block(shape: Sequence[int], axes: Axes, members: Sequence[Slice]) -> Block:
    inner = [
        Slice(tuple(axes.index(axis) for axis in part.axes), part.target, part.rules)
        for part in members
    ]
    return Block(axes, gathered([shape[axis] for axis in axes], inner))
