import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from strategies import coarsenings, orders, some_of, tables

from popgen import (
    IPF,
    Calibration,
    Coarsening,
    Domain,
    Independent,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Tables,
    Variable,
    table_from_frame,
)
from popgen.table import Projectable
from popgen.tables import union

SEX = Variable("sex", ("f", "m"))
AGE = Variable("age", ("child", "adult", "old"))
BOTH = Table(Domain((SEX, AGE)), [[10, 30, 12], [11, 29, 8]], [[3, 0, 4], [0, 0, 0]])
OLD = Coarsening.from_groups(AGE, "grown", {"no": ["child"], "yes": ["adult", "old"]})


def test_projecting_sums_out_and_adds_errors_in_quadrature():
    by_age = BOTH.project("age")
    assert by_age.counts.tolist() == [21, 59, 20]
    assert by_age.se.tolist() == [3, 0, 4]
    assert BOTH.project("sex").se.tolist() == [5, 0]


def test_axes_come_in_the_order_asked():
    assert BOTH.project("age", "sex").counts.tolist() == BOTH.counts.T.tolist()


def test_projecting_onto_nothing_is_the_total():
    assert float(BOTH.project().counts) == BOTH.total == 100


def test_arrays_are_copied_and_read_only():
    counts = np.array([1.0, 2.0])
    table = Table(Domain((SEX,)), counts)
    counts[0] = 9
    assert table.counts.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        table.counts[0] = 9
    with pytest.raises(AttributeError):
        table.counts = counts


def test_scaling_scales_errors_too():
    half = BOTH.scaled(50)
    assert half.total == pytest.approx(50)
    assert half.se[0, 0] == 1.5


def test_nobody_cannot_be_rescaled():
    with pytest.raises(PopgenError, match=r"table over \('sex',\) holds nobody: it cannot be resc"):
        Table(Domain((SEX,)), [0, 0]).scaled(10)
    with pytest.raises(PopgenError, match=r"table over \('sex',\) holds nobody: it has no shares"):
        _ = Table(Domain((SEX,)), [0, 0]).shares


def test_exact_is_without_errors_above_zero():
    assert not BOTH.exact
    assert Table(Domain((SEX,)), [1, 2], [0, 0]).exact


def test_selecting_levels_keeps_errors():
    part = BOTH.select(age=["old", "child"])
    assert part.domain["age"].levels == ("child", "old")
    assert (part.counts.tolist(), part.se.tolist()) == ([[10, 12], [11, 8]], [[3, 4], [0, 0]])


def test_a_variable_may_be_called_self():
    own = Table(Domain((Variable("self", ("a", "b")), SEX)), [[1, 2], [3, 4]])
    assert own.select(self=["b"]).counts.tolist() == [[3, 4]]


def test_more_variables_than_a_table_can_have_are_refused():
    many = Domain(tuple(Variable(f"v{i}", ("all",)) for i in range(33)))
    records = Microdata(many, np.zeros((2, 33), int))
    margins = [Table(Domain((variable,)), [5]) for variable in many]
    problem = Problem(margins, records)
    calls = [
        lambda: records.project(*many.names),
        lambda: IPF().fit(problem),
        lambda: Independent().fit(problem).project(*many.names),
        lambda: Table(many, [1]),
        lambda: table_from_frame(
            pl.DataFrame({name: ["all"] for name in many.names} | {"count": 1})
        ),
    ]
    for call in calls:
        with pytest.raises(PopgenError, match="at most 32 variables, and this one would have 33"):
            call()
    most = many.names[:32]
    assert records.project(*most).total == 2
    assert Independent().fit(problem).project(*most).total == 5
    assert Calibration().fit(problem).sample(3, rng=0).project(*most).total == 3
    assert IPF().fit(Problem(margins[:32])).sample(3, rng=0).project(*most).total == 3


def test_selecting_from_an_absent_variable_is_refused():
    with pytest.raises(PopgenError, match=r"table over \('sex', 'age'\) has no variable 'race'"):
        BOTH.select(race=["x"])


def test_coarsening_adds_levels_up():
    grown = BOTH.coarsen(OLD)
    assert grown.names == ("sex", "grown")
    assert grown.counts.tolist() == [[10, 42], [11, 37]]
    assert grown.se.tolist() == [[3, 4], [0, 0]]


def test_coarsening_leaves_out_what_is_outside():
    rule = Coarsening.from_groups(AGE, "work", {"yes": ["adult"]})
    assert BOTH.coarsen(rule).counts.tolist() == [[30], [29]]


