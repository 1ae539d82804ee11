"""A candidate's figures between two yardsticks: independent draws, and real samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen._aligned import Floats
from popgen._tally import Tally, Target, candidate_counts, jackknife
from popgen.microdata import Microdata
from popgen.table import Projectable

APART = 4.0
"""Yardsticks closer than this many standard errors of theirs define no skill."""


@dataclass(frozen=True, eq=False)
class Yardsticks:
    """What independent draws and real replicates of a truth score, seen through one size."""

    target: Target
    floor: Tally
    ceiling: Tally

    @classmethod
    def of(cls, target: Target, entropy: list[int], replicates: int) -> Yardsticks:
        """Draw and tally both."""
        rng = np.random.default_rng([*entropy, target.size or 0])
        floor = target.draws(rng, replicates, independent=True)
        return cls(target, floor, target.draws(rng, replicates, independent=False))

    def rows(
        self,
        candidate: Projectable,
        groups: Mapping[str, NDArray[np.intp]],
        rng: np.random.Generator,
    ) -> list[dict[str, Any]]:
        """Score a candidate of that size: a row a group of tables and metric."""
        target = self.target
        own = target.tally(lambda table: candidate_counts(candidate, table))
        left_out = None
        if isinstance(candidate, Microdata) and len(candidate) > 1:
            left_out = target.tally(jackknife(candidate, rng))
        order = len(target.tables[0].domain)
        found = []
        for group, index in groups.items():
            for metric in target.metrics:
                low, high = self.floor.figure(metric, index), self.ceiling.figure(metric, index)
                value = float(own.figure(metric, index)[0])
                row = {"group": group, "metric": metric.name, "tables": index.size, "value": value}
                row |= {"floor": _mean(low), "ceiling": _mean(high)}
                if left_out is not None:
                    row["se"] = _jackknife_se(left_out.figure(metric, index))
                if order in metric.skilled:
                    row["skill"] = _skill(value, low, high)
                found.append(row)
        return found


def _jackknife_se(values: Floats) -> float:
    copies = len(values)
    return float(np.sqrt((copies - 1) / copies * ((values - values.mean()) ** 2).sum()))


def _mean(values: Floats) -> float:
    return float(values.mean())


def _skill(value: float, low: Floats, high: Floats) -> float:
    """(value - floor) / (ceiling - floor), or NaN where the two cannot be told apart."""
    span = _mean(high) - _mean(low)
    noise = np.sqrt(sum(v.var(ddof=1) / len(v) for v in (low, high))) if len(low) > 1 else 0.0
    if not abs(span) > max(APART * noise, 1e-9):
        return float("nan")
    return (value - _mean(low)) / span
