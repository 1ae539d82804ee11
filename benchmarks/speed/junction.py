"""Speed and exactness of `MaxEnt` on a junction tree, against `mbi`, on the same margins.

    python benchmarks/speed/junction.py [--mbi] [--steps 1000]

Two problems: a chain of 50 variables with ten levels, whose margins decompose, and a grid of 4 x 8
variables with four levels, whose cliques have five variables. Margins are counted from people, so
that some joint has them all. "miss" is the largest miss of a margin cell as a share of everybody;
"drawn" the mean distance of 100,000 people drawn from the margins, in that of as many independent
draws (1 is chance; less is better). mbi is installed into a virtual environment that is thrown away
afterwards, and only with --mbi; its seconds have its compilation in them, popgen's have not (numpy
compiles nothing).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from popgen import Domain, MaxEnt, Problem, Table, Variable

MBI = "mbi==2.0.0"
DRAWN = 100_000

Floats = NDArray[np.float64]
Pairs = list[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Case:
    """Two-way margins of people whose variables depend on earlier neighbours."""

    name: str
    levels: int
    count: int
    pairs: Pairs

    def margins(self, people: int = 1_000_000) -> list[Floats]:
        """Count people in each pair of levels."""
        rng = np.random.default_rng(0)
        codes = np.zeros((self.count, people), np.int16)
        for v in range(self.count):
            above = [codes[a] for a, b in self.pairs if b == v]
            copied = rng.random(people)  # each neighbour is copied, changed, or not looked at
            codes[v] = rng.integers(self.levels, size=people)
            for n, level in enumerate(above):
                here = (copied > 0.4 * n) & (copied <= 0.4 * (n + 1))
                codes[v][here] = (rng.permutation(self.levels)[level])[here]
        return [
            np.bincount(codes[a] * self.levels + codes[b], minlength=self.levels**2)
            .astype(float)
            .reshape(self.levels, -1)
            for a, b in self.pairs
        ]


def grid(rows: int, columns: int) -> Pairs:
    """Neighbours in a grid, each pair with the one that comes first in front."""
    at = np.arange(rows * columns).reshape(columns, rows)
    across = zip(at[:-1].flat, at[1:].flat, strict=True)
    down = zip(at[:, :-1].flat, at[:, 1:].flat, strict=True)
    return [(int(a), int(b)) for a, b in [*across, *down]]


CASES = [
    Case("chain of 50 variables, 10 levels", 10, 50, [(v, v + 1) for v in range(49)]),
    Case("grid of 4 x 8 variables, 4 levels", 4, 32, grid(4, 8)),
]


def ours(case: Case, margins: list[Floats]) -> tuple[list[float], list[Floats], NDArray]:
    """Seconds to fit and to draw, the fitted margins, and people."""
    levels = tuple(map(str, range(case.levels)))
    some = [Variable(f"v{v}", levels) for v in range(case.count)]
    tables = [
        Table(Domain((some[a], some[b])), counts)
        for (a, b), counts in zip(case.pairs, margins, strict=True)
    ]
    start = time.perf_counter()
    model = MaxEnt().fit(Problem(tables))
    fitted = [model.project(*table.names).counts for table in tables]
    middle = time.perf_counter()
    people = model.sample(DRAWN, rng=0)
    end = time.perf_counter()
    columns = [people.domain.axis(variable.name) for variable in some]
    print(f"{case.name}: {model.parts[0].kept}, {model.convergence.iterations} sweeps")
    return [middle - start, end - middle], fitted, people.codes[:, columns]


def theirs(
    case: Case, margins: list[Floats], python: Path, steps: int
) -> tuple[list[float], list[Floats], NDArray]:
    """Do the same in a Python that has mbi."""
    script = Path(__file__).parent / "peers" / "mbi_fit.py"
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "case.npz"), Path(folder, "result.npz")
        named = {f"margin{i}": counts for i, counts in enumerate(margins)}
        sizes = [case.levels] * case.count
        np.savez(given, sizes=sizes, pairs=case.pairs, people=DRAWN, **named)
        subprocess.run([python, script, given, result, str(steps)], check=True)
        found = np.load(result)
        fitted = [found[f"fit{i}"].reshape(counts.shape) for i, counts in enumerate(margins)]
        return found["seconds"].tolist(), fitted, found["drawn"]


def show(
    who: str,
    case: Case,
    margins: list[Floats],
    seconds: list[float],
    fitted: list[Floats],
    drawn: NDArray,
) -> None:
    total = margins[0].sum()
    miss = max(np.abs(f - m).max() / total for f, m in zip(fitted, margins, strict=True))
    ratios = []
    for (a, b), margin in zip(case.pairs, margins, strict=True):
        p = margin.ravel() / total
        cells = drawn[:, a].astype(int) * case.levels + drawn[:, b]
        held = np.bincount(cells, minlength=p.size) / len(drawn)
        expected = np.sqrt(2 / np.pi * p * (1 - p) / len(drawn)).sum()
        ratios.append(np.abs(held - p).sum() / expected)
    print(
        f"  {who:24} fit {seconds[0]:7.2f} s   miss {miss:8.1e}   draw {seconds[1]:7.2f} s   "
        f"drawn {np.mean(ratios):5.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mbi", action="store_true", help=f"install {MBI}, and compare")
    parser.add_argument("--steps", type=int, default=1000, help="steps of its mirror descent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "bin", "python")
        if options.mbi:
            venv.create(folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", MBI], check=True)
        for case in CASES:
            margins = case.margins()
            show("popgen", case, margins, *ours(case, margins))
            if options.mbi:
                found = theirs(case, margins, python, options.steps)
                show(f"mbi, {options.steps:,} steps", case, margins, *found)
    if not options.mbi:
        print("mbi was left out: --mbi installs it and compares", file=sys.stderr)


if __name__ == "__main__":
    main()
