"""Interactions that no margin states, recovered from a 5 % sample of EU-SILC's households.

    python benchmarks/eusilc.py [--peer] [--seeds 5] [--data DIR]

The population (25,000 households, 58,654 persons, 9 regions) is a known truth. Given are a sample
of one household in twenty and, for every region, margins of households (members, income) and of
persons (age, sex, activity, citizenship). Whole populations are scored on what was not given: pairs
of persons' variables, and of a household's and a person's, in all and by region. IPU (as in the
textbook: households/ipu.py) and, with --peer, PopulationSim get the same sample and margins. "By
region" they use a region's own records only: the way of IPU where records carry their region.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parent))
from households.folder import ID, WEIGHT, Survey, by_zone, write_folder
from households.ipu import drawn, ipu
from households.running import populationsim, run

from popgen import (
    Domain,
    Geography,
    HouseholdProblem,
    Households,
    Microdata,
    NestedCalibration,
    Tables,
    Variable,
    compare,
)
from popgen.households.controls import Controls
from popgen.households.populate import place_all

HERE = Path(__file__).resolve()
DATA = Path(os.environ.get("POPGEN_SHARED_DATA", HERE.parents[2] / "shared" / "data"))
SHARE = 0.05
OF_HOUSEHOLDS = {"members": 5, "income": 5}
OF_PERSONS = {"age": 8, "sex": 2, "activity": 8, "citizenship": 4}
LEVELS = {"region": 9, **OF_HOUSEHOLDS, **OF_PERSONS}
NAMES = list(LEVELS)

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


def population(file: Path) -> pl.DataFrame:
    """Read the persons, all variables as level numbers; ``home`` numbers the households."""
    raw = pl.read_parquet(file).sort("hid", "pid")
    bands = [16, 25, 35, 45, 55, 65, 75]
    home = raw["hid"].rank("dense").cast(pl.Int64).to_numpy() - 1
    members = np.bincount(home)
    first = np.flatnonzero(np.diff(home, prepend=-1))
    incomes = raw["eqIncome"].to_numpy()
    fifths = np.quantile(incomes[first], [0.2, 0.4, 0.6, 0.8])
    named = {
        name: raw[column].cast(pl.String).fill_null("none").rank("dense").to_numpy() - 1
        for name, column in (
            ("region", "region"),
            ("sex", "gender"),
            ("activity", "ecoStat"),
            ("citizenship", "citizenship"),
        )
    }
    codes = {
        "members": np.minimum(members[home], 5) - 1,
        "income": np.digitize(incomes, fifths),
        "age": np.digitize(raw["age"].to_numpy(), bands),
        **named,
    }
    return pl.DataFrame({"home": home, **{name: codes[name].astype(int) for name in NAMES}})


@dataclass(frozen=True, eq=False)
class Task:
    """A sample and the margins of all regions.

    Attributes
    ----------
    sample : DataFrame
        Persons of the sampled households, which ``home`` numbers from 0.
    X : array, shape (households, cells)
    region : array of int, shape (households,)
    targets : array, shape (regions, cells)
    households : array of int, shape (regions,)
    """

    sample: pl.DataFrame
    X: Floats
    region: Index
    targets: Floats
    households: Index

    @classmethod
    def of(cls, people: pl.DataFrame, rng: np.random.Generator) -> Task:
        """Sample households, and count the population's margins."""
        X, region = cells(people)
        chosen = np.sort(rng.choice(len(X), round(SHARE * len(X)), replace=False))
        some = people.filter(pl.col("home").is_in(pl.Series(chosen).implode()))
        some = some.with_columns(home=pl.col("home").rank("dense").cast(pl.Int64) - 1)
        targets = np.zeros((LEVELS["region"], X.shape[1]))
        np.add.at(targets, region, X)
        return cls(some, X[chosen], region[chosen], targets, np.bincount(region))

    @property
    def names(self) -> list[str]:
        """Of the cells."""
        return [f"{name}: {i}" for name in NAMES[1:] for i in range(LEVELS[name])]


def cells(people: pl.DataFrame) -> tuple[Floats, Index]:
    """Count households, or their persons, in the cells of one-way margins; and their regions."""
    home = people["home"].to_numpy()
    first = np.flatnonzero(np.diff(home, prepend=-1))
    columns = []
    for name in NAMES[1:]:
        hit = np.eye(LEVELS[name])[people[name].to_numpy()]
        if name in OF_HOUSEHOLDS:
            columns.append(hit[first])
        else:
            held = np.zeros((len(first), LEVELS[name]))
            np.add.at(held, home, hit)
            columns.append(held)
    return np.hstack(columns), people["region"].to_numpy()[first]


