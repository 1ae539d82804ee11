import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import microdata

from popgen import (
    Coarsening,
    Codebook,
    Domain,
    InconsistentMarginsError,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Tables,
    Variable,
)

SEX = Variable("sex", ("f", "m"))
AGE = Variable("age", ("0-17", "18-19", "20-24", "25-64", "65+"))
GROWN = Coarsening.from_groups(
    AGE, "grown", {"no": ["0-17"], "yes": ["18-19", "20-24", "25-64", "65+"]}
)
BAND = Coarsening.from_groups(
    AGE, "band", {"0-19": ["0-17", "18-19"], "20-64": ["20-24", "25-64"], "65+": ["65+"]}
)
WORK = Coarsening.from_groups(AGE, "work", {"16-19": [], "20-24": ["20-24"], "25-64": ["25-64"]})
BOOK = Codebook.of([AGE, SEX], [GROWN, BAND, WORK])

BY_SEX = Table(Domain((SEX,)), [52, 48])
BY_AGE = Table(Domain((AGE,)), [20, 4, 6, 50, 20])
BY_GROWN = Table(Domain((GROWN.coarse,)), [20, 80])
BY_BAND = Table(Domain((BAND.coarse,)), [24, 56, 20])
RECORDS = Microdata(Domain((SEX, AGE)), [[0, 0], [1, 0], [0, 1], [1, 2], [0, 3], [1, 4]])


def rule(problem, name, model="age"):
    return next(m for m in problem.margins if m.name == name).rule(model).codes.tolist()


# which variables a model has


def test_the_finest_of_nested_variables_is_the_models():
    problem = Problem([BY_GROWN, BY_AGE], codebook=BOOK)
    assert problem.domain.names == ("age",)
    assert rule(problem, "grown") == [0, 1, 1, 1, 1]
    assert problem.total == 100


def test_the_common_fine_variable_is_the_models_where_bands_do_not_nest():
    problem = Problem([BY_GROWN, BY_BAND], codebook=BOOK)
    assert problem.domain.variables == (AGE,)
    assert rule(problem, "band") == [0, 0, 1, 1, 2]


def test_a_coarse_variable_is_the_models_where_nothing_finer_is_stated():
    assert Problem([BY_GROWN], codebook=BOOK).domain.variables == (GROWN.coarse,)


def test_bands_that_nest_are_the_models_without_their_fine_variable():
    wide = Coarsening.from_groups(AGE, "wide", {"0-64": list(AGE.levels[:4]), "65+": ["65+"]})
    book = Codebook.of([AGE], [BAND, wide])
    problem = Problem([Table(Domain((wide.coarse,)), [80, 20]), BY_BAND], codebook=book)
    assert problem.domain.names == ("band",)
    assert rule(problem, "wide", "band") == [0, 0, 1]


def test_levels_of_several_tables_are_united_without_a_codebook():
    children, adults = BY_AGE.select(age=["0-17"]), BY_AGE.select(age=list(AGE.levels[1:]))
    margins = {"children": children, "adults": adults, "all": BY_AGE, "sex": BY_SEX}
    problem = Problem(margins)
    assert problem.domain["age"] == AGE
    assert problem.domain.names == ("age", "sex")


def test_levels_in_another_order_than_the_codebooks_are_matched_by_name():
    backwards = Variable("age", AGE.levels[::-1])
    problem = Problem([Table(Domain((backwards,)), [20, 50, 6, 4, 20])], codebook=BOOK)
    assert problem.domain.variables == (AGE,)
    assert rule(problem, "age") == [4, 3, 2, 1, 0]


# margins on the records' variables


def test_margins_coarser_than_the_records_constrain_them_through_coarsenings():
    problem = Problem([BY_GROWN, BY_SEX], RECORDS, codebook=BOOK)
    assert problem.domain == RECORDS.domain
    assert problem.incidence.X.toarray()[:, :2].tolist() == [[1, 0]] * 2 + [[0, 1]] * 4


def test_margins_finer_than_the_records_are_added_up_and_that_is_noted():
    grown = Microdata(Domain((GROWN.coarse,)), [[0], [1]])
    problem = Problem([BY_AGE], grown, codebook=BOOK)
    assert problem.margins[0].table.counts.tolist() == [20, 80]
    assert problem.notes == ("margin 'age': 'age' added up to 'grown'",)


def test_margins_and_records_on_unlike_bands_that_nest_need_no_rule_of_their_own():
    wide = Coarsening.from_groups(AGE, "wide", {"0-64": list(AGE.levels[:4]), "65+": ["65+"]})
    book = Codebook.of([AGE], [BAND, wide])
    records = Microdata(Domain((wide.coarse,)), [[0], [1]])
    problem = Problem([BY_BAND], records, codebook=book)
    assert problem.margins[0].table.counts.tolist() == [80, 20]


