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
from collections.abc import Callable
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parent))
from households.ipu import by_ipu
from households.populationsim import by_populationsim
from households.running import populationsim
from households.sample import Made, Sample, cells, first_of

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


def sampled(people: pl.DataFrame, rng: np.random.Generator) -> Sample:
    """Sample households, and count the population's margins."""
    X, region = cells(people, OF_HOUSEHOLDS, OF_PERSONS), region_of(people)
    chosen = np.sort(rng.choice(len(X), round(SHARE * len(X)), replace=False))
    some = people.filter(pl.col("home").is_in(pl.Series(chosen).implode()))
    some = some.with_columns(home=pl.col("home").rank("dense").cast(pl.Int64) - 1)
    targets = np.zeros((LEVELS["region"], X.shape[1]))
    np.add.at(targets, region, X)
    number = np.bincount(region)
    return Sample(some, X[chosen], region[chosen], targets, number, OF_HOUSEHOLDS, OF_PERSONS)


def region_of(people: pl.DataFrame) -> Index:
    """Give the region of each household."""
    return people["region"].to_numpy()[first_of(people)]


def missed(made: Made, sample: Sample) -> float:
    """Sum of absolute misses of the margins, as a share of their sum."""
    held = np.zeros_like(sample.targets)
    np.add.at(held, made.area, sample.X[made.record])
    return float(np.abs(held - sample.targets).sum() / sample.targets.sum())


def records(codes: NDArray[np.int64]) -> Microdata:
    """Give level numbers their names."""
    some = [Variable(name, tuple(map(str, range(LEVELS[name])))) for name in NAMES]
    return Microdata(Domain(tuple(some)), codes.astype(np.int16))


def by_popgen(sample: Sample, seed: int, *, way: str = "exchange", borrow: float = 1.0) -> Made:
    """Weight by nested calibration and make whole households."""
    homes = pl.DataFrame({"home": np.arange(len(sample.X))})
    persons = sample.persons.select("home")
    places = Geography.of(pl.DataFrame({"region": np.arange(LEVELS["region"])}), ["region"])
    first = sample.names.index("age: 0")
    ages = sample.targets[:, first : first + LEVELS["age"]]
    problem = HouseholdProblem(
        Households.of(homes, persons, id="home"),
        places,
        [Controls("region", sample.names, sparse.csr_array(sample.X), sample.targets)],
        sample.number,
        ages.sum(axis=1).astype(int),
        region="region",
        region_of=sample.area,
        borrow=borrow,
    )
    model = NestedCalibration().fit(problem)
    found = place_all(model, seed, integerise=way)
    return Made(found.zone, found.record)


def drawn(sample: Sample, seed: int, *, own: bool = False) -> Made:
    """Weight by IPU and draw households."""
    return by_ipu(sample, np.random.default_rng(seed), own=own)


def simulated(sample: Sample, seed: int, *, own: bool = False) -> Made:
    """Run PopulationSim."""
    return by_populationsim(sample, populationsim(), own=own)


Maker = Callable[[Sample, int], Made]

OURS = "popgen", "popgen, a third borrowed"

MAKERS: dict[str, Maker] = {
    "popgen": by_popgen,
    "popgen, a third borrowed": partial(by_popgen, borrow=1 / 3),
    "popgen, milp": partial(by_popgen, way="milp"),
    "IPU": drawn,
    "IPU by region": partial(drawn, own=True),
}
PEERS: dict[str, Maker] = {
    "PopulationSim": simulated,
    "PopulationSim by region": partial(simulated, own=True),
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
    scores, misses = [], []
    for seed in range(options.seeds):
        sample = sampled(people, np.random.default_rng(seed))
        made = {name: make(sample, seed) for name, make in makers.items()}
        misses += [{"candidate": name, "share": missed(one, sample)} for name, one in made.items()]
        candidates = {
            name: records(one.codes(sample, "region", NAMES)) for name, one in made.items()
        }
        scores.append(scored(candidates, truth, seed))
    report(pl.concat(scores), pl.DataFrame(misses))


if __name__ == "__main__":
    main()
