"""Audit: what is measured, borrowed, prior or assumed, and the figures beside it."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

import popgen as pg
from popgen import Coarsening, Codebook, Domain, Microdata, PopgenError, Problem, Table, Variable
from popgen._evidence import interaction_error, interaction_strength
from popgen._frechet import cell_bounds

A, B, C = (Variable(name, ("0", "1")) for name in "abc")
AGE = Variable("age", ("young", "old", "oldest"))
HALF = Coarsening.from_groups(AGE, "half", {"a": ["young"], "b": ["old", "oldest"]})
GROWN = Coarsening.from_groups(AGE, "grown", {"old": ["old"], "oldest": ["oldest"]})
BOOK = Codebook.of([A, B, C, AGE, HALF.coarse, GROWN.coarse], [HALF, GROWN])


def table(variables, counts, se=None):
    return Table(Domain(tuple(variables)), counts, se)


def row(found, *names):
    [one] = [r for r in found.rows.iter_rows(named=True) if set(r["variables"]) == set(names)]
    return one


def problem(**more):
    margins = {
        "ab": table([A, B], [[30, 20], [10, 40]]),
        "age": table([AGE], [30, 60, 10]),
        "half_a": table([HALF.coarse, A], [[20, 10], [30, 40]]),
        "grown_b": table([GROWN.coarse, B], [[20, 40], [5, 5]]),
    }
    return Problem(margins, codebook=BOOK, **more)


def survey(n=400):
    codes = np.random.default_rng(0).integers(0, [2, 2, 3, 2], size=(n, 4))
    weights = np.random.default_rng(1).uniform(1, 3, n)
    return Microdata(Domain((A, B, AGE, C)), codes, weights)


def test_measured_in_full_in_bands_and_in_part():
    found = pg.audit(pg.IPF().fit(problem()))
    assert (row(found, "a", "b")["status"], row(found, "a", "b")["detail"]) == ("measured", "")
    assert (row(found, "a", "b")["se"], row(found, "a", "b")["width_max"]) == (0, 0)
    banded = row(found, "a", "age")
    assert banded["status"] == "measured"
    assert banded["detail"] == "in bands of age; the rest assumed"
    assert banded["source"] == ["half_a"]
    assert banded["width_max"] == pytest.approx(0.1)  # who of the ten oldest: all or none
    part = row(found, "b", "age")
    assert part["status"] == "measured"
    # the young are what the one-way tables leave: measured by subtraction
    assert part["width_max"] == 0


def test_a_margin_over_part_of_the_people():
    told = {"a": table([A], [60, 40]), "age": table([AGE], [30, 60, 10])}
    told["grown_a"] = table([GROWN.coarse, A], [[40, 20], [5, 5]])
    told = {key: told[key] for key in ("grown_a", "age")}
    found = pg.audit(pg.IPF().fit(Problem(told, codebook=BOOK)))
    assert row(found, "a", "age")["detail"] == "in part of age; the rest assumed"
    assert row(found, "a", "age")["width_max"] == pytest.approx(0.3)  # the thirty young


def test_assumed_without_records_and_borrowed_with():
    one_way = [table([v], [55, 45]) for v in (A, B)]
    assert pg.audit(pg.IPF().fit(Problem(one_way))).status("a", "b") == "assumed"
    records = survey()
    model = pg.Calibration().fit(Problem(one_way, records))
    found = pg.audit(model)
    lent = row(found, "a", "b")
    assert (lent["status"], lent["source"], lent["n"]) == ("borrowed", ["microdata"], 400)
    assert lent["effective_n"] == pytest.approx(model.microdata.effective_size)
    assert lent["design_effect"] == pytest.approx(400 / model.microdata.effective_size)
    assert lent["width_max"] == pytest.approx(0.45)  # Fréchet: min(55, 45) - 0 for (0, 1)
    # sqrt(1/25% * 4 / n_eff) / 4 for a flat table
    assert lent["se"] == pytest.approx(1 / np.sqrt(lent["effective_n"]), rel=0.05)
    evidence = found.evidence
    assert evidence["records"] == 400
    assert evidence["people_per_record_mean"] == pytest.approx(100 / 400)
    assert len(evidence["largest_weights"]) == 5
    assert evidence["records_that_hold_half"] < 200


def test_a_seed_table_lends():
    one_way = [table([v], [55, 45]) for v in (A, B, C)]
    model = pg.IPF().fit(Problem(one_way, seed=table([A, B], [[3, 1], [1, 3]])))
    found = pg.audit(model)
    assert (found.status("a", "b"), row(found, "a", "b")["source"]) == ("borrowed", ["seed table"])
    assert found.status("b", "c") == "assumed"


def test_synthetic_records_lend_nothing():
    one_way = [table([v], [55, 45]) for v in (A, B)]
    people = pg.IPF().fit(Problem(one_way)).sample(200, rng=0)
    found = pg.audit(pg.Calibration().fit(Problem(one_way, people)))
    assert (found.status("a", "b"), row(found, "a", "b")["source"]) == (
        "assumed",
        ["synthetic records"],
    )
    assert found.evidence == {}


def test_a_margin_that_the_model_does_not_meet_is_not_called_measured():
    found = pg.audit(pg.Independent().fit(problem()))
    missed = row(found, "a", "b")
    assert (missed["status"], missed["source"]) == ("assumed", ["independence"])
    assert "does not meet 'ab'" in missed["detail"]
    assert missed["interaction"] == pytest.approx(0, abs=1e-9)


@dataclass(frozen=True)
class Personas:
    """As a fit with a prior records it."""

    factors: dict
    people: float = 1188.0
    error: float = 0.04
    respondents: float = 0.0
    respondents_weight: float = 0.0


def test_a_prior_is_labelled():
    one_way = [table([v], [55, 45]) for v in (A, B, C)]
    model = pg.IPF().fit(Problem(one_way))
    blended = Personas({}, 0.0, float("nan"), 500.0, 1.0)
    told = {("b", "a"): Personas({"direct": 0.3}), ("b", "c"): blended}
    object.__setattr__(model, "contributions", told)
    found = pg.audit(model)
    told = row(found, "a", "b")
    assert (told["status"], told["n"], told["se"]) == ("prior", 1188, 0.04)
    assert told["source"] == ["direct × 0.30"]
    assert found.status("a", "c") == "assumed"
    lent = row(found, "b", "c")
    assert (lent["status"], lent["se"]) == ("borrowed", None)
    assert lent["detail"] == "respondents (effective 500) weigh 100%"


def test_standard_errors_of_interactions_by_simulation():
    rng = np.random.default_rng(0)
    mean = np.array([[400.0, 100.0, 500.0], [200.0, 300.0, 500.0]])
    draws = rng.poisson(mean, size=(4000, 2, 3))
    logs = np.log(draws)
    logs -= logs.mean(axis=1, keepdims=True) + logs.mean(axis=2, keepdims=True)
    logs += np.log(draws).mean(axis=(1, 2), keepdims=True)
    seen = np.sqrt((logs.var(axis=0) * mean).sum() / mean.sum())
    assert interaction_error(mean, mean) == pytest.approx(seen, rel=0.03)


def test_interactions_of_hand():
    assert interaction_strength(np.array([[40.0, 10.0], [10.0, 40.0]])) == pytest.approx(
        np.log(16) / 4
    )
    assert interaction_strength(np.outer([1, 2], [3, 4]).astype(float)) == pytest.approx(0)
    assert interaction_strength(np.zeros((2, 2))) is None
    assert interaction_error(np.zeros((2, 2)), np.zeros((2, 2))) is None


def test_estimates_that_differ_are_listed_as_clashes():
    one = table([A], [60, 40], [2, 2])
    two = table([A, B], [[31, 25], [24, 20]], np.full((2, 2), 3.0))
    records = survey()
    given = Problem({"one": one, "two": two}, records)
    found = pg.audit(pg.Calibration(soft=True).fit(given))
    [clash] = found.clashes
    assert (clash["a"], clash["b"], clash["people"]) == ("one", "two", 4)
    assert clash["standard_errors"] == pytest.approx(4 / np.sqrt(4 + 18))
    assert "clash: 'one' and 'two' differ by 4 people" in str(found)
    assert row(found, "a", "b")["se"] > 0


def test_triples_and_questions_and_plain_data():
    model = pg.IPF().fit(problem())
    found = pg.audit(model, orders=(1, 2, 3), shares=[({"a": "0"}, {"age": "oldest"})])
    assert found.rows["order"].to_list() == [1] * 3 + [2] * 3 + [3]
    assert found.status("a", "b", "age") == "assumed"
    [answer] = found.answers
    assert answer.minimum <= answer.estimate <= answer.maximum
    data = json.loads(json.dumps(found.to_dict()))
    assert data["rows"][0]["variables"] == ["a"]
    assert data["answers"][0]["how"] == "linear programme"
    assert pg.audit(model, bounds=False).rows["width_max"].null_count() == 3


def test_refusals():
    model = pg.IPF().fit(problem())
    with pytest.raises(PopgenError, match="orders must lie between 1 and 3"):
        pg.audit(model, orders=(4,))
    with pytest.raises(PopgenError, match="keeps no problem"):
        pg.audit(model.table)
    with pytest.raises(PopgenError, match="no row for 'a', 'x'"):
        pg.audit(model).status("a", "x")


def test_every_pair_of_the_shipped_margins_has_its_truth_inside():
    census = pg.read_census("us_panel_2020", margins=["two_way"])
    tables = [t for t in census.margins.values() if "gender" in t.names]
    given = Problem(tables)
    found = pg.audit(pg.IPF(tol=1e-6).fit(given))
    counts = dict(found.rows.group_by("status").len().iter_rows())
    assert counts == {"measured": 10, "assumed": 45}
    for names in found.rows.filter(status="assumed")["variables"]:
        bounds, true = cell_bounds(given, *names), census.margins.project(*names).counts
        assert (bounds.lower <= true + 1e-6).all()
        assert (true <= bounds.upper + 1e-6).all()
        assert bounds.width.max() > 0
