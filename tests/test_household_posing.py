"""Household problems from tables over areas and variables, and what is refused on the way."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from household_cases import dense_weights, town

from popgen import (
    Amount,
    Coarsening,
    Codebook,
    Domain,
    InconsistentMarginsError,
    Microdata,
    NestedCalibration,
    PopgenError,
    Table,
    Variable,
    pose,
)

SIZE = Variable("size", ("1", "2", "3", "4+"))
TENURE = Variable("tenure", ("own", "rent"))
AGE = Variable("age", ("young", "middle", "old"))
VARIABLES = {"size": SIZE, "tenure": TENURE, "age": AGE}


class Case:
    """A town with its records coded, and tables of it."""

    def __init__(self, place):
        self.place = place
        survey = place.survey
        size = np.minimum(survey.size, 4) - 1
        codes = np.column_stack([size, survey.households["tenure"].to_numpy()])
        self.homes = Microdata(Domain((SIZE, TENURE)), codes)
        self.people = Microdata(Domain((AGE,)), survey.persons["age"].to_numpy()[:, None])

    def table(self, level, name, se=None):
        areas = self.place.geography.areas[self.place.geography.depth(level)]
        domain = Domain((Variable(level, areas), VARIABLES[name]))
        return Table(domain, self.place.targets(level, name), se)

    def pose(self, of_households, of_persons=None, **options):
        facts = {"homes": self.homes, "people": self.people}
        geography = self.place.geography
        return pose(self.place.survey, geography, of_households, of_persons, **(facts | options))


@pytest.fixture
def case():
    return Case(town())


def test_margins_of_both_units_and_several_levels_are_posed(case):
    problem = case.pose(
        {"size": case.table("zone", "size"), "tenure": case.table("tract", "tenure")},
        {"age": case.table("zone", "age")},
    )
    assert problem.households.ravel().tolist() == [40] * 6
    assert problem.persons.tolist() == (case.place.true @ case.place.survey.size).tolist()
    zone, tract = problem.controls
    assert zone.names[:2] == ("size: size=1", "size: size=2")
    assert (zone.X.toarray() == case.place.controls("zone", "size", "age").X.toarray()).all()
    assert (tract.targets == case.place.targets("tract", "tenure")).all()
    weights = dense_weights(NestedCalibration().fit(problem))
    np.testing.assert_allclose(weights @ zone.X, zone.targets, atol=1e-5)


def test_areas_may_come_in_any_order_and_a_total_needs_no_variable(case):
    table = case.table("zone", "tenure")
    zones = table.domain["zone"].levels
    other = Table(Domain((TENURE, Variable("zone", zones[::-1]))), table.counts[::-1].T)
    total = Table(Domain((Variable("zone", zones),)), table.counts.sum(axis=1))
    problem = case.pose({"homes": total, "tenure": other})
    assert (problem.controls[0].targets[:, 1:] == table.counts).all()
    assert problem.controls[0].names[0] == "homes: all"


def test_a_coarser_margin_goes_through_the_codebook(case):
    rule = Coarsening.from_groups(AGE, "adult", {"minor": ["young"], "adult": ["middle", "old"]})
    counts = case.place.targets("zone", "age")
    zones = Variable("zone", case.place.geography.zones)
    coarse = np.column_stack([counts[:, 0], counts[:, 1:].sum(axis=1)])
    table = Table(Domain((zones, rule.coarse)), coarse)
    book = Codebook.of([AGE], [rule])
    problem = case.pose({"size": case.table("zone", "size")}, {"adult": table}, codebook=book)
    assert problem.controls[0].names[4:] == ("adult: adult=minor", "adult: adult=adult")
    assert problem.persons is not None
    part = table.select(adult=["adult"])
    problem = case.pose({"size": case.table("zone", "size")}, {"adult": part}, codebook=book)
    assert problem.persons is None


def test_standard_errors_are_kept_and_such_margins_need_not_agree(case):
    se = np.full((6, 2), 3.0)
    table = case.table("zone", "tenure")
    soft = Table(table.domain, table.counts + 1, se)
    problem = case.pose({"size": case.table("zone", "size"), "tenure": soft})
    assert (problem.controls[0].se[:, 4:] == 3).all()
    NestedCalibration().fit(problem)


def test_exact_margins_that_differ_are_refused_with_the_area_and_both_numbers(case):
    table = case.table("zone", "tenure")
    counts = table.counts.copy()
    counts[3, 0] += 1
    wrong = Table(table.domain, counts)
    with pytest.raises(
        InconsistentMarginsError,
        match=r"margins 'size' .* and 'tenure' .* disagree in cell \(zone=z3\): 40 against 41",
    ):
        case.pose({"size": case.table("zone", "size"), "tenure": wrong})
    with pytest.raises(InconsistentMarginsError, match=r"\(tract=t1, tenure=own\)"):
        case.pose({"tenure": wrong, "above": case.table("tract", "tenure")})


def test_means_are_totals_over_as_many_units_as_there_are(case):
    place = case.place
    rng = np.random.default_rng(0)
    income, wage = rng.gamma(2, 9_000, 60), rng.gamma(2, 300, len(case.people))
    zones = Domain((Variable("zone", place.geography.zones),))
    incomes = place.true @ income
    wages = place.true @ np.bincount(place.survey.owner, wage)
    persons = place.true @ place.survey.size
    problem = case.pose(
        {"size": case.table("zone", "size")},
        {"age": case.table("zone", "age")},
        amounts={
            "income": Amount(Table(zones, incomes / 40), income, mean=True),
            "wage": Amount(Table(zones, wages / persons), wage, of="persons", mean=True),
        },
    )
    assert problem.controls[0].names[-2:] == ("income: mean", "wage: mean")
    weights = dense_weights(NestedCalibration().fit(problem))
    np.testing.assert_allclose(weights @ income, incomes, rtol=1e-7)
    np.testing.assert_allclose(weights @ np.bincount(place.survey.owner, wage), wages, rtol=1e-7)


def test_kinds_of_unit_and_regions_come_from_the_households(case):
    place = town(regions=2)
    county = pl.Series("county", [f"c{region}" for region in place.region_of])
    homes = place.survey.households.with_columns(county)
    case = Case(replace(place, survey=replace(place.survey, households=homes)))
    tables = {"tenure": case.table("zone", "tenure")}
    problem = case.pose(tables, region="county", kind="tenure")
    assert problem.kinds == ("own", "rent")
    assert (problem.households == place.targets("zone", "tenure")).all()
    assert (problem.region_of == place.region_of).all()
    assert case.pose(tables, region="county", borrow=0.3).borrow == 0.3
    with pytest.raises(PopgenError, match="how many units of each 'size' each zone has"):
        case.pose(tables, kind="size")
    with pytest.raises(PopgenError, match="told by 'puma', which the households do not have"):
        case.pose(tables, kind="puma")
    with pytest.raises(PopgenError, match="no column 'tract' that says which records a tract"):
        case.pose(tables, region="tract")


def test_tables_that_do_not_fit_are_refused(case):
    size = case.table("zone", "size")
    flat = Table(Domain((SIZE,)), [1, 2, 3, 4])
    with pytest.raises(PopgenError, match=r"must have one level of geography .* it has none"):
        case.pose({"size": flat})
    with pytest.raises(PopgenError, match=r"margin 'size' says nothing of 1 of 6 zone .* 'z5'"):
        case.pose({"size": size.select(zone=["z0", "z1", "z2", "z3", "z4"])})
    strange = Domain((Variable("zone", ("z9",)), SIZE))
    with pytest.raises(PopgenError, match=r"margin 'size' names 1 zone area\(s\) .*: 'z9'"):
        case.pose({"size": Table(strange, [[1, 2, 3, 4]])})
    with pytest.raises(PopgenError, match="states 'age', which the records do not have"):
        case.pose({"age": case.table("zone", "age")})
    with pytest.raises(PopgenError, match="60 households and their codes are of 3"):
        case.pose({"size": size}, homes=case.homes.take(np.arange(3)))
    with pytest.raises(PopgenError, match="nothing says how many households each zone has"):
        case.pose({"size": case.table("tract", "size")})
    counts = size.counts.copy()
    counts[2, 0] += 0.5
    with pytest.raises(PopgenError, match=r"40\.5 households in zone 'z2', .* must be whole"):
        case.pose({"size": Table(size.domain, counts)})


def test_amounts_that_do_not_fit_are_refused(case):
    zones = Domain((Variable("zone", case.place.geography.zones),))
    tables, figures = {"size": case.table("zone", "size")}, Table(zones, np.ones(6))
    with pytest.raises(PopgenError, match="needs a finite number for each of 60 households"):
        case.pose(tables, amounts={"income": Amount(figures, [1, 2])})
    wage = np.ones(len(case.people))
    with pytest.raises(PopgenError, match="is a mean over persons, and no exact margin says"):
        case.pose(tables, amounts={"wage": Amount(figures, wage, of="persons", mean=True)})


def test_the_documented_example_runs(capsys):
    page = Path(__file__).parents[1] / "docs" / "households_in_python.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, str(page), "exec"), {})
    assert "tract: total absolute error" in capsys.readouterr().out
