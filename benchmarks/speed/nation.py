"""A synthetic nation: 84,000 tracts of 2,462 PUMAs in counties and states, written as Parquet.

    python benchmarks/speed/nation.py [--share 0.01 0.1 1] [--workers 2] [--keep folder]

Every PUMA has 5,000 survey households of its own weights; their records are one of 8 made samples
in turn, so that making the samples does not take longer than what is measured. A tract's targets
are counted from about 1,500 households drawn from tilted weights: 60 cells of households and
persons a tract, 10 more a county and 14 more a state (tenure by vehicles; sex by occupation), so
all can be met. Number of households and of persons of each tract are exact.

For each share of the nation the script prints the time (making the targets included), the memory,
what was written and how far it is from the targets, and it exits 1 if a tract's number of
households or persons is off by one, or if the main process took half as much memory again as
foreseen. A hundredth takes seconds; the whole nation is for a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
from memory import Foreseen, Watch
from numpy.typing import NDArray
from scipy import sparse

from popgen import Geography, HouseholdProblem, HouseholdRun, Households, write_households
from popgen.households.controls import Controls

Floats = NDArray[np.float64]

PUMAS, TRACTS, STATES, RECORDS, HOMES = 2_462, 84_000, 51, 5_000, 1_500
SAMPLES = 8
TILT = 0.35
ASTRAY = 1.5
"""Memory of the main process, in what was foreseen, that is too much: allocators differ."""

WORST = 1.0
"""Percent of the tracts' targets that may be missed in all, by whole households."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Records of 5,000 households and their persons, and what each adds to every cell."""

    households: pl.DataFrame
    persons: pl.DataFrame
    size: NDArray[np.intp]
    weights: Floats
    tract: sparse.csr_array
    county: sparse.csr_array
    state: sparse.csr_array

    @classmethod
    def made(cls, seed: int) -> Sample:
        """Make a sample of people by chance."""
        rng = np.random.default_rng(seed)
        homes, persons, owner = _records(rng)
        age = np.digitize(persons["age"], [5, 15, 18, 25, 35, 45, 55, 65, 75])
        head = np.digitize(homes["head_age"], [30, 45, 60, 75])
        income = np.digitize(
            homes["income"], np.quantile(homes["income"], [0.15, 0.3, 0.5, 0.7, 0.85])
        )
        size = homes["size"].to_numpy()
        of_home = [
            (size - 1, 7), (income, 6), (homes["vehicles"], 5), (homes["tenure"], 2),
            (homes["building"], 4), (homes["workers"], 4), (head, 5),
        ]  # fmt: skip
        of_person = [
            (age, 10), (persons["sex"], 2), (persons["occupation"], 7), (persons["school"], 5),
            (persons["race"], 3),
        ]  # fmt: skip
        everyone = np.arange(len(size))
        tract = [_cells(everyone, codes, k) for codes, k in of_home]
        tract += [_cells(owner, codes, k) for codes, k in of_person]
        tenure_vehicles = homes["tenure"].to_numpy() * 5 + homes["vehicles"].to_numpy()
        sex_occupation = persons["sex"].to_numpy() * 7 + persons["occupation"].to_numpy()
        return cls(
            homes,
            persons,
            size,
            rng.gamma(8, 1 / 8, len(size)) * 20,
            sparse.csr_array(sparse.hstack(tract)),
            _cells(everyone, tenure_vehicles, 10),
            _cells(owner, sex_occupation, 14),
        )


def _records(rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame, NDArray[np.intp]]:
    n = RECORDS
    size = rng.choice(np.arange(1, 8), n, p=[0.32, 0.35, 0.15, 0.11, 0.05, 0.015, 0.005])
    head = np.clip(rng.normal(50, 17, n), 18, 90)
    owner = np.repeat(np.arange(n), size)
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    people = len(owner)
    partner = rng.random(people) < 0.4
    others = head[owner] + np.where(partner, rng.normal(0, 5, people), rng.normal(-28, 6, people))
    age = np.where(first, head[owner], np.clip(others, 0, 95))
    works = (age > 16) & (age < 75) & (rng.random(people) < 0.62)
    homes = pl.DataFrame(
        {
            "size": size,
            "head_age": head.astype(int),
            "income": np.exp(rng.normal(10.9 + 0.1 * np.minimum(size, 4), 0.8)).astype(int),
            "vehicles": np.clip(rng.poisson(1.2 + 0.3 * (size > 1), n), 0, 4),
            "tenure": (rng.random(n) < 1 / (1 + np.exp(-(head - 40) / 15))).astype(int),
            "building": rng.choice(4, n, p=[0.6, 0.1, 0.25, 0.05]),
            "workers": np.minimum(np.bincount(owner, works, n).astype(int), 3),
        }
    ).cast(pl.Int32)
    school = np.where(age < 15, 0, rng.choice([1, 2, 3, 4], people, p=[0.12, 0.3, 0.3, 0.28]))
    persons = pl.DataFrame(
        {
            "age": age.astype(int),
            "sex": rng.integers(0, 2, people),
            "occupation": np.where(works, rng.integers(1, 7, people), 0),
            "school": school,
            "race": rng.choice(3, n, p=[0.65, 0.2, 0.15])[owner],
        }
    ).cast(pl.Int8)
    return homes, persons, owner


