"""Speed of calibration against plain raking and `balance`, on the same problems in the same run.

    python benchmarks/speed/calibration.py [--quick] [--no-balance]

Every program starts from the same records, design weights and reachable targets, and works until
each margin cell is within 1e-9 of the total; "miss" is what it ended with, recounted here.
`balance` rakes a dense table of all combinations, so only the problem with few of them is put to
it; it is installed into a throw-away environment, and skipped with a message where that fails.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from popgen.methods.calibration import calibrate
from popgen.methods.distances import LINEAR, RAKING, Distance, logit

Floats = NDArray[np.float64]
TOL = 1e-9
BALANCE = "balance==0.23.0"

RUN_BALANCE = """
import logging, sys, time
import numpy as np, pandas as pd
logging.disable(logging.WARNING)
from balance.weighting_methods.rake import rake
data = np.load(sys.argv[1])
codes = pd.DataFrame(data["codes"]).astype(str).add_prefix("v")
codes.columns = [f"v{i}" for i in range(codes.shape[1])]
start = time.perf_counter()
fit = rake(codes, pd.Series(data["d"]), codes, pd.Series(data["truth"]), transformations=None,
           convergence_rate=float(sys.argv[3]), rate_tolerance=0.0, max_iteration=10000)
seconds = time.perf_counter() - start
np.savez(sys.argv[2], weights=fit["weight"].to_numpy(), seconds=seconds)
"""


@dataclass(frozen=True, eq=False)
class Case:
    """Records, each in one cell of every margin, and targets that some reweighting meets."""

    name: str
    codes: NDArray[np.intp]
    sizes: tuple[int, ...]
    d: Floats
    truth: Floats

    @property
    def X(self) -> sparse.csr_array:  # noqa: N802
        """Records by margin cells, 0/1."""
        columns = self.codes + np.cumsum([0, *self.sizes[:-1]])
        rows = np.arange(0, columns.size + 1, len(self.sizes))
        shape = (len(columns), sum(self.sizes))
        return sparse.csr_array((np.ones(columns.size), columns.ravel(), rows), shape=shape)


def one_way(n: int, variables: int, levels: int, rng: np.random.Generator) -> Case:
    """Unrelated variables, one margin each: hardly two records are alike."""
    shares = [rng.dirichlet(np.full(levels, 5.0)) for _ in range(variables)]
    codes = np.column_stack([rng.choice(levels, n, p=share) for share in shares])
    return _case(f"{n:,} records, {variables} one-way margins", codes, (levels,) * variables, rng)


def two_way(n: int, rng: np.random.Generator) -> Case:
    """Five related variables, all ten two-way margins: overlapping, full of redundant cells."""
    sizes = (4, 5, 4, 5, 4)
    common = rng.normal(size=n)
    latent = [1.5 * common + rng.normal(size=n) for _ in sizes]
    codes = [
        np.searchsorted(np.quantile(z, np.arange(1, size) / size), z)
        for z, size in zip(latent, sizes, strict=True)
    ]
    pairs = [(a, b) for a in range(5) for b in range(a)]
    cells = np.column_stack([codes[a] * sizes[b] + codes[b] for a, b in pairs])
    shapes = tuple(sizes[a] * sizes[b] for a, b in pairs)
    return _case(f"{n:,} records, 10 two-way margins", cells, shapes, rng)


def _case(
    name: str, codes: NDArray[np.intp], sizes: tuple[int, ...], rng: np.random.Generator
) -> Case:
    d = rng.gamma(4, 25, len(codes))
    tilt = [rng.normal(0, 0.3, size) for size in sizes]
    truth = d * np.exp(sum(effect[column] for effect, column in zip(tilt, codes.T, strict=True)))
    return Case(f"{name}, {sum(sizes)} cells", codes, sizes, d, truth * d.sum() / truth.sum())


def rake(case: Case) -> Floats:
    """Scale to each margin in turn until all are met: a bincount and a look-up a margin."""
    columns = [np.ascontiguousarray(column) for column in case.codes.T]
    targets = [np.bincount(c, case.truth, s) for c, s in zip(columns, case.sizes, strict=True)]
    w = case.d.copy()
    for _ in range(10_000):
        worst = 0.0
        for column, target in zip(columns, targets, strict=True):
            held = np.bincount(column, w, len(target))
            worst = max(worst, float(np.abs(held - target).max()))
            w *= np.divide(target, held, out=np.zeros_like(held), where=held > 0)[column]
        if worst <= TOL * case.d.sum():
            break
    return w


def ours(distance: Distance) -> Callable[[Case], Floats]:
    """Run popgen's kernel with a distance; building the matrix is part of the time."""

    def run(case: Case) -> Floats:
        X = case.X
        targets = X.T @ case.truth
        return calibrate(X, case.d, targets, distance, tol=TOL * case.d.sum()).weights

    return run


