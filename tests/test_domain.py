import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import coarsenings, variables

from popgen import Coarsening, Domain, PopgenError, Variable

AGE = Variable("age", ("0-17", "18-19", "20-24", "25-64", "65+"))
BAND = Coarsening.from_groups(
    AGE, "band", {"18-24": ["18-19", "20-24"], "25-64": ["25-64"], "65+": ["65+"]}
)


def test_levels_become_a_tuple_and_have_positions():
    sex = Variable("sex", ["f", "m"])
    assert sex.levels == ("f", "m")
    assert (len(sex), sex.index("m")) == (2, 1)


def test_keeping_levels_keeps_the_variables_own_order():
    assert AGE.keep(["65+", "0-17"]).levels == ("0-17", "65+")


@pytest.mark.parametrize(
    ("name", "levels", "message"),
    [
        ("", ("a",), "name must be a non-empty text; got ''"),
        (3, ("a",), "name must be a non-empty text; got 3"),
        ("sex", (), "'sex' has no levels; give at least one"),
        ("sex", ("f", ""), "'sex' has levels that are not non-empty texts: ''"),
        ("sex", (1, 2), "'sex' has levels that are not non-empty texts: 1, 2"),
        ("sex", ("f", "m", "f"), "'sex' has duplicate levels: 'f'; name each level once"),
        ("sex", "fm", "'sex' needs a list of levels; got the text 'fm'"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(name, levels, message):
    with pytest.raises(PopgenError, match=message):
        Variable(name, levels)


def test_an_unknown_level_is_named_with_those_there_are():
    with pytest.raises(PopgenError, match="variable 'sex' has no level 'x'; it has 'f', 'm'"):
        Variable("sex", ("f", "m")).index("x")


def test_nouns_are_frozen():
    with pytest.raises(AttributeError):
        AGE.name = "years"
    with pytest.raises(ValueError, match="read-only"):
        BAND.codes[0] = 0


def test_unlisted_levels_lie_outside():
    assert BAND.codes.tolist() == [-1, 0, 0, 1, 2]
    assert not BAND.complete


def test_a_level_in_two_groups_is_refused():
    with pytest.raises(PopgenError, match="'65\\+' of 'age' is in two groups of 'x': 'a' and 'b'"):
        Coarsening.from_groups(AGE, "x", {"a": ["65+"], "b": ["65+"]})


def test_a_group_of_an_unknown_level_is_refused():
    with pytest.raises(PopgenError, match="variable 'age' has no level '66'"):
        Coarsening.from_groups(AGE, "x", {"a": ["66"]})


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([0, 0], "needs one code for each of 5 levels; got shape \\(2,\\)"),
        ([0, 0, 0, 0, 3], "has codes outside -1..2"),
        ([-2, 0, 0, 0, 0], "has codes outside -1..2"),
        ([0.5, 0, 0, 0, 0], "'age' -> 'band' must be whole numbers; got float64"),
        (["0"] * 5, "must be whole numbers"),
        ([np.nan, 0, 0, 0, 0], "must be whole numbers"),
        ([np.inf, 0, 0, 0, 0], "must be whole numbers"),
    ],
)
def test_codes_that_are_no_codes_are_refused(codes, message):
    with pytest.raises(PopgenError, match=message):
        Coarsening(AGE, BAND.coarse, codes)


def test_composing_passes_through_partial_coarsenings():
    old = Coarsening.from_groups(BAND.coarse, "old", {"yes": ["65+"]})
    assert BAND.then(old).codes.tolist() == [-1, -1, -1, -1, 0]
    assert BAND.then(old).coarse.name == "old"


def test_coarsenings_of_unlike_variables_do_not_compose():
    with pytest.raises(PopgenError, match="onto 'band' cannot be followed by one of 'age'"):
        BAND.then(BAND)


@given(st.data())
def test_composing_is_associative(data):
    a = data.draw(coarsenings(data.draw(variables()), "b"))
    b = data.draw(coarsenings(a.coarse, "c"))
    c = data.draw(coarsenings(b.coarse, "d"))
    assert a.then(b).then(c).codes.tolist() == a.then(b.then(c)).codes.tolist()


def test_a_coarse_level_that_loses_a_part_loses_all():
    adults = AGE.keep(["20-24", "25-64", "65+"])
    assert BAND.restricted(adults, BAND.coarse).codes.tolist() == [-1, 1, 2]


def test_restricting_to_fewer_coarse_levels():
    old = BAND.restricted(AGE, BAND.coarse.keep(["65+"]))
    assert old.codes.tolist() == [-1, -1, -1, -1, 0]


def test_nested_bands_are_found_through_the_fine_variable():
    wide = Coarsening.from_groups(AGE, "wide", {"18-64": ["18-19", "20-24", "25-64"]})
    assert BAND.to_nested(wide).codes.tolist() == [0, 0, -1]
    assert wide.to_nested(BAND) is None  # 18-64 lies across two bands


def test_bands_that_leave_people_out_do_not_nest_in_bands_that_hold_them():
    everybody = Coarsening.from_groups(
        AGE, "all", {"0-24": ["0-17", "18-19", "20-24"], "25+": ["25-64", "65+"]}
    )
    assert BAND.to_nested(everybody) is None  # BAND has no 0-17, and "0-24" counts them


def test_a_level_that_straddles_fine_levels_nests_in_nothing():
    straddling = Coarsening.from_groups(AGE, "x", {"16-19": [], "20+": ["20-24", "25-64", "65+"]})
    assert straddling.to_nested(BAND) is None


def test_a_domain_is_read_by_name():
    domain = Domain((AGE, BAND.coarse))
    assert domain.names == ("age", "band")
    assert (domain.shape, domain.size, domain.axis("band")) == ((5, 3), 15, 1)
    assert "band" in domain
    assert domain.project("band", "age").names == ("band", "age")
    assert domain.cell(4) == "age=18-19, band=25-64"


def test_a_domain_names_each_variable_once():
    with pytest.raises(PopgenError, match="names each variable once; got 'age', 'age'"):
        Domain((AGE, AGE))
    with pytest.raises(PopgenError, match="names each variable once"):
        Domain((AGE,)).project("age", "age")


def test_an_unknown_variable_is_named_with_those_there_are():
    with pytest.raises(PopgenError, match="no variable 'sex' here; there are 'age', 'band'"):
        Domain((AGE, BAND.coarse)).axis("sex")


def test_nouns_can_go_to_another_process():
    again = pickle.loads(pickle.dumps(BAND))
    assert again.fine == AGE
    assert again.codes.tolist() == BAND.codes.tolist()
