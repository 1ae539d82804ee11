"""Gibbs sampling of a pool of people from a log-linear field: the hot loops, in numba.

People are rows of uint16 codes. A pool is cut into chunks of a fixed size, each with a random
stream of its own that depends on the seed, the sweep and the chunk only: however many threads work
on them, the people are the same.
"""

# mypy: disable-error-code="no-untyped-def, call-arg"

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from popgen.methods._lanes import GOLDEN, add_rows, drawn, mixed, unit

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Pool = NDArray[np.uint16]

CHUNK = 512
"""People who share a random stream."""

AT_ONCE = 64
"""People whose rows are looked up together."""


@dataclass(frozen=True, eq=False)
class Conditionals:
    """What decides a person's next level of each variable, as flat arrays for the kernel.

    The log weights of variable v's levels are the sum of one row of each of some blocks of
    ``tables`` (``first_block[v] <= b < first_block[v + 1]``). A row has ``width[v]`` numbers, a
    multiple of `LANES`, of which ``sizes[v]`` count. Block b's row starts at ``block_start[b]``
    plus the sum of ``maps[map_start[t] + level of variable other[t]]`` over its terms t
    (``first_term[b] <= t < first_term[b + 1]``).
    """

    sizes: Ints
    width: Ints
    first_block: Ints
    block_start: Ints
    first_term: Ints
    other: Ints
    map_start: Ints
    maps: Ints
    pivot: Ints
    """For each variable one whose level limits the variable's own, or -1."""
    pivot_start: Ints
    low: Ints
    high: Ints
    """For each level of the pivot: first and last + 1 of the variable's levels that may be."""
    tables: Singles


@dataclass(frozen=True, eq=False)
class Cells:
    """Which cell of each factor a person is in: the sum of its terms' maps, as flat arrays."""

    start: Ints
    """Where each factor's cells start in one long array of counts; the last is its length."""
    first_term: Ints
    other: Ints
    map_start: Ints
    maps: Ints


def workers() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_out(job: Callable[[int, int], object], n: int, threads: int | None = None) -> None:
    """Run ``job(first, last)`` on even parts of ``range(n)``, in threads."""
    threads = min(threads or workers(), n)
    if threads <= 1:
        job(0, n)
        return
    cuts = np.linspace(0, n, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(job, a, b) for a, b in itertools.pairwise(cuts)]:
            done.result()


def sweep(
    people: Pool,
    field: Conditionals,
    order: Ints,
    seed: int,
    sweeps: int = 1,
    threads: int | None = None,
) -> None:
    """Draw every person's variables anew, in place, each given all the person's others.

    Parameters
    ----------
    people : array of uint16, shape (n, variables)
    field : Conditionals
    order : array of int
        Variables to draw, in turn; those left out stay as they are.
    seed : int
        Names the random stream; never use one twice.
    sweeps : int
        Rounds.
    threads : int, optional
        Default: as many as there are processors. The people do not depend on it.
    """
    fields = [getattr(field, item.name) for item in dataclasses.fields(field)]

    def part(first: int, last: int) -> None:
        _sweep(people, *fields, order, uint64(seed), sweeps, first, last)

    share_out(part, -(-len(people) // CHUNK), threads)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def _sweep(
    people, sizes, width, first_block, block_start, first_term, other, map_start, maps,
    pivot, pivot_start, low, high, tables, order, seed, sweeps, first, last,
):  # fmt: skip
    levels = np.empty((people.shape[1], CHUNK), people.dtype)
    logits = np.empty(width.max(), np.float32)
    places = np.empty(((first_block[1:] - first_block[:-1]).max(), AT_ONCE), np.int64)
    for chunk in range(first, last):
        state = mixed(seed + mixed(uint64(chunk + 1)))
        mine = people[chunk * CHUNK : (chunk + 1) * CHUNK]
        n = mine.shape[0]
        levels[:, :n] = mine.T
        for _ in range(sweeps):
            for v in order:
                lo, hi = 0, sizes[v]
                blocks = first_block[v + 1] - first_block[v]
                for begin in range(0, n, AT_ONCE):
                    some = levels[:, begin : min(begin + AT_ONCE, n)]
                    for b in range(blocks):
                        at = first_block[v] + b
                        places[b] = block_start[at]
                        for t in range(first_term[at], first_term[at + 1]):
                            _add_places(places[b], some[other[t]], maps[map_start[t] :])
                    for i in range(some.shape[1]):
                        if pivot[v] >= 0:
                            at = pivot_start[v] + some[pivot[v], i]
                            lo, hi = low[at], high[at]
                        if hi - lo == 1:
                            some[v, i] = lo
                            continue
                        add_rows(logits, lo, hi, tables, places, i, blocks)
                        state += uint64(GOLDEN)
                        some[v, i] = drawn(logits, lo, hi, unit(mixed(state)))
        mine[:] = levels[:, :n].T


@njit(inline="always")
def _add_places(places, levels, moves):
    for i in range(len(levels)):
        places[i] += moves[levels[i]]


def count(people: Pool, cells: Cells, threads: int | None = None) -> Ints:
    """Count people in every cell of every factor, one factor's cells after the other's."""
    counts = np.zeros(cells.start[-1], np.int64)

    def part(first: int, last: int) -> None:
        _count(people, cells.start, cells.first_term, cells.other, cells.map_start, cells.maps,
               counts, first, last)  # fmt: skip

    share_out(part, len(cells.start) - 1, threads)
    return counts


@njit(cache=True, nogil=True)
def _count(people, start, first_term, other, map_start, maps, counts, first, last):
    for f in range(first, last):
        for i in range(people.shape[0]):
            at = start[f]
            for t in range(first_term[f], first_term[f + 1]):
                at += maps[map_start[t] + people[i, other[t]]]
            counts[at] += 1