def timed(run: Callable[[Case], Floats], case: Case, repeats: int) -> tuple[float, Floats]:
    """Best of a few runs, seconds, and the weights."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        weights = run(case)
        best = min(best, time.perf_counter() - start)
    return best, weights


def balance(case: Case, python: Path) -> tuple[float, Floats]:
    """Run `balance` in its own environment on the case; the seconds are of its `rake` alone."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(given, codes=case.codes, d=case.d, truth=case.truth)
        command = [str(python), "-c", RUN_BALANCE, str(given), str(found), str(TOL)]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        out = np.load(found)
        return float(out["seconds"]), out["weights"]


def installed_balance(folder: str) -> Path | None:
    """Install `balance` into a new environment; None, with a message, if that cannot be done."""
    python = Path(folder) / "bin" / "python"
    try:
        for command in (
            [sys.executable, "-m", "venv", folder],
            [str(python), "-m", "pip", "install", "--quiet", BALANCE],
            [str(python), "-c", "import balance.weighting_methods.rake"],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"balance skipped: {BALANCE} does not install or import here ({error})\n")
        return None
    return python


def report(program: str, seconds: float, weights: Floats, case: Case, ours_took: float) -> None:
    X = case.X
    miss = np.abs(X.T @ weights - X.T @ case.truth).max() / case.d.sum()
    print(f"  {program:<24}{seconds:>9.3f} s {seconds / ours_took:>8.1f} x   miss {miss:.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave out the million records")
    parser.add_argument("--no-balance", action="store_true", help="do not install balance")
    options = parser.parse_args()
    rng = np.random.default_rng(0)

    start = time.perf_counter()
    ours(RAKING)(one_way(100, 2, 2, rng))
    print(
        f"first call in this process (compiles, or loads what was): "
        f"{time.perf_counter() - start:.2f} s"
    )
    print("times x: as a multiple of popgen raking; miss: largest, as a share of the total\n")

    few = one_way(100_000, 6, 8, rng)
    cases = [one_way(100_000, 20, 10, rng), two_way(100_000, rng), few]
    if not options.quick:
        cases += [one_way(1_000_000, 20, 15, rng), two_way(1_000_000, rng)]
    with tempfile.TemporaryDirectory() as folder:
        python = None if options.no_balance else installed_balance(folder)
        for case in cases:
            repeats = 3 if len(case.d) <= 100_000 else 1
            print(case.name)
            base, weights = timed(ours(RAKING), case, repeats)
            report("popgen raking", base, weights, case, base)
            for distance in (LINEAR, logit(0.01, 100)):
                seconds, weights = timed(ours(distance), case, repeats)
                report(f"popgen {distance.name}", seconds, weights, case, base)
            seconds, weights = timed(rake, case, repeats)
            report("plain raking loop", seconds, weights, case, base)
            if case is few and python is not None:
                report(BALANCE, *balance(case, python), case, base)
            print()


if __name__ == "__main__":
    main()
