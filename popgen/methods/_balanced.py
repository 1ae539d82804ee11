"""A logit whose totals are given: its likelihood is greatest among those where margins hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse
from scipy.special import logsumexp

from popgen.errors import ConvergenceError
from popgen.methods._logit import BARRED, Design, Floats, Likelihood, Term, group_of

EXACT, ENOUGH = 1e-13, 1e-10
"""Miss of a total, as a share of everybody, that is tried for; and that rounding may leave."""
STEPS = 200
CLIMBS = 1000
"""Most steps of the likelihood along the constraint."""
RANK = 1e-11
"""Directions less curved than this, relatively, do not change any total: margins overlap."""


@dataclass(frozen=True, eq=False)
class Totals:
    """What a margin says of a variable's levels: people by group of cells and group of levels.

    Attributes
    ----------
    term : tuple of int
        Axes of the cells that it has.
    groups : array of int, shape (combinations of the term's levels,)
        The margin's row of each; -1 where it is silent.
    levels : array of int, shape (K,)
        The margin's column of each level; -1 where it is silent.
    people : array, shape (rows, columns)
    """

    term: Term
    groups: NDArray[np.intp]
    levels: NDArray[np.intp]
    people: Floats


@dataclass(frozen=True, eq=False)
class Balance:
    """Totals to be held by shares of levels in cells of people.

    Attributes
    ----------
    design : Design
        It has each total's term, and bars the cells' levels of which a total is 0.
    people : array, shape (cells,)
    targets : array, shape (m,)
        The positive totals.
    lift : sparse array, shape (p * K, m)
        The effects that a unit of each total's multiplier adds to.
    reach : sparse array, shape (cells * K, m)
        The log shares that it adds to.
    """

    design: Design
    people: Floats
    targets: Floats
    lift: sparse.csr_array
    reach: sparse.csr_array

    @classmethod
    def of(cls, design: Design, people: Floats, levels: int, totals: Sequence[Totals]) -> Balance:
        """Set up totals over the cells of a design."""
        cells = np.indices(design.shape).reshape(len(design.shape), -1)
        barred = np.zeros((len(people), levels), dtype=bool)
        lifts, reaches, targets = [], [], []
        for each in totals:
            rows, columns = each.people.shape
            pairs = np.where(
                (each.groups[:, None] >= 0) & (each.levels >= 0),
                each.groups[:, None] * columns + each.levels,
                -1,
            )
            of_cell = pairs[group_of(cells, each.term, design.shape)]
            some = each.people.ravel() > 0
            barred |= (of_cell >= 0) & ~some[of_cell]
            start = design.starts[design.terms.index(each.term)]
            lifts.append(_incidence(pairs, rows * columns, start, design.X.shape[1]))
            reaches.append(_incidence(of_cell, rows * columns, 0, len(people)))
            lifts[-1], reaches[-1] = lifts[-1][:, some], reaches[-1][:, some]
            targets.append(each.people.ravel()[some])
        joined = [sparse.csr_array(sparse.hstack(parts)) for parts in (lifts, reaches)]
        design = replace(design, offset=np.where(barred, BARRED, 0.0))
        return cls(design, people, np.concatenate(targets), *joined)

    def curvature(self, shares: Floats) -> Floats:
        """How the totals move with the multipliers, shape (m, m)."""
        held = (self.people[:, None] * shares).ravel()
        cells, levels = shares.shape
        index = np.arange(0, cells * levels + 1, levels)
        shape = (cells, cells * levels)
        means = sparse.csr_array((shares.ravel(), np.arange(cells * levels), index), shape=shape)
        means = means @ self.reach
        spread = self.reach.T @ sparse.diags_array(held) @ self.reach
        spread = spread - means.T @ sparse.diags_array(self.people) @ means
        return np.asarray(spread.toarray())

    def shifted(self, theta: Floats, start: Floats) -> tuple[Floats, Floats, Floats]:
        """Shift effects along the totals' terms until every total holds.

        Returns
        -------
        theta : array, shape (p, K)
        delta : array, shape (m,)
            The multipliers, to start from the next time.
        shares : array, shape (cells, K)

        Raises
        ------
        ConvergenceError
            If some total is missed after all steps: then no shares have them all.

        Notes
        -----
        The totals are the slope of a convex function of the multipliers (the dual of raking), so
        Newton's method with a line search finds the shift from anywhere.
        """
        logits, everybody = self.design.X @ theta + self.design.offset, self.people.sum()
        delta = start
        value, shares, gap = self._dual(logits, delta)
        for _ in range(STEPS):
            if np.abs(gap).max() <= EXACT * everybody:
                break
            step = -_solved(self.curvature(shares), gap)
            part, fall, before = 1.0, float(gap @ step), np.abs(gap).max()
            tried = self._dual(logits, delta + step)
            while tried[0] > value + 1e-4 * part * fall + 1e-14 * abs(value) and part > 1e-10:
                part /= 2
                tried = self._dual(logits, delta + part * step)
            delta = delta + part * step
            value, shares, gap = tried
            if before <= ENOUGH * everybody and np.abs(gap).max() >= before:
                break
        if np.abs(gap).max() > ENOUGH * everybody:
            raise ConvergenceError(
                f"a margin is missed by {np.abs(gap).max():,.6g} people after {STEPS} steps: the "
                "margins, or their zeros, leave no room for all of them; reconcile them, or "
                "coarsen those with empty cells"
            )
        return theta + (self.lift @ delta).reshape(theta.shape), delta, shares

    def _dual(self, logits: Floats, delta: Floats) -> tuple[float, Floats, Floats]:
        logits = logits + (self.reach @ delta).reshape(logits.shape)
        top = logsumexp(logits, axis=1)
        shares = np.exp(logits - top[:, None])
        gap = self.reach.T @ (self.people[:, None] * shares).ravel() - self.targets
        return float(self.people @ top - self.targets @ delta), shares, gap

    def tangent(self, slope: Floats, shares: Floats) -> Floats:
        """Take out of a slope what moves the totals: how it looks once these are held."""
        pull = _solved(self.curvature(shares), self.lift.T @ slope.ravel())
        moved = (self.reach @ pull).reshape(shares.shape)
        moved = shares * (moved - (shares * moved).sum(axis=1, keepdims=True))
        return np.asarray(slope - self.design.X.T @ (self.people[:, None] * moved))


def _incidence(pairs: NDArray[np.intp], totals: int, start: int, rows: int) -> sparse.csr_array:
    """Which flat (row, level) belongs to which total, rows counted from ``start``."""
    row, level = np.nonzero(pairs >= 0)
    levels = pairs.shape[1]
    entries = (np.ones(len(row)), ((row + start) * levels + level, pairs[row, level]))
    return sparse.csr_array(sparse.coo_array(entries, shape=(rows * levels, totals)))


def _solved(matrix: Floats, right: Floats) -> Floats:
    """Solve a singular, positive semidefinite system: its shortest solution."""
    values, vectors = linalg.eigh(matrix, check_finite=False)
    some = values > RANK * values[-1]
    return np.asarray(vectors[:, some] @ ((vectors[:, some].T @ right) / values[some]))


def balanced(likelihood: Likelihood, balance: Balance, start: Floats) -> tuple[Floats, Floats]:
    """Maximise a likelihood over the effects whose totals are as given.

    Parameters
    ----------
    likelihood : Likelihood
        Over all the cells of the balance's design.
    balance : Balance
    start : array, shape (p, K)
        Effects to start from, e.g. those that are likeliest without totals.

    Returns
    -------
    theta : array, shape (p, K)
    shares : array, shape (cells, K)

    Raises
    ------
    ConvergenceError
        If totals cannot be held, or the maximum is not found after all steps.

    Notes
    -----
    Any effects are first shifted along the totals' terms until these hold, so the likelihood of
    the shifted ones is a function without constraints, and its slope the one along the constraint.
    Where the unconstrained maximum has the totals, it is the answer.
    """
    state = {"delta": np.zeros(len(balance.targets))}
    likelihood = replace(likelihood, design=balance.design)
    scale, n = likelihood.scale(), likelihood.counts.sum()

    def loss(z: Floats) -> tuple[float, Floats]:
        effects = z.reshape(start.shape) * scale
        theta, state["delta"], shares = balance.shifted(effects, state["delta"])
        slope = balance.tangent(likelihood.slope(theta), shares)
        return -likelihood.value(theta) / n, -(slope * scale).ravel() / n

    found = optimize.minimize(
        loss,
        (start / scale).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": CLIMBS,
            "maxfun": 2 * CLIMBS,
            "ftol": 1e-14,
            "gtol": 1e-8,
            "maxcor": 20,
        },
    )
    if found.status == 1:  # out of steps; otherwise no step gains anything
        raise ConvergenceError(
            f"the likeliest effects with the margins' totals are not found after {found.nit} steps "
            f"(slope {np.abs(found.jac).max():.3g}); use way='smooth_fix', or coarser variables"
        )
    theta, _, shares = balance.shifted(found.x.reshape(start.shape) * scale, state["delta"])
    return theta, shares
