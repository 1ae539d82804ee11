"""Persistent contrastive divergence: fit a field to margins by a pool of people that lives on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen.methods._factors import NEVER, Factor
from popgen.methods._field import Field
from popgen.methods._gibbs import Conditionals, count, sweep
from popgen.methods._treepool import Floats, Pool, tree_pool

FIRST, LAST = 0.1, 0.02
"""Steps at the start and at the end; each is a share of a cell's relative miss."""

AVERAGED = 0.3
"""Share of the last sweeps whose log weights are averaged: it takes out the pool's noise."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted field's log weights, what its sampler needs, and the pool at the end."""

    logs: tuple[Floats, ...]
    conditionals: Conditionals
    pool: Pool
    updates: int
    """Variables drawn anew so far."""


def learn(
    field: Field, people: int, sweeps: int, rng: np.random.Generator, threads: int | None
) -> Learned:
    """Fit a field: sample, compare with the margins, move the log weights, again and again.

    Notes
    -----
    Tieleman (2008), doi:10.1145/1390156.1390290. The step in a cell is proportional to its miss
    over its share, its size falls from sweep to sweep, and the last weights are averaged. A cell
    with a standard error is moved to the nearer edge of it, and its weight back towards 0 as soon
    as that allows it: maximum entropy under relaxed constraints (Dudík, Phillips & Schapire 2004,
    doi:10.1007/978-3-540-27819-1_33).
    """
    layout, cells, base = field.layout, field.cells, field.base_logs()
    pool = tree_pool(field, people, rng)
    target, se, inside = _flat(field.factors)
    never = inside & (target == 0) & (se == 0)
    shapes = [factor.shape for factor in field.factors]
    order = np.arange(len(field.free))
    logs = np.concatenate([values.ravel() for values in field.first_logs()] or [np.zeros(0)])
    total, terms = np.zeros_like(logs), 0

    def conditionals(flat: Floats) -> Conditionals:
        return layout.conditionals([*base, *_shaped(flat, cells.start, shapes)])

    for done in range(sweeps):
        sweep(pool, conditionals(logs), order, _seed(rng), threads=threads)
        held = count(pool, cells, threads) / people
        step = FIRST * (LAST / FIRST) ** (done / sweeps)
        up, down = (
            logs + step * np.clip((edge - held) / (target + 1 / people), -2, 1)
            for edge in (target - se, target + se)
        )
        logs = np.where(up > 0, up, np.where(down < 0, down, 0.0)) * inside
        logs[never] = NEVER
        if done >= (1 - AVERAGED) * (sweeps - 1):
            total, terms = total + logs, terms + 1
    mean = total / terms
    kept = tuple(_shaped(mean, cells.start, shapes))
    return Learned(kept, conditionals(mean), pool, sweeps * pool.size)


def grown(
    learned: Learned, people: int, sweeps: int, rng: np.random.Generator, threads: int | None
) -> Pool:
    """Return a larger pool of a fitted field: copies of its own, drawn on until they differ."""
    times = -(-people // len(learned.pool))
    pool = np.ascontiguousarray(np.tile(learned.pool, (times, 1))[:people])
    order = np.arange(pool.shape[1])
    sweep(pool, learned.conditionals, order, _seed(rng), sweeps, threads)
    return pool


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))


def _flat(factors: Sequence[Factor]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    if not factors:
        return np.zeros(0), np.zeros(0), np.zeros(0, bool)
    return (
        np.concatenate([factor.target.ravel() for factor in factors]),
        np.concatenate([factor.se.ravel() for factor in factors]),
        np.concatenate([factor.inside.ravel() for factor in factors]),
    )


def _shaped(
    flat: Floats, start: NDArray[np.int64], shapes: Sequence[tuple[int, ...]]
) -> list[Floats]:
    return [
        flat[begin:end].reshape(shape)
        for begin, end, shape in zip(start[:-1], start[1:], shapes, strict=True)
    ]
