"""A cap on expansion: how many households a record may stand for, over all zones of its region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from popgen.households._nest import Nest
from popgen.households._newton import Solved, solve
from popgen.methods.distances import Floats

ROUNDS = 200
"""Times that records are held back further before it is asked whether the cap can be kept."""

PATIENT = 5000
"""The same, where it was found that it can: near the least possible cap it takes many."""

FURTHER = 1.7
"""How much more than what a record exceeds the cap by it is held back further: cells push back."""

ROUNDING = 1e-6
"""Excess over the cap, as a share of it, that passes."""


def expansions(nest: Nest, lam: Sequence[Floats]) -> list[Floats]:
    """Return each record's weight over all zones of its region, by its scaled design weight.

    Design weights are scaled to the households of the region's zones.

    Returns
    -------
    list of array, shape (n,)
        By sample.
    """
    out = []
    for sample in nest.samples:
        held = np.zeros(len(sample.d))
        for start in range(0, len(sample.zones), CHUNK):
            held += nest.weights(lam, sample, sample.zones[start : start + CHUNK]).sum(axis=1)
        design = sample.d * nest.scale[sample.zones].sum()
        out.append(np.divide(held, design, out=np.zeros_like(held), where=design > 0))
    return out


CHUNK = 256
"""Zones whose weights are held at a time."""


def capped(
    nest: Nest, solved: Solved, most: float, *, tol: float, max_iter: int, rounds: int = ROUNDS
) -> tuple[Nest, Solved]:
    """Hold records back until none is used more often than it may be.

    The cap adds one multiplier for each record to the dual, never negative: what is taken off its
    score in all zones. It is found by turns with the cells' multipliers (coordinate ascent).

    Parameters
    ----------
    nest : Nest
    solved : Solved
        Without the cap, or where earlier rounds have come to.
    most : float
        Largest expansion, above 1.
    tol, max_iter
        See `solve`.
    rounds : int
        Most rounds.

    Returns
    -------
    nest, solved
        The cap may still be exceeded, if cells and cap cannot both be met in so many rounds.
    """
    for _ in range(rounds):
        found = expansions(nest, solved.lam)
        if all((each <= most * (1 + ROUNDING)).all() for each in found):
            break
        samples = tuple(
            replace(sample, held_back=_held_back(sample.held_back, each / most))
            for sample, each in zip(nest.samples, found, strict=True)
        )
        nest = replace(nest, samples=samples)
        again = solve(nest, tol=tol, max_iter=max_iter, start=solved.lam)
        solved = replace(again, iterations=solved.iterations + again.iterations)
    return nest, solved


def _held_back(before: Floats | None, excess: Floats) -> Floats:
    """Move the multipliers by the logarithm of what each record exceeds the cap by."""
    now = np.zeros_like(excess) if before is None else before
    tiny = np.finfo(float).tiny
    return np.maximum(now + FURTHER * np.log(np.maximum(excess, tiny)), 0.0)
