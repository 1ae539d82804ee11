"""Adapters at work, where copulas and sdv are installed: `make test-sdv`."""

import random
import sys
import warnings

import numpy as np
import pytest

from popgen import (
    CalibratedPool,
    CopulasModel,
    Domain,
    Microdata,
    PopgenError,
    Problem,
    SDVModel,
    Table,
    Variable,
)

pytest.importorskip("sdv.single_table", reason="sdv is absent here: see make test-sdv")
CUTS = [-1.0, 0.0, 0.8]
DOMAIN = Domain([Variable(name, tuple("0123")) for name in "abc"])
PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))


def survey(n=2000, weights=None, seed=0):
    """Levels of normal variables with correlation 0.5."""
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal(np.zeros(3), np.eye(3) / 2 + 0.5, n)
    return Microdata(DOMAIN, (normal[:, :, None] > CUTS).sum(axis=2), weights)


def fitted(method, records):
    return method.fit(Problem([records.project("a")], records))


def correlation(records, one, other):
    counts = records.project(one, other).shares.counts
    level = np.arange(4)
    mean = [counts.sum(axis=1 - axis) @ level for axis in (0, 1)]
    deviation = [np.sqrt(counts.sum(axis=1 - axis) @ level**2 - mean[axis] ** 2) for axis in (0, 1)]
    return float((level @ counts @ level - mean[0] * mean[1]) / (deviation[0] * deviation[1]))


def everything_random():
    """State of every global random number generator that a package might draw from."""
    states = [random.getstate(), np.random.get_state()[1].tolist()]  # noqa: NPY002
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        states += [torch.get_rng_state().tolist(), torch.get_num_threads()]
    return states


ADAPTERS = {
    "copulas": CopulasModel(pool=20_000),
    "gaussian": SDVModel(pool=20_000),
    "tvae": SDVModel("tvae", epochs=2, pool=2000),
    "ctgan": SDVModel("ctgan", epochs=1, pool=2000),
}


every_adapter = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
gaussian_adapters = pytest.mark.parametrize(
    "adapter", [ADAPTERS["copulas"], ADAPTERS["gaussian"]], ids=["copulas", "gaussian"]
)


@every_adapter
def test_the_same_recipe_gives_the_same_model_and_global_numbers_stay(adapter):
    records = survey(300)
    fitted(adapter, records)  # a first import may draw
    before = everything_random()
    one = fitted(adapter, records)
    assert everything_random() == before
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    other = fitted(adapter, records)
    np.testing.assert_array_equal(one.pool.codes, other.pool.codes)
    np.testing.assert_array_equal(one.pool.weights, other.pool.weights)
    np.testing.assert_array_equal(one.sample(50, rng=0).codes, other.sample(50, rng=0).codes)


def test_other_numbers_give_networks_another_model():
    records = survey(300)
    one, other = (
        fitted(SDVModel("tvae", epochs=2, pool=2000, rng=rng), records).project("a", "b").counts
        for rng in (0, 1)
    )
    assert not np.array_equal(one, other)


@gaussian_adapters
def test_shares_are_kept_and_correlations_weakened(adapter):
    records = survey()
    model = fitted(adapter, records)
    for variable in "abc":
        np.testing.assert_allclose(
            model.project(variable).shares.counts,
            records.project(variable).shares.counts,
            atol=5 * np.sqrt(0.25 / 20_000),
        )
    for pair in PAIRS:  # a place at random in its band is not the place there was
        assert 0.6 < correlation(model, *pair) / correlation(records, *pair) < 0.9


@gaussian_adapters
def test_weights_are_followed(adapter):
    weights = np.where(survey().column("a") == 3, 4.0, 1.0)
    records = survey(weights=weights)
    np.testing.assert_allclose(
        fitted(adapter, records).project("a").shares.counts,
        records.project("a").shares.counts,
        atol=5 * np.sqrt(0.25 / 2000),
    )


@gaussian_adapters
def test_calibration_follows(adapter):
    margin = Table(DOMAIN.project("a"), [400, 300, 200, 100])
    model = CalibratedPool(adapter, pool=1000).fit(Problem([margin], survey(500)))
    np.testing.assert_allclose(model.project("a").counts, margin.counts, rtol=1e-6)


def test_a_distribution_that_sdv_replaces_is_an_error(monkeypatch):
    def fails(*_):
        raise ValueError("no such fit")

    monkeypatch.setattr("copulas.univariate.UniformUnivariate._fit", fails)
    with pytest.raises(PopgenError, match="could not fit the distribution of 'a', 'b', 'c' and"):
        fitted(SDVModel(pool=100), survey(200))


def test_errors_of_the_package_are_popgens(monkeypatch):
    def fails(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("sdv.single_table.TVAESynthesizer._fit", fails)
    with pytest.raises(PopgenError, match="sdv could not model these records: RuntimeError: out"):
        fitted(SDVModel("tvae"), survey(50))


def test_the_vines_of_copulas_lose_correlations():
    # Why CopulasModel has none of them. When this fails, they work: offer them.
    from copulas.multivariate import VineCopula
    from pandas import DataFrame

    normal = np.random.default_rng(0).multivariate_normal(np.zeros(3), np.eye(3) / 2 + 0.5, 300)
    with pytest.warns(UserWarning, match="might produce wrong results"):
        vine = VineCopula("regular", random_state=0)
    with warnings.catch_warnings(action="ignore"):  # it uses a name that it has deprecated
        vine.fit(DataFrame(normal))
    drawn = np.corrcoef(vine.sample(300).to_numpy().T)
    assert drawn[np.triu_indices(3, 1)].min() < 0.5 - 5 * 0.75 / np.sqrt(300)
