"""The promises of the README on a population whose joint is known, kept in every seed.

us_adult_citizens_2018: a state's one-way margins and 2,000 records drawn from the truth.
"""

from __future__ import annotations

import numpy as np
import pytest

import popgen as pg

SEEDS = range(10)
RECORDS = 2000


def truth_of(state: str) -> pg.Table:
    census = pg.read_census("us_adult_citizens_2018", zone=state)
    return census.margins["race_sex_age_education"]


def drawn(truth: pg.Table, rng: np.random.Generator, n: int = RECORDS) -> pg.Microdata:
    cells = rng.choice(truth.domain.size, n, p=truth.scaled(1).counts.ravel())
    return pg.Microdata(truth.domain, np.column_stack(np.unravel_index(cells, truth.domain.shape)))


def largest_miss(people: pg.Projectable, margins: list[pg.Table], n: float) -> float:
    return max(np.abs(people.project(*m.names).counts - m.scaled(n).counts).max() for m in margins)


@pytest.mark.parametrize("state", ["CA", "WI", "DE"])
def test_a_raked_sample_beats_the_sample_and_independence(state: str) -> None:
    truth = truth_of(state)
    margins = [truth.project(name) for name in truth.names]
    independent = pg.Independent().fit(pg.Problem(margins))
    ratios = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        sample = drawn(truth, rng)
        model = pg.Calibration().fit(pg.Problem(margins, sample))
        assert largest_miss(model, margins, truth.total) <= 1e-6 * truth.total
        people = model.sample(RECORDS, rng=rng, integerise="cube")
        assert largest_miss(people, margins, RECORDS) <= 2.0
        candidates = {
            "raked": people,
            "sample": sample,
            "independent": independent.sample(RECORDS, rng=rng, integerise="multinomial"),
        }
        scores = pg.compare(candidates, truth, rng=0, replicates=2)
        figures = {
            name: [scores.value("K", k, candidate=name) for k in (1, 2, 3)] for name in candidates
        }
        for other in ("sample", "independent"):
            assert all(np.array(figures["raked"]) > np.array(figures[other])), (seed, figures)
        mae = {name: scores.value("mae", 2, candidate=name) for name in candidates}
        assert mae["raked"] < 2 / 3 * mae["independent"], (seed, mae)
        raked = pg.score(model, truth, rng=0, replicates=2).value("mae", 2)
        ratios.append(raked / mae["sample"])
    # Raking leaves the odds ratios of the full table alone; those of two-way tables, which sum over
    # the other variables, move a little either way.
    assert np.mean(ratios) < 1.05, ratios


def test_whole_state_in_people_keeps_its_margins() -> None:
    truth = truth_of("WY")
    margins = [truth.project(name) for name in truth.names]
    model = pg.Calibration().fit(pg.Problem(margins, drawn(truth, np.random.default_rng(0))))
    n = round(truth.total)
    people = model.sample(n, rng=0, integerise="cube")
    assert largest_miss(people, margins, n) <= 2.0


@pytest.mark.parametrize("state", ["CA", "WI"])
def test_with_few_records_a_calibrated_copula_beats_the_raked_records(state: str) -> None:
    truth = truth_of(state)
    margins = [truth.project(name) for name in truth.names]
    methods = {
        "copula": pg.CalibratedPool(pg.GaussianCopula(ordinal=("age", "education")), pool=20_000),
        "raked": pg.Calibration(),
        "independent": pg.Independent(),
    }
    figures = {}
    for seed in range(5):
        problem = pg.Problem(margins, drawn(truth, np.random.default_rng(seed), 500))
        models = {name: method.fit(problem) for name, method in methods.items()}
        scores = pg.compare(models, truth, orders=(2, 3), rng=0, replicates=2)
        for name in methods:
            parts = (("K", 2), ("K", 3), ("mae", 2))
            row = [scores.value(metric, order, candidate=name) for metric, order in parts]
            figures.setdefault(name, []).append(row)
    copula = np.array(figures["copula"])
    for other in ("raked", "independent"):
        assert (copula[:, :2] > np.array(figures[other])[:, :2]).all(), (other, figures)
        assert copula[:, 2].mean() < np.mean(figures[other], axis=0)[2], (other, figures)
