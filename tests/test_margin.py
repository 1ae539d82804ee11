import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import coarsenings, tables, variables

from popgen import Coarsening, Domain, InconsistentMarginsError, Table, Variable
from popgen.domain import OUTSIDE
from popgen.margin import Margin, added_up, check_agreement, combined_se, shared_partition

AGE = Variable("age", ("0-17", "18-19", "20-24", "25-64", "65+"))
SEX = Variable("sex", ("f", "m"))
BAND = Coarsening.from_groups(
    AGE, "band", {"18-24": ["18-19", "20-24"], "25-64": ["25-64"], "65+": ["65+"]}
)


def margin(name, rules, counts, se=None):
    domain = Domain(tuple(rule.coarse for rule in rules))
    return Margin(name, Table(domain, counts, se), tuple(rules))


def same(variable):
    return Coarsening.by_name(variable, variable)


BY_BAND = margin("by_band", [BAND, same(SEX)], [[1, 2], [3, 4], [5, 6]])


def test_a_margin_knows_the_models_variables():
    assert BY_BAND.variables == ("age", "sex")
    assert BY_BAND.rule("age") is BAND
    assert not BY_BAND.complete
    assert margin("sex", [same(SEX)], [1, 1]).complete


def test_a_cell_is_named():
    assert BY_BAND.describe(5) == "by_band: band=65+, sex=m"


def test_records_fall_in_the_margins_cells_or_outside():
    codes = {"age": np.array([0, 1, 2, 4], np.int16), "sex": np.array([0, 0, 1, 1], np.int16)}
    assert BY_BAND.cells_of(codes).tolist() == [OUTSIDE, 0, 1, 5]


def test_a_table_is_added_up_to_the_margins_cells():
    table = Table(Domain((SEX, AGE)), np.arange(10).reshape(2, 5))
    assert BY_BAND.fitted(table).tolist() == [[1 + 2, 6 + 7], [3, 8], [4, 9]]


@given(st.data())
def test_records_and_tables_fall_in_the_same_cells(data):
    fine = data.draw(variables())
    table = data.draw(tables(Domain((fine, SEX)), se=False))
    rule = data.draw(coarsenings(fine))
    blank = np.zeros((len(rule.coarse), 2))
    stated = margin("m", [rule, same(SEX)], blank)
    index = np.unravel_index(np.arange(table.domain.size), table.domain.shape)
    cells = stated.cells_of(dict(zip(("age", "sex"), index, strict=True)))
    inside = cells != OUTSIDE
    counted = np.bincount(cells[inside], table.counts.ravel()[inside], minlength=blank.size)
    assert stated.fitted(table).ravel().tolist() == counted.tolist()


# what two margins both state


def test_bands_that_do_not_nest_share_the_groups_where_their_bounds_meet():
    a = Coarsening.from_groups(AGE, "a", {"0-19": ["0-17", "18-19"], "20+": list(AGE.levels[2:])})
    b = Coarsening.from_groups(
        AGE,
        "b",
        {"0-17": ["0-17"], "18-19": ["18-19"], "20-64": ["20-24", "25-64"], "65+": ["65+"]},
    )
    shared = shared_partition(a, b)
    assert shared.coarse.levels == ("0-17 to 18-19", "20-24 to 65+")
    assert shared.codes.tolist() == [0, 0, 1, 1, 1]


def test_a_group_with_people_whom_the_other_leaves_out_is_not_shared():
    wide = Coarsening.from_groups(AGE, "w", {"0-24": list(AGE.levels[:3]), "25+": ["25-64", "65+"]})
    assert shared_partition(wide, BAND).coarse.levels == ("25-64 to 65+",)
    everybody = Coarsening.from_groups(AGE, "e", {"all": list(AGE.levels)})
    assert shared_partition(everybody, BAND) is None


