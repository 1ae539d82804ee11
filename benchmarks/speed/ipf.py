"""Speed and memory of IPF against `ipfn`, on the same tables in the same run.

    python benchmarks/speed/ipf.py [--quick]

Both start from the same flat table and reachable margins. ipfn works until each cell of a margin
is within 1e-8 of its figure, relatively; popgen until the largest miss is within 1e-9 of the
total, and what it ended with is recounted here the way ipfn counts it. Memory is the most that
Python and numpy held at once while fitting, counted in tables of the fit's size. "check" is what
popgen takes to see that the margins agree, before fitting; ipfn does not look.
"""

from __future__ import annotations

import argparse
import itertools
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ipfn.ipfn import ipfn
from numpy.typing import NDArray

from popgen import IPF, Domain, Problem, Table, Variable

Floats = NDArray[np.float64]
RELATIVE = 1e-8
BAR = 10.0  # times faster than ipfn, all two-way margins of 32^4 cells
MOST_TABLES = 3.0


@dataclass(frozen=True, eq=False)
class Case:
    """A table's shape, and the order of the margins that it is fitted to: all there are."""

    name: str
    shape: tuple[int, ...]
    order: int

    @property
    def keep(self) -> list[tuple[int, ...]]:
        """Axes of each margin."""
        return list(itertools.combinations(range(len(self.shape)), self.order))

    def margins(self) -> list[Table]:
        """Margins of one random joint, so that some table has them all."""
        names = "abcdefgh"[: len(self.shape)]
        sizes = zip(names, self.shape, strict=True)
        domain = Domain([Variable(name, tuple(map(str, range(size)))) for name, size in sizes])
        joint = Table(domain, np.random.default_rng(1).gamma(0.5, 1.0, self.shape) + 0.01)
        return [joint.project(*(names[axis] for axis in axes)) for axes in self.keep]


CASES = [
    Case("32^4, all two-way", (32,) * 4, 2),
    Case("1000^2, one-way", (1000,) * 2, 1),
    Case("10^6 (ten levels, six ways), all two-way", (10,) * 6, 2),
    Case("7^6, all three-way", (7,) * 6, 3),
]
QUICK = [Case("12^4, all two-way", (12,) * 4, 2), Case("100^2, one-way", (100,) * 2, 1)]


def timed(run: Callable[[], Floats], repeat: int) -> tuple[Floats, float]:
    """Return a fit and the median of its seconds."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        fit = run()
        seconds.append(time.perf_counter() - start)
    return fit, float(np.median(seconds))


def peak_tables(run: Callable[[], Floats]) -> float:
    """Return the most memory held at once while fitting, in tables of the result's size."""
    tracemalloc.start()
    fit = run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(peak / fit.nbytes)


def worst(fit: Floats, case: Case, margins: list[Table]) -> float:
    """Return the largest relative miss of a margin cell, as ipfn counts it."""
    misses = []
    for axes, margin in zip(case.keep, margins, strict=True):
        gone = tuple(axis for axis in range(fit.ndim) if axis not in axes)
        misses.append(float(np.abs(fit.sum(axis=gone) / margin.counts - 1).max()))
    return max(misses)


def compare(case: Case, repeat: int) -> tuple[float, float]:
    """Fit a case with both; print a row; return how many times faster, and popgen's memory."""
    margins = case.margins()
    start = time.perf_counter()
    problem = Problem(margins)
    check = time.perf_counter() - start

    def ours() -> Floats:
        return IPF().fit(problem).table.counts

    def theirs() -> Floats:
        flat = np.full(case.shape, problem.total / np.prod(case.shape))
        figures = [margin.counts.copy() for margin in margins]
        dimensions = [list(axes) for axes in case.keep]
        job = ipfn(flat, figures, dimensions, convergence_rate=RELATIVE, rate_tolerance=0.0)
        fitted: Floats = job.iteration()
        return fitted

    one, seconds = timed(ours, repeat)
    other, peer = timed(theirs, max(1, repeat // 2))
    apart = float(np.abs(one / other - 1).max())
    memory, peer_memory = peak_tables(ours), peak_tables(theirs)
    print(
        f"{case.name:42} {check:8.4f} {seconds:9.4f} {peer:9.4f} {peer / seconds:7.1f}x "
        f"{worst(one, case, margins):9.1e} {worst(other, case, margins):9.1e} {apart:9.1e} "
        f"{memory:6.2f} {peer_memory:6.2f}",
        flush=True,
    )
    return peer / seconds, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small tables only, in a second")
    quick = parser.parse_args().quick
    print(
        f"{'':42} {'seconds':>28} {'':8} {'relative miss':>19} {'largest':>9}  peak, tables\n"
        f"{'table, margins':42} {'check':>8} {'popgen':>9} {'ipfn':>9} {'faster':>8} "
        f"{'popgen':>9} {'ipfn':>9} {'apart':>9} {'popgen':>6} {'ipfn':>6}"
    )
    results = [compare(case, 3 if quick else 5) for case in (QUICK if quick else CASES)]
    if not quick:
        faster = results[0][0]
        print(f"bar: at least {BAR:g}x faster on {CASES[0].name}: {faster:.1f}x")
        if faster < BAR or max(memory for _, memory in results) > MOST_TABLES:
            raise SystemExit("a bar was missed: speed above, or more than 3 tables of memory")


if __name__ == "__main__":
    main()