def _cells(owner: NDArray[np.intp], codes: object, k: int) -> sparse.csr_array:
    codes = np.asarray(codes)
    return sparse.csr_array((np.ones(len(codes)), (owner, codes)), shape=(RECORDS, k))


@dataclass(frozen=True)
class Nation:
    """The nation, or a share of it: the first PUMAs, in as many states as the share has."""

    share: float

    @cached_property
    def samples(self) -> list[Sample]:
        """All samples there are."""
        return [Sample.made(seed) for seed in range(SAMPLES)]

    @cached_property
    def states(self) -> list[NDArray[np.intp]]:
        """The PUMAs of each state: sizes fall off as those of the United States do."""
        pumas, states = round(PUMAS * self.share), max(round(STATES * self.share), 1)
        weight = np.cumsum(1 / np.arange(3, states + 3))
        edges = np.rint(pumas * weight / weight[-1]).astype(int)
        return np.split(np.arange(pumas), edges[:-1])

    @cached_property
    def tracts(self) -> NDArray[np.intp]:
        """The first tract of each PUMA of the whole nation, and their number."""
        return np.linspace(0, TRACTS, PUMAS + 1).astype(int)

    def problem(self, state: int) -> HouseholdProblem:
        """Pose a state's problem, as if its survey and its tables had been read."""
        pumas = self.states[state]
        samples = [self.samples[puma % SAMPLES] for puma in pumas]
        drawn = [self.drawn(puma) for puma in pumas]
        size = np.concatenate([sample.size for sample in samples])
        ids = np.arange(len(size))
        homes = pl.concat([one.households for one in samples])
        persons = pl.concat([one.persons for one in samples])
        weights = np.concatenate([weights for weights, _ in drawn])
        survey = Households.of(
            homes.with_columns(serial=ids, weight=weights),
            persons.with_columns(serial=np.repeat(ids, size)),
            id="serial",
            weight="weight",
        )
        owner = np.repeat(np.arange(len(pumas)), np.diff(self.tracts)[pumas])
        geography = self.geography(state, owner)
        levels = []
        for depth, level in enumerate(("tract", "county", "state")):
            X = sparse.csr_array(sparse.vstack([getattr(one, level) for one in samples]))
            held = np.vstack([held[depth] for _, held in drawn])
            targets = np.zeros((len(geography.areas[geography.depth(level)]), X.shape[1]))
            np.add.at(targets, geography.area_of(level), held)
            names = [f"{level} cell: {cell}" for cell in range(X.shape[1])]
            levels.append(Controls(level, names, X, targets))
        held = levels[0].targets
        return HouseholdProblem(
            survey,
            geography,
            levels,
            held[:, :7].sum(axis=1),
            held[:, 33:43].sum(axis=1),
            region="puma",
            region_of=np.repeat(np.arange(len(pumas)), RECORDS),
        )

    def geography(self, state: int, owner: NDArray[np.intp]) -> Geography:
        """Tracts in PUMAs in counties of one to six PUMAs."""
        pumas = self.states[state]
        rng = np.random.default_rng([1, state])
        county = np.repeat(np.arange(len(pumas)), rng.integers(1, 7, len(pumas)))[: len(pumas)]
        tract = np.arange(len(owner)) + self.tracts[pumas[0]]
        return Geography.of(
            pl.DataFrame({"tract": tract, "puma": pumas[owner], "county": county[owner]})
            .with_columns(state=pl.lit(state))
            .with_columns(pl.concat_str("state", "county", separator="-").alias("county")),
            ("tract", "puma", "county", "state"),
        )

    def drawn(self, puma: int) -> tuple[Floats, list[Floats]]:
        """Weights of a PUMA's records, and what its tracts hold in the cells of each level."""
        rng, sample = np.random.default_rng([2, puma]), self.samples[puma % SAMPLES]
        weights = rng.permutation(sample.weights)
        tracts = self.tracts[puma + 1] - self.tracts[puma]
        tilt = sample.tract @ rng.normal(0, TILT / np.sqrt(3), (sample.tract.shape[1], tracts))
        below = np.cumsum(weights[:, None] * np.exp(tilt), axis=0)
        homes = (HOMES * np.exp(rng.normal(0, 0.25, tracts))).astype(int)
        counts = np.zeros((tracts, RECORDS))
        for tract, number in enumerate(homes):
            mark = (np.arange(number) + rng.random(number)) / number * below[-1, tract]
            chosen = np.minimum(np.searchsorted(below[:, tract], mark), RECORDS - 1)
            counts[tract] = np.bincount(chosen, minlength=RECORDS)
        some = sparse.csr_array(counts)
        return weights, [(some @ X).toarray() for X in (sample.tract, sample.county, sample.state)]