def test_coarsening_never_makes_up_a_zero():
    rule = Coarsening.from_groups(AGE, "x", {"teens": [], "child": ["child"]})  # teens straddle
    assert BOTH.coarsen(rule).domain["x"].levels == ("child",)
    partial = BOTH.select(age=["adult", "old"])
    assert partial.coarsen(OLD).domain["grown"].levels == ("yes",)


def test_coarsening_never_passes_a_part_off_as_the_whole():
    partial = BOTH.select(age=["child", "adult"])  # "yes" would lack the old
    assert partial.coarsen(OLD).domain["grown"].levels == ("no",)
    with pytest.raises(PopgenError, match="levels 'adult' of 'age' make up no level of 'grown'"):
        BOTH.select(age=["adult"]).coarsen(OLD)


def test_coarsening_refuses_levels_it_does_not_know():
    more = Table(Domain((Variable("age", (*AGE.levels, "missing")),)), [1, 2, 3, 4])
    with pytest.raises(PopgenError, match=r"'age' -> 'grown' does not know level.s. 'missing'"):
        more.coarsen(OLD)


def test_a_frame_has_one_row_a_cell():
    frame = BOTH.to_polars()
    assert frame.columns == ["sex", "age", "count", "se"]
    assert frame.filter(sex="m", age="old")["count"].to_list() == [8]


def test_a_variable_named_count_is_refused_in_a_frame():
    table = Table(Domain((Variable("count", ("a", "b")),)), [1, 2])
    with pytest.raises(PopgenError, match="a variable named 'count' leaves no name"):
        table.to_polars()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1, -2], r"count -2 in cell \(sex=m\) of table \('sex',\): .* \(1 such cell"),
        ([np.nan, 1], r"count nan in cell \(sex=f\)"),
        ([1, np.inf], r"count inf in cell \(sex=m\)"),
        (["x", "y"], r"counts of table \('sex',\) must be numbers: could not convert"),
        ([1, 2, 3], r"needs counts of shape \(2,\); got \(3,\)"),
        ([None, 1], "count nan in cell"),
        ([[1], [2, 3]], "must be numbers"),
    ],
)
def test_counts_that_are_no_counts_are_refused(counts, message):
    with pytest.raises(PopgenError, match=message):
        Table(Domain((SEX,)), counts)


def test_a_negative_standard_error_is_refused():
    with pytest.raises(PopgenError, match=r"standard error -1 in cell \(sex=f\)"):
        Table(Domain((SEX,)), [1, 2], [-1, 0])


# invariances


@given(st.data())
def test_projecting_twice_is_projecting_once(data):
    table = data.draw(tables())
    some = data.draw(some_of(table.names))
    fewer = data.draw(some_of(some))
    once, twice = table.project(*fewer), table.project(*some).project(*fewer)
    assert once.counts.tolist() == twice.counts.tolist()
    assert (once.se is None) == (twice.se is None)
    if once.se is not None:
        np.testing.assert_allclose(once.se, twice.se)
    assert once.total == table.total


@given(st.data())
def test_order_of_rows_axes_and_levels_changes_nothing(data):
    table = data.draw(tables(se=True))
    frame = table.to_polars()
    rows = data.draw(orders(range(frame.height)))
    columns = data.draw(orders(frame.columns))
    variables = [table.domain[name] for name in data.draw(orders(table.names))]
    again = table_from_frame(frame[list(rows)].select(columns), variables)
    back = again.project(*table.names)
    assert back.domain == table.domain
    assert back.counts.tolist() == table.counts.tolist()
    np.testing.assert_allclose(back.se, table.se)


@given(st.data())
def test_levels_in_another_order_hold_the_same_people(data):
    table = data.draw(tables(se=False))
    frame = table.to_polars()
    shuffled = frame[list(data.draw(orders(range(frame.height))))]
    again = table_from_frame(shuffled)  # levels in order of appearance
    for name in table.names:
        for level in table.domain[name].levels:
            assert again.select(**{name: [level]}).total == table.select(**{name: [level]}).total


@given(st.data())
def test_coarsening_and_projecting_commute(data):
    table = data.draw(tables(se=True))
    name = data.draw(st.sampled_from(table.names))
    rule = data.draw(coarsenings(table.domain[name], complete=True))
    others = [other for other in table.names if other != name]
    kept = data.draw(some_of(others)) if others else ()
    one = table.coarsen(rule).project(*kept, "coarse")
    two = table.project(*kept, name).coarsen(rule).project(*kept, "coarse")
    assert one.counts.tolist() == two.counts.tolist()
    np.testing.assert_allclose(one.se, two.se)
    assert one.total == table.total


