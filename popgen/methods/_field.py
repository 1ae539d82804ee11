"""A Markov random field on the variables of some margins: log weights on the margins' cells.

Nothing is as large as the joint. A variable whose level another's determines (a coarser code of the
same thing) is not in the field: it is read off, so that a sampler is not stuck on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Domain
from popgen.margin import Margin
from popgen.methods._factors import NEVER, Factor, Layout, indexed
from popgen.methods._gibbs import Cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Derived = dict[int, tuple[int, Ints]]

STRENGTH = 0.5
"""Pairs start with their log association times (links of a tree / pairs) to this power."""

TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Field:
    """A log-linear field: a person's weight is e to the sum of one number of each factor.

    Attributes
    ----------
    domain : Domain
    free : tuple of int
        The domain's variables that the field is on, its own variables 0, 1, ...
    derived : dict
        For each other variable: the free one that determines it, and its level for each of that.
    factors : tuple of Factor
        Margins, over the field's own variables.
    base : tuple of Factor
        What weights start from and keep: one-way shares, a seed table.
    """

    domain: Domain
    free: tuple[int, ...]
    derived: Derived
    factors: tuple[Factor, ...]
    base: tuple[Factor, ...]

    @classmethod
    def of(
        cls, domain: Domain, margins: Sequence[Margin], seed: Margin | None, total: float
    ) -> Field:
        """Lay out a field for margins on a domain."""
        stated = [Factor.of(margin, domain, total) for margin in margins]
        derived = determined(stated, domain.shape)
        free = tuple(axis for axis in range(len(domain)) if axis not in derived)
        stated = without_implied([moved(factor, derived, free) for factor in stated])
        shares = [one_way(stated, v, domain.shape[axis]) for v, axis in enumerate(free)]
        base = [alone(v, share) for v, share in enumerate(shares)]
        if seed is not None:
            borrowed = moved(Factor.of(seed, domain, seed.table.total), derived, free)
            base.append(borrowed)
        return cls(domain, free, derived, tuple(stated), tuple(base))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Levels of the field's own variables."""
        return tuple(self.domain.shape[axis] for axis in self.free)

    @property
    def layout(self) -> Layout:
        """Where a sampler looks things up; the base comes first."""
        return Layout(self.sizes, (*self.base, *self.factors))

    @property
    def cells(self) -> Cells:
        """Which cells of the factors people are in."""
        return indexed(self.factors)

    def shares(self) -> list[Floats]:
        """One-way shares of the field's own variables."""
        return [factor.target for factor in self.base[: len(self.free)]]

    def base_logs(self) -> list[Floats]:
        """Log weights of the base: they add up to independence, times the seed."""
        logs = [_log(factor.target) for factor in self.base]
        for i in range(len(self.free), len(self.base)):
            logs[i] = np.where(self.base[i].inside, logs[i] - logs[i].max(), 0.0)
        return logs

    def first_logs(self) -> list[Floats]:
        """Log weights to start from: each pair's association, less the more pairs there are."""
        links = max(sum(len(factor.axes) > 1 for factor in self.factors), 1)
        strength = min(1.0, max(len(self.free) - 1, 1) / links) ** STRENGTH
        shares = self.shares()
        logs = []
        for factor in self.factors:
            expected = np.ones(())
            for axis, codes, size in zip(factor.axes, factor.codes, factor.shape, strict=True):
                expected = np.multiply.outer(expected, np.bincount(codes, shares[axis], size))
            found = strength * _log(factor.target / np.maximum(expected, TINY))
            found = np.where(factor.target > 0, found, NEVER)
            found = np.where(factor.se > 0, 0.0, found)
            logs.append(np.where(factor.inside, found, 0.0))
        return logs

    def people(self, pool: NDArray[np.uint16]) -> NDArray[np.int16]:
        """Codes of people of the field over all the domain's variables."""
        codes = np.empty((len(pool), len(self.domain)), np.int16, order="F")
        for v, axis in enumerate(self.free):
            codes[:, axis] = pool[:, v]
        for axis, (root, rule) in self.derived.items():
            codes[:, axis] = rule[codes[:, root]]
        return codes


def _log(shares: Floats) -> Floats:
    return np.where(shares > 0, np.log(np.maximum(shares, TINY)), NEVER)