def run(nation: Nation, folder: Path, workers: int) -> tuple[HouseholdRun, dict[str, float]]:
    """Write the nation; return what was written, seconds and MiB."""
    nation.samples  # noqa: B018 -- made beforehand
    start, cpu, foreseen = time.perf_counter(), _cpu(), Foreseen()
    loads = {
        f"state {state}": partial(foreseen.made, partial(nation.problem, state))
        for state in range(len(nation.states))
    }
    with Watch() as watch:
        if workers:
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                done = write_households(loads, folder, rng=0, executor=pool)
        else:
            done = write_households(loads, folder, rng=0)
    seconds = {"wall": time.perf_counter() - start, "cpu": _cpu() - cpu}
    own = watch.peaks.pop(os.getpid())
    worker = max(watch.peaks.values(), default=0.0)
    mib = {"MiB": watch.together, "own MiB": own, "worker MiB": worker}
    return done, seconds | mib | {"foreseen MiB": foreseen.mib}


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def off_by_one(done: HouseholdRun) -> tuple[int, int]:
    """Tracts whose number of households, or of persons, is not as stated."""
    wrong = (
        done.scan("fit")
        .filter(pl.col("level") == "tract", pl.col("held") != pl.col("target"))
        .filter(pl.col("cell").is_in(["units: household", "persons: all"]))
        .select("area", "cell")
        .collect()
    )
    homes = wrong["cell"].eq("units: household").sum()
    return homes, len(wrong) - homes


def recounted(done: HouseholdRun, most: int = 20) -> int:
    """Differences between some PUMAs' files of people and what their fit says they hold."""
    off = 0
    for fit in sorted((done.folder / "fit").rglob("*.parquet"))[:: max(PUMAS // most, 1)]:
        parts = [done.folder / what / fit.relative_to(done.folder / "fit") for what in WHAT]
        homes, persons = (pl.read_parquet(part) for part in parts)
        size = (
            persons.join(homes.select("household_id", "tract"), on="household_id")
            .group_by("tract")
            .len()
        )
        counted = homes.group_by("tract").len().join(size, on="tract")
        for cell, column in (("units: household", "len"), ("persons: all", "len_right")):
            said = pl.read_parquet(fit).filter(pl.col("cell") == cell)
            both = said.join(counted, left_on="area", right_on="tract", how="full")
            off += both.filter(pl.col("held").ne_missing(pl.col(column))).height
    return off


WHAT = ("households", "persons")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, nargs="+", default=[0.01])
    parser.add_argument("--workers", type=int, default=2, help="processes; 0: none but this one")
    parser.add_argument("--keep", type=Path, help="folder to keep what is written in")
    args = parser.parse_args()
    failed = False
    for share in args.share:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (args.keep or Path(scratch)) / f"nation-{share:g}"
            done, used = run(Nation(share), folder, args.workers)
            failed |= report(share, done, used)
    return int(failed)


def report(share: float, done: HouseholdRun, used: dict[str, float]) -> bool:
    """Print what came out; return whether it is not what it should be."""
    summary = done.summary
    zones = summary["zones"]
    per_tract = 1e3 * used["cpu"] / zones
    size = sum(part.stat().st_size for part in done.folder.rglob("*.parquet")) / 2**20
    homes, persons = off_by_one(done)
    off = recounted(done)
    print(
        f"share {share:g}: {zones:,} tracts, {summary['households']:,} households, "
        f"{summary['persons']:,} persons, {size:,.0f} MiB of Parquet\n"
        f"  {used['wall']:,.1f} s wall, {used['cpu']:,.1f} s CPU = {per_tract:.2f} ms a tract; "
        f"{used['MiB']:,.0f} MiB at most in all processes together "
        f"(the main one up to {used['own MiB']:,.0f}, foreseen {used['foreseen MiB']:,.0f}; "
        f"a worker up to {used['worker MiB']:,.0f})\n"
        f"  tracts with a wrong number of households {homes}, of persons {persons}; "
        f"files that say otherwise than their fit {off}"
    )
    worst = 0.0
    for level in summary["levels"]:
        percent = 100 * level["error"] / level["target"]
        worst = max(worst, percent)
        print(
            f"  {level['level']}: total absolute error {level['error']:,.0f} of "
            f"{level['target']:,.0f} ({percent:.4f} %), largest {level['max']:,.0f}"
        )
    sys.stdout.flush()
    return bool(
        homes or persons or off or worst > WORST or used["own MiB"] > ASTRAY * used["foreseen MiB"]
    )


if __name__ == "__main__":
    sys.exit(main())