@given(st.data())
def test_what_a_coarsening_states_is_the_sum_of_its_fine_levels(data):
    table = data.draw(tables(se=False))
    name = data.draw(st.sampled_from(table.names))
    rule = data.draw(coarsenings(table.domain[name]))
    if not rule.codes.max() >= 0:
        return
    coarse = table.coarsen(rule)
    for level in coarse.domain["coarse"].levels:
        members = [
            fine
            for fine, code in zip(rule.fine.levels, rule.codes, strict=True)
            if code == rule.coarse.index(level)
        ]
        assert coarse.select(coarse=[level]).total == table.select(**{name: members}).total


# sets of tables


def test_a_set_of_tables_is_a_mapping():
    tables = Tables([BOTH, BOTH.project("age")])
    assert list(tables) == ["sex_age", "age"]
    assert len(tables) == 2
    assert tables["age"].names == ("age",)
    assert "race" not in tables
    assert tables.get("race") is None
    assert isinstance(tables, Projectable)
    assert repr(tables) == "Tables('sex_age', 'age')"
    assert list(tables.keeping("age")) == ["age"]


def test_an_unknown_table_is_named_with_those_there_are():
    with pytest.raises(PopgenError, match="no table 'race' here; there are 'sex_age'"):
        Tables([BOTH])["race"]


def test_two_tables_over_the_same_variables_need_names():
    with pytest.raises(PopgenError, match=r"two tables over \('sex', 'age'\): pass a mapping"):
        Tables([BOTH, BOTH])
    assert len(Tables({"a": BOTH, "b": BOTH})) == 2


def test_what_no_table_holds_together_is_not_answered():
    tables = Tables([BOTH.project("sex"), BOTH.project("age")])
    with pytest.raises(PopgenError, match="no table holds 'sex', 'age' together; tables: 'sex'"):
        tables.project("sex", "age")


def test_the_smallest_table_answers():
    wide = Table(Domain((SEX, AGE, Variable("race", ("a", "b")))), np.ones((2, 3, 2)) * 100 / 12)
    assert Tables([wide, BOTH]).project("sex").counts.tolist() == [52, 48]


def test_a_partial_table_never_answers_for_complete_people():
    grown = BOTH.select(age=["adult", "old"])
    everybody = Table(Domain((SEX, AGE, Variable("race", ("a", "b")))), np.full((2, 3, 2), 9))
    tables = Tables({"grown": grown, "everybody": everybody})
    assert tables.project("sex").total == everybody.total
    assert tables.project("age").domain["age"] == AGE


def test_a_table_of_fewer_people_does_not_answer_for_all_of_them():
    workers = Table(Domain((SEX, Variable("work", ("yes",)))), [[30], [29]])
    tables = Tables({"workers": workers, "everybody": BOTH})
    assert tables.project("sex").counts.tolist() == [52, 48]


def test_if_only_a_partial_table_could_answer_it_is_refused_with_what_it_lacks():
    grown = BOTH.select(age=["adult", "old"])
    tables = Tables({"grown": grown, "age": BOTH.project("age")})
    message = r"'sex' together for everybody: table \('sex', 'age'\) lacks 'age=child'; project"
    with pytest.raises(PopgenError, match=message):
        tables.project("sex")
    assert tables.project("sex", "age").domain["age"].levels == ("adult", "old")  # it shows


def test_levels_of_several_tables_are_united_in_order():
    parts = [("adult", "old"), ("child", "adult"), ("child", "teen", "adult")]
    assert union([Variable("age", levels) for levels in parts]).levels == (
        "child",
        "teen",
        "adult",
        "old",
    )
    tables = Tables({"a": BOTH.select(age=["child"]), "b": BOTH.select(age=["adult", "old"])})
    assert set(tables.domain["age"].levels) == set(AGE.levels)


@given(st.data())
def test_uniting_parts_of_a_variable_loses_and_invents_no_level(data):
    levels = tuple("abcdef")
    parts = data.draw(st.lists(some_of(levels), min_size=1, max_size=4))
    variables = [Variable("v", tuple(sorted(part))) for part in parts]
    assert set(union(variables).levels) == set().union(*parts)


def test_large_tables_are_coarsened():
    tract = Variable("tract", tuple(map(str, range(50_000))))
    county = Coarsening(
        tract, Variable("county", tuple(map(str, range(500)))), np.arange(50_000) // 100
    )
    table = Table(
        Domain((tract, Variable("age", tuple(map(str, range(20)))))), np.ones((50_000, 20))
    )
    assert table.coarsen(county).counts.shape == (500, 20)
    assert table.to_polars().height == 1_000_000


def test_figures_of_a_table_frame_are_numbers():
    assert BOTH.to_polars().schema["count"] == pl.Float64
