"""Ages and incomes that people are given, against the true ones: ACS 2019, 27,253 people.

    python benchmarks/continuous.py --data DIR [--seeds 5]

From a tenth of the records of national2019 and exact margins of all (PUMA by age band, sex by
income band, education), people are drawn as many as there are, and their ages in years and incomes
compared with all records': Kolmogorov and Smirnov's distance of everybody, and within bands (the
mean over bands, by their people), times 1000; and how far the gap between men's and women's mean
income is off. Means over draws of the records. The last row has no records at all: numbers come
from the bands' counts, by a spline. "sample" is the tenth itself.
"""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

import popgen as pg
from popgen.codebook import Recode

AGE = pg.Bands.named([0, 18, 30, 45, 65, 100], "years")
INCOME = pg.Bands(
    ("below 10", "10 to 25", "25 to 50", "50 to 100", "100 and more"),
    (-20_000, 10_000, 25_000, 50_000, 100_000, math.inf),
    "dollars",
)
PLAIN = ("PUMA", "SEX", "RAC1P", "MSP", "EDU")
ORDINAL = ("AGEP", "PINCP", "EDU")


def read(folder: Path) -> pg.Microdata:
    """Read the records; people without an income by definition have the level N."""
    frame = pl.read_csv(folder / "nist" / "national2019.csv.gz", infer_schema_length=0)
    variables = [pg.Variable(name, tuple(sorted(frame[name].unique()))) for name in PLAIN]
    variables += [pg.Variable("AGEP", AGE.levels), pg.Variable("PINCP", (*INCOME.levels, "N"))]
    recodes = {
        "AGEP": Recode("AGEP", {}, bands=AGE),
        "PINCP": Recode("PINCP", {"N": "N"}, bands=INCOME),
    }
    named = {variable.name: variable for variable in variables}
    return pg.read_microdata(frame, pg.Codebook(named, {}, recodes))


def margins(truth: pg.Microdata) -> list[pg.Table]:
    """Return what is known of everybody."""
    return [truth.project(*names) for names in (("PUMA", "AGEP"), ("SEX", "PINCP"), ("EDU",))]


def distance(one: np.ndarray, two: np.ndarray) -> float:
    """Greatest gap between the distributions of two lots of numbers, times 1000."""
    points = np.unique(np.concatenate([one, two]))
    shares = [np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (one, two)]
    return 1000 * float(np.abs(shares[0] - shares[1]).max())


def compared(people: pg.Microdata, truth: pg.Microdata, name: str) -> tuple[float, float]:
    """Distance of everybody, and within bands."""
    mine, theirs = people.values[name], truth.values[name]
    known = ~np.isnan(theirs)
    within, weights = [], []
    for code in np.unique(truth.column(name)[known]):
        here, there = people.column(name) == code, truth.column(name) == code
        within.append(distance(mine[here], theirs[there]))
        weights.append(there.sum())
    return distance(mine[~np.isnan(mine)], theirs[known]), float(
        np.average(within, weights=weights)
    )


def gap(people: pg.Microdata, truth: pg.Microdata) -> float:
    """By how much the mean income of men less that of women is off, dollars."""

    def difference(held: pg.Microdata) -> float:
        income, sex = held.values["PINCP"], held.column("SEX")
        return float(np.nanmean(income[sex == 0]) - np.nanmean(income[sex == 1]))

    return difference(people) - difference(truth)


def methods() -> dict[str, pg.methods.base.Method]:
    """Return the methods compared."""
    return {
        "Calibration": pg.Calibration(),
        "BayesNet, pool": pg.CalibratedPool(pg.BayesNet()),
        "Sequential, pool": pg.CalibratedPool(pg.Sequential(ordinal=ORDINAL)),
        "GaussianCopula, pool": pg.CalibratedPool(pg.GaussianCopula(ordinal=ORDINAL)),
    }


def row(name: str, people: list[pg.Microdata], truth: pg.Microdata) -> None:
    """Print a line of the table."""
    figures = [
        [*compared(each, truth, "AGEP"), *compared(each, truth, "PINCP"), abs(gap(each, truth))]
        for each in people
    ]
    cells = np.mean(figures, axis=0)
    print(f"| {name} | " + " | ".join(f"{x:.1f}" for x in cells[:4]) + f" | {cells[4]:,.0f} |")


def controls(truth: pg.Microdata) -> list[pg.Mean | pg.Median]:
    """Return true figures to hold: mean income by sex, and the median age."""
    means = [
        pg.Mean(
            "PINCP",
            float(np.nanmean(truth.values["PINCP"][truth.column("SEX") == i])),
            by={"SEX": s},
        )
        for i, s in enumerate(truth.domain["SEX"].levels)
    ]
    return [*means, pg.Median("AGEP", float(np.median(truth.values["AGEP"])) + 0.5, width=1)]


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, default=os.environ.get("POPGEN_SHARED_DATA"))
    arguments.add_argument("--seeds", type=int, default=5)
    given = arguments.parse_args()
    truth = read(Path(given.data))
    known, n = margins(truth), len(truth)
    draws = [
        truth.take(np.random.default_rng(seed).choice(n, n // 10, replace=False))
        for seed in range(given.seeds)
    ]
    print("| | age | within bands | income | within bands | gap of men and women, off by |")
    print("| --- | --: | --: | --: | --: | --: |")
    row("sample", draws, truth)
    for name, method in methods().items():
        problems = [pg.Problem(known, records) for records in draws]
        row(name, [method.fit(p).sample(n, rng=i) for i, p in enumerate(problems)], truth)
    held = [pg.Problem(known, records, controls=controls(truth)) for records in draws]
    models = [pg.Calibration().fit(problem) for problem in held]
    row("Calibration, controls", [m.sample(n, rng=i) for i, m in enumerate(models)], truth)
    drawn = pg.CalibratedPool(pg.Sequential(ordinal=ORDINAL))
    row(
        "Sequential, pool, controls",
        [drawn.fit(p).sample(n, rng=i) for i, p in enumerate(held)],
        truth,
    )
    bare = pg.IPF().fit(pg.Problem(known)).sample(n, rng=0)
    ends = {"PINCP": "pareto"}
    given_out = pg.with_values(bare, bands={"AGEP": AGE, "PINCP": INCOME}, ends=ends, rng=0)
    years = np.floor(given_out.values["AGEP"])  # completed, as the true ones
    spread = replace(given_out, values={**given_out.values, "AGEP": years})
    row("no records, spline", [spread], truth)
    worst = max(abs(f["model"] / f["stated"] - 1) for model in models for f in model.figures)
    income, top = truth.values["PINCP"], truth.column("PINCP") == len(INCOME.levels) - 1
    print(f"\n{np.mean(income[~np.isnan(income)] == 0):.0%} of incomes are exactly 0; ", end="")
    print(f"the open band has some {top.sum() / 10:.0f} records of a tenth.")
    print(f"Controls are met to {worst:.1e} of the figure.")


if __name__ == "__main__":
    main()
