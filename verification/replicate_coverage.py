"""Whether intervals from replicates cover the truth as often as they say.

The truth is the joint of Wisconsin's adult citizens (race x sex x age x education). In each trial a
survey of it is drawn, and its one-way margins are stated with an error of known size. Two-way cells
are estimated from records raked to those margins, with 90 % intervals from `popgen.replicates` and
`popgen.combine`. Prints the coverage by the number of records expected in a cell, and exits 1
unless cells of at least LEAST records are covered 86 to 94 times in 100. A few minutes.

    python verification/replicate_coverage.py [trials] [replicates]
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

import popgen as pg

RECORDS, LEAST, NOMINAL = 2_000, 10, 0.9
POLL = 20_000
"""People behind each margin: its standard errors are those of a sample of so many."""
CLASSES = ((5, 10), (10, 20), (20, 50), (50, 10_000))


def noisy(table: pg.Table, rng: np.random.Generator) -> pg.Table:
    """State a margin as a poll of POLL people would, with its standard errors."""
    share = table.counts / table.total
    seen = rng.multinomial(POLL, share.ravel()).reshape(share.shape) / POLL
    error = np.sqrt(seen * (1 - seen) / POLL)
    return pg.Table(table.domain, seen * table.total, error * table.total)


def survey(truth: pg.Table, rng: np.random.Generator) -> pg.Microdata:
    """Draw RECORDS people of the truth, independently."""
    cells = rng.choice(truth.domain.size, RECORDS, p=truth.counts.ravel() / truth.total)
    codes = np.column_stack(np.unravel_index(cells, truth.domain.shape))
    return pg.Microdata(truth.domain, codes)


def two_way(model: pg.Projectable, names: tuple[str, ...]) -> np.ndarray:
    """Every two-way cell, one after the other."""
    pairs = itertools.combinations(names, 2)
    return np.concatenate([model.project(*pair).counts.ravel() for pair in pairs])


def trial(
    truth: pg.Table, method: pg.Calibration, m: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Whether each two-way cell is covered; None if the survey lacks a group that a margin has."""
    names = truth.names
    margins = [noisy(truth.project(name), rng) for name in names]
    problem = pg.Problem(margins, survey(truth, rng))
    try:
        models = list(pg.replicates(method, problem, m, rng=rng))
    except pg.InfeasibleError:
        return None
    found = pg.combine([two_way(model, names) for model in models])
    low, high = found.interval(NOMINAL)
    true = two_way(truth, names)
    return (low <= true) & (true <= high)


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    m = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    census = pg.read_census("us_adult_citizens_2018", zone="WI")
    [truth] = census.margins.values()
    expected = two_way(truth, truth.names) / truth.total * RECORDS
    failed = False
    for method in (pg.Calibration(), pg.Calibration(soft=True)):
        rngs = np.random.default_rng(2018).spawn(trials)
        covered = [trial(truth, method, m, rng) for rng in rngs]
        hits = np.array([c for c in covered if c is not None], dtype=float)
        print(f"{method}: {len(hits)} of {trials} trials, {m} replicates, {RECORDS:,} records")
        print("| records expected in the cell | cells | covered by the 90 % interval |")
        print("|---|--:|--:|")
        for low, high in (*CLASSES, (LEAST, np.inf)):
            cells = (expected >= low) & (expected < high)
            per_trial = hits[:, cells].mean(axis=1)
            error = per_trial.std(ddof=1) / np.sqrt(len(per_trial))
            said = f"{low} or more" if high == np.inf else f"{low} to {high}"
            print(f"| {said} | {cells.sum()} | {per_trial.mean():.1%} ± {error:.1%} |")
        failed |= not 0.86 <= per_trial.mean() <= 0.94
        each = hits[:, expected >= LEAST].mean(axis=0)
        print(f"single cells: {each.min():.1%} to {each.max():.1%}\n")
    raise SystemExit("intervals do not cover as they say" if failed else 0)


if __name__ == "__main__":
    main()
