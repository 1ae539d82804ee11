"""All joints of a few variables that meet the margins, and the extremes of a share over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from popgen.domain import OUTSIDE
from popgen.errors import InconsistentMarginsError, PopgenError
from popgen.margin import Margin
from popgen.problem import Problem

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDING = 1e-9
"""Margins may disagree by this share of the total without being called contradictory."""


@dataclass(frozen=True, eq=False)
class Part:
    """A margin as far as it speaks of the variables kept, and whether it counts everybody there."""

    margin: Margin
    names: tuple[str, ...]

    @classmethod
    def of(cls, margin: Margin, kept: Sequence[str]) -> Part:
        """Keep those of a margin's variables that are among some others."""
        return cls(margin, tuple(name for name in margin.variables if name in kept))

    @property
    def complete(self) -> bool:
        """Whether nobody is left out through a variable that is not kept."""
        rules = self.margin.maps
        return all(rule.complete for rule in rules if rule.fine.name not in self.names)

    def implied_by(self, other: Part) -> bool:
        """Whether another part says all that this one says, and more finely."""
        if not (other.complete and set(self.names) <= set(other.names)):
            return False
        if any(not other.margin.rule(n).complete for n in other.names if n not in self.names):
            return False
        return all(
            _refines(other.margin.rule(name).codes, self.margin.rule(name).codes)
            for name in self.names
        )

    def figures(self) -> tuple[Floats, Floats]:
        """People and standard error of each cell, flat."""
        stated = [self.margin.rule(name).coarse.name for name in self.names]
        table = self.margin.table.project(*stated)
        se = np.zeros(table.domain.shape) if table.se is None else table.se
        return table.counts.ravel(), se.ravel()

    def rows(self, levels: Mapping[str, NDArray[np.intp]]) -> sparse.csr_array:
        """Which cells of the joint are in which cell of the margin; ``levels``: merged to fine."""
        codes = [self.margin.rule(n).codes[levels[n]] if n in self.names else None for n in levels]
        shape = [len(merged) for merged in levels.values()]
        sizes = {n: len(self.margin.rule(n).coarse) for n in self.names}
        flat, inside = np.zeros(shape, dtype=np.intp), np.ones(shape, dtype=bool)
        names = list(levels)
        for name in self.names:
            axis = names.index(name)
            along = [1] * len(shape)
            along[axis] = -1
            code = np.asarray(codes[axis]).reshape(along)
            flat, inside = flat * sizes[name] + code, inside & (code != OUTSIDE)
        columns = np.flatnonzero(inside)
        entries = (np.ones(len(columns)), (flat.ravel()[columns], columns))
        size = int(np.prod(list(sizes.values()), dtype=int))
        return sparse.csr_array(sparse.coo_array(entries, shape=(size, flat.size)))


def _refines(fine: NDArray[np.intp], coarse: NDArray[np.intp]) -> bool:
    """Whether each group of ``fine`` is in one group of ``coarse``, or outside it as a whole."""
    pairs = set(zip(fine.tolist(), coarse.tolist(), strict=True))
    return len({f for f, _ in pairs}) == len(pairs)


def useful(problem: Problem, asked: Sequence[str]) -> list[Part]:
    """Leave out margins and variables that cannot narrow what is known of some variables.

    A variable that only one margin has can be summed out of it, and a margin that another one
    implies says nothing new; repeated until nothing changes.
    """
    parts = [Part.of(margin, problem.domain.names) for margin in problem.margins]
    while True:
        seen = [name for part in parts for name in part.names]
        once = {name for name in seen if seen.count(name) == 1 and name not in asked}
        fewer = [Part.of(part.margin, [n for n in part.names if n not in once]) for part in parts]
        kept: list[Part] = []
        for i, part in enumerate(fewer):
            if part.names and not any(part.implied_by(o) for o in [*kept, *fewer[i + 1 :]]):
                kept.append(part)
        if len(kept) == len(parts) and not once:
            return kept
        parts = kept


