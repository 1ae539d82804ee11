"""Replicates differ as the evidence allows; Rubin's rules by hand."""

import numpy as np
import pytest

import popgen as pg
from popgen import Domain, Microdata, PopgenError, Problem, Table, Variable
from popgen.replicates import bootstrapped, redrawn

A, B = (Variable(name, ("0", "1", "2")) for name in "ab")
RNG = np.random.default_rng


def table(variables, counts, se=None):
    return Table(Domain(tuple(variables)), counts, se)


def poll(variable, shares, n, people=1000.0):
    """A margin as a sample of n people would state it."""
    p = np.array(shares)
    return table([variable], p * people, np.sqrt(p * (1 - p) / n) * people)


def survey(n=500):
    codes = RNG(0).integers(0, 3, size=(n, 2))
    return Microdata(Domain((A, B)), codes, RNG(1).uniform(1, 3, n))


def test_margins_vary_as_their_standard_errors_say():
    given = poll(A, [0.5, 0.3, 0.2], 400)
    problem = Problem([given, table([B], [500, 300, 200])])
    drawn = np.array([redrawn(problem, r).margins[0].table.counts for r in RNG(0).spawn(4000)])
    assert drawn.sum(axis=1) == pytest.approx(1000)
    assert drawn.mean(axis=0) == pytest.approx(given.counts, abs=4 * given.se.max() / 60)
    assert drawn.std(axis=0) == pytest.approx(given.se, rel=0.05)
    exact = redrawn(problem, RNG(0)).margins[1].table.counts
    assert exact.tolist() == [500, 300, 200]


def test_redrawn_margins_agree_and_exact_ones_stay():
    exact = table([A], [500, 300, 200])
    rough = table([A, B], np.full((3, 3), 1000 / 9), np.full((3, 3), 20.0))
    rough = table([A, B], np.outer([500, 300, 200], [1, 1, 1]) / 3, rough.se)
    problem = Problem({"rough": rough, "exact": exact, "b": poll(B, [1 / 3] * 3, 200)})
    again = redrawn(problem, RNG(3))
    assert [margin.name for margin in again.margins] == ["rough", "exact", "b"]
    figures = {margin.name: margin.table for margin in again.margins}
    assert figures["exact"].counts.tolist() == [500, 300, 200]
    assert figures["rough"].project("a").counts == pytest.approx(exact.counts)
    assert figures["b"].counts == pytest.approx(figures["rough"].project("b").counts)
    assert np.abs(figures["rough"].counts - rough.counts).max() > 1


def test_empty_cells_stay_empty_and_nobody_is_negative():
    given = table([A, B], [[0, 1, 5], [10, 200, 1], [0, 0, 783]], np.full((3, 3), 30.0))
    for rng in RNG(0).spawn(50):
        counts = redrawn(Problem([given]), rng).margins[0].table.counts
        assert (counts >= 0).all()
        assert (counts[given.counts == 0] == 0).all()


def test_the_bayesian_bootstrap_has_the_variance_of_a_sample():
    records = survey()
    shares = [bootstrapped(records, r).project("a").scaled(1).counts[0] for r in RNG(0).spawn(2000)]
    weights, hit = records.weights / records.weights.sum(), records.column("a") == 0
    share = weights[hit].sum()
    expected = np.sqrt((weights**2 * (hit - share) ** 2).sum())
    assert np.mean(shares) == pytest.approx(share, abs=4 * expected / 44)
    assert np.std(shares) == pytest.approx(expected, rel=0.06)


def test_replicates_of_a_model_and_of_a_method_are_the_same():
    margins = [poll(A, [0.5, 0.3, 0.2], 2000), table([B], [500, 300, 200])]
    model = pg.Calibration().fit(Problem(margins, survey()))
    one = [x.project("a", "b").counts for x in pg.replicates(model, m=3, rng=5)]
    two = [x.project("a", "b").counts for x in pg.replicates(model.method, model.problem, 3, rng=5)]
    assert np.array_equal(one, two)
    assert not np.allclose(one[0], one[1])
    for counts in one:
        assert counts.sum(axis=0) == pytest.approx([500, 300, 200])