@dataclass(frozen=True, eq=False)
class Made:
    """Whole households: the region of each and the sampled household that it copies."""

    region: Index
    record: Index

    def people(self, task: Task) -> Microdata:
        """Everybody in them."""
        codes = task.sample.select(NAMES).to_numpy()
        size = np.bincount(task.sample["home"].to_numpy())
        start = np.cumsum(size) - size
        many = size[self.record]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        rows = codes[np.repeat(start[self.record], many) + within].copy()
        rows[:, 0] = np.repeat(self.region, many)
        return records(rows)

    def missed(self, task: Task) -> float:
        """Sum of absolute misses of the margins, as a share of their sum."""
        held = np.zeros_like(task.targets)
        np.add.at(held, self.region, task.X[self.record])
        return float(np.abs(held - task.targets).sum() / task.targets.sum())


def records(codes: NDArray[np.int64]) -> Microdata:
    """Give level numbers their names."""
    some = [Variable(name, tuple(map(str, range(LEVELS[name])))) for name in NAMES]
    return Microdata(Domain(tuple(some)), codes.astype(np.int16))


def by_popgen(task: Task, seed: int, *, way: str = "exchange", borrow: float = 1.0) -> Made:
    """Weight by nested calibration and make whole households."""
    homes = pl.DataFrame({"home": np.arange(len(task.X))})
    persons = task.sample.select("home")
    places = Geography.of(pl.DataFrame({"region": np.arange(LEVELS["region"])}), ["region"])
    first = task.names.index("age: 0")
    ages = task.targets[:, first : first + LEVELS["age"]]
    problem = HouseholdProblem(
        Households.of(homes, persons, id="home"),
        places,
        [Controls("region", task.names, sparse.csr_array(task.X), task.targets)],
        task.households,
        ages.sum(axis=1).astype(int),
        region="region",
        region_of=task.region,
        borrow=borrow,
    )
    model = NestedCalibration().fit(problem)
    found = place_all(model, seed, integerise=way)
    return Made(found.zone, found.record)


def by_ipu(task: Task, seed: int, *, own: bool = False) -> Made:
    """Weight by iterative proportional updating, and draw households."""
    rng, made = np.random.default_rng(seed), []
    for region, number in enumerate(task.households):
        some = np.flatnonzero(task.region == region) if own else np.arange(len(task.X))
        w = ipu(task.X[some], np.full(len(some), number / len(some)), task.targets[region])
        made.append(some[drawn(w, int(number), rng)])
    return Made(np.repeat(np.arange(len(made)), task.households), np.concatenate(made))


