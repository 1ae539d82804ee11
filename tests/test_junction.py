"""`MaxEnt` on a junction tree: against closed forms and dense tables; its people against itself."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, reject, settings, strategies as st

from popgen import (
    ConvergenceError,
    Domain,
    InconsistentMarginsError,
    InfeasibleError,
    MaxEnt,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Variable,
)
from popgen.methods._cliques import junction_tree
from popgen.methods._groups import Group, groups
from popgen.methods._junction import TreePart, fit_tree
from popgen.methods._parts import DensePart, PoolPart
from popgen.methods.base import Convergence
from popgen.methods.maxent import MaxEntModel
from tests.strategies import censuses, graphs

PEOPLE = 100_000


def variables(*sizes):
    return [Variable(f"v{n:02d}", tuple(map(str, range(k)))) for n, k in enumerate(sizes)]


def joint(*sizes, seed=0, spread=1.0):
    counts = np.exp(np.random.default_rng(seed).normal(0, spread, sizes))
    return Table(Domain(tuple(variables(*sizes))), counts / counts.sum() * PEOPLE)


def margins(table, sets):
    return [table.project(*(table.names[axis] for axis in some)) for some in sets]


def on_tree(problem):
    """Fit every group on a tree, also one that is small enough for a table."""
    method = MaxEnt()
    parts = []
    for names, _ in groups(problem, 0):
        group = Group.of(problem, names)
        tol = method.tol * problem.total
        parts.append(fit_tree(group, group.cliques(), tol=tol, max_iter=method.max_iter))
    return MaxEntModel(method, problem, Convergence(True, 0, 0.0), tuple(parts), {})


def same(one, other, atol=1e-9 * PEOPLE):
    np.testing.assert_allclose(one.counts, other.counts, rtol=1e-7, atol=atol)


def distance(one, other):
    """Total variation."""
    return 0.5 * np.abs(one.scaled(1.0).counts - other.scaled(1.0).counts).sum()


def chance(table, n):
    """Expected total variation of n independent draws, nearly."""
    p = table.scaled(1.0).counts
    return 0.5 * np.sqrt(2 / np.pi * p * (1 - p) / n).sum()


def chain(length, levels, seed=0):
    """Margins of neighbours in a chain, and each one's shares given the one before."""
    rng = np.random.default_rng(seed)
    some = variables(*[levels] * length)
    first = rng.dirichlet(np.full(levels, 2.0))
    steps = [rng.dirichlet(np.ones(levels), levels) for _ in range(length - 1)]
    tables, share = [], first
    for a, b, step in zip(some, some[1:], steps, strict=False):
        tables.append(Table(Domain((a, b)), share[:, None] * step * PEOPLE))
        share = share @ step
    return tables, first, steps


RING = [(0, 1), (1, 2), (2, 3), (0, 3)]


def test_a_chain_is_the_product_of_its_pairs_over_its_separators():
    tables, first, steps = chain(40, 5)
    model = MaxEnt().fit(Problem(tables))
    assert isinstance(model.parts[0], TreePart)
    assert model.convergence.iterations == 2  # one sweep, and one that finds nothing to do
    ends = np.diag(first) @ np.linalg.multi_dot(steps)
    np.testing.assert_allclose(model.project("v00", "v39").counts, ends * PEOPLE, rtol=1e-9)
    three = np.einsum("a,ab,bc->cab", first, steps[0], steps[1] @ steps[2])
    np.testing.assert_allclose(model.project("v03", "v00", "v01").counts, three * PEOPLE)


def test_overlapping_triples_that_decompose_are_met_in_one_sweep():
    table = joint(3, 2, 4, 2, 3)
    model = on_tree(Problem(margins(table, [(0, 1, 2), (1, 2, 3), (2, 3, 4)])))
    p = table.scaled(1.0).project
    names = table.names
    expected = np.einsum(
        "abc,bcd,cde,bc,cd->abcde",
        p(*names[:3]).counts,
        p(*names[1:4]).counts,
        p(*names[2:]).counts,
        1 / p(*names[1:3]).counts,
        1 / p(*names[2:4]).counts,
    )
    np.testing.assert_allclose(model.project(*names).counts, expected * PEOPLE, rtol=1e-9)
    assert model.parts[0].sweeps == 2