@dataclass(frozen=True, eq=False)
class Polytope:
    """Shares of the population that every margin allows: ``A x = b``, ``low <= L x <= high``."""

    A: sparse.csr_array
    b: Floats
    se: Floats
    L: sparse.csr_array
    low: Floats
    high: Floats

    @classmethod
    def of(
        cls, parts: Sequence[Part], levels: Mapping[str, NDArray[np.intp]], total: float
    ) -> Polytope:
        """Collect the rows of the margins over a joint of merged levels."""
        size = int(np.prod([len(merged) for merged in levels.values()]))
        equal: list[Any] = [sparse.csr_array(np.ones((1, size)))]
        within: list[Any] = [sparse.csr_array((0, size))]
        b, se, low, high = [np.ones(1)], [np.zeros(1)], [np.zeros(0)], [np.zeros(0)]
        for part in parts:
            counts, error = part.figures()
            if part.complete:
                equal.append(part.rows(levels))
                b.append(counts / total)
                se.append(error / total)
            else:
                others = max(total - part.margin.table.total, 0.0)
                within.append(part.rows(levels))
                low.append(counts / total)
                high.append((counts + others) / total)
        A, L = sparse.vstack(equal).tocsr(), sparse.vstack(within).tocsr()
        joined = (np.concatenate(figures) for figures in (b, se, low, high))
        stated, errors, least, most = joined
        return cls(A, stated, errors, L, least - ROUNDING, most + ROUNDING)

    def extremes(self, part: Bools, whole: Bools) -> tuple[float, float]:
        """Give the least and greatest share of ``whole`` that is in ``part``.

        Notes
        -----
        A ratio of two linear forms: Charnes & Cooper (1962), doi:10.1002/nav.3800090303, turn it
        into a linear programme in ``y = t x`` with ``whole @ y = 1``.
        """
        ends = []
        polytope = self
        cost = (part & whole).astype(np.float64)
        for sign in (1.0, -1.0):
            found = polytope._solve(sign * cost, whole)
            if found.status == 2:
                polytope = self._nearest()
                found = polytope._solve(sign * cost, whole)
            if found.status == 2:
                raise PopgenError(
                    "the margins leave nobody in the group that the question is about; ask of a "
                    "group that has people"
                )
            if found.x is None:
                raise PopgenError(f"the linear programme for the bounds failed: {found.message}")
            ends.append(float(np.clip(sign * found.fun, 0.0, 1.0)))
        return ends[0], max(ends)

    def _solve(self, cost: Floats, whole: Bools) -> Any:
        column = sparse.csr_array(-self.b[:, None])
        none = sparse.csr_array((1, 1))
        unit = sparse.csr_array(whole[None, :].astype(float))
        equal = sparse.block_array([[self.A, column], [unit, none]])
        above = sparse.block_array(
            [
                [self.L, sparse.csr_array(-self.high[:, None])],
                [-self.L, sparse.csr_array(self.low[:, None])],
            ]
        )
        return optimize.linprog(
            np.append(cost, 0.0),
            A_eq=equal.tocsc(),
            b_eq=np.append(np.zeros(len(self.b)), 1.0),
            A_ub=above.tocsc() if len(self.low) else None,
            b_ub=np.zeros(2 * len(self.low)) if len(self.low) else None,
            method="highs",
        )

    def _nearest(self) -> Polytope:
        """Move estimated figures, fewest standard errors in all, until some joint meets them."""
        soft = np.flatnonzero(self.se > 0)
        n, m = self.A.shape[1], len(soft)
        pick = sparse.csr_array((np.ones(m), (soft, np.arange(m))), shape=(len(self.b), m))
        empty = sparse.csr_array((2 * len(self.low), 2 * m))
        found = optimize.linprog(
            np.concatenate([np.zeros(n), np.tile(1 / self.se[soft], 2)]),
            A_eq=sparse.hstack([self.A, pick, -pick]).tocsc(),
            b_eq=self.b,
            A_ub=sparse.hstack([sparse.vstack([self.L, -self.L]), empty]).tocsc(),
            b_ub=np.concatenate([self.high, -self.low]),
            method="highs",
        )
        if found.x is None:
            raise InconsistentMarginsError(
                "no joint meets all the margins of these variables at once, so nothing can be "
                "bounded; reconcile them first (popgen.reconcile)"
            )
        reached = np.array(self.b)
        reached[soft] += found.x[n + m :] - found.x[n : n + m]
        return Polytope(self.A, reached, self.se, self.L, self.low, self.high)
