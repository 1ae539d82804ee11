"""`BayesNet`: trees are recovered, and what a tree gives is exact."""

import itertools

import numpy as np
import pytest

from popgen import BayesNet, Domain, Microdata, PopgenError, Problem, Table, Variable
from popgen.methods._chowliu import chow_liu, strongest_tree
from popgen.methods._tree import Tree

SIZES = (2, 3, 4, 2, 3)
PARENT = (-1, 0, 1, 1, 3)
NAMES = "abcde"


def variables():
    return [Variable(name, tuple("0123"[:k])) for name, k in zip(NAMES, SIZES, strict=True)]


def tree_joint(seed=0):
    """A joint in which every variable depends on one other: the product of its tables."""
    rng = np.random.default_rng(seed)
    joint = np.ones(SIZES)
    for v, (above, k) in enumerate(zip(PARENT, SIZES, strict=True)):
        if above < 0:
            shape, table = [k if i == v else 1 for i in range(5)], rng.dirichlet(np.full(k, 5))
        else:
            shape = [SIZES[i] if i in (v, above) else 1 for i in range(5)]
            table = rng.dirichlet(np.ones(k), SIZES[above])
        joint = joint * table.reshape(shape)
    return Table(Domain(variables()), joint * 1e6)


def everybody(joint):
    """One weighted record for each cell."""
    cells = np.argwhere(joint.counts > 0)
    return Microdata(joint.domain, cells, joint.counts[joint.counts > 0])


def test_a_tree_of_variables_is_recovered_with_its_whole_joint():
    joint = tree_joint()
    problem = Problem([joint.project("a")], everybody(joint))
    model = BayesNet(prior=0).fit(problem)
    assert {"".join(sorted(edge)) for edge in model.edges} == {"ab", "bc", "bd", "de"}
    np.testing.assert_allclose(model.project(*NAMES).counts, joint.counts, rtol=1e-9)


def test_margins_of_all_pairs_are_as_good_as_records():
    joint = tree_joint(1)
    pairs = [joint.project(*pair) for pair in itertools.combinations(NAMES, 2)]
    model = BayesNet(prior=7).fit(Problem(pairs))  # exact figures need no prior
    np.testing.assert_allclose(model.project(*NAMES).counts, joint.counts, rtol=1e-9)


def test_a_larger_margin_states_its_pairs():
    joint = tree_joint(2).project("a", "b", "c")
    np.testing.assert_allclose(
        BayesNet().fit(Problem([joint])).project("a", "b", "c").counts, joint.counts, rtol=1e-9
    )


def test_a_chain_is_the_product_of_its_pairs_over_the_separator():
    # Any three variables, tied a-b-c: p(a, b, c) = p(a, b) p(b, c) / p(b).
    tables = [np.array([[0.2, 0.1], [0.1, 0.6]]), np.array([[0.3, 0.0], [0.2, 0.5]])]
    ab, bc = tables
    joint = ab[:, :, None] * bc[None] / ab.sum(axis=0)[None, :, None]
    table = Table(Domain([Variable(name, ("0", "1")) for name in "abc"]), joint)
    found = BayesNet(prior=0).fit(Problem([table.project("a")], everybody(table)))
    np.testing.assert_allclose(found.project("c", "a").counts, joint.sum(axis=1).T, rtol=1e-9)


@pytest.mark.parametrize("axes", [(0,), (4, 2), (2, 4, 0), (1, 3), (3, 2, 1, 0), ()])
def test_messages_give_what_the_whole_table_gives(axes):
    rng = np.random.default_rng(3)
    order, parent = (0, 1, 2, 3, 4), PARENT
    rows = [1 if above < 0 else SIZES[above] for above in parent]
    shares = tuple(rng.dirichlet(np.ones(k), row) for k, row in zip(SIZES, rows, strict=True))
    tree = Tree(order, parent, shares)
    whole = tree.joint(range(5))
    rest = tuple(set(range(5)) - set(axes))
    expected = whole.sum(axis=rest)
    kept = [axis for axis in range(5) if axis in axes]
    np.testing.assert_allclose(
        tree.joint(axes), np.transpose(expected, [kept.index(axis) for axis in axes])
    )
    assert tree.joint(axes).sum() == pytest.approx(1)