def test_a_ring_is_what_scaling_the_whole_table_gives():
    problem = Problem(margins(joint(3, 4, 2, 5), RING))
    dense, tree = MaxEnt().fit(problem), MaxEnt(max_cells=100).fit(problem)
    assert isinstance(dense.parts[0], DensePart)
    assert isinstance(tree.parts[0], TreePart)
    for names in itertools.permutations(problem.domain.names):
        same(tree.project(*names), dense.project(*names))


def test_grids():
    def grid(rows, columns):
        at = np.arange(rows * columns).reshape(rows, columns)
        across = zip(at[:, :-1].flat, at[:, 1:].flat, strict=True)
        return [*across, *zip(at[:-1].flat, at[1:].flat, strict=True)]

    table = joint(*[2] * 9)
    problem = Problem(margins(table, grid(3, 3)))
    same(on_tree(problem).project(*table.names), MaxEnt().fit(problem).project(*table.names))
    rng = np.random.default_rng(1)
    some = variables(*[2] * 36)
    tables = []
    for a, b in grid(3, 12):  # both levels equally common everywhere: any such margins agree
        same_level = rng.uniform(0.3, 0.7) / 2
        counts = np.array([[same_level, 0.5 - same_level], [0.5 - same_level, same_level]])
        tables.append(Table(Domain((some[a], some[b])), counts * PEOPLE))
    model = MaxEnt().fit(Problem(tables))
    assert max(map(len, model.parts[0].joint.tree.members)) == 4
    for margin in tables:
        same(model.project(*margin.names), margin, 1e-8 * PEOPLE)


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(0, 1000), st.booleans())
def test_any_margins_give_the_table_that_scaling_the_whole_gives(graph, seed, with_seed):
    sizes, sets = graph
    table = joint(*sizes, seed=seed, spread=0.8)
    used = sorted({axis for some in sets for axis in some})
    start = None
    if with_seed:
        names = [table.names[axis] for axis in used[:2]]
        start = joint(*sizes, seed=seed + 1).project(*names)
    problem = Problem(margins(table, sets), seed=start)
    dense, tree = MaxEnt().fit(problem), on_tree(problem)
    names = problem.domain.names
    same(tree.project(*names), dense.project(*names), 1e-8 * PEOPLE)
    for some in itertools.islice(itertools.permutations(names, 2), 5):
        one, other = tree.interactions(*some), dense.interactions(*some)
        np.testing.assert_allclose(one, other, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(censuses())
def test_margins_in_bands_and_over_part_of_the_people(census):
    tables, book = census
    try:
        problem = Problem(tables, codebook=book)
        dense = MaxEnt().fit(problem)
    except PopgenError as error:  # no margin covers everybody, say
        with pytest.raises(type(error)):
            on_tree(Problem(tables, codebook=book))
        return
    names = problem.domain.names
    try:
        found, expected = on_tree(problem).project(*names), dense.project(*names)
    except ConvergenceError:  # a dense table has Newton's steps where sweeps are too slow
        reject()
    np.testing.assert_allclose(found.counts, expected.counts, atol=1e-5 * problem.total)


@given(graphs())
def test_cliques_that_share_a_variable_are_connected(graph):
    sizes, sets = graph
    tree = junction_tree(sizes, sets)
    members = [set(some) for some in tree.members]
    assert all(any(set(some) <= clique for clique in members) for some in sets)
    assert not any(a <= b for a, b in itertools.permutations(members, 2))
    for axis in range(len(sizes)):
        having = [c for c, clique in enumerate(members) if axis in clique]
        tops = [c for c in having if tree.parent[c] not in having]
        assert len(tops) == 1
    assert all(parent < c for c, parent in enumerate(tree.parent))
    walk = tree.tour()
    assert set(walk) == set(range(len(members)))
    assert walk[0] == walk[-1] == 0
    assert len(walk) == 2 * len(members) - 1


def with_zeros():
    """A ring whose margins leave some combinations without anybody."""
    table = joint(3, 4, 2, 5)
    counts = np.array(table.counts)
    counts[0, 1:] = 0
    counts[:, 2, 1] = 0
    return Table(table.domain, counts)


def test_cells_that_nobody_is_in_stay_empty_and_have_no_interaction():
    table = with_zeros()
    problem = Problem(margins(table, RING))
    dense, tree = MaxEnt().fit(problem), on_tree(problem)
    names = table.names
    same(tree.project(*names), dense.project(*names), 1e-7 * PEOPLE)
    assert ((tree.project(*names).counts == 0) == (dense.project(*names).counts == 0)).all()
    for some in [*itertools.permutations(names, 2), names[:3], names[1:]]:
        one, other = tree.interactions(*some), dense.interactions(*some)
        np.testing.assert_allclose(one, other, atol=1e-5)  # and NaN where it is NaN
    people = tree.sample(5000, rng=0)
    assert people.project(*names).counts[dense.project(*names).counts == 0].sum() == 0


def test_margins_with_standard_errors_are_held_as_on_a_dense_table():
    table = joint(2, 3, 2, 2, spread=0.5)
    exact = margins(table, [(0,), (1,), (2,), (3,)])
    vague = [
        Table(some.domain, some.counts, np.full(some.domain.shape, 0.01 * PEOPLE))
        for some in margins(table, RING)
    ]
    problem = Problem([*exact, *vague])
    names = table.names
    found, expected = on_tree(problem), MaxEnt().fit(problem)
    same(found.project(*names), expected.project(*names), 1e-4 * PEOPLE)
    assert distance(found.project(*names), expected.project(*names)) < 1e-4
    assert distance(found.project(*names), table) > 0.01


@pytest.mark.parametrize("levels", [{"v01": [1]}, {"v00": [0, 2], "v03": [4]}])
def test_people_with_given_levels_are_those_of_the_dense_table(levels):
    problem = Problem(margins(joint(3, 4, 2, 5), RING))
    rng = np.random.default_rng(0)
    dense = MaxEnt().fit(problem).parts[0].given(levels, rng)
    tree = on_tree(problem).parts[0].given(levels, rng)
    for size in (1, 2, 4):
        for names in itertools.permutations(problem.domain.names, size):
            same(tree.project(*names), dense.project(*names), 1e-8 * PEOPLE)


@pytest.mark.parametrize("how", ["systematic", "trs", "multinomial", "cube"])
def test_people_are_drawn_from_the_model_itself(how):
    table = joint(3, 4, 2, 5, spread=0.7)
    model = on_tree(Problem(margins(table, RING)))
    whole = model.project(*table.names)
    n, errors, pairs = 4000, [], []
    for rng in range(4):
        people = model.sample(n, rng=rng, integerise=how)
        errors.append(distance(people.project(*table.names), whole))
        pairs += [distance(people.project(*m.names), m) for m in margins(table, RING)]
    expected = np.mean([chance(m, n) for m in margins(table, RING)])
    assert np.mean(errors) <= 1.1 * chance(whole, n)  # standard error 4 %
    assert np.mean(pairs) <= (1.1 if how == "multinomial" else 0.5) * expected


def test_people_far_apart_in_a_chain_are_as_independent_as_the_model_says():
    tables, *_ = chain(30, 3)
    model = MaxEnt().fit(Problem(tables))
    n, ratios = 5000, []
    for rng in range(5):
        people = model.sample(n, rng=rng)
        assert len(people) == n
        for names in [("v00", "v02"), ("v00", "v29"), ("v05", "v10", "v20")]:
            table = model.project(*names)
            ratios.append(distance(people.project(*names), table) / chance(table, n))
        for margin in tables:
            gaps = people.project(*margin.names).counts - margin.scaled(n).counts
            assert np.abs(gaps).max() < 5  # a draw's standard error is up to 25
    assert 0.5 < np.mean(ratios) < 1.1
    np.testing.assert_array_equal(model.sample(99, rng=1).codes, model.sample(99, rng=1).codes)
    some = model.sample(500, rng=0, given={"v03": "1", "v20": ["0", "2"]})
    assert set(some.column("v03")) == {1}
    assert set(some.column("v20")) == {0, 2}


def test_a_long_chain_needs_little_memory():
    problem = Problem(chain(50, 8)[0])
    tracemalloc.start()
    model = MaxEnt().fit(problem)
    model.project("v00", "v49")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    store = model.parts[0].joint.store
    assert store.size == 49 * 64 + 48 * 8 + 1
    assert peak < 100 * store.nbytes  # the whole joint has 8^50 cells


def test_the_larger_the_problem_the_further_from_a_table():
    problem = Problem(margins(joint(3, 4, 2, 5), RING))
    kinds = [
        MaxEnt(max_cells=cells, people=2000, sweeps=20, pool=4000).fit(problem)
        for cells in (120, 119, 53)
    ]
    assert [type(model.parts[0]) for model in kinds] == [DensePart, TreePart, PoolPart]
    assert kinds[0].notes == ()
    assert "4 variables in a dense table of 120 cells" in repr(kinds[0])
    assert "4 linked variables" in kinds[1].notes[0]
    assert "a junction tree of 2 cliques, 54 cells in all" in kinds[1].notes[0]
    assert "a Markov random field and 4,000 people sampled from it" in kinds[2].notes[0]
    assert kinds[1].sample(10, rng=0).provenance["notes"] == list(kinds[1].notes)


def test_records_speak_of_all_variables_together_so_they_leave_no_tree():
    tables = margins(joint(3, 4, 2, 5), RING)
    codes = np.random.default_rng(0).integers(0, 2, (300, 4))
    records = Microdata(joint(3, 4, 2, 5).domain, codes)
    small = MaxEnt(max_cells=100, people=2000, sweeps=20, pool=4000)
    assert isinstance(small.fit(Problem(tables, records)).parts[0], PoolPart)


def test_refusals():
    table = with_zeros()
    problem = Problem(margins(table, RING))
    with pytest.raises(InfeasibleError, match="nobody with v00=0, v01=1"):
        on_tree(problem).sample(10, given={"v00": "0", "v01": "1"})
    for n, says in ((0, "at least 1 person; got 0"), (2.5, "a whole number of people; got 2.5")):
        with pytest.raises(PopgenError, match=says):
            on_tree(problem).sample(n)
    tables, *_ = chain(40, 5)
    model = MaxEnt().fit(Problem(tables))
    with pytest.raises(PopgenError, match="joint of 20 variables needs a table of 95,367"):
        model.parts[0].joint.joint(range(0, 40, 2))

    def broken(change):
        counts = [np.array(some.counts) for some in tables]
        change(counts)
        return Problem([Table(some.domain, c) for some, c in zip(tables, counts, strict=True)])

    def move(counts):
        counts[7][0] *= 0.5
        counts[7][1] *= (PEOPLE - counts[7].sum() + counts[7][1].sum()) / counts[7][1].sum()

    with pytest.raises(InconsistentMarginsError, match="v06"):
        MaxEnt().fit(broken(move))


def test_margins_that_cannot_all_hold_are_refused():
    a, b, c, d = variables(2, 2, 2, 2)
    alike = np.array([[50_000.0, 0], [0, 50_000]])
    ring = [Table(Domain(pair), alike) for pair in [(a, b), (b, c), (c, d)]]
    with pytest.raises(InfeasibleError, match="leave nobody there"):
        on_tree(Problem([*ring, Table(Domain((a, d)), alike[::-1])]))
    near = np.array([[49_000.0, 1000], [1000, 49_000]])
    ring = [Table(Domain(pair), near) for pair in [(a, b), (b, c), (c, d)]]
    with pytest.raises(ConvergenceError, match=r"missed a margin by .* people after .* sweeps, at"):
        on_tree(Problem([*ring, Table(Domain((a, d)), near[::-1])]))
