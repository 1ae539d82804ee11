"""reconcile: earlier margins stand, later ones move least, and the report says by how much."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from towns import AGE, BAND, BOOK, GROWN, SEX

from popgen import (
    IPF,
    Coarsening,
    Codebook,
    Domain,
    InconsistentMarginsError,
    InfeasibleError,
    PopgenError,
    Problem,
    Table,
    Variable,
)
from popgen.reconcile import reconcile

DEGREE = Variable("degree", ("no", "yes"))


def table(*variables, counts, se=None):
    return Table(Domain(variables), counts, se)


def test_report_by_hand():
    # Sex says 60 and 40; the survey's rows 50 (20 + 30) and 50 (30 + 20) are scaled by 1.2 and 0.8:
    # 24, 36, 24, 16. Rows gain 4 + 6 and lose 6 + 4; the largest move, 6, is 3 standard errors.
    margins = {
        "sex": table(SEX, counts=[60, 40]),
        "survey": table(SEX, DEGREE, counts=[[20, 30], [30, 20]], se=[[4, 2], [0, 8]]),
    }
    tables, report = reconcile(margins)
    np.testing.assert_allclose(tables["survey"].counts, [[24, 36], [24, 16]], rtol=1e-12)
    np.testing.assert_array_equal(tables["survey"].se, margins["survey"].se)
    first, second = report.rows(named=True)
    assert first["people_moved"] == 0
    assert first["cells_moved"] == 0
    assert first["largest_move_cell"] is None
    assert first["most_standard_errors"] is None
    assert second["margin"] == "survey"
    assert (second["cells"], second["cells_moved"]) == (4, 4)
    assert second["people"] == second["people_after"] == 100
    assert second["people_moved"] == pytest.approx(10)
    assert abs(second["largest_move"]) == pytest.approx(6)
    assert second["largest_move_cell"] in ("sex=f, degree=yes", "sex=m, degree=no")
    assert second["most_standard_errors"] == pytest.approx(3)
    assert second["disagreed_with"] == ["sex"]


def test_margins_that_agree_are_left_as_they_are():
    joint = Table(Domain((SEX, AGE, DEGREE)), np.random.default_rng(0).random((2, 4, 2)))
    margins = [joint.project("sex", "age"), joint.coarsen(BAND).project("degree", "band")]
    tables, report = reconcile(margins, codebook=BOOK)
    for before, after in zip(margins, tables.values(), strict=True):
        np.testing.assert_array_equal(before.counts, after.counts)
    assert report["people_moved"].sum() == 0
    assert report["disagreed_with"].list.len().sum() == 0


def test_bands_are_raked_to_finer_figures_and_finer_figures_to_bands():
    ages, bands = table(AGE, counts=[10, 20, 30, 40]), table(BAND.coarse, counts=[50, 50])
    tables, _ = reconcile([ages, bands], codebook=BOOK)
    np.testing.assert_allclose(tables["band"].counts, [30, 70])
    tables, _ = reconcile([bands, ages], codebook=BOOK)
    np.testing.assert_allclose(tables["age"].counts, [50 / 3, 100 / 3, 150 / 7, 200 / 7])


def test_part_of_a_variable_moves_the_same_part_only():
    grown = table(GROWN.coarse, counts=[40, 20])
    ages = table(AGE, counts=[10, 20, 30, 40])
    tables, _ = reconcile({"ages": ages, "grown": grown}, codebook=BOOK)
    np.testing.assert_allclose(tables["grown"].counts, [30, 40])
    # The part first: its levels are copied, and nothing is known of the total.
    tables, _ = reconcile({"grown": grown, "ages": ages}, codebook=BOOK)
    np.testing.assert_allclose(tables["ages"].counts, [10, 20, 40, 20])


def test_a_part_of_the_people_may_not_exceed_the_whole():
    # Women with a degree stated, 70, of 60 women: down to 60; men, 10 of 40, stay.
    wide = Coarsening.from_groups(DEGREE, "has", {"yes": ["yes"]})
    book = Codebook.of([SEX, DEGREE, wide.coarse], [wide])
    sex = table(SEX, counts=[60, 40])
    part = table(SEX, wide.coarse, counts=[[70], [10]])
    both = table(DEGREE, counts=[30, 70])
    tables, report = reconcile([sex, part, both], codebook=book)
    np.testing.assert_allclose(tables["sex_has"].counts, [[60], [10]])
    assert report["people_moved"].to_list()[:2] == pytest.approx([0, 10])
    problem = Problem(tables, codebook=book)
    np.testing.assert_allclose(
        IPF().fit(problem).project("sex", "degree").counts, [[0, 60], [30, 10]], atol=1e-6
    )
    # The part first: then the whole must reach it.
    tables, _ = reconcile([part, sex, both], codebook=book)
    np.testing.assert_allclose(tables["sex"].counts, [70, 40])
    np.testing.assert_allclose(tables["degree"].counts, [30, 80])
    Problem(tables, codebook=book)


def test_a_total_scales_everything_first_errors_too():
    margins = [table(SEX, counts=[3, 2], se=[1, 1]), table(DEGREE, counts=[10, 30])]
    tables, report = reconcile(margins, total=100)
    np.testing.assert_allclose(tables["sex"].counts, [60, 40])
    np.testing.assert_allclose(tables["sex"].se, [20, 20])
    np.testing.assert_allclose(tables["degree"].counts, [25, 75])
    assert report["people"].to_list() == [5, 40]
    assert report["people_after"].to_list() == pytest.approx([100, 100])
    assert report["people_moved"].to_list() == pytest.approx([95, 60])


def test_a_part_is_scaled_as_the_whole_is():
    margins = [table(GROWN.coarse, counts=[2, 1]), table(AGE, counts=[1, 1, 2, 1])]
    tables, _ = reconcile(margins, codebook=BOOK, total=50)
    np.testing.assert_allclose(tables["grown"].counts, [20, 10])


def test_people_where_a_later_margin_has_nobody_are_refused():
    margins = {"sex": table(SEX, counts=[60, 40]), "b": table(SEX, DEGREE, counts=[[0, 0], [9, 1]])}
    with pytest.raises(InfeasibleError, match=r"'b' has nobody in \(sex=f\).*'sex' has 60 people"):
        reconcile(margins)


def test_people_where_other_margins_leave_nobody_are_refused():
    # Only men of 65 and over, and nobody of 65 and over: the men have nowhere to be.
    margins = {
        "sex": table(SEX, counts=[60, 40]),
        "age": table(AGE, counts=[30, 30, 40, 0]),
        "both": table(SEX, AGE, counts=[[9, 9, 9, 0], [0, 0, 0, 9]]),
    }
    with pytest.raises(InfeasibleError, match=r"\(sex=m\).*'sex' has 40 people"):
        reconcile(margins)


def test_figures_that_no_table_has_are_refused():
    # With its zeros, m can only be yes: 40 yes at least, and 30 are stated.
    margins = {
        "sex": table(SEX, counts=[60, 40]),
        "degree": table(DEGREE, counts=[70, 30]),
        "both": table(SEX, DEGREE, counts=[[1, 1], [0, 1]]),
    }
    with pytest.raises(InconsistentMarginsError, match="'both' cannot agree with all"):
        reconcile(margins)


@pytest.mark.parametrize("total", [0, -5, float("nan"), float("inf")])
def test_a_total_must_be_a_positive_number(total):
    with pytest.raises(PopgenError, match="give a positive number"):
        reconcile([table(SEX, counts=[1, 1])], total=total)


def test_no_margin_is_refused():
    with pytest.raises(PopgenError, match="at least one"):
        reconcile([])


def test_the_report_is_a_tidy_frame():
    _, report = reconcile([table(SEX, counts=[1, 2])])
    assert isinstance(report, pl.DataFrame)
    assert report.height == 1


GROUPS = ["sex age", "age degree", "sex degree", "band sex", "grown degree"]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    order=st.permutations(GROUPS),
    noise=st.sampled_from([0, 0.01, 0.5]),
    total=st.sampled_from([None, 1, 1e8]),
)
def test_whatever_disagrees_ends_as_a_problem(seed, order, noise, total):
    rng = np.random.default_rng(seed)
    joint = Table(Domain((SEX, AGE, DEGREE)), rng.gamma(1, 100, (2, 4, 2)) + 1)
    margins = []
    for names in order:
        levels = joint
        for rule in (BAND, GROWN):
            levels = levels.coarsen(rule) if rule.coarse.name in names.split() else levels
        exact = levels.project(*names.split())
        factors = rng.uniform(1 - noise, 1 + noise, exact.domain.shape)
        margins.append(Table(exact.domain, exact.counts * factors))
    tables, report = reconcile(margins, codebook=BOOK, total=total)
    problem = Problem(tables, codebook=BOOK)
    assert total is None or problem.total == pytest.approx(total)
    assert noise or total or report["people_moved"].sum() == 0
    _, again = reconcile(tables, codebook=BOOK)
    assert again["people_moved"].sum() <= 1e-9 * problem.total
