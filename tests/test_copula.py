"""`GaussianCopula`: closed forms of normal probabilities, and correlations that come back."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr, ndtri, owens_t

from popgen import (
    CalibratedPool,
    Domain,
    GaussianCopula,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Variable,
)
from popgen.methods._nearest import nearest_correlation
from popgen.methods._polychoric import (
    bivariate_cdf,
    ordered_probit,
    polychoric,
    rectangles,
)

RHOS = (-0.99, -0.9, -0.5, 0.0, 0.3, 0.8, 0.95, 0.99)


@pytest.mark.parametrize("rho", RHOS)
def test_an_orthant_has_its_closed_form(rho):
    # Sheppard 1899: P(X < 0, Y < 0) = 1/4 + asin(rho) / 2 pi
    zero = np.array(0.0)
    assert bivariate_cdf(zero, zero, rho) == pytest.approx(
        1 / 4 + np.arcsin(rho) / (2 * np.pi), abs=1e-14
    )


@pytest.mark.parametrize("rho", RHOS)
def test_probabilities_are_those_of_owens_t(rho):
    # Owen 1956: Phi2(h, k; rho) in terms of T; an independent formula with code of its own.
    h, k = np.meshgrid([-3.1, -1.2, -0.3, 0.2, 1.3, 2.5], [-2.9, -0.4, 0.21, 0.9])
    root = np.sqrt(1 - rho**2)
    expected = (ndtr(h) + ndtr(k)) / 2 - np.where(h * k > 0, 0, 0.5)
    expected -= owens_t(h, (k / h - rho) / root) + owens_t(k, (h / k - rho) / root)
    np.testing.assert_allclose(bivariate_cdf(h, k, rho), expected, atol=1e-13)


def test_rectangles_add_up_to_the_levels_shares():
    rows, columns = np.array([[-1.0, 0.4]]), np.array([[-np.inf, 0.1, 0.1, 2.0]])
    found = rectangles(rows, columns, -0.7)[0]
    np.testing.assert_allclose(found.sum(axis=1), np.diff(ndtr([-np.inf, -1, 0.4, np.inf])))
    np.testing.assert_allclose(
        found.sum(axis=0), np.diff(ndtr([-np.inf, -np.inf, 0.1, 0.1, 2, np.inf])), atol=1e-15
    )


@pytest.mark.parametrize("rho", RHOS)
def test_correlation_comes_back_from_its_own_table(rho):
    rows, columns = ndtri([[0.2, 0.5, 0.7]]), ndtri([[0.1, 0.8]])
    assert polychoric(rectangles(rows, columns, rho), rows, columns) == pytest.approx(rho, abs=1e-5)


def test_a_two_by_two_table_of_halves_has_the_sine_of_its_excess():
    # 1/4 + asin(rho) / 2 pi = p, hence rho = sin(2 pi (p - 1/4)).
    table = np.array([[[0.35, 0.15], [0.15, 0.35]]])
    half = np.zeros((1, 1))
    assert polychoric(table, half, half) == pytest.approx(np.sin(2 * np.pi * 0.1), abs=1e-6)


def test_nearest_correlation_matrix_is_highams():
    # Higham (2002), section 4: a tridiagonal matrix and its nearest correlation matrix.
    R = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1.0]])
    expected = [[1, 0.7607, 0.1573], [0.7607, 1, 0.7607], [0.1573, 0.7607, 1]]
    np.testing.assert_allclose(nearest_correlation(R), expected, atol=1e-4)
    possible = np.array([[1, 0.5], [0.5, 1]])
    assert nearest_correlation(possible) is possible


def test_probit_without_groups_is_the_quantiles_of_the_shares():
    cuts, slopes = ordered_probit(np.array([[10.0, 20, 0, 10]]), np.zeros((1, 0)), 40)
    np.testing.assert_allclose(cuts, ndtri([0.25, 0.75, 0.75]))
    assert slopes.size == 0


def test_probit_of_two_groups_and_two_levels_is_saturated():
    # P(level 0) = Phi(cut) and Phi(cut - slope): as many parameters as shares.
    counts, X = np.array([[30.0, 70], [60, 40]]), np.array([[0.0], [1]])
    cuts, slopes = ordered_probit(counts, X, 1e12)
    assert cuts[0] == pytest.approx(ndtri(0.3), abs=1e-5)
    assert cuts[0] - slopes[0] == pytest.approx(ndtri(0.6), abs=1e-5)


def test_probit_finds_cuts_and_slopes_and_survives_empty_levels_and_certain_groups():
    X = np.array([[0.0, 0], [1, 0], [0, 1]])
    cuts, slopes = np.array([-1.0, 0.2, 0.2, 1.1]), np.array([0.5, -0.8])
    at = np.pad(cuts - (X @ slopes)[:, None], ((0, 0), (1, 1)), constant_values=np.inf)
    at[:, 0] = -np.inf
    found = ordered_probit(np.diff(ndtr(at)) * 1000, X, 1e12)
    np.testing.assert_allclose(found[0], cuts, atol=1e-4)
    np.testing.assert_allclose(found[1], slopes, atol=1e-4)
    certain, slope = ordered_probit(np.array([[5.0, 5], [0, 10]]), X[:2, :1], 20)
    assert np.isfinite(certain).all()
    assert 1 < slope[0] < 10


def latent_survey(R, cuts, n=4000, seed=0):
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal(np.zeros(len(R)), R, n)
    codes = np.column_stack([np.searchsorted(c, z) for c, z in zip(cuts, normal.T, strict=True)])
    domain = Domain([Variable(f"v{i}", tuple("01234"[: len(c) + 1])) for i, c in enumerate(cuts)])
    return Microdata(domain, codes)


def fitted(method, records):
    return method.fit(Problem([records.project(records.domain.names[0])], records))


def test_correlations_of_a_copula_come_back():
    R = np.array([[1, 0.6, -0.3], [0.6, 1, 0.1], [-0.3, 0.1, 1]])
    records = latent_survey(R, [[-0.5, 0.5], [0.0], [-1, 0, 1]])
    model = fitted(GaussianCopula(ordinal=("v0", "v2")), records)
    # the standard error of a polychoric correlation is at most some 2 / sqrt(n)
    np.testing.assert_allclose(model.correlations, R, atol=5 * 1.5 / np.sqrt(4000))
    assert model.notes == ()


def test_expected_pairs_are_normal_probabilities_and_margins_the_records():
    records = latent_survey(np.array([[1, 0.7], [0.7, 1]]), [[-0.4, 0.6], [-1, 0.3]])
    model = fitted(GaussianCopula(ordinal=("v0", "v1")), records)
    expected = rectangles(model.cuts[0].own, model.cuts[1].own, model.correlations[0, 1])[0]
    found = model.project("v0", "v1").scaled(1).counts
    np.testing.assert_allclose(found, expected, atol=5e-4)  # the pool's error
    for name in ("v0", "v1"):
        np.testing.assert_allclose(
            model.project(name).scaled(1).counts,
            records.project(name).scaled(1).counts,
            atol=5e-4,
        )


def test_impossible_correlations_are_moved_and_that_is_said():
    # Nobody has two of three things: each pair looks like nearly -1, which three cannot all be.
    domain = Domain([Variable(name, ("no", "yes")) for name in "abc"])
    records = Microdata(domain, [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]] * 5)
    model = fitted(GaussianCopula(), records)
    assert (model.pairwise[np.triu_indices(3, 1)] < -0.95).all()
    # the nearest matrix with one value off the diagonal has the least that is possible, -1/2
    np.testing.assert_allclose(model.correlations[np.triu_indices(3, 1)], -0.5, atol=1e-4)
    assert "not possible together; the nearest that are differ by up to 0.4" in model.notes[0]
    assert model.sample(10, rng=0).provenance["notes"] == list(model.notes)
    pool = CalibratedPool(GaussianCopula(), pool=2000).fit(model.problem)
    assert pool.notes == model.notes


def nominal_survey(n=3000, seed=0):
    """Level 1 of a variable without an order is the one that differs: no order shows that."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    z = (
        rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], n)
        + np.where(kind == 1, 1.2, 0)[:, None]
    )
    codes = np.column_stack([kind, *(np.searchsorted([0.0, 1.0], column) for column in z.T)])
    return Microdata(Domain([Variable(name, tuple("012")) for name in ("kind", "x", "y")]), codes)