@given(st.data())
def test_what_is_shared_is_coarser_than_both_and_the_same_from_either_side(data):
    fine = data.draw(variables(most=6))
    a, b = data.draw(coarsenings(fine, "a")), data.draw(coarsenings(fine, "b"))
    shared, mirrored = shared_partition(a, b), shared_partition(b, a)
    if shared is None:
        assert mirrored is None
        return
    assert shared.codes.tolist() == mirrored.codes.tolist()
    for rule in (a, b):
        assert (rule.codes[shared.codes != OUTSIDE] != OUTSIDE).all()
        for level in range(len(rule.coarse)):  # a stated level is shared as a whole or not at all
            assert len(set(shared.codes[rule.codes == level])) <= 1


@given(st.data())
def test_margins_of_one_truth_agree_on_all_they_share(data):
    fine = data.draw(variables(most=6))
    truth = data.draw(tables(Domain((fine, SEX)), se=False))
    margins = []
    for name in ("a", "b"):
        rules = [data.draw(coarsenings(fine, name)), same(SEX)]
        blank = margin(name, rules, np.zeros((len(rules[0].coarse), 2)))
        margins.append(margin(name, rules, blank.fitted(truth)))
    check_agreement(margins)
    shared = shared_partition(margins[0].maps[0], margins[1].maps[0])
    if shared is not None:
        both = [added_up(one, [shared, same(SEX)]).counts.tolist() for one in margins]
        assert both[0] == both[1]


# agreement


def test_a_disagreement_names_margins_cell_and_people():
    by_sex = margin("by_sex", [same(SEX)], [40, 60])
    both = margin("both", [same(SEX), same(AGE)], [[10] * 5, [10] * 5])
    message = (
        r"margins 'by_sex' \('sex',\) and 'both' \('sex', 'age'\) disagree in cell \(sex=f\): "
        r"40 against 50, by 10 people; reconcile them first \(popgen.reconcile\)"
    )
    with pytest.raises(InconsistentMarginsError, match=message):
        check_agreement([by_sex, both])


def test_totals_are_compared_where_no_variable_is_shared():
    margins = [margin("sex", [same(SEX)], [40, 62]), margin("age", [same(AGE)], [20] * 5)]
    with pytest.raises(
        InconsistentMarginsError, match="disagree on the total: 102 against 100, by"
    ):
        check_agreement(margins)


def test_margins_of_part_of_the_people_are_not_compared_on_totals():
    check_agreement([margin("sex", [same(SEX)], [60, 60]), margin("band", [BAND], [10, 60, 30])])


def test_partial_margins_are_compared_where_both_speak():
    by_age = margin("by_age", [same(AGE)], [20, 5, 6, 60, 30])
    check_agreement([by_age, margin("band", [BAND], [11, 60, 30])])
    with pytest.raises(InconsistentMarginsError, match=r"cell .age=18-19 to 20-24.: 11 against 12"):
        check_agreement([by_age, margin("band", [BAND], [12, 60, 30])])


def test_several_margins_over_the_same_variables_are_compared():
    with pytest.raises(InconsistentMarginsError, match=r"'one' .* and 'two' .* by 1 people"):
        check_agreement([margin("one", [same(SEX)], [1, 2]), margin("two", [same(SEX)], [2, 1])])


def test_rounding_is_no_disagreement():
    large = [margin("a", [same(SEX)], [4e6, 6e6]), margin("b", [same(SEX)], [4e6 + 0.005, 6e6])]
    check_agreement(large)
    with pytest.raises(InconsistentMarginsError):
        check_agreement([large[0], margin("c", [same(SEX)], [4e6 + 5, 6e6 - 5])])


def test_estimates_contradict_only_beyond_four_standard_errors():
    one = margin("one", [same(SEX)], [400, 600], [3, 3])
    assert combined_se(one.table, margin("x", [same(SEX)], [1, 1], [4, 4]).table).tolist() == [5, 5]
    check_agreement([one, margin("two", [same(SEX)], [419, 581], [4, 4])])
    with pytest.raises(InconsistentMarginsError, match="400 against 421"):
        check_agreement([one, margin("two", [same(SEX)], [421, 579], [4, 4])])
