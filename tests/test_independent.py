"""Independent: one-way shares only, from whatever the margins say of a variable."""

import numpy as np
import pytest
from towns import AGE, BAND, BOOK, GROWN, SEX, SPLIT

from popgen import (
    Coarsening,
    Codebook,
    Domain,
    InconsistentMarginsError,
    Independent,
    Microdata,
    PopgenError,
    Problem,
    Table,
)


def table(*variables, counts):
    return Table(Domain(variables), counts)


def fitted(*tables, records=None):
    return Independent().fit(Problem(tables, records, codebook=BOOK))


def test_interactions_of_the_margins_are_left_out():
    model = fitted(table(SEX, AGE, counts=[[1, 2, 3, 4], [4, 3, 2, 1]]))
    np.testing.assert_allclose(model.project("age", "sex").counts, np.full((4, 2), 2.5))


def test_bands_are_spread_evenly_without_records():
    model = fitted(table(BAND.coarse, counts=[30, 70]), table(SPLIT.coarse, counts=[80, 20]))
    # 65+ = 20, so 25-64 = 50; 30 young people in two levels.
    np.testing.assert_allclose(model.project("age").counts, [15, 15, 50, 20], rtol=1e-9)


def test_bands_are_spread_as_the_records_are():
    records = Microdata(Domain((AGE,)), [[0], [1], [2], [3]], [1.0, 2.0, 3.0, 4.0])
    model = fitted(table(BAND.coarse, counts=[30, 70]), records=records)
    np.testing.assert_allclose(model.project("age").counts, [10, 20, 30, 40], rtol=1e-9)


def test_a_stated_variable_does_not_need_records_of_each_level():
    records = Microdata(Domain((SEX,)), [[0], [0]])
    model = fitted(table(SEX, counts=[3, 7]), records=records)
    np.testing.assert_allclose(model.project("sex").counts, [3, 7])


def test_a_variable_that_only_the_records_have_takes_their_shares():
    records = Microdata(Domain((SEX, AGE)), [[0, 0], [0, 3]], [1.0, 3.0])
    model = fitted(table(SEX, counts=[60, 40]), records=records)
    np.testing.assert_allclose(model.project("age").counts, [25, 0, 0, 75])


def test_a_part_keeps_the_total():
    # 25-64 and 65+ are stated, 50 of 100; the other two levels share the rest.
    model = fitted(table(SPLIT.coarse, counts=[90, 10]), table(GROWN.coarse, counts=[40, 10]))
    np.testing.assert_allclose(model.project("age").counts, [25, 25, 40, 10], rtol=1e-9)
    assert model.project("age").total == pytest.approx(100)


def test_bands_that_no_shares_meet_are_refused():
    bands = {
        "x": {"a": ["0-17", "18-24"], "b": ["25-64", "65+"]},
        "y": {"a": ["18-24", "25-64"], "b": ["0-17", "65+"]},
        "z": {"a": ["0-17", "25-64"], "b": ["18-24", "65+"]},
    }
    rules = [Coarsening.from_groups(AGE, name, groups) for name, groups in bands.items()]
    book = Codebook.of([AGE, *(rule.coarse for rule in rules)], rules)
    # p1 + p2 = p2 + p3 = p1 + p3 = 90 makes 135 of 100 people.
    tables = [table(rule.coarse, counts=[90, 10]) for rule in rules]
    with pytest.raises(InconsistentMarginsError, match=r"'age'.*'x', 'y', 'z'"):
        Independent().fit(Problem(tables, codebook=book))


def test_a_variable_that_nothing_states_for_everybody_is_refused():
    # Sex is stated of people of 25 and over only.
    tables = [table(AGE, counts=[1, 1, 1, 1]), table(SEX, GROWN.coarse, counts=[[1, 0], [0, 1]])]
    problem = Problem(tables, codebook=BOOK)
    if all(margin.complete for margin in problem.margins):
        pytest.skip("everybody else was found by subtraction")
    with pytest.raises(PopgenError, match="no margin states 'sex' for everybody"):
        Independent().fit(problem)
