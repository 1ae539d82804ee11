"""What a learned persona prior adds on a population whose joint is known: us_panel_2020.

``python benchmarks/persona_prior.py [--data FOLDER]``: with the folder that holds
``survey/ces2020_demographics_vote.parquet``, also with 500 real respondents.

Every figure is `popgen.score`'s. ``exact``: the fitted joint itself against the population (raked
records: at their effective size);
``20,000``: the mean over `SEEDS` draws of so many people. Bars are those of 20,000 people. No
figure of the truth beyond the forecaster's inputs (or the one-way shares) is used by any fit.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import popgen as pg
from popgen.methods.panel import Panel, recorded

PLACE, SURVEY = "us_panel_2020", "survey/ces2020_demographics_vote.parquet"
PEOPLE, RESPONDENTS = 20_000, 500
SEEDS = range(5)
FEW = range(2)
SHOWN = (
    ("K", 2, "all"),
    ("K", 3, "all"),
    ("mae", 2, "all"),
    ("K", 2, "unmeasured"),
    ("mae", 2, "unmeasured"),
    ("slope", 2, "unmeasured"),
    ("mae", 3, "unmeasured"),
)
HEADS = ("K2", "K3", "MAE2", "K2 unm.", "MAE2 unm.", "slope unm.", "MAE3 unm.")
ALL = ("direct", "fill", "conditionals")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the survey's records")
    folder = parser.parse_args().data
    truth = pg.read_census(PLACE, margins=["one_way", "two_way", "three_way"])
    inputs = truth.about["inputs"]["forecaster"]["margins"]
    print(f"{PLACE}: {len(inputs)} input tables; 'unm.': pairs that none of them holds\n")
    header()
    passed = forecaster(truth, inputs)
    passed &= shares_only(truth, inputs, folder)
    return 0 if passed else 1


def forecaster(truth: pg.Census, inputs: list[list[str]]) -> bool:
    """Fit the forecaster's inputs without a prior, with each panel, with all, with misled ones."""
    problem = pg.Problem({"_".join(names): truth.project(*names) for names in inputs})
    plain = line("no prior (IPF)", pg.IPF(), problem, truth, inputs, SEEDS)
    for name in (*ALL, "judge"):
        line(f"prior: {name}", pg.PersonaPrior(panels=(name,)), problem, truth, inputs, FEW)
    face = pg.PersonaPrior(panels=("direct",), factor=1.0)
    line("direct at face value", face, problem, truth, inputs, FEW)
    both = pg.PersonaPrior(panels=("direct", "fill"))
    line("prior: direct + fill", both, problem, truth, inputs, FEW)
    ours = line("prior: all three", pg.PersonaPrior(), problem, truth, inputs, SEEDS)
    costs = []
    for seed in SEEDS:
        misled = pg.PersonaPrior(panels=tuple(shuffled(name, seed) for name in ("direct", "fill")))
        got = line(f"shuffled personas {seed}", misled, problem, truth, inputs, SEEDS)
        costs.append(got["mae", 2, "unmeasured"] / plain["mae", 2, "unmeasured"] - 1)
    flipped = pg.PersonaPrior(panels=(opposite("direct"),))
    line("adversarial (signs flipped)", flipped, problem, truth, inputs, FEW)
    print()
    return all(
        [
            bar("K2, 20,000 people", ours["K", 2, "all"], 983, least=True),
            bar("K3, 20,000 people", ours["K", 3, "all"], 963.5, least=True),
            bar("unmeasured MAE", ours["mae", 2, "unmeasured"], 0.062, least=False),
            bar("shuffled: cost at most", max(costs), 0.02, least=False),
        ]
    )


