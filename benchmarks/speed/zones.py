"""Zones of households and persons calibrated, made whole and written: CPU time a zone.

    python benchmarks/speed/zones.py [--peer] [--zones 100] [--growth]

Made-up zones of about 1,500 households over one sample of 5,000 (some 12,000 persons), with 33
household and 27 person cells each; figures that can be met, then figures that clash. Times are CPU
seconds of this process after a first run that compiles; errors are sums of absolute misses over
sums of figures, recounted here. With --peer, PopulationSim's balancer, and the whole of
PopulationSim, work on the same zones (ten of them) in an environment of their own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import optimize, sparse

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from households.folder import ID, WEIGHT, Survey, by_zone, write_folder
from households.recount import Counted, Given
from households.running import populationsim, run
from households.synthetic import (
    OF_HOUSEHOLDS,
    OF_PERSONS,
    ONE_WAY,
    Sample,
    Zones,
    clashing,
    sample,
    zones,
)

from popgen import Households, NestedCalibration, populate
from popgen.households.fit import HouseholdModel

Floats = NDArray[np.float64]
T = TypeVar("T")

PEERS_ZONES = 10
FLOORS = 5
"""Zones for which the least possible error is worked out by linear programming."""

TOTALS = 2
"""Households and persons: met exactly where other figures clash."""


def timed(work: Callable[[], T], zones: int, repeats: int = 3) -> tuple[float, T]:
    """Median CPU milliseconds a zone, and what came of it."""
    took = []
    for _ in range(repeats):
        start = time.process_time()
        found = work()
        took.append(time.process_time() - start)
    return 1e3 * float(np.median(took)) / zones, found


def share_missed(held: Floats, targets: Floats) -> float:
    """Sum of absolute misses over the sum of figures."""
    return float(np.abs(held - targets).sum() / targets.sum())


def least(X: Floats, targets: Floats) -> float:
    """Least sum of absolute misses of any weights that meet the totals, in the first columns."""
    n, m = X.shape
    free = np.arange(m) >= TOTALS
    misses = sparse.diags_array(free.astype(float))
    A = sparse.hstack([sparse.csr_array(X.T), misses, -misses], format="csc")
    cost = np.concatenate([np.zeros(n), free, free])
    return float(optimize.linprog(cost, A_eq=A, b_eq=targets, method="highs").fun)


def balanced(X: Floats, d: Floats, targets: Floats, exact: int) -> tuple[float, Floats]:
    """Balance with PopulationSim: its CPU milliseconds a zone, and its weights.

    The first columns count all households and what else is exact: importance 1e9, others 1000.
    """
    importance = np.where(np.arange(X.shape[1]) < exact, 1e9, 1e3)
    script = Path(__file__).parent / "peers" / "populationsim_balance.py"
    with tempfile.TemporaryDirectory() as folder:
        case, result = Path(folder, "case.npz"), Path(folder, "result.npz")
        np.savez(case, X=X, d=d, targets=targets, importance=importance)
        subprocess.run([populationsim(), script, case, result], check=True)
        found = np.load(result)
        return 1e3 * float(np.median(found["cpu"])), found["weights"]


def say(who: str, ms: float, figures: str) -> None:
    print(f"  {who:<14}{ms:9.2f} ms   {figures}", flush=True)


def feasible(given: Zones, peer: bool) -> None:
    problem, count = given.problem(), len(given.targets)
    NestedCalibration().fit(problem)  # compiles
    ms, model = timed(lambda: NestedCalibration(tol=1e-9).fit(problem), count)
    print(f"figures that can be met: {count} zones, {given.X.shape[1]} cells")
    say("popgen", ms, f"{_missed(model.held()[0][:, TOTALS:], given.targets)}, {_steps(model)}")
    if peer:
        X, targets = given.first(PEERS_ZONES).with_totals()
        X, targets = np.delete(X, 1, 1), np.delete(targets, 1, 1)  # persons: all ages
        ms, weights = balanced(X, given.survey.weights, targets, 1)
        say("PopulationSim", ms, _missed(weights @ X, targets))


def _missed(held: Floats, targets: Floats) -> str:
    largest = np.abs(held - targets).max()
    return f"error {share_missed(held, targets):.0e}, largest miss {largest:.0e}"


def _steps(model: HouseholdModel) -> str:
    return f"{int(model.solved.iterations.max())} steps at most"


def infeasible(given: Zones, peer: bool) -> None:
    problem, count = given.problem(softly=True), len(given.targets)
    ms, model = timed(lambda: NestedCalibration(loss="absolute").fit(problem), count)
    held = model.held()[0][:, TOTALS:]
    some = given.first(FLOORS)
    X, targets = some.with_totals()
    floor = sum(least(X, row) for row in targets) / some.targets.sum()
    ours = share_missed(held[:FLOORS], some.targets)
    print(f"figures that clash: {count} zones; least possible error of {FLOORS}: {floor:.3%}")
    figures = f"error {ours:.3%}, {ours / floor - 1:.1%} above the least"
    say("popgen", ms, f"{figures}; all zones {share_missed(held, given.targets):.3%}")
    if peer:
        ms, weights = balanced(X, given.survey.weights, targets, TOTALS)
        theirs = share_missed(weights @ some.X, some.targets)
        say("PopulationSim", ms, f"error {theirs:.3%}, {theirs / floor - 1:.1%} above the least")


def pipeline(some: Sample, given: Zones, peer: bool) -> None:
    """Read, calibrate, make whole, write out everybody, and write."""
    print(f"whole pipeline, {len(given.targets)} zones")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        some.households.write_parquet(work / "households.parquet")
        some.persons.write_parquet(work / "persons.parquet")
        pl.DataFrame(given.targets, schema=given.names).write_parquet(work / "targets.parquet")
        ms, _ = timed(lambda: make(work, given), len(given.targets), 1)
        homes = pl.read_parquet(work / "synthetic_households.parquet")
        persons = pl.read_parquet(work / "synthetic_persons.parquet", columns=["household_id"])
        counts = np.zeros((len(given.targets), len(given.X)))
        np.add.at(counts, (homes["zone"].cast(int).to_numpy() - 1, homes["id"].to_numpy() - 1), 1)
        gaps = np.abs(counts @ given.X - given.targets)
        off = np.abs(counts.sum(axis=1) - given.households).sum()
        zone_of = homes.select("household_id", "zone")
        lives = persons.join(zone_of, on="household_id")["zone"].cast(int).to_numpy() - 1
        away = np.abs(np.bincount(lives, minlength=len(gaps)) - given.persons).sum()
        error = gaps.sum() / given.targets.sum()
        say("popgen", ms, f"error {error:.3%}, mean {gaps.mean():.2f}, max {gaps.max():.0f}; "
            f"households off by {off:.0f}, persons by {away:.0f}")  # fmt: skip
        if peer:
            _peers_pipeline(some, given.first(PEERS_ZONES), work / "folder")


def make(work: Path, given: Zones) -> None:
    """Read the sample and the figures, and write the people."""
    homes, persons = (
        pl.read_parquet(work / f"{what}.parquet") for what in ("households", "persons")
    )
    survey = Households.of(homes, persons, id="id", weight="weight")
    targets = pl.read_parquet(work / "targets.parquet").to_numpy()
    read = replace(given, survey=survey, targets=targets)
    made = populate(NestedCalibration().fit(read.problem()), rng=0)
    made.households.write_parquet(work / "synthetic_households.parquet")
    made.persons.write_parquet(work / "synthetic_persons.parquet")


def _peers_pipeline(some: Sample, given: Zones, folder: Path) -> None:
    write_zones(folder, some, given)
    cost = run(
        [populationsim(), "-m", "populationsim", "-w", folder, "-c", "configs", "-d", "data",
         "-o", "output"], folder.parent / "log.txt",
    )  # fmt: skip
    counted = Counted.of(Given.of(folder), folder / "output")
    error = counted.error["ZONE"] / counted.target["ZONE"]
    count = len(given.targets)
    say(
        "PopulationSim",
        1e3 * cost.cpu_seconds / count,
        f"error {error:.3%} of {count} zones; {cost}",
    )


def write_zones(folder: Path, some: Sample, given: Zones) -> None:
    """Write zones as PopulationSim reads them."""
    controls, totals = by_zone(given.names, OF_PERSONS, given.households, given.targets)
    homes = some.households.rename({"id": ID, "weight": WEIGHT}).with_columns(STATE=1)
    written = (list(OF_HOUSEHOLDS), list(OF_PERSONS))
    write_folder(
        folder,
        Survey(homes, some.persons.rename({"id": ID}), written),
        totals.select(NATION=1, STATE=1, ZONE="ZONE"),
        controls,
        {"ZONE": totals},
        seed="STATE",
    )


FEW = tuple((name,) for name in ("members", "income", "cars", "tenure", "age"))
MORE = (*ONE_WAY, ("age", "sex"), ("occupation", "education"))


def growth(peer: bool) -> None:
    """Show how the time of calibration grows with records, cells and zones."""
    cases = [(n, 50, ONE_WAY) for n in (1_000, 2_500, 5_000, 10_000, 20_000)]
    cases += [(5_000, 50, FEW), (5_000, 50, MORE)]
    cases += [(5_000, count, ONE_WAY) for count in (10, 200, 1_000)]
    print("growth of calibration, figures that can be met")
    for n, count, margins in cases:
        given = zones(sample(n), count, margins=margins)
        ms, model = timed(lambda: NestedCalibration(tol=1e-9).fit(given.problem()), count)  # noqa: B023 - called at once
        theirs = ""
        if peer and count == 50:
            X, targets = given.first(3).with_totals()
            X, targets = np.delete(X, 1, 1), np.delete(targets, 1, 1)
            theirs = f"; PopulationSim {balanced(X, given.survey.weights, targets, 1)[0]:,.0f} ms"
        say("popgen", ms, f"{n:>6,} records, {given.X.shape[1]:>3} cells, {count:>5,} zones; "
            f"{_steps(model)}{theirs}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="store_true", help="run PopulationSim as well: minutes")
    parser.add_argument("--zones", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--growth", action="store_true", help="more records, cells and zones")
    options = parser.parse_args()
    some = sample(5_000, options.seed)
    given = zones(some, options.zones, seed=options.seed + 1)
    feasible(given, options.peer)
    infeasible(clashing(given, options.seed + 2), options.peer)
    pipeline(some, given, options.peer)
    if options.growth:
        growth(options.peer)


if __name__ == "__main__":
    main()
