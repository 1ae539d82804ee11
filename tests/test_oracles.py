"""Closed forms: fits whose answer is known by other means, each with where that is derived."""

import itertools
from functools import reduce

import numpy as np
import pytest

from popgen import IPF, Coarsening, Codebook, Domain, Microdata, Problem, Table, Variable
from popgen.methods.calibration import Calibration
from popgen.methods.distances import LINEAR, RAKING, logit

SIZES = {"a": 2, "b": 3, "c": 4, "d": 2}
A, B, C, D = (Variable(name, tuple("0123"[:size])) for name, size in SIZES.items())
EXACT = IPF(tol=1e-14)


def joint(*variables, rng=0, low=0.2):
    values = np.random.default_rng(rng).gamma(0.7, 30, [len(v) for v in variables]) + low
    return Table(Domain(variables), values)


def records(table, rng=0, n=400):
    """Records of every kind at least once, unevenly weighted."""
    generator = np.random.default_rng(rng)
    cells = generator.integers(0, table.domain.size, n)
    cells = np.concatenate([cells, np.arange(table.domain.size)])
    codes = np.column_stack(np.unravel_index(cells, table.domain.shape))
    return Microdata(table.domain, codes, generator.gamma(2, 1, len(cells)) + 0.1)


def test_one_way_margins_and_a_flat_seed_give_the_outer_product():
    # Maximum entropy with one-way constraints only: p = prod p_i (Good 1963,
    # doi:10.1214/aoms/1177704014, section 2).
    truth = joint(A, B, C)
    one = [truth.project(name) for name in "abc"]
    expected = reduce(np.multiply.outer, [t.counts for t in one]) / truth.total**2
    fit = EXACT.fit(Problem(one)).table.counts
    np.testing.assert_allclose(fit, expected, rtol=1e-9)


def local_odds_ratios(counts):
    logs = np.log(counts)
    for axis in range(counts.ndim):
        logs = np.diff(logs, axis=axis)
    return logs


