"""Bounds: by hand, closed form against linear programme, and never without the truth."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from strategies import coarsenings

import popgen as pg
from popgen import Coarsening, Codebook, Domain, PopgenError, Problem, Table, Variable, bounds
from popgen._frechet import cell_bounds
from popgen._polytope import useful

A, B, C = (Variable(name, ("0", "1")) for name in "abc")
D = Variable("d", ("0", "1", "2"))
NAMES = ("a", "b", "c", "d")


def table(variables, counts):
    return Table(Domain(tuple(variables)), counts)


def margins_of(joint, *sets):
    return Problem([joint.project(*names) for names in sets])


def joint_of(counts):
    return table((A, B, C, D), np.reshape(counts, (2, 2, 2, 3)))


def ends(found):
    return found.minimum, found.maximum


# By hand


def test_two_by_two():
    problem = Problem([table([A], [60, 40]), table([B], [70, 30])])
    found = cell_bounds(problem, "a", "b")
    # max(0, 60 + 70 - 100) = 30 .. min(60, 70) = 60, and so on
    assert found.lower.tolist() == [[30, 0], [10, 0]]
    assert found.upper.tolist() == [[60, 30], [40, 30]]
    assert ends(bounds(problem, {"b": "0"}, {"a": "0"})) == (0.5, 1.0)
    assert ends(bounds(problem, {"b": "0"}, {"a": "1"})) == (0.25, 1.0)
    assert ends(bounds(problem, {"a": "0", "b": "0"})) == pytest.approx((0.3, 0.6))


def test_shared_variables_tighten():
    # within c=0: 50 and 60 of 60; within c=1: 10 and 10 of 40
    ac = table([A, C], [[50, 10], [10, 30]])
    bc = table([B, C], [[60, 10], [0, 30]])
    loose = cell_bounds(Problem([ac.project("a"), bc.project("b")]), "a", "b")
    tight = cell_bounds(Problem([ac, bc]), "a", "b")
    assert (loose.lower[0, 0], loose.upper[0, 0]) == (30, 60)
    assert (tight.lower[0, 0], tight.upper[0, 0]) == (50, 60)
    assert tight.through == ("c",)
    found = bounds(Problem([ac, bc]), {"b": "0"}, {"a": "0"})
    assert found.how == "frechet"
    assert ends(found) == (50 / 60, 1.0)


def test_what_a_margin_states_is_measured():
    problem = Problem([table([A, B], [[30, 20], [10, 40]])])
    found = bounds(problem, {"b": "0"}, {"a": "0"})
    assert (found.how, found.minimum, found.maximum, found.estimate) == ("measured", 0.6, 0.6, None)
    assert cell_bounds(problem, "a", "b").width.max() == 0
    model = pg.IPF().fit(problem)
    assert bounds(model, {"b": "0"}, {"a": "0"}).estimate == pytest.approx(0.6)


def test_bands_bound_the_levels_within():
    age = Variable("age", ("young", "old", "oldest"))
    rule = Coarsening.from_groups(age, "half", {"a": ["young"], "b": ["old", "oldest"]})
    book = Codebook.of([age, A, rule.coarse], [rule])
    half = table([rule.coarse, A], [[20, 10], [30, 40]])
    problem = Problem([table([age], [30, 60, 10]), half], codebook=book)
    found = cell_bounds(problem, "age", "a")
    assert found.lower.tolist() == [[20, 10], [20, 30], [0, 0]]  # 60 + 30 - 70, 60 + 40 - 70
    assert found.upper.tolist() == [[20, 10], [30, 40], [10, 10]]
    measured = bounds(problem, {"a": "0"}, {"half": "b"})
    assert (measured.how, measured.minimum) == ("measured", 30 / 70)
    assert ends(bounds(problem, {"a": "0"}, {"age": "oldest"})) == (0.0, 1.0)
    assert ends(bounds(problem, {"a": "0"}, {"age": "old"})) == pytest.approx((20 / 60, 30 / 60))


def test_a_variable_that_no_margin_has_is_open():
    survey = pg.Microdata(Domain((A, B)), [[0, 0], [1, 1]])
    problem = Problem([table([A], [60, 40])], survey)
    found = cell_bounds(problem, "a", "b")
    assert (found.lower.min(), found.upper.tolist()) == (0, [[60, 60], [40, 40]])
    assert ends(bounds(problem, {"b": "0"}, {"a": "0"})) == (0.0, 1.0)


def test_three_one_way_margins_bound_a_triple():
    problem = Problem([table([v], [90, 10]) for v in (A, B, C)])
    found = cell_bounds(problem, "a", "b", "c")
    assert (found.lower[0, 0, 0], found.upper[0, 0, 0]) == (70, 90)  # Bonferroni: 3 * 90 - 200
    assert ends(bounds(problem, {"a": "0", "b": "0", "c": "0"})) == pytest.approx((0.7, 0.9))


def test_a_ratio_with_a_denominator_that_is_open():
    # given a=0 and b=0 (between 20 and 60 of 100): all or none of c=0 (30) may be among them
    problem = Problem([table([A], [60, 40]), table([B], [60, 40]), table([C], [30, 70])])
    found = bounds(problem, {"c": "0"}, {"a": "0", "b": "0"})
    assert (found.how, *ends(found)) == ("linear programme", pytest.approx(0.0), pytest.approx(1.0))


def test_margins_that_cannot_help_are_left_out():
    joint = joint_of(np.arange(1, 25))
    problem = margins_of(joint, ("a", "c"), ("b", "c"), ("a", "d"), ("a",))
    parts = useful(problem, ("a", "b"))
    assert sorted(part.names for part in parts) == [("a", "c"), ("b", "c")]


# Against the linear programme, and against the truth

counts = st.lists(st.integers(0, 50), min_size=24, max_size=24).filter(sum)
families = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(tuple),
    min_size=1,
    max_size=4,
    unique_by=frozenset,
)


def whole(sets):
    """Every variable in some set, so that the problem has it."""
    return [*sets, *((n,) for n in NAMES if not any(n in names for names in sets) or n == "a")]


def distinct(sets):
    return list({frozenset(names): names for names in whole(sets)}.values())


@settings(max_examples=50)
@given(counts, families)
def test_the_truth_is_always_inside(figures, sets):
    joint = joint_of(figures)
    problem = margins_of(joint, *distinct(sets))
    for pair in (("a", "b"), ("c", "d"), ("a", "b", "d")):
        found = cell_bounds(problem, *pair)
        true = joint.project(*pair).counts
        assert (found.lower <= true + 1e-9).all()
        assert (true <= found.upper + 1e-9).all()
    group = joint.project("a", "c").counts[0, 1]
    if group > 0:
        found = bounds(problem, {"b": "1", "d": ["0", "2"]}, {"a": "0", "c": "1"})
        share = joint.counts[0, 1, 1, [0, 2]].sum() / group
        assert found.minimum - 1e-7 <= share <= found.maximum + 1e-7


@settings(max_examples=60)
@given(st.data())
def test_the_truth_is_inside_what_bands_and_parts_say(data):
    age = Variable("age", ("0", "1", "2", "3"))
    rule = data.draw(coarsenings(age))
    figures = data.draw(st.lists(st.integers(0, 50), min_size=16, max_size=16).filter(sum))
    joint = table((age, A, B), np.reshape(figures, (4, 2, 2)))
    tables = {"age": joint.project("age"), "ab": joint.project("a", "b")}
    if (rule.codes >= 0).any():
        tables["banded"] = joint.project("age", "a").coarsen(rule)
    problem = Problem(tables, codebook=Codebook.of([age, A, B, rule.coarse], [rule]))
    for names in (("age", "a"), ("age", "b"), ("a", "age", "b")):
        found, true = cell_bounds(problem, *names), joint.project(*names).counts
        assert (found.lower <= true + 1e-9).all()
        assert (true <= found.upper + 1e-9).all()
    old = joint.project("age", "b").counts[2:]
    share = old[:, 1].sum() / joint.total
    asked = bounds(problem, {"b": "1", "age": ["2", "3"]})
    assert asked.minimum - 1e-7 <= share <= asked.maximum + 1e-7


@settings(max_examples=40)
@given(counts)
def test_the_closed_form_is_the_linear_programme(figures):
    joint = joint_of(np.array(figures) + 1)
    problem = margins_of(joint, ("a", "c", "d"), ("b", "c", "d"))
    closed = bounds(problem, {"b": "1"}, {"a": "0"})
    # d=0|1|2 is everybody: the same question, which only the programme can answer
    by_lp = bounds(problem, {"b": "1", "d": D.levels}, {"a": "0"})
    assert (closed.how, by_lp.how) == ("frechet", "linear programme")
    assert ends(closed) == pytest.approx(ends(by_lp), abs=1e-6)
    cells = cell_bounds(problem, "a", "b")
    people = joint.project("a").counts[0]
    assert closed.minimum == pytest.approx(cells.lower[0, 1] / people)
    assert closed.maximum == pytest.approx(cells.upper[0, 1] / people)


@settings(max_examples=40)
@given(counts)
def test_more_margins_never_widen(figures):
    joint = joint_of(np.array(figures) + 1)
    few = margins_of(joint, ("a",), ("b",), ("c",), ("d",))
    more = margins_of(joint, ("a", "c"), ("b", "c"), ("a", "d"), ("b", "d"))
    loose, tight = (bounds(p, {"b": "1"}, {"a": "0"}) for p in (few, more))
    assert loose.minimum <= tight.minimum + 1e-9
    assert tight.maximum <= loose.maximum + 1e-9


# Estimates that clash, limits and refusals


def test_estimates_that_clash_are_moved_least():
    sure = table([A, C], [[30, 20], [25, 25]])
    rough = Table(Domain((B, C)), [[30, 20], [20, 30]], np.full((2, 2), 5.0))
    with_third = [sure, rough, table([A, B], [[25, 25], [25, 25]])]
    found = bounds(Problem(with_third), {"c": "0"}, {"a": "0", "b": "0"})
    assert 0 <= found.minimum <= found.maximum <= 1


def test_margins_that_no_joint_meets_are_refused():
    odd = [[0, 50], [50, 0]]  # a differs from b, b from c, c from a: impossible
    problem = Problem([table(v, odd) for v in ((A, B), (B, C), (A, C))])
    with pytest.raises(pg.InconsistentMarginsError, match="no joint meets all the margins"):
        bounds(problem, {"a": "0"}, {"b": "0", "c": "0"})


def test_the_limit_of_cells():
    joint = joint_of(np.arange(1, 25))
    problem = margins_of(joint, ("a", "c"), ("b", "c"), ("a", "d"), ("b", "d"))
    full = bounds(problem, {"b": "1"}, {"a": "0"})
    less = bounds(problem, {"b": "1"}, {"a": "0"}, max_cells=8)
    assert (full.left_out, less.left_out) == ((), ("d",))
    assert less.minimum <= full.minimum <= full.maximum <= less.maximum
    assert "perhaps narrower with 'd'" in str(less)
    with pytest.raises(PopgenError, match="has 4 cells that margins tell apart, more than max_c"):
        bounds(problem, {"b": "1"}, {"a": "0"}, max_cells=3)


@pytest.mark.parametrize(
    ("where", "given_", "says"),
    [
        ({}, None, "say of which kind"),
        ({"x": "0"}, None, "no variable 'x' here; there are 'a', 'b'"),
        ({"a": "9"}, None, "variable 'a' has no level '9'"),
        ({"a": "0"}, {"b": "1"}, "leave nobody in the group"),
    ],
)
def test_refusals(where, given_, says):
    problem = Problem([table([A], [60, 40]), table([B], [100, 0])])
    with pytest.raises(PopgenError, match=says):
        bounds(problem, where, given_)


def test_a_model_without_a_problem_is_refused():
    with pytest.raises(PopgenError, match="give the Problem itself"):
        bounds(table([A], [1, 1]), {"a": "0"})
