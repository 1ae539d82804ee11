"""What an entrant is given on the ACS 2019 records, and what it is scored against."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from popgen import Microdata, Table
from recovery.acs2019 import AREA
from recovery.task import Task

STANDS_FOR = 100
"""People that a record stands for where figures have sampling error, as in the ACS."""


def all_pairs(records: Microdata, draw: int) -> Task:
    pairs = itertools.combinations(records.domain.names, 2)
    margins = tuple(records.project(*pair) for pair in pairs)
    return Task("all 210 pairs", draw, margins, None, records, len(records))


def stars(records: Microdata) -> tuple[Table, ...]:
    """Each feature by area."""
    return tuple(records.project(AREA, name) for name in records.domain.names if name != AREA)


def with_seed(records: Microdata, draw: int, share: float) -> Task:
    seed = some(records, round(share * len(records)), draw)
    return Task(f"margins + {share:.0%} seed", draw, stars(records), seed, records, len(records))


def halves(records: Microdata, draw: int, share: float) -> Task:
    """Margins and as many seed records from one half at random, scored on the other half."""
    half, other = split(records, draw)
    seed = some(half, round(share * len(records)), draw)
    return Task(f"other half, {share:.0%} seed", draw, stars(half), seed, other, len(records))


def split(records: Microdata, draw: int) -> tuple[Microdata, Microdata]:
    """Cut the records in two at random."""
    order = np.random.default_rng([draw, 1]).permutation(len(records))
    middle = len(records) // 2
    return records.take(order[:middle]), records.take(order[middle:])


def noisy(records: Microdata, draw: int, share: float) -> Task:
    """Margins as published: people, each figure with its sampling error, rounded to 10."""
    rng = np.random.default_rng([draw, 2])
    seed = some(records, round(share * len(records)), draw)
    margins = tuple(published(table, len(records), rng) for table in stars(records))
    return Task(f"noisy margins + {share:.0%} seed", draw, margins, seed, records, len(records))


def published(table: Table, records: int, rng: np.random.Generator) -> Table:
    """State a table as a survey of so many records would: figures off by their sampling error.

    Standard errors are those a reader can work out from the published figure; where it is 0, that
    of one record.
    """
    noise = rng.normal(size=table.counts.shape) * _error(table.counts, records)
    counts = np.maximum(np.round(STANDS_FOR * (table.counts + noise), -1), 0.0)
    se = _error(np.maximum(counts / STANDS_FOR, 1.0), records)
    return Table(table.domain, counts, STANDS_FOR * se)


def _error(counts: np.ndarray, records: int) -> np.ndarray:
    return np.sqrt(counts * (1 - counts / records))


def some(records: Microdata, size: int, draw: int) -> Microdata:
    rng = np.random.default_rng(draw)
    return records.take(rng.choice(len(records), size, replace=False))


def tasks(
    records: Microdata, regimes: tuple[str, ...], draws: int, shares: tuple[float, ...]
) -> Iterator[Task]:
    """Make the tasks of some regimes, one at a time."""
    makers = {"seed": with_seed, "half": halves, "noisy": noisy}
    for regime in regimes:
        if regime == "samples":
            continue  # real samples are no task: they are what others are measured by
        for share, draw in itertools.product(shares, range(draws)):
            if regime != "pairs":
                yield makers[regime](records, draw, share)
            elif share == shares[0]:
                yield all_pairs(records, draw)