def test_nothing_known_to_vary_does_not():
    one_way = [table([v], [500, 300, 200]) for v in (A, B)]
    drawn = [x.project("a", "b").counts for x in pg.replicates(pg.IPF(), Problem(one_way), 3)]
    assert np.ptp(drawn, axis=0).max() == 0


def test_soft_margins_need_not_agree():
    margins = {"one": poll(A, [0.5, 0.3, 0.2], 400), "two": poll(A, [0.48, 0.3, 0.22], 400)}
    problem = Problem(margins, survey())
    models = list(pg.replicates(pg.Calibration(soft=True), problem, 5, rng=0))
    found = pg.combine([model.project("a").scaled(1000).counts for model in models])
    assert found.se.min() > 0


def test_seeds_with_errors_vary_and_synthetic_people_do_not():
    one_way = [table([v], [500, 300, 200]) for v in (A, B)]
    seed = table([A, B], np.full((3, 3), 50.0), np.full((3, 3), 10.0))
    drawn = [
        x.project("a", "b").counts for x in pg.replicates(pg.IPF(), Problem(one_way, seed=seed), 3)
    ]
    assert np.ptp(drawn, axis=0).max() > 0
    people = pg.IPF().fit(Problem(one_way)).sample(100, rng=0)
    assert bootstrapped(people, RNG(0)) is people


def test_rubins_rules_by_hand():
    found = pg.combine([[10.0, 1.0], [12.0, 1.0], [14.0, 1.0]], np.ones((3, 2)))
    assert found.estimate.tolist() == [12, 1]
    assert found.between.tolist() == [4, 0]
    assert found.variance.tolist() == pytest.approx([1 + 4 / 3 * 4, 1])
    assert found.df.tolist() == pytest.approx([2 * (1 + 1 / (16 / 3)) ** 2, np.inf])
    low, high = found.interval(0.9)
    assert (high - low)[1] == pytest.approx(2 * 1.6449, abs=1e-3)  # normal, without a between
    assert pg.combine([1.0, 3.0]).se == pytest.approx(np.sqrt(3))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: pg.combine([1.0]), "at least 2 estimates"),
        (lambda: pg.combine([1.0, 2.0], [1.0]), "of shape"),
        (lambda: pg.combine([1.0, np.nan]), "must be finite"),
        (lambda: pg.combine([1.0, 2.0], [1.0, -1.0]), "not negative"),
        (lambda: pg.combine([1.0, 2.0]).interval(90), "between 0 and 1"),
        (lambda: pg.replicates(pg.IPF()), "alone cannot be refitted"),
        (lambda: pg.replicates(pg.IPF(), Problem([table([A], [1, 1, 1])]), 1), "at least 2"),
    ],
)
def test_refusals(call, says):
    with pytest.raises(PopgenError, match=says):
        call()


def test_margins_with_tiny_cells_found_by_subtraction_can_be_redrawn():
    census = pg.read_census("us_2018", zone="WI")  # estimates, some of them partial
    problem = Problem(census.margins, codebook=census.codebook, seed=census.seed)
    stated = problem.margins[0].table
    for model in pg.replicates(pg.IPF(tol=1e-6), problem, 2, rng=0):
        off = (model.project("sex", "age").counts - stated.counts) / np.maximum(stated.se, 1)
        assert 0.5 < np.sqrt((off**2).mean()) < 1.5


def test_partial_margins_are_redrawn_alike_with_and_without_their_remainder():
    census = pg.read_census("us_2018", zone="WI")
    problem = Problem(census.margins, codebook=census.codebook)
    again = redrawn(problem, RNG(0))
    partial = 0
    for whole, stated in zip(again.margins, again.stated, strict=True):
        inside = tuple(slice(size) for size in stated.table.domain.shape)
        assert np.array_equal(whole.table.counts[inside], stated.table.counts)
        partial += whole.table.domain.size > stated.table.domain.size
    assert partial == 2
    for before, after in zip(problem.stated, again.stated, strict=True):
        assert before.table.domain == after.table.domain
    assert not np.array_equal(problem.stated[0].table.counts, again.stated[0].table.counts)