def shares_only(truth: pg.Census, inputs: list[list[str]], folder: Path | None) -> bool:
    """Fit the one-way shares, with nothing else and with 500 real respondents."""
    print("\nFrom one-way shares only ('unm.' as above, for comparison)\n")
    header()
    ways = {name: truth.project(name) for name in truth.domain.names}
    problem = pg.Problem(ways)
    line("independent", pg.Independent(), problem, truth, inputs, FEW)
    for name in ALL:
        line(f"default: {name}", pg.PersonaPrior(panels=(name,)), problem, truth, inputs, FEW)
    line("default: all three", pg.PersonaPrior(), problem, truth, inputs, FEW)
    if folder is None:
        print("\n(500 respondents: give --data)")
        return True
    book = pg.read_census(PLACE, margins=["one_way"]).codebook
    records = pg.read_microdata(folder / SURVEY, book, missing="drop")
    found: dict[str, list[dict[Any, float]]] = {}
    for seed in SEEDS:
        rng = np.random.default_rng([2020, seed])
        few = records.take(rng.choice(len(records), RESPONDENTS, replace=False))
        asked = pg.Problem(ways, few)
        methods = {
            "raked alone": pg.Calibration(),
            "+ direct": pg.PersonaPrior(panels=("direct",)),
            "+ all three": pg.PersonaPrior(),
            "+ shuffled": pg.PersonaPrior(panels=(shuffled("direct", seed),)),
        }
        for label, method in methods.items():
            full = f"{RESPONDENTS} {label}, draw {seed}"
            got = line(full, method, asked, truth, inputs, FEW)
            found.setdefault(label, []).append(got)
        if seed in FEW:
            both = pg.Problem({"_".join(n): truth.project(*n) for n in inputs}, few)
            full = f"{RESPONDENTS} + all + inputs, {seed}"
            line(full, pg.PersonaPrior(), both, truth, inputs, FEW)
    print()
    for label, several in found.items():
        worst = [one["mae", 2, "all"] for one in several]
        print(f"{label}: MAE2 {np.mean(worst):.4f} ± {np.std(worst, ddof=1):.4f}")
    worst = max(one["mae", 2, "all"] for one in found["+ all three"])
    return bar(f"{RESPONDENTS} respondents, worst MAE2", worst, 0.07, least=False)


def line(
    label: str, method: Any, problem: pg.Problem, truth: pg.Census, inputs: Any, seeds: Any
) -> dict[Any, float]:
    """Fit, score the joint and draws of people, print both; return the figures of the draws."""
    begun = time.perf_counter()
    model = method.fit(problem)
    took = time.perf_counter() - begun
    draws = [score(model.sample(PEOPLE, rng=seed), truth, inputs) for seed in seeds]
    mean = {key: float(np.mean([one[key] for one in draws])) for key in SHOWN}
    written = {"exact": score(exactly(model), truth, inputs), f"{PEOPLE:,}": mean}
    for size, figures in written.items():
        first = size == "exact"
        row = "".join(number(key[0], figures[key]) for key in SHOWN)
        print(f"{label if first else '':<30}{size:>7}{row}{f'{took:7.1f} s' if first else ''}")
    if (factors := getattr(model, "factors", None)) is not None:
        pairs = zip(model.sources, factors.values, strict=True)
        said = ", ".join(f"{name} {value:.2f}" for name, value in pairs)
        print(f"{'':<30}{factors.how} from {factors.pairs} pairs: {said}", flush=True)
    return mean


def exactly(model: Any) -> Any:
    """Give a model's own tables: weighted records are scored at their effective size."""
    return model if not hasattr(model, "microdata") else model.microdata


def score(candidate: Any, truth: pg.Census, inputs: Any) -> dict[Any, float]:
    scores = pg.score(candidate, truth, measured=inputs, orders=(2, 3), replicates=2)
    return {key: scores.value(key[0], key[1], key[2]) for key in SHOWN}


def shuffled(name: str, seed: int) -> Panel:
    """Permute every column of a recorded panel by itself: the same shares, no interaction."""
    people = pg.read_panel(name)
    rng = np.random.default_rng([7, seed])
    codes = np.column_stack([rng.permutation(column) for column in people.codes.T])
    return Panel.of(f"{name} shuffled", pg.Microdata(people.domain, codes))


def opposite(name: str) -> Panel:
    """Turn every interaction of a panel round: tables e²/n, e people if there were none."""
    turned = {}
    for pair, table in recorded(name).tables.items():
        n = table.counts + 0.5
        expected = np.outer(n.sum(axis=1), n.sum(axis=0)) / n.sum()
        turned[pair] = pg.Table(table.domain, expected**2 / n)
    return Panel(f"{name} flipped", turned, recorded(name).people)


def header() -> None:
    print(f"{'':<30}{'people':>7}" + "".join(f"{head:>11}" for head in HEADS) + "      fit")


def number(metric: str, value: float) -> str:
    return f"{value:11.1f}" if metric == "K" else f"{value:11.4f}"


def bar(what: str, value: float, limit: float, *, least: bool) -> bool:
    met = value >= limit if least else value <= limit
    sign = ">=" if least else "<="
    print(f"{'met   ' if met else 'MISSED'}  {what}: {value:.4f} ({sign} {limit})")
    return met


if __name__ == "__main__":
    sys.exit(main())
