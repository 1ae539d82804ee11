"""`Sequential`: trees copy what records say, in the order that is given or chosen."""

import sys

import numpy as np
import pytest

from popgen import Domain, Microdata, PopgenError, Problem, Sequential, Table, Variable

A, B, C = (Variable(name, tuple("012"[:k])) for name, k in zip("abc", (2, 3, 3), strict=True))
DOMAIN = Domain((A, B, C))


def survey(n=3000, seed=0, weights=False):
    """Records in which c is a function of a and b together, but for one in five."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 2, n), rng.integers(0, 3, n)
    c = np.where(rng.random(n) < 0.8, (a + b) % 3, rng.integers(0, 3, n))
    return Microdata(DOMAIN, np.column_stack([a, b, c]), rng.gamma(4, 1, n) if weights else None)


def problem(records):
    return Problem([records.project("a")], records)


@pytest.mark.parametrize("order", ["abc", "cba", "bca", ""])
@pytest.mark.parametrize("ordinal", [(), ("b", "c")], ids=["nominal", "ordinal"])
def test_pure_leaves_give_back_the_records_joint(order, ordinal):
    # As many leaves as there are kinds of people: the chain of conditionals is the joint itself.
    records = survey(weights=True)
    method = Sequential(order=tuple(order), ordinal=ordinal, min_leaf=1, prior=0)
    found = method.fit(problem(records)).project("a", "b", "c").scaled(1).counts
    expected = records.project("a", "b", "c").scaled(1).counts
    np.testing.assert_allclose(found, expected, atol=2e-4)  # the pool's error


def test_three_way_interactions_are_found():
    # (a + b) mod 3 shows in no pair with a as it does in the triple; a pairwise model misses it.
    records = survey()
    model = Sequential().fit(problem(records))
    people = model.sample(3000, rng=0, integerise="multinomial")
    agrees = [
        ((r.column("a") + r.column("b")) % 3 == r.column("c")).mean() for r in (records, people)
    ]
    assert agrees[1] == pytest.approx(agrees[0], abs=5 * np.sqrt(0.25 / 3000))


def test_a_leaf_has_at_least_so_many_records():
    records = survey(300)
    for least in (1, 30, 200):
        model = Sequential(min_leaf=least).fit(problem(records))
        for step in model.steps[1:]:
            leaves = step.tree.apply(step.columns.of(records.codes))
            assert np.bincount(leaves)[np.unique(leaves)].min() >= least


def test_one_leaf_is_independence_and_so_is_a_large_prior():
    records = survey(300, weights=True)
    shares = [records.project(name).scaled(1).counts for name in "abc"]
    expected = np.einsum("i,j,k", *shares)
    for method in (Sequential(min_leaf=300), Sequential(min_leaf=5, prior=1e9)):
        found = method.fit(problem(records)).project("a", "b", "c").scaled(1).counts
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_order_begins_with_what_tells_most():
    rng = np.random.default_rng(1)
    hub = rng.integers(0, 3, 2000)
    near = np.where(rng.random(2000) < 0.9, hub, rng.integers(0, 3, 2000))
    far = np.where(rng.random(2000) < 0.3, hub, rng.integers(0, 3, 2000)) % 2
    records = Microdata(DOMAIN, np.column_stack([far, near, hub]))
    assert Sequential().fit(problem(records)).order == ("c", "b", "a")
    assert Sequential(order=("a", "b", "c")).fit(problem(records)).order == ("a", "b", "c")


def test_nobody_gets_a_level_that_no_record_has():
    records = survey(500)
    records = records.take(records.column("c") != 1)
    people = Sequential(prior=5).fit(problem(records)).sample(2000, rng=0)
    assert people.project("c").counts[1] == 0


def test_refuses_what_it_cannot_use():
    records = survey(50)
    with pytest.raises(PopgenError, match=r"order must name every variable once: 'a', 'b', 'c'"):
        Sequential(order=("a", "b")).fit(problem(records))
    with pytest.raises(PopgenError, match="no variable 'income' here"):
        Sequential(ordinal=("income",)).fit(problem(records))
    with pytest.raises(PopgenError, match="min_leaf must be at least 1; got 0"):
        Sequential(min_leaf=0)
    with pytest.raises(PopgenError, match="learns from records and this problem has no microdata"):
        Sequential().fit(Problem([Table(Domain((A,)), [1, 2])]))


def test_says_what_to_install_where_scikit_learn_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    with pytest.raises(PopgenError, match=r"pip install 'popgen-joint\[trees\]'; or use BayesNet"):
        Sequential().fit(problem(survey(50)))
