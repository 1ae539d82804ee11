"""Methods that learn from records, each alone and followed by calibration, on a known joint.

``python benchmarks/generators.py [state] [seeds] [methods]``: us_adult_citizens_2018 of one state,
and perhaps only the methods whose names hold one of some texts: ``OH 10 Vine,Sequential``. Those
that run copulas or sdv are there where these are installed (``make test-sdv``, then
``.venv-sdv/bin/python benchmarks/generators.py OH 10 Copulas,SDV``).

Records are drawn from its true joint; margins are its one-way tables. Methods are scored by their
expected counts, so that figures are the method's and not a draw's; means over seeds. K: 1000 is
perfect; slope and MAE compare two-way interactions with the true ones (1 and 0 are right). A cell
that has people and none of the expected counts is read as half a person, so that joints made of few
records have interactions far too strong where they are empty.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np

import popgen as pg
from popgen.methods.base import Method, Model

SIZES = (2000, 500)
ORDINAL = ("age", "education")
LEARNERS = {
    "BayesNet": pg.BayesNet(),
    "Sequential": pg.Sequential(ordinal=ORDINAL),
    "GaussianCopula": pg.GaussianCopula(ordinal=ORDINAL),
    "  with race in order": pg.GaussianCopula(ordinal=("race", *ORDINAL)),
    "VineCopula": pg.VineCopula(ordinal=ORDINAL),
}
if find_spec("copulas") is not None:
    LEARNERS["CopulasModel"] = pg.CopulasModel()
if find_spec("sdv") is not None:
    LEARNERS |= {f"SDVModel {name}": pg.SDVModel(name) for name in ("gaussian", "ctgan", "tvae")}
OTHERS = {"independent": pg.Independent(), "records raked": pg.Calibration()}
FIGURES = (("K", 1), ("K", 2), ("K", 3), ("slope", 2), ("mae", 2))


def main(state: str = "WI", seeds: str = "10", methods: str = "") -> None:
    truth = pg.read_census("us_adult_citizens_2018", zone=state).margins["race_sex_age_education"]
    wanted = {
        name: learner
        for name, learner in LEARNERS.items()
        if any(text in name for text in methods.split(","))
    }
    for n in SIZES:
        runs = [scored(truth, n, seed, wanted) for seed in range(int(seeds))]
        print(
            f"\n{state}, {n:,} records, means over {seeds} seeds; wins: seeds with K3 above raked's"
        )
        print(f"{'method':33}{'K1':>8}{'K2':>8}{'K3':>8}{'wins':>6}{'slope':>7}{'MAE':>7}{'s':>7}")
        for name in runs[0]:
            k1, k2, k3, slope, mae, seconds = np.mean([run[name] for run in runs], axis=0)
            wins = sum(run[name][2] > run["records raked"][2] for run in runs)
            print(
                f"{name:33}{k1:8.1f}{k2:8.1f}{k3:8.1f}{wins:6d}{slope:7.2f}{mae:7.3f}{seconds:7.2f}"
            )


def scored(
    truth: pg.Table, n: int, seed: int, learners: dict[str, Method]
) -> dict[str, list[float]]:
    """Figures of every method on one sample, and the seconds that fit and projection took."""
    survey = drawn(truth, n, np.random.default_rng(seed))
    problem = pg.Problem([truth.project(name) for name in truth.names], survey)
    found = {"records as they are": [*figures(survey.project(*truth.names), truth), 0.0]}

    def projected(name: str, fit: Callable[[], Model]) -> Model:
        begun = time.perf_counter()
        model = fit()
        joint = model.project(*truth.names)
        seconds = time.perf_counter() - begun
        found[name] = [*figures(joint, truth), seconds]
        return model

    for name, method in (OTHERS | learners).items():
        model = projected(name, partial(method.fit, problem))
        if name in learners:
            pool = pg.CalibratedPool(method)
            projected(f"{name}, calibrated", partial(pool.calibrated, model, problem))
    return found


def figures(joint: pg.Table, truth: pg.Table) -> list[float]:
    scores = pg.score(joint, truth, rng=0, replicates=2)
    return [scores.value(metric, order) for metric, order in FIGURES]


def drawn(truth: pg.Table, n: int, rng: np.random.Generator) -> pg.Microdata:
    cells = rng.choice(truth.domain.size, n, p=truth.scaled(1).counts.ravel())
    return pg.Microdata(truth.domain, np.column_stack(np.unravel_index(cells, truth.domain.shape)))


if __name__ == "__main__":
    main(*sys.argv[1:4])