def alone(axis: int, share: Floats) -> Factor:
    """Make a factor of one variable's shares."""
    levels = np.arange(len(share))
    return Factor("", (axis,), (levels,), share, np.zeros(len(share)), np.ones(len(share), bool))


def one_way(factors: Sequence[Factor], axis: int, size: int) -> Floats:
    """One-way shares that have what factors state of a variable; even within bands."""
    bands = []
    for factor in factors:
        if axis in factor.axes and factor.inside.all():
            own = factor.axes.index(axis)
            rest = tuple(i for i in range(len(factor.axes)) if i != own)
            bands.append((factor.codes[own], factor.target.sum(axis=rest)))
    share: Floats = np.full(size, 1.0 / size)
    for _ in range(1 if any(len(target) == size for _, target in bands) else 200):
        for codes, target in sorted(bands, key=lambda band: len(band[1])):
            held = np.bincount(codes, share, len(target))
            ratio = np.divide(target, held, out=np.zeros(len(target)), where=held > 0)
            share = share * ratio[codes]
    share /= max(share.sum(), TINY)
    return share


def determined(factors: Sequence[Factor], shape: Sequence[int]) -> Derived:
    """Find variables whose level is a function of another's, by two-way margins on all levels."""
    rules: dict[int, dict[int, Ints]] = {}
    for factor in factors:
        if len(factor.axes) != 2 or factor.se.any() or not factor.inside.all():
            continue
        if factor.shape != tuple(shape[axis] for axis in factor.axes):
            continue
        for own in (0, 1):
            some = np.moveaxis(factor.target > 0, own, 0)  # rows: the level that may determine
            if (some.sum(axis=1) <= 1).all() and some.shape[1] > 1:
                a, b = factor.axes[own], factor.axes[1 - own]
                rules.setdefault(b, {})[a] = some.argmax(axis=1)
    found: Derived = {}
    for b, by in sorted(rules.items(), key=lambda rule: (shape[rule[0]], -rule[0])):
        root = next((a for a in sorted(by, key=lambda a: -shape[a]) if a not in found), None)
        if root is not None:
            found[b] = (root, by[root])
    # one that was taken for a root may itself be read off another
    return {b: _followed(found, a, rule) for b, (a, rule) in found.items()}


def _followed(found: Mapping[int, tuple[int, Ints]], root: int, rule: Ints) -> tuple[int, Ints]:
    while root in found:
        root, above = found[root]
        rule = rule[above]
    return root, rule


def moved(factor: Factor, derived: Derived, free: Sequence[int]) -> Factor:
    """State a factor on the free variables only."""
    axes: list[int] = []
    codes: list[Ints] = []
    target, se, inside = factor.target, factor.se, factor.inside
    for axis, own in zip(factor.axes, factor.codes, strict=True):
        root, rule = derived.get(axis, (axis, None))
        own = own if rule is None else own[rule]
        if root not in axes:
            axes.append(root)
            codes.append(own)
            continue
        # two axes on one variable become one: its levels are pairs of theirs
        i, j = axes.index(root), len(axes)
        wide = (*target.shape[:i], target.shape[i] * target.shape[j], *target.shape[i + 1 : j])
        wide += target.shape[j + 1 :]
        codes[i] = codes[i] * target.shape[j] + own
        target, se, inside = (
            np.moveaxis(values, j, i + 1).reshape(wide) for values in (target, se, inside)
        )
    axes = [free.index(axis) for axis in axes]
    return replace(
        factor, axes=tuple(axes), codes=tuple(codes), target=target, se=se, inside=inside
    )


def without_implied(factors: Sequence[Factor]) -> list[Factor]:
    """Leave out factors that a larger one adds up to."""
    kept: list[Factor] = []
    for factor in sorted(factors, key=lambda f: (-len(f.axes), -f.target.size)):
        if not any(_implies(other, factor) for other in kept):
            kept.append(factor)
    return kept


def _implies(large: Factor, small: Factor) -> bool:
    if not set(small.axes) <= set(large.axes) or not large.inside.all() or large.se.any():
        return False
    for axis, codes in zip(small.axes, small.codes, strict=True):
        other = large.codes[large.axes.index(axis)]
        if len(np.unique(np.column_stack([other, codes]), axis=0)) != len(np.unique(other)):
            return False
    return True
