"""`VineCopula`: what a Gaussian copula is a case of, and the shapes that it cannot have."""

import pickle
import sys

import numpy as np
import pytest
from scipy import stats

from popgen import (
    CalibratedPool,
    Domain,
    GaussianCopula,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Variable,
    VineCopula,
)

GAUSSIAN = ("gaussian",)


def fitted(method, records):
    return method.fit(Problem([records.project(records.domain.names[0])], records))


def cut(uniform, *cuts):
    """Records whose levels are the bands of uniform numbers, shape (n, d)."""
    codes = np.column_stack([np.searchsorted(c, u) for c, u in zip(cuts, uniform.T, strict=True)])
    domain = Domain(
        Variable(f"v{i}", tuple(str(level) for level in range(len(c) + 1)))
        for i, c in enumerate(cuts)
    )
    return Microdata(domain, codes)


def clayton(n, theta, seed=0):
    """Pairs that hold together where both are low: Marshall and Olkin's gamma frailty."""
    rng = np.random.default_rng(seed)
    frailty = rng.gamma(1 / theta, 1, (n, 1))
    return (1 + rng.exponential(1, (n, 2)) / frailty) ** (-1 / theta)


def test_with_normal_pairs_it_is_the_gaussian_copula():
    R = np.array([[1, 0.6, -0.3], [0.6, 1, 0.1], [-0.3, 0.1, 1]])
    normal = np.random.default_rng(0).multivariate_normal(np.zeros(3), R, 4000)
    records = cut(stats.norm.cdf(normal), [0.3, 0.7], [0.5], [0.2, 0.5, 0.8])
    ordinal = records.domain.names
    one, other = (
        fitted(method, records).project(*ordinal).scaled(1).counts
        for method in (
            VineCopula(ordinal=ordinal, families=GAUSSIAN),
            GaussianCopula(ordinal=ordinal),
        )
    )
    # Both maximise the likelihood of pairs; beyond the first tree a vine's pairs are conditional.
    np.testing.assert_allclose(one, other, atol=2.5e-3)


def test_a_family_and_its_parameter_come_back():
    records = cut(clayton(4000, 2.0), [0.2, 0.4, 0.6, 0.8], [0.25, 0.5, 0.75])
    families = ("gaussian", "clayton", "gumbel", "frank")  # Joe's, turned, is nearly Clayton's
    model = fitted(VineCopula(ordinal=("v0", "v1"), families=families), records)
    [[pair]] = model.vine.pair_copulas
    assert (pair.family.name, pair.rotation) == ("clayton", 0)
    assert pair.parameters[0, 0] == pytest.approx(2.0, abs=5 * 0.08)  # its standard error


def test_joints_that_are_not_elliptic_are_nearer_than_with_correlations():
    records = cut(clayton(4000, 2.0), [0.1, 0.3, 0.6, 0.9], [0.1, 0.3, 0.6, 0.9])
    truth = records.project("v0", "v1").scaled(1).counts
    vine, normal = (
        np.abs(fitted(method, records).project("v0", "v1").scaled(1).counts - truth).sum() / 2
        for method in (VineCopula(ordinal=("v0", "v1")), GaussianCopula(ordinal=("v0", "v1")))
    )
    assert vine < 0.02
    assert normal > 2 * vine


def test_margins_are_the_records_weighted():
    records = cut(clayton(500, 1.0), [0.3, 0.6], [0.5, 0.9])
    weights = np.random.default_rng(1).gamma(2, 1, 500) + 0.1
    records = Microdata(records.domain, records.codes, weights)
    model = fitted(VineCopula(ordinal=("v0", "v1")), records)
    for name in ("v0", "v1"):
        np.testing.assert_allclose(
            model.project(name).scaled(1).counts,
            records.project(name).scaled(1).counts,
            atol=5e-4,  # the pool's error
        )


def test_weights_stand_for_repeated_records():
    kinds = cut(clayton(300, 1.0), [0.3, 0.6], [0.5, 0.9])
    times = np.random.default_rng(2).integers(1, 4, 300)
    method = VineCopula(ordinal=("v0", "v1"), families=("clayton",))
    weighted = fitted(method, Microdata(kinds.domain, kinds.codes, times))
    repeated = fitted(method, kinds.take(np.repeat(np.arange(300), times)))
    one, other = (m.vine.pair_copulas[0][0].parameters[0, 0] for m in (weighted, repeated))
    assert one == pytest.approx(other, rel=1e-3)


def test_the_unit_of_weights_does_not_matter():
    rng = np.random.default_rng(0)
    pairs = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 400)
    records, weights = cut(pairs, [-0.5, 0.7], [-1, 0, 1]), rng.gamma(1, 1, 400)
    found = []
    for unit in (1.0, 1.1, 10.0):
        held = Microdata(records.domain, records.codes, weights * unit)
        pair = fitted(VineCopula(ordinal=("v0", "v1")), held).vine.pair_copulas[0][0]
        found.append((pair.family, pair.rotation, pair.parameters[0, 0].round(6)))
    assert found == found[:1] * 3