def test_a_partial_margin_added_up_makes_up_no_zeros():
    grown = Microdata(Domain((GROWN.coarse, SEX)), [[0, 0], [1, 1]])
    adults = BY_AGE.select(age=list(AGE.levels[1:]))
    problem = Problem({"adults": adults, "sex": BY_SEX}, grown, codebook=BOOK)
    stated = problem.margins[0]
    assert stated.table.select(grown=["yes"]).total == 80
    assert problem.total == 100


def test_a_coarse_level_stated_in_part_is_left_out_and_that_is_noted():
    bands = Microdata(Domain((BAND.coarse, SEX)), [[0, 0], [1, 1], [2, 0]])
    some = BY_AGE.select(age=["0-17", "20-24", "25-64", "65+"])  # 18-19 was not published
    problem = Problem({"some": some, "sex": BY_SEX}, bands, codebook=BOOK)
    assert problem.notes[0] == (
        "margin 'some': 'age' added up to 'band'; 20 people left out, in levels that it does not "
        "state in full"
    )
    assert problem.margins[0].table.select(band=["20-64", "65+"]).counts.tolist() == [56, 20]


def test_a_level_that_straddles_fine_levels_is_left_out_and_that_is_noted():
    work = Table(Domain((WORK.coarse,)), [7, 6, 50])
    problem = Problem({"work": work, "age": BY_AGE}, codebook=BOOK)
    assert problem.notes[0] == "margin 'work': 'work' '16-19' left out"
    assert "16-19" not in problem.margins[0].table.domain["work"].levels


def test_levels_without_people_or_counterpart_are_left_out():
    more = Variable("sex", ("f", "m", "unknown"))
    problem = Problem([Table(Domain((more,)), [52, 48, 0])], RECORDS)
    assert problem.margins[0].table.domain["sex"] == SEX
    assert problem.notes == ("margin 'sex': 'sex' 'unknown' left out",)


def test_margins_may_leave_out_levels_of_the_records():
    problem = Problem({"adults": BY_AGE.select(age=["25-64", "65+"]), "sex": BY_SEX}, RECORDS)
    margin = problem.margins[0]
    assert margin.table.select(age=["25-64", "65+"]).counts.tolist() == [50, 20]
    assert problem.incidence.X.shape[0] == len(RECORDS)


# the total


def test_the_total_is_that_of_an_exact_margin_over_everybody():
    estimate = Table(Domain((AGE,)), [21, 4, 6, 50, 20], [1, 1, 1, 1, 1])
    assert Problem([estimate, BY_SEX]).total == 100


def test_margins_of_part_of_the_people_do_not_say_how_many_there_are():
    adults = BY_AGE.select(age=["25-64", "65+"])
    with pytest.raises(
        PopgenError, match=r"no margin covers everybody: .* \('age'\); add one over"
    ):
        Problem([adults], codebook=BOOK)


def test_margins_that_count_nobody_are_refused():
    with pytest.raises(PopgenError, match="margin 'sex' counts nobody: all its cells are 0"):
        Problem([Table(Domain((SEX,)), [0, 0])])


# refusals


def test_a_problem_needs_a_margin():
    with pytest.raises(PopgenError, match="a problem needs at least one margin; none was given"):
        Problem([])


def test_margins_that_disagree_are_refused():
    with pytest.raises(
        InconsistentMarginsError, match="disagree on the total: 100 against 101, by"
    ):
        Problem([BY_SEX, Table(Domain((AGE,)), [21, 4, 6, 50, 20])])


def test_margins_that_disagree_through_a_coarsening_are_refused():
    wrong = Table(Domain((GROWN.coarse,)), [25, 75])
    with pytest.raises(
        InconsistentMarginsError, match="20 against 25, by 5 people; reconcile them"
    ):
        Problem([BY_AGE, wrong], codebook=BOOK)


def test_a_variable_without_a_counterpart_is_refused():
    home = Table(Domain((Variable("home", ("own", "rent")),)), [60, 40])
    message = "margin 'home' states 'home', which the records do not have: they have 'sex', 'age'"
    with pytest.raises(PopgenError, match=message):
        Problem([home], RECORDS, codebook=BOOK)


def test_a_level_with_people_but_no_counterpart_is_refused():
    more = Variable("sex", ("f", "m", "other"))
    message = (
        r"margin 'sex' counts 2 people in level\(s\) 'other' of 'sex', which no level of 'sex'"
    )
    with pytest.raises(PopgenError, match=message):
        Problem([Table(Domain((more,)), [52, 48, 2])], RECORDS)


