"""The fitted joint of one group of linked variables: a dense table, or a field with its people."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Domain
from popgen.errors import InfeasibleError
from popgen.integerise import integerise as whole
from popgen.margin import Margin
from popgen.methods._factors import NEVER, Layout
from popgen.methods._field import Field, alone
from popgen.methods._gibbs import sweep
from popgen.microdata import Microdata
from popgen.problem import incidence_of
from popgen.table import Table

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Levels = Mapping[str, Sequence[int]]

ENOUGH = 200
"""Effective people in the pool who have the levels asked for; with fewer, new ones are drawn."""

BURN_IN = 50
"""Rounds in which people with given levels are drawn anew before they are used."""


@dataclass(frozen=True, eq=False)
class Part(abc.ABC):
    """Some of the problem's variables, jointly; independent of all others.

    Attributes
    ----------
    domain : Domain
    margins : tuple of Margin
        The problem's margins on these variables.
    total : float
        People.
    sweeps : int
    miss : float
        Largest miss of a margin cell, people.
    worst : str
        The cell that is missed by so many.
    """

    domain: Domain
    margins: tuple[Margin, ...]
    total: float
    sweeps: int
    miss: float
    worst: str

    @abc.abstractmethod
    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables."""

    @property
    @abc.abstractmethod
    def kept(self) -> str:
        """How the joint is kept, in words."""

    @abc.abstractmethod
    def draw(self, n: int, rng: np.random.Generator, how: str) -> Codes:
        """Draw n people in random order."""

    @abc.abstractmethod
    def given(self, levels: Levels, rng: np.random.Generator) -> Part:
        """Return the same for those people only who have some levels."""

    @abc.abstractmethod
    def interactions(self, *names: str) -> Floats:
        """Return the centred log table of some variables, averaged over all others."""

    def _drawn(
        self, codes: Codes, weights: Floats, n: int, rng: np.random.Generator, how: str
    ) -> Codes:
        """Draw n people of some kinds, in random order."""
        balance = None
        if how == "cube":
            balance = incidence_of(self.margins, Microdata(self.domain, codes)).X
        times = whole(weights, n, method=how, balance=balance, rng=rng)
        drawn: Codes = codes[rng.permutation(np.repeat(np.arange(len(times)), times))]
        return drawn

    def _nobody(self, levels: Levels) -> InfeasibleError:
        asked = ", ".join(
            f"{name}={'|'.join(self.domain[name].levels[i] for i in some)}"
            for name, some in levels.items()
        )
        return InfeasibleError(f"the model has nobody with {asked}; ask for levels that occur")


class ListedPart(Part):
    """A part whose kinds of people can be listed."""

    @abc.abstractmethod
    def kinds(self) -> tuple[Codes, Floats]:
        """Return kinds of people in sorted order, shape (n, variables), and their weights."""

    def draw(self, n: int, rng: np.random.Generator, how: str) -> Codes:
        """Draw n people in random order."""
        return self._drawn(*self.kinds(), n, rng, how)


@dataclass(frozen=True, eq=False)
class DensePart(ListedPart):
    """A joint kept whole."""

    table: Table

    @property
    def kept(self) -> str:
        """How the joint is kept, in words."""
        return f"a dense table of {self.domain.size:,} cells"

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables."""
        return self.table.project(*names)

    def kinds(self) -> tuple[Codes, Floats]:
        """Return the cells that have people."""
        counts = self.table.counts.ravel()
        cells = np.flatnonzero(counts)
        codes = np.unravel_index(cells, self.domain.shape)
        return np.column_stack(codes).astype(np.int16), counts[cells]

    def given(self, levels: Levels, rng: np.random.Generator) -> DensePart:
        """Return the part of the table that has some levels."""
        counts = np.array(self.table.counts)
        for name, some in levels.items():
            other = np.setdiff1d(np.arange(len(self.domain[name])), some)
            np.moveaxis(counts, self.domain.axis(name), 0)[other] = 0.0
        if counts.sum() <= 0:
            raise self._nobody(levels)
        return replace(self, table=Table(self.domain, counts))

    def interactions(self, *names: str) -> Floats:
        """Return the centred log table of some variables, averaged over all others."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.table.counts)
        axes = [self.domain.axis(name) for name in names]
        rest = tuple(axis for axis in range(logs.ndim) if axis not in axes)
        logs = _mean(np.where(np.isfinite(logs), logs, np.nan), rest)
        return centred(np.transpose(logs, np.argsort(np.argsort(axes))))