def test_odds_ratios_of_the_seed_survive_and_margins_do_not():
    # Each sweep multiplies rows or columns by constants, which cancel in every cross-product ratio
    # (Mosteller 1968, doi:10.1080/01621459.1968.11009219, section 4).
    seed, truth = joint(B, C, rng=1), joint(B, C, rng=2)
    one = [truth.project("b"), truth.project("c")]
    fit = EXACT.fit(Problem(one, seed=seed)).table
    np.testing.assert_allclose(
        local_odds_ratios(fit.counts), local_odds_ratios(seed.counts), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(fit.project("b").counts, one[0].counts, rtol=1e-9)


def test_interactions_of_an_order_that_no_margin_states_are_the_seeds():
    # As above one order up: with all two-way margins, the three-way log interaction is the seed's
    # (Bishop, Fienberg & Holland 1975, ISBN 0-262-02113-7, section 3.5).
    seed, truth = joint(A, B, C, rng=3), joint(A, B, C, rng=4)
    pairs = [truth.project(*pair) for pair in itertools.combinations("abc", 2)]
    fit = EXACT.fit(Problem(pairs, seed=seed)).table.counts
    np.testing.assert_allclose(
        local_odds_ratios(fit), local_odds_ratios(seed.counts), rtol=1e-8, atol=1e-8
    )


def test_decomposable_margins_are_cliques_over_separators():
    # Lauritzen 1996, ISBN 0-19-852219-3, proposition 4.18: p = prod cliques / prod separators.
    # Here the chain a - b - c - d: ab * bc * cd / (b * c).
    truth = joint(A, B, C, D, rng=5)
    ab, bc, cd = (truth.project(*pair) for pair in ("ab", "bc", "cd"))
    b, c = truth.project("b").counts, truth.project("c").counts
    expected = np.einsum("ab,bc,cd,b,c->abcd", ab.counts, bc.counts, cd.counts, 1 / b, 1 / c)
    model = EXACT.fit(Problem([ab, bc, cd]))
    np.testing.assert_allclose(model.table.counts, expected, rtol=1e-9)
    assert model.convergence.iterations <= 3  # decomposable: the first sweep is already exact


def test_raking_records_is_ipf_on_their_table():
    # Deville & Särndal 1992, doi:10.1080/01621459.1992.10475217, section 4: the multiplicative
    # distance gives the classical raking ratio.
    truth = joint(A, B, C, rng=6)
    survey = records(truth)
    problem = Problem([truth.project(*pair) for pair in ("ab", "bc", "ac")], survey)
    raked = Calibration(RAKING, tol=1e-13).fit(problem).project("a", "b", "c")
    fit = EXACT.fit(problem).table
    np.testing.assert_allclose(raked.counts, fit.counts, rtol=1e-9)


@pytest.mark.parametrize("distance", [RAKING, LINEAR, logit(0.01, 100)], ids=lambda d: d.name)
def test_a_margin_over_all_variables_is_post_stratification(distance):
    # Holt & Smith 1979, doi:10.2307/2344652: w_i = d_i N_c / (sum of d over the cell).
    truth = joint(A, B, rng=7, low=5)
    survey = records(truth)
    problem = Problem([truth], survey)
    np.testing.assert_allclose(EXACT.fit(problem).table.counts, truth.counts, rtol=1e-12)
    model = Calibration(distance).fit(problem)
    cells = tuple(survey.codes.T)
    expected = survey.weights * (truth.counts / survey.project("a", "b").counts)[cells]
    np.testing.assert_allclose(model.weights, expected, rtol=1e-8)


def test_a_part_is_met_and_the_rest_is_spread_as_the_seed():
    # By hand: 60 women and 40 men; of level y0 there are 10 women and 20 men. Everybody else, 50
    # women and 20 men, is spread over y1 and y2 as the seed is: evenly, or 1 to 3.
    sex, y = Variable("sex", ("f", "m")), Variable("y", ("y0", "y1", "y2"))
    part = Coarsening.from_groups(y, "part", {"y0": ["y0"]})
    wide = Coarsening.from_groups(y, "wide", {"all": list(y.levels)})
    book = Codebook.of([y, part.coarse, wide.coarse], [part, wide])
    margins = [
        Table(Domain((sex, wide.coarse)), [[60], [40]]),
        Table(Domain((sex, part.coarse)), [[10], [20]]),
    ]
    flat = IPF().fit(Problem(margins, codebook=book))
    np.testing.assert_allclose(flat.project("sex", "y").counts, [[10, 25, 25], [20, 10, 10]])
    seed = Table(Domain((y,)), [7, 1, 3])
    seeded = IPF().fit(Problem(margins, codebook=book, seed=seed))
    np.testing.assert_allclose(seeded.project("sex", "y").counts, [[10, 12.5, 37.5], [20, 5, 15]])


def test_bands_are_met_and_spread_within_as_the_seed():
    # By hand: each band's people go to its levels as the seed's do, 1:2 and 3:4.
    fine = Variable("age", ("18", "19", "20", "21"))
    bands = Coarsening.from_groups(fine, "band", {"18-19": ["18", "19"], "20-21": ["20", "21"]})
    book = Codebook.of([fine, bands.coarse], [bands])
    survey = Microdata(Domain((fine,)), [[0], [1], [2], [3]], [1.0, 2.0, 3.0, 4.0])
    problem = Problem([Table(Domain((bands.coarse,)), [30, 70])], survey, codebook=book)
    for method in (IPF(), Calibration()):
        counts = method.fit(problem).project("age").counts
        np.testing.assert_allclose(counts, [10, 20, 30, 40], rtol=1e-9)


def test_crossed_bands_of_one_variable_by_hand():
    # Levels 1 | 23 and 12 | 3 are stated: p1 = 20, p3 = 30, so p2 = 100 - 20 - 30.
    fine = Variable("y", ("1", "2", "3"))
    low = Coarsening.from_groups(fine, "low", {"1": ["1"], "2-3": ["2", "3"]})
    high = Coarsening.from_groups(fine, "high", {"1-2": ["1", "2"], "3": ["3"]})
    book = Codebook.of([fine, low.coarse, high.coarse], [low, high])
    margins = [Table(Domain((low.coarse,)), [20, 80]), Table(Domain((high.coarse,)), [70, 30])]
    counts = EXACT.fit(Problem(margins, codebook=book)).project("y").counts
    np.testing.assert_allclose(counts, [20, 50, 30], rtol=1e-9)


def dummies(codes, size):
    return (codes[:, None] == np.arange(1, size)).astype(float)


def test_two_way_margins_give_the_log_linear_model_of_no_three_way_interaction():
    # Maximum likelihood of the Poisson log-linear model has the observed margins of its terms, and
    # IPF from a flat start finds it (Birch 1963, doi:10.1111/j.2517-6161.1963.tb00504.x).
    sm = pytest.importorskip("statsmodels.api")
    truth = joint(A, B, C, rng=8)
    counts = np.rint(truth.counts) + 1
    observed = Table(truth.domain, counts)
    index = np.indices(counts.shape).reshape(3, -1)
    main = [dummies(codes, size) for codes, size in zip(index, counts.shape, strict=True)]
    pairs = [
        (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)
        for one, other in itertools.combinations(main, 2)
    ]
    design = np.column_stack([np.ones(counts.size), *main, *pairs])
    glm = sm.GLM(counts.ravel(), design, family=sm.families.Poisson())
    expected = glm.fit(tol=1e-12, maxiter=100).fittedvalues.reshape(counts.shape)
    margins = [observed.project(*pair) for pair in itertools.combinations("abc", 2)]
    np.testing.assert_allclose(EXACT.fit(Problem(margins)).table.counts, expected, rtol=1e-9)
