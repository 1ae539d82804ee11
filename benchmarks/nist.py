"""How much of a joint of 21 variables maximum entropy recovers: ACS 2019, 27,253 people, 20 PUMAs.

    python benchmarks/nist.py --data DIR [--seeds 5] [--only pairs|seed]

Scheme: the 24 features of national2019 less DENSITY, PWGTP and WGTP; records unweighted; age,
income and poverty ratio cut at the interior unique values of the percentiles 0, 5.26, ... 94.7,
with "N" a level of its own. Scores are 1000 x (1 - mean total variation): over the 190 pairs of
the other features crossed with PUMA, all 210 pairs, and all 1,140 triples without PUMA.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from pathlib import Path

import numpy as np
import polars as pl

from popgen import Domain, MaxEnt, Microdata, Problem, Table, Variable
from popgen.methods._gibbs import sweep, workers
from popgen.methods._parts import PoolPart

LEFT_OUT = ("DENSITY", "PWGTP", "WGTP")
CUT = ("AGEP", "PINCP", "POVPIP")
BARS = {
    "pairs": (923, 965),
    0.01: (909, 865),
    0.05: (928, 911),
    0.10: (934, 930),
}


def read(folder: Path) -> Microdata:
    """Read the records by the scheme above."""
    file = folder / "nist" / "national2019.csv.gz"
    frame = pl.read_csv(file, infer_schema_length=0).drop(LEFT_OUT)
    variables, codes = [], []
    for name in frame.columns:
        levels, column = coded(frame[name], cut=name in CUT)
        variables.append(Variable(name, levels))
        codes.append(column)
    return Microdata(Domain(tuple(variables)), np.column_stack(codes))


def coded(column: pl.Series, cut: bool) -> tuple[tuple[str, ...], np.ndarray]:
    number = column.cast(pl.Float64, strict=False).to_numpy().copy()
    text = np.array([v if np.isnan(x) else f"{x:g}" for v, x in zip(column, number, strict=True)])
    if cut:
        known = number[~np.isnan(number)]
        edges = np.unique(np.percentile(known, np.linspace(0, 100, 20)[:-1], method="higher"))[1:]
        band = np.searchsorted(edges, number, side="right")
        text = np.where(np.isnan(number), text, np.char.mod("band %02d", band))
    levels, codes = np.unique(text, return_inverse=True)
    if not cut:  # numbers in their own order
        order = sorted(range(len(levels)), key=lambda i: (_value(levels[i]), levels[i]))
        levels, codes = levels[order], np.argsort(order)[codes]
    return tuple(levels.tolist()), codes


def _value(level: str) -> float:
    try:
        return float(level)
    except ValueError:
        return float("inf")


def scores(codes: np.ndarray, weights: np.ndarray, truth: Microdata) -> tuple[float, float, float]:
    """PUMA x pair, pairs, 3-way."""
    names, shape = truth.domain.names, truth.domain.shape
    here = names.index("PUMA")
    rest = [v for v in range(len(names)) if v != here]
    sets = (
        [(here, *pair) for pair in itertools.combinations(rest, 2)],
        list(itertools.combinations(range(len(names)), 2)),
        list(itertools.combinations(rest, 3)),
    )
    mine, true = (np.ascontiguousarray(c.T.astype(np.int64)) for c in (codes, truth.codes))
    weights, even = weights / weights.sum(), np.full(len(truth), 1 / len(truth))

    def table(columns: np.ndarray, w: np.ndarray, some: tuple[int, ...]) -> np.ndarray:
        cells = np.zeros(columns.shape[1], np.int64)
        for v in some:
            cells = cells * shape[v] + columns[v]
        return np.bincount(cells, w, int(np.prod([shape[v] for v in some])))

    def score(group: list[tuple[int, ...]]) -> float:
        gaps = [np.abs(table(mine, weights, s) - table(true, even, s)).sum() / 2 for s in group]
        return float(1000 * (1 - np.mean(gaps)))

    return tuple(score(group) for group in sets)


def raked(seed: Microdata, tables: list[Table], sweeps: int = 60) -> np.ndarray:
    """Rake records to tables classically; cells without a record are missed."""
    weights = np.ones(len(seed))
    cells = [
        np.ravel_multi_index([seed.column(name) for name in t.names], t.domain.shape)
        for t in tables
    ]
    for _ in range(sweeps):
        for table, cell in zip(tables, cells, strict=True):
            held = np.bincount(cell, weights, table.domain.size)
            target = table.counts.ravel()
            ratio = np.divide(target, held, out=np.zeros_like(held), where=held > 0)
            weights = weights * ratio[cell]
    return weights


def show(
    label: str, found: tuple[float, ...], bar: tuple[float, float] | None = None, more=""
) -> None:
    line = (
        f"{label:34s} PUMA x pair {found[0]:6.1f}   pairs {found[1]:6.1f}   3-way {found[2]:6.1f}"
    )
    if bar:
        met = found[0] >= bar[0] and found[2] >= bar[1]
        line += f"   bars {bar[0]} / {bar[1]}: {'met' if met else 'NOT MET'}"
    print(line + more, flush=True)


def pool_of(model) -> tuple[np.ndarray, np.ndarray]:
    return model.parts[0].kinds()


def fitted(method: MaxEnt, problem: Problem):
    start = time.perf_counter()
    model = method.fit(problem)
    seconds = time.perf_counter() - start
    part = model.parts[0]
    return model, f"   {seconds:.1f} s, {part.updates / 1e6:.0f} M updates"


def rate(part: PoolPart, sweeps: int = 10) -> float:
    """Variables drawn anew in a second, in a fitted field."""
    logs = [*part.field.base_logs(), *part.logs]
    conditionals, pool = part.field.layout.conditionals(logs), part.pool.copy()
    start = time.perf_counter()
    sweep(pool, conditionals, np.arange(pool.shape[1]), 1, sweeps)
    return sweeps * pool.size / (time.perf_counter() - start)


def warm_up() -> None:
    """Have numba compile, or read what it compiled before."""
    a, b = (Variable(name, ("0", "1")) for name in "ab")
    small = Problem([Table(Domain((a, b)), [[1, 2], [3, 4]])])
    MaxEnt(max_cells=1, people=600, sweeps=1, pool=600).fit(small)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    home = os.environ.get("POPGEN_SHARED_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(home))
    parser.add_argument("--seeds", type=int, default=1, help="seed draws")
    parser.add_argument("--only", choices=("pairs", "seed"))
    parser.add_argument("--sweeps", type=int, default=MaxEnt.sweeps)
    parser.add_argument("--people", type=int, default=MaxEnt.people)
    parser.add_argument("--pool", type=int, default=MaxEnt.pool)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.01, 0.05, 0.10])
    options = parser.parse_args()
    truth = read(options.data)
    names = truth.domain.names
    method = MaxEnt(sweeps=options.sweeps, people=options.people, pool=options.pool)
    print(f"{len(truth):,} people, {len(names)} features, {method}")
    warm_up()
    rng = np.random.default_rng(0)
    again = truth.codes[rng.integers(len(truth), size=len(truth))]
    show("bootstrap of the truth (ceiling)", scores(again, np.ones(len(again)), truth))
    if options.only != "seed":
        tables = [truth.project(*pair) for pair in itertools.combinations(names, 2)]
        model, cost = fitted(method, Problem(tables))
        show("all 210 pairs", scores(*pool_of(model), truth), BARS["pairs"], cost)
        print(f"  Gibbs updates a second: {rate(model.parts[0]) / 1e6:.1f} M on {workers()} cores")
        people = model.sample(len(truth), rng=0)
        show(f"  {len(truth):,} people drawn", scores(people.codes, people.weights, truth))
    if options.only != "pairs":
        tables = [truth.project("PUMA", name) for name in names if name != "PUMA"]
        for share, draw in itertools.product(options.shares, range(options.seeds)):
            rng = np.random.default_rng(draw)
            seed = truth.take(rng.choice(len(truth), round(share * len(truth)), replace=False))
            label = f"PUMA x feature + {share:.0%} seed"
            show(f"{label}: raked", scores(seed.codes, raked(seed, tables), truth))
            model, cost = fitted(method, Problem(tables, seed))
            show(f"{label}: MaxEnt", scores(*pool_of(model), truth), BARS.get(share), cost)


if __name__ == "__main__":
    main()