@dataclass(frozen=True, eq=False)
class PoolPart(ListedPart):
    """A Markov random field, and a weighted pool of people drawn from it.

    Attributes
    ----------
    field : Field
    logs : tuple of array
        Log weights of the field's factors.
    pool : array of uint16, shape (n, variables of the field)
    weights : array, shape (n,)
        Raked to the margins; they add up to 1.
    updates : int
        Variables drawn anew in the fit.
    """

    field: Field
    logs: tuple[Floats, ...]
    pool: NDArray[np.uint16]
    weights: Floats
    updates: int = 0

    @property
    def kept(self) -> str:
        """How the joint is kept, in words."""
        return f"a Markov random field and {len(self.pool):,} people sampled from it"

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables."""
        domain = self.domain.project(*names)
        codes = self.field.people(self.pool)
        cells = np.zeros(len(codes), np.intp)
        for name in names:
            cells = cells * len(domain[name]) + codes[:, self.domain.axis(name)]
        counts: Floats = np.bincount(cells, self.weights * self.total, domain.size).astype(float)
        return Table(domain, counts.reshape(domain.shape))

    def kinds(self) -> tuple[Codes, Floats]:
        """Return the pool."""
        codes = self.field.people(self.pool)
        order = np.lexsort(codes.T[::-1])
        return codes[order], self.weights[order]

    def given(self, levels: Levels, rng: np.random.Generator) -> PoolPart:
        """Return the people who have some levels, or new ones if the pool holds few of them."""
        codes = self.field.people(self.pool)
        have = np.ones(len(codes), bool)
        for name, some in levels.items():
            have &= np.isin(codes[:, self.domain.axis(name)], some)
        weights = self.weights * have
        if weights.sum() ** 2 > ENOUGH * (weights**2).sum():
            return replace(self, pool=self.pool[have], weights=weights[have])
        pool = self._clamped(levels, rng)
        return replace(self, pool=pool, weights=np.full(len(pool), 1 / len(pool)))

    def _clamped(self, levels: Levels, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Draw people from the field, with some levels given."""
        masks: dict[int, NDArray[np.bool_]] = {}
        for name, some in levels.items():
            axis = self.domain.axis(name)
            root, rule = self.field.derived.get(axis, (axis, np.arange(self.domain.shape[axis])))
            v = self.field.free.index(root)
            masks[v] = masks.get(v, np.ones(self.field.sizes[v], bool)) & np.isin(rule, some)
        pool = self.pool[rng.choice(len(self.pool), len(self.pool), p=self.weights)]
        pool = np.ascontiguousarray(pool)
        for v, mask in masks.items():
            share = self.field.shares()[v] * mask
            if share.sum() <= 0:
                raise self._nobody(levels)
            pool[:, v] = rng.choice(len(share), len(pool), p=share / share.sum())
        clamps = [alone(v, mask.astype(float)) for v, mask in masks.items()]
        layout = Layout(self.field.sizes, (*self.field.base, *self.field.factors, *clamps))
        logs = [*self.field.base_logs(), *self.logs]
        logs += [np.where(mask, 0.0, 10 * NEVER) for mask in masks.values()]
        order = np.arange(len(self.field.free))
        sweep(pool, layout.conditionals(logs), order, int(rng.integers(2**63)), BURN_IN)
        return pool

    def interactions(self, *names: str) -> Floats:
        """Return the centred sum of the factors that hold all the variables; the rest averaged."""
        domain = self.domain.project(*names)
        axes = [self.domain.axis(name) for name in names]
        if any(axis in self.field.derived for axis in axes):
            return np.full(domain.shape, np.nan)
        own = [self.field.free.index(axis) for axis in axes]
        logs: Floats = np.zeros(domain.shape)
        base = zip(self.field.base, self.field.base_logs(), strict=True)
        for factor, values in itertools.chain(
            base, zip(self.field.factors, self.logs, strict=True)
        ):
            if not set(own) <= set(factor.axes):
                continue
            fine = np.where(values <= NEVER / 2, np.nan, values)
            for i, codes in enumerate(factor.codes):
                fine = np.take(fine, codes, axis=i)
            rest = tuple(i for i, axis in enumerate(factor.axes) if axis not in own)
            kept = [axis for axis in factor.axes if axis in own]
            logs = logs + np.transpose(_mean(fine, rest), [kept.index(axis) for axis in own])
        return centred(logs)


def _mean(values: Floats, axes: tuple[int, ...]) -> Floats:
    """Mean of what is not NaN, NaN where all is."""
    known = ~np.isnan(values)
    sums, count = np.where(known, values, 0.0).sum(axis=axes), known.sum(axis=axes)
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan)


def centred(logs: Floats) -> Floats:
    """Take off the means along each axis in turn, until none is left.

    >>> centred(np.log([[4.0, 1.0], [1.0, 4.0]])).round(3).tolist()
    [[0.693, -0.693], [-0.693, 0.693]]
    """
    for _ in range(1 if not np.isnan(logs).any() else 100):
        for axis in range(logs.ndim):
            logs = logs - np.expand_dims(np.nan_to_num(_mean(logs, (axis,))), axis)
    return logs
