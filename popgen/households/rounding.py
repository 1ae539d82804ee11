"""Other ways to make whole households of a zone's weights, for its own cells alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from popgen._cube import fly, fractional
from popgen.errors import ConvergenceError
from popgen.households._whole import Counts
from popgen.households.whole import Copies, Goals, Index
from popgen.integerise import cube, systematic
from popgen.methods.distances import Floats

CERTAIN = 1e-6
"""A weight nearer than this to a whole number is one."""

RECONSIDERED = 300
"""Records that the programme may round again; with all of them it would be beyond HiGHS."""

NODES = 40
"""Nodes of the search tree after which HiGHS's best solution is taken: a limit that, unlike one in
seconds, gives the same households on every machine."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """Some records of one zone, all of one kind but for `milp`.

    Attributes
    ----------
    X : sparse array, shape (n, m)
        What a household of each record adds to each of the zone's cells.
    weights : array, shape (n,)
    kind : array of int, shape (n,)
    wanted : array of int, shape (kinds,)
        Households of each kind.
    goal, cost : array, shape (m,)
        What the cells must hold, and what a miss of one counts.
    """

    X: sparse.csr_array
    weights: Floats
    kind: Counts
    wanted: Counts
    goal: Floats
    cost: Floats


def round_zones(
    way: str,
    X: sparse.csr_array,
    weights: Floats,
    goals: Goals,
    kind: Counts,
    wanted: Counts,
    rngs: Sequence[np.random.Generator],
) -> Copies:
    """Round every zone's weights, households of each kind kept exactly.

    Parameters
    ----------
    way : {"cube", "systematic", "milp"}
    X : sparse array, shape (n, m)
        The zones' cells come first.
    weights : array, shape (zones, n)
    goals : Goals
        The zones' own.
    kind : array of int, shape (n,)
    wanted : array of int, shape (zones, kinds)
    rngs : sequence of Generator
        One a zone.

    Returns
    -------
    array of int, shape (zones, n)
    """
    own = X[:, : goals.totals.shape[1]]
    order = np.lexsort(own.toarray().T[::-1])  # alike records side by side
    own, kind = own[order], kind[order]
    counts = np.zeros(weights.shape, dtype=np.int32)
    for zone, rng in enumerate(rngs):
        totals = goals.totals[zone]
        work = Weighted(own, weights[zone][order], kind, wanted[zone], totals, goals.cost)
        counts[zone, order] = WAYS[way](work, rng)
    return counts


def _by_kind(
    work: Weighted, rng: np.random.Generator, rounded: Callable[[Floats, sparse.csr_array], Counts]
) -> Counts:
    counts = np.zeros(len(work.weights), dtype=np.int64)
    for one, number in enumerate(work.wanted):
        rows = np.flatnonzero(work.kind == one)
        total = work.weights[rows].sum()
        if number and total > 0:
            expected = work.weights[rows] * (number / total)
            nearest = np.rint(expected)
            close = np.abs(expected - nearest) < CERTAIN
            if close.all():
                counts[rows] = nearest
            else:
                counts[rows] = rounded(expected, work.X[rows])
    return counts


def _cube(work: Weighted, rng: np.random.Generator) -> Counts:
    return _by_kind(work, rng, lambda expected, X: cube(expected, X, rng))


def _systematic(work: Weighted, rng: np.random.Generator) -> Counts:
    return _by_kind(work, rng, lambda expected, X: systematic(expected, rng))


def _milp(work: Weighted, rng: np.random.Generator) -> Counts:
    """Round until few records are left, as the cube method does; those and some more by HiGHS.

    The flight keeps every total, and leaves about one fractional record a cell. The programme may
    round these, and turn back some that the flight has rounded, so that misses cost least.
    """
    low = np.floor(work.weights + CERTAIN)
    open_ = np.flatnonzero(work.weights - low > CERTAIN)
    chances = fly((work.weights - low)[open_], work.X[open_], rng)
    waiting = fractional(chances)
    more = rng.permutation(np.flatnonzero(~waiting))[:RECONSIDERED]
    free = open_[np.sort(np.concatenate([np.flatnonzero(waiting), more]))]
    fixed = low.copy()
    fixed[open_] += np.rint(chances)
    fixed[free] = low[free]
    fixed[free] += _programme(work, fixed, free)
    return fixed.astype(np.int64)


def _programme(work: Weighted, fixed: Floats, free: Index) -> Floats:
    """Add 0 or 1 households of each free record so that misses cost least."""
    m = work.X.shape[1]
    kinds = sparse.csr_array((work.kind[free][:, None] == np.arange(len(work.wanted))) * 1.0)
    left = work.wanted - np.bincount(work.kind, fixed, len(work.wanted))
    eye, none = sparse.eye_array(m), sparse.csr_array((len(left), 2 * m))
    equal = sparse.vstack(
        [sparse.hstack([work.X[free].T, eye, -eye]), sparse.hstack([kinds.T, none])], format="csr"
    )
    right = np.concatenate([work.goal - work.X.T @ fixed, left])
    most = np.concatenate([np.ones(len(free)), np.full(2 * m, np.inf)])
    found = optimize.milp(
        np.concatenate([np.zeros(len(free)), work.cost, work.cost]),
        integrality=np.concatenate([np.ones(len(free)), np.zeros(2 * m)]),
        bounds=optimize.Bounds(0, most),
        constraints=optimize.LinearConstraint(equal, right, right),
        options={"node_limit": NODES},
    )
    if found.x is None:
        raise ConvergenceError(
            f"HiGHS found no whole households within {NODES} nodes ({found.message}); use "
            "integerise='exchange', on the command line --integerise exchange"
        )
    rounded: Floats = np.rint(found.x[: len(free)])
    return rounded


WAYS: dict[str, Callable[[Weighted, np.random.Generator], Counts]] = {
    "cube": _cube,
    "systematic": _systematic,
    "milp": _milp,
}
