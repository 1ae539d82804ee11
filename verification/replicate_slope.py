"""How small counts should be handled: slopes and errors of real replicates under four rules.

Draws samples of known truth (the shipped tables of us_panel_2020, each table apart) and looks at
candidate and truth under each rule. Prints the table of docs/scoring.md, and exits 1 unless the
rule that popgen uses gives a replicate the slope 1 within four standard errors. About 20 seconds.

    python verification/replicate_slope.py [replicates]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from itertools import combinations

import numpy as np

from popgen._aligned import cell_axes
from popgen._logcounts import Floats, expected_log
from popgen._tally import product
from popgen.census import read_census
from popgen.effects import centred, mae, recovery_sums, slope
from popgen.table import Table

SIZES = (200, 423, 1_200, 10_000)


def own_product(counts: Floats, ndim: int) -> Floats:
    """Half a person a cell, shared out as the product of each copy's own one-way shares."""
    axes = tuple(range(-ndim, 0))
    total = counts.sum(axis=axes, keepdims=True)
    shares = [
        counts.sum(axis=tuple(a for a in axes if a != axis), keepdims=True) / total for axis in axes
    ]
    cells = np.prod(counts.shape[-ndim:])
    return np.asarray(counts + 0.5 * cells * reduce(np.multiply, shares))


# rule: (log of the candidate's counts, log of the truth: shares, people in the population, n)
Look = Callable[[Floats, int], Floats]
RULES: dict[str, tuple[Look, Callable[[Floats, float, int], Floats]]] = {
    "E[log(X + ½)] (popgen)": (
        lambda x, k: np.log(x + 0.5),
        lambda p, total, n: expected_log(p, n),
    ),
    "log(x + ½), truth log(N + ½)": (
        lambda x, k: np.log(x + 0.5),
        lambda p, total, n: np.log(total * p + 0.5),
    ),
    "log(x + ½), truth log(np + ½)": (
        lambda x, k: np.log(x + 0.5),
        lambda p, total, n: np.log(n * p + 0.5),
    ),
    "½ a cell shared as independent": (
        lambda x, k: np.log(own_product(x, k)),
        lambda p, total, n: np.log(own_product(total * p, p.ndim)),
    ),
}


def looked(tables: list[Table], n: int, replicates: int, rule: str) -> tuple[Floats, Floats]:
    """Recovery sums, pooled over tables, of real replicates and of independent draws."""
    of_counts, of_truth = RULES[rule]
    sums = np.zeros((2, replicates, 5))
    rng = np.random.default_rng([n, len(tables)])
    for table in tables:
        p = table.shares.counts
        support = p > 0
        truth = centred(of_truth(p, table.total, n), support)
        for kind, shares in enumerate((p, product(table))):
            x = rng.multinomial(n, shares.ravel() / shares.sum(), size=replicates)
            x = x.reshape(replicates, *p.shape).astype(float)
            assert x.sum(axis=cell_axes(p)).max() == n
            seen = centred(of_counts(x, p.ndim), support)
            sums[kind] += recovery_sums(seen, truth, p)
    return sums[0], sums[1]


def main() -> None:
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    held = read_census("us_panel_2020", margins=["one_way", "two_way", "three_way"]).margins
    failed = False
    print("| order | n | rule | slope | MAE replicate | MAE independent |")
    print("|---|---|---|---|---|---|")
    for order in (2, 3):
        tables = [held.project(*names) for names in combinations(held.domain.names, order)]
        for n in SIZES:
            for rule in RULES:
                with np.errstate(divide="ignore", invalid="ignore"):  # a level without people
                    real, flat = looked(tables, n, replicates, rule)
                slopes = slope(real)
                error = slopes.std(ddof=1) / np.sqrt(replicates)
                figures = f"{slopes.mean():.3f} ± {error:.3f} | {mae(real).mean():.3f}"
                figures += f" | {mae(flat).mean():.3f}"
                if np.isnan(error):
                    figures = "undefined | – | –"
                print(f"| {order} | {n:,} | {rule} | {figures} |")
                failed |= "popgen" in rule and abs(slopes.mean() - 1) > 4 * error
    raise SystemExit("a real replicate does not score slope 1" if failed else 0)


if __name__ == "__main__":
    main()