def test_the_strongest_tree_is_the_strongest_of_all():
    rng = np.random.default_rng(4)
    for _ in range(20):
        strength = rng.random((4, 4))
        strength += strength.T
        pairs = list(itertools.combinations(range(4), 2))
        best = max(
            sum(strength[edge] for edge in edges)
            for edges in itertools.combinations(pairs, 3)
            if len(set(itertools.chain(*edges))) == 4
        )
        assert sum(strength[edge] for edge in strongest_tree(strength)) == pytest.approx(best)


def test_no_joint_of_another_tree_is_likelier():
    rng = np.random.default_rng(5)
    counts = rng.gamma(1, 1, (2, 3, 2))

    def pair(a, b):
        summed = counts.sum(axis=tuple({0, 1, 2} - {a, b}))
        return summed if a < b else summed.T

    def fitted(edges):
        joint = np.ones(counts.shape)
        for a, b in edges:
            joint = joint * pair(*sorted((a, b))).reshape(
                [counts.shape[i] if i in (a, b) else 1 for i in range(3)]
            )
        middle = (set(edges[0]) & set(edges[1])).pop()
        one = counts.sum(axis=tuple({0, 1, 2} - {middle}))
        return joint / one.reshape([-1 if i == middle else 1 for i in range(3)]) / counts.sum()

    def likelihood(joint):
        return (counts * np.log(joint)).sum()

    tree = chow_liu(counts.shape, pair, lambda a: counts.sum(axis=tuple({0, 1, 2} - {a})))
    found = likelihood(tree.joint((0, 1, 2)))
    others = [likelihood(fitted(e)) for e in ([(0, 1), (1, 2)], [(0, 1), (0, 2)], [(0, 2), (1, 2)])]
    assert found == pytest.approx(max(others))


def test_weights_count_and_the_prior_is_worth_its_records():
    domain = Domain(variables()[:2])
    survey = Microdata(domain, [[0, 0], [0, 0], [1, 1], [1, 2]], [1, 1, 1, 1])
    model = BayesNet(prior=2).fit(Problem([Table(Domain(variables()[:1]), [2, 2])], survey))
    # two records in each row and two of prior with shares 1/2, 1/4, 1/4
    np.testing.assert_allclose(
        model.project("a", "b").counts, [[1.5, 0.25, 0.25], [0.5, 0.75, 0.75]]
    )
    heavy = Microdata(domain, [[0, 0], [1, 1], [1, 2]], [2, 1, 1])
    np.testing.assert_allclose(
        BayesNet(prior=0)
        .fit(Problem([Table(Domain(variables()[:1]), [2, 2])], heavy))
        .project("a", "b")
        .counts,
        [[2, 0, 0], [0, 1, 1]],
    )


def test_people_have_the_trees_shares():
    joint = tree_joint(6)
    model = BayesNet(prior=0).fit(Problem([joint.project("a")], everybody(joint)))
    people = model.sample(20_000, rng=0, integerise="multinomial")
    for pair in itertools.combinations(NAMES, 2):
        expected = model.project(*pair).scaled(20_000).counts
        seen = people.project(*pair).counts
        assert (np.abs(seen - expected) <= 1 + 5 * np.sqrt(expected)).all()


def test_refuses_what_it_cannot_learn_from():
    joint = tree_joint()
    with pytest.raises(PopgenError, match="no microdata, and no margin states 'a × c', 'b × c'"):
        BayesNet().fit(Problem([joint.project("a", "b"), joint.project("c")]))
    gaps = Microdata(joint.domain, [[0, 0, 0, 0, 0], [1, -1, 0, 0, 0]])
    with pytest.raises(PopgenError, match="1 of 2 have no 'b'"):
        BayesNet().fit(Problem([joint.project("a")], gaps))
    with pytest.raises(PopgenError, match="prior must be"):
        BayesNet(prior=-1)
    wide = Domain([Variable(f"v{i}", tuple("01234567")) for i in range(10)])
    records = Microdata(wide, np.random.default_rng(0).integers(0, 8, (50, 10)))
    model = BayesNet().fit(Problem([records.project("v0")], records))
    with pytest.raises(PopgenError, match="too many for a table"):
        model.project(*wide.names)
