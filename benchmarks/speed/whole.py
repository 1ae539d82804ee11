"""Ways to make whole households of a zone's weights: CPU time a zone, and what they miss.

    python benchmarks/speed/whole.py [--zones 100]

The weights meet all 60 household and person cells of zones of about 1,500 households over one
sample of 5,000, so what is missed is the rounding's doing. HiGHS does few zones only: it searches.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from households.synthetic import Zones, sample, zones

from popgen import NestedCalibration
from popgen.households.fit import HouseholdModel
from popgen.households.placing import INTEGERISE
from popgen.households.populate import place_all
from popgen.integerise import integerise

SEARCHED = 3
"""Zones that HiGHS is given."""

Counts = NDArray[np.int64]


def placed(model: HouseholdModel, given: Zones, way: str) -> Counts:
    """Make households in one of popgen's ways for zones: copies of each record in each zone."""
    found = place_all(model, 0, integerise=way)
    counts = np.zeros((len(given.targets), len(given.X)), np.int64)
    np.add.at(counts, (found.zone, found.record), 1)
    return counts


def truncated(model: HouseholdModel, given: Zones, way: str) -> Counts:
    """Truncate, replicate, sample: whole parts, then draws by what is left."""
    pool, rng = model.pools[0], np.random.default_rng(0)
    share = pool.design / pool.d[pool.row_of]
    weights = model.weights(0)[:, pool.row_of] * share
    some = zip(weights, given.households, strict=True)
    return np.array([integerise(row, int(n), method=way, rng=rng) for row, n in some])


def report(way: str, model: HouseholdModel, given: Zones) -> None:
    made = placed if way in INTEGERISE else truncated
    made(model, given, way)  # compiles
    start = time.process_time()
    counts = made(model, given, way)
    ms = 1e3 * (time.process_time() - start) / len(counts)
    gaps = np.abs(counts @ given.X - given.targets)
    households = np.abs(counts.sum(axis=1) - given.households).sum()
    persons = np.abs(counts @ given.survey.size - given.persons).sum()
    print(
        f"{way:<12}{ms:9.2f} ms   error {gaps.sum() / given.targets.sum():.3%}, mean "
        f"{gaps.mean():.2f}, p99 {np.quantile(gaps, 0.99):.0f}, max {gaps.max():.0f}; "
        f"households off by {households}, persons by {persons} in {len(counts)} zones",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zones", type=int, default=100)
    parser.add_argument("--ways", nargs="+", default=[*INTEGERISE, "trs"])
    options = parser.parse_args()
    given = zones(sample(5_000), options.zones)
    for way in options.ways:
        some = given.first(SEARCHED) if way == "milp" else given
        report(way, NestedCalibration().fit(some.problem()), some)


if __name__ == "__main__":
    main()