def test_a_fine_variable_may_be_taken_as_continuous():
    years = np.linspace(0, 1, 81)[1:-1]
    records = cut(clayton(2000, 2.0), years, [0.3, 0.6])
    one, other = (
        fitted(method, records)
        for method in (
            VineCopula(continuous=("v0",), ordinal=("v1",)),
            VineCopula(ordinal=("v0", "v1")),
        )
    )
    assert one.vine.var_types == ["c", "d"]
    parameters = [model.vine.pair_copulas[0][0].parameters[0, 0] for model in (one, other)]
    assert parameters[0] == pytest.approx(parameters[1], rel=0.05)
    np.testing.assert_allclose(
        one.project("v0").scaled(1).counts, records.project("v0").scaled(1).counts, atol=5e-4
    )


def test_unordered_variables_move_the_bands_as_in_the_gaussian_copula():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 3000)
    normal = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 3000)
    normal += np.where(kind == 1, 1.2, 0)[:, None]
    codes = np.column_stack([kind, (normal[:, :, None] > [0.0, 1.0]).sum(axis=2)])
    records = Microdata(
        Domain([Variable(name, tuple("012")) for name in ("kind", "x", "y")]), codes
    )
    model = fitted(VineCopula(ordinal=("x", "y"), families=GAUSSIAN), records)
    other = fitted(GaussianCopula(ordinal=("x", "y")), records)
    found, expected = (m.project("kind", "x", "y").scaled(1).counts for m in (model, other))
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("ordinal", [(), ("v0",), ("v0", "v1")], ids=len)
def test_no_one_or_all_variables_may_be_ordered(ordinal):
    records = cut(clayton(1000, 2.0), [0.3, 0.6], [0.3, 0.6])
    people = fitted(VineCopula(ordinal=ordinal), records).sample(1000, rng=0)
    seen, expected = (r.project("v0", "v1").counts for r in (people, records))
    assert stats.chi2_contingency(np.stack([seen.ravel(), expected.ravel()])).pvalue > 1e-4


def test_a_vine_may_be_cut_after_some_trees():
    normal = np.random.default_rng(0).multivariate_normal(np.zeros(4), np.eye(4) / 2 + 0.5, 1000)
    records = cut(stats.norm.cdf(normal), *[[0.5]] * 4)
    for trees, expected in ((1, 1), (2, 2), (None, 3)):
        assert len(fitted(VineCopula(trees=trees), records).vine.pair_copulas) == expected


def test_levels_without_records_and_constant_variables_are_no_trouble():
    records = cut(clayton(300, 2.0), [0.3, 0.6], [0.3, 0.6])
    records = records.take((records.column("v0") != 1) & (records.column("v1") == 2))
    people = fitted(VineCopula(ordinal=("v0", "v1")), records).sample(200, rng=0)
    assert people.project("v0").counts[1] == 0
    assert people.project("v1").counts.tolist() == [0, 0, 200]


def test_models_can_be_sent_to_other_processes():
    records = cut(clayton(200, 2.0), [0.3, 0.6], [0.3, 0.6])
    model = fitted(VineCopula(ordinal=("v0", "v1")), records)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.sample(50, rng=1).codes, again.sample(50, rng=1).codes)


def test_calibration_follows():
    records = cut(clayton(500, 2.0), [0.3, 0.6], [0.3, 0.6])
    margin = Table(records.domain.project("v0"), [500, 300, 200])
    recipe = CalibratedPool(VineCopula(ordinal=("v0", "v1")), pool=2000)
    model = recipe.fit(Problem([margin], records))
    np.testing.assert_allclose(model.project("v0").counts, margin.counts, rtol=1e-6)


def test_refuses_what_it_cannot_use():
    records = cut(clayton(50, 2.0), [0.3, 0.6], [0.3, 0.6])
    for named in ({"ordinal": ("income",)}, {"continuous": ("income",)}):
        with pytest.raises(PopgenError, match="no variable 'income' here"):
            fitted(VineCopula(**named), records)
    with pytest.raises(PopgenError, match="no family 'normal'; it has 'indep', 'gaussian'"):
        fitted(VineCopula(families=("normal",)), records)
    with pytest.raises(PopgenError, match="name at least one family of copulas: 'indep'"):
        fitted(VineCopula(families=()), records)
    with pytest.raises(PopgenError, match="pull must be above 0; got 0"):
        VineCopula(pull=0)
    for trees in (0, 1.5):
        with pytest.raises(PopgenError, match=f"number of trees, at least 1; got {trees}"):
            VineCopula(trees=trees)
    with pytest.raises(PopgenError, match="give 2 records or more"):
        fitted(VineCopula(ordinal=("v0", "v1")), records.take(np.array([0])))
    with pytest.raises(PopgenError, match="VineCopula learns from records"):
        VineCopula().fit(Problem([Table(Domain([Variable("x", ("0", "1"))]), [1, 2])]))


def test_says_what_to_install_where_pyvinecopulib_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvinecopulib", None)
    with pytest.raises(PopgenError, match=r"pip install 'popgen-joint\[vine\]'; or use Gaussian"):
        fitted(VineCopula(), cut(clayton(50, 2.0), [0.3], [0.3]))