def test_the_mixed_scheme_is_nearer_than_a_pretended_order():
    records = nominal_survey()
    truth = records.project("kind", "x", "y").scaled(1).counts
    misses = []
    for ordinal in (("x", "y"), ("kind", "x", "y")):
        model = fitted(GaussianCopula(ordinal=ordinal), records)
        misses.append(np.abs(model.project("kind", "x", "y").scaled(1).counts - truth).sum() / 2)
    assert misses[0] < 0.05
    assert misses[1] > 3 * misses[0]


def test_correlation_within_groups_comes_back_and_the_order_of_plain_levels_is_nothing():
    records = nominal_survey()
    model = fitted(GaussianCopula(ordinal=("x", "y")), records)
    assert model.correlations[0, 1] == pytest.approx(0.5, abs=5 * 1.5 / np.sqrt(3000))
    turned = np.array(records.codes)
    turned[:, 0] = np.array([2, 0, 1])[turned[:, 0]]
    again = fitted(GaussianCopula(ordinal=("x", "y")), Microdata(records.domain, turned))
    assert again.correlations[0, 1] == pytest.approx(model.correlations[0, 1], abs=1e-3)


def test_combinations_that_no_record_has_get_the_regressions_cuts():
    names = [Variable("p", tuple("012")), Variable("q", tuple("012")), Variable("x", tuple("012"))]
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (2000, 3))
    codes = codes[~((codes[:, 0] == 2) & (codes[:, 1] == 2))]
    records = Microdata(Domain(names), codes)
    model = fitted(GaussianCopula(ordinal=("x",), prior=50), records)
    people = model.sample(20_000, rng=0)
    new = (people.column("p") == 2) & (people.column("q") == 2)
    assert new.sum() > 50  # the prior's people
    # x is independent of p and q here: one in three, within five standard errors
    shares = np.bincount(people.column("x")[new], minlength=3) / new.sum()
    np.testing.assert_allclose(shares, 1 / 3, atol=5 * np.sqrt(0.25 / new.sum()) + 0.1)