def test_a_level_that_holds_people_whom_the_records_cannot_be_is_refused():
    adults = Microdata(
        Domain((AGE.keep(["18-19", "20-24", "25-64", "65+"]),)), [[0], [1], [2], [3]]
    )
    with pytest.raises(PopgenError, match=r"counts 24 people in level.s. '0-19' of 'band'"):
        Problem([BY_BAND], adults, codebook=BOOK)


def test_a_margin_states_a_variable_once():
    twice = Table(Domain((AGE, GROWN.coarse)), np.ones((5, 2)))
    with pytest.raises(PopgenError, match="states 'age' twice, at two levels of detail; sum one"):
        Problem([twice], codebook=BOOK)


def test_a_margin_has_a_variable():
    with pytest.raises(PopgenError, match="margin 'total' has no variable; state its total over"):
        Problem({"total": BY_SEX.project(), "sex": BY_SEX})


# incidence


def test_incidence_says_which_record_is_in_which_cell():
    incidence = Problem([BY_SEX, BY_GROWN], RECORDS, codebook=BOOK).incidence
    assert incidence.X.toarray().tolist() == [
        [1, 0, 1, 0],
        [0, 1, 1, 0],
        [1, 0, 0, 1],
        [0, 1, 0, 1],
        [1, 0, 0, 1],
        [0, 1, 0, 1],
    ]
    assert incidence.codes.tolist() == [[0, 2], [1, 2], [0, 3], [1, 3], [0, 3], [1, 3]]
    assert incidence.targets.tolist() == [52, 48, 20, 80]
    assert incidence.se.tolist() == [0, 0, 0, 0]
    assert incidence.cells == ("sex: sex=f", "sex: sex=m", "grown: grown=no", "grown: grown=yes")


def test_incidence_is_computed_once():
    problem = Problem([BY_SEX], RECORDS)
    assert problem.incidence is problem.incidence


def test_incidence_needs_records():
    with pytest.raises(PopgenError, match="has no microdata: pass records to weight, or use IPF"):
        _ = Problem([BY_SEX]).incidence


def test_incidence_needs_the_values_that_margins_need():
    gaps = Microdata(Domain((SEX, AGE)), [[0, -1], [-1, 0]])
    with pytest.raises(
        PopgenError, match="1 of 2 records have no 'sex', which a margin needs; read"
    ):
        _ = Problem([BY_SEX], gaps).incidence
    only_sex = Microdata(Domain((SEX, AGE)), [[0, -1], [1, -1]])
    assert Problem([BY_SEX], only_sex).incidence.X.shape == (2, 2)  # nobody asks for age


@given(microdata(), st.data())
def test_incidence_times_weights_is_the_weighted_table(records, data):
    names = data.draw(st.permutations(records.domain.names))
    problem = Problem([records.project(*names)], records)
    incidence = problem.incidence
    np.testing.assert_allclose(incidence.X.T @ records.weights, incidence.targets)
    assert problem.total == pytest.approx(records.weights.sum())


# a noun


def test_a_problem_is_frozen():
    problem = Problem([BY_SEX], RECORDS)
    for name in ("margins", "total", "microdata", "domain", "seed", "notes"):
        with pytest.raises(AttributeError):
            setattr(problem, name, None)
    with pytest.raises(AttributeError):
        del problem.margins


def test_a_problem_can_go_to_another_process():
    problem = Problem([BY_GROWN, BY_SEX], RECORDS, codebook=BOOK)
    again = pickle.loads(pickle.dumps(problem))
    assert again.domain == problem.domain
    assert again.incidence.targets.tolist() == problem.incidence.targets.tolist()


def test_margins_come_as_tables_a_mapping_or_a_list():
    for margins in (Tables([BY_SEX]), {"sex": BY_SEX}, [BY_SEX], iter([BY_SEX])):
        assert Problem(margins).margins[0].name == "sex"


def test_a_seed_is_stated_on_the_models_variables():
    seed = Table(Domain((GROWN.coarse, SEX)), [[10, 10], [30, 50]])
    problem = Problem([BY_AGE, BY_SEX], codebook=BOOK, seed=seed)
    assert problem.seed.rule("age").codes.tolist() == [0, 1, 1, 1, 1]


def test_what_reading_did_to_the_records_goes_with_them():
    noted = Microdata(Domain((SEX,)), [[0], [1]], notes=("dropped 1 of 3 records",))
    assert Problem([Table(Domain((SEX,)), [50, 50])], noted).notes == noted.notes