def by_populationsim(task: Task, seed: int, *, own: bool = False) -> Made:
    """Run PopulationSim, whose random numbers are its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "case")
        write_task(folder, task, "REGION" if own else "COUNTRY")
        command = [populationsim(), "-m", "populationsim", "-w", folder, "-c", "configs"]
        run([*command, "-d", "data", "-o", "output"], Path(name, "log.txt"))
        homes = pl.read_csv(folder / "output" / "synthetic_households.csv")
        return Made(homes["ZONE"].to_numpy() - 1, homes[ID].to_numpy() - 1)


def write_task(folder: Path, task: Task, seed: str) -> None:
    """Write a task as PopulationSim reads it; a zone is a region."""
    controls, totals = by_zone(task.names, OF_PERSONS, task.households, task.targets)
    zone = totals["ZONE"]
    places = pl.DataFrame({"COUNTRY": 1, "REGION": zone, "ZONE": zone})
    crosswalk = places.select(pl.lit(1).alias("NATION"), seed, "ZONE")
    ids = pl.col("home").add(1).alias(ID)
    first = task.sample.group_by("home", maintain_order=True).first()
    where = pl.Series("REGION", task.region + 1), pl.lit(1).alias("COUNTRY")
    homes = first.select(ids, pl.lit(1 / SHARE).alias(WEIGHT), *OF_HOUSEHOLDS, *where)
    survey = Survey(
        homes, task.sample.select(ids, *OF_PERSONS), (list(OF_HOUSEHOLDS), list(OF_PERSONS))
    )
    write_folder(folder, survey, crosswalk, controls, {"ZONE": totals}, seed=seed)


Maker = Callable[[Task, int], Made]

OURS = "popgen", "popgen, a third borrowed"

MAKERS: dict[str, Maker] = {
    "popgen": by_popgen,
    "popgen, a third borrowed": partial(by_popgen, borrow=1 / 3),
    "popgen, milp": partial(by_popgen, way="milp"),
    "IPU": by_ipu,
    "IPU by region": partial(by_ipu, own=True),
}
PEERS: dict[str, Maker] = {
    "PopulationSim": by_populationsim,
    "PopulationSim by region": partial(by_populationsim, own=True),
}

PAIRS = list(combinations(OF_PERSONS, 2)), list(product(OF_HOUSEHOLDS, OF_PERSONS))
HELD_OUT: dict[str, list[tuple[str, ...]]] = {
    "person x person": PAIRS[0],
    "household x person": PAIRS[1],
    "both, by region": [("region", *pair) for pairs in PAIRS for pair in pairs],
}


def scored(candidates: dict[str, Microdata], truth: Microdata, seed: int) -> pl.DataFrame:
    """Score candidates on the tables that no margin states: a row a kind of table and candidate."""
    parts = []
    for kind, sets in HELD_OUT.items():
        tables = Tables([truth.project(*names) for names in sets])
        order = len(sets[0])
        scores = compare(candidates, tables, orders=[order], replicates=20)
        for name in candidates:
            figures = {m: scores.value(m, order, candidate=name) for m in ("K", "slope", "mae")}
            parts.append({"seed": seed, "kind": kind, "candidate": name, **figures})
    return pl.DataFrame(parts)


def report(scores: pl.DataFrame, missed: pl.DataFrame) -> None:
    """Print means over samples, and in how many of them popgen's ways are nearer the truth."""
    print("margins missed by whole households, share of all figures")
    for name, share in missed.group_by("candidate", maintain_order=True).mean().iter_rows():
        print(f"  {name:<26}{share:.3%}")
    print(
        f"\nK, slope, MAE; in how many of {scores['seed'].n_unique()} samples nearer in K, in MAE:"
    )
    print(f"{'':<70}{OURS[0]:>16}{OURS[1]:>28}")
    nearer = {one: counted(scores, one) for one in OURS}
    means = scores.group_by("kind", "candidate", maintain_order=True).agg(
        pl.col("K", "slope", "mae").mean()
    )
    for kind, name, K, slope, mae in means.iter_rows():
        beside = [f"{'' if name == one else nearer[one][kind, name]:>16}" for one in OURS]
        print(f"{kind:<20}{name:<26}{K:8.1f}{slope:8.2f}{mae:8.3f}{beside[0]}{beside[1]:>28}")


def counted(scores: pl.DataFrame, ours: str) -> dict[tuple[str, str], str]:
    """Count, by kind of table and candidate, the samples in which ours has larger K, less MAE."""
    both = scores.join(
        scores.filter(pl.col("candidate") == ours), on=["seed", "kind"], suffix=" ours"
    )
    rows = both.group_by("kind", "candidate").agg(
        (pl.col("K ours") > pl.col("K")).sum(), (pl.col("mae ours") < pl.col("mae")).sum()
    )
    return {(kind, name): f"{by_K}, {by_mae}" for kind, name, by_K, by_mae in rows.iter_rows()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="store_true", help="run PopulationSim as well")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=DATA / "household" / "eusilc")
    options = parser.parse_args()
    file = options.data / "eusilcP.parquet"
    if not file.is_file():
        print(f"EU-SILC skipped: {file} is not there")
        return
    people = population(file)
    truth = records(people.select(NAMES).to_numpy())
    makers = MAKERS | (PEERS if options.peer else {})
    scores, missed = [], []
    for seed in range(options.seeds):
        task = Task.of(people, np.random.default_rng(seed))
        made = {name: make(task, seed) for name, make in makers.items()}
        missed += [{"candidate": name, "share": one.missed(task)} for name, one in made.items()]
        candidates = {name: one.people(task) for name, one in made.items()}
        scores.append(scored(candidates, truth, seed))
    report(pl.concat(scores), pl.DataFrame(missed))


if __name__ == "__main__":
    main()