def test_only_plain_variables_are_a_tree():
    records = nominal_survey()
    model = fitted(GaussianCopula(), records)
    assert model.ordered == ()
    people = model.sample(3000, rng=0)
    seen, expected = (r.project("x", "y").counts for r in (people, records))
    assert stats.chi2_contingency(np.stack([seen.ravel(), expected.ravel()])).pvalue > 1e-4


def test_refuses_what_it_cannot_use():
    records = nominal_survey(50)
    with pytest.raises(PopgenError, match="no variable 'income' here"):
        fitted(GaussianCopula(ordinal=("income",)), records)
    with pytest.raises(PopgenError, match="pull must be above 0; got 0"):
        GaussianCopula(pull=0)
    with pytest.raises(PopgenError, match="GaussianCopula learns from records"):
        GaussianCopula().fit(Problem([Table(Domain([Variable("x", ("0", "1"))]), [1, 2])]))


def test_so_many_unordered_variables_that_their_combinations_have_no_number():
    rng = np.random.default_rng(0)
    variables = [Variable(f"v{i}", ("a", "b", "c")) for i in range(41)]  # 3^41 > 2^63
    domain = Domain((Variable("sex", ("f", "m")), *variables))
    codes = np.column_stack([rng.integers(0, 2, 30), rng.integers(0, 3, (30, 41))])
    records = Microdata(domain, codes)
    model = GaussianCopula().fit(Problem([records.project("sex")], records))
    assert model.others.group(records.codes).min() == 0
    assert len(model.sample(50, rng=0)) == 50
