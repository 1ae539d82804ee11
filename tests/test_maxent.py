"""`MaxEnt`: against tables known exactly; where the dense way is shut, the sampler must do it."""

import itertools

import numpy as np
import pytest

from popgen import (
    IPF,
    Coarsening,
    Codebook,
    ConvergenceError,
    Domain,
    InfeasibleError,
    MaxEnt,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Variable,
)
from popgen._rng import replayed
from popgen.methods._factors import Layout, indexed
from popgen.methods._field import Field
from popgen.methods._gibbs import count, sweep
from popgen.methods._parts import DensePart, PoolPart

SAMPLED = MaxEnt(max_cells=1, people=8000, sweeps=60, pool=16_000)
"""Never makes a dense table."""


def variables(*sizes):
    return [
        Variable(name, tuple(f"{name}{i}" for i in range(size)))
        for name, size in zip("abcdefgh", sizes, strict=False)
    ]


def joint(*sizes, seed=0, spread=1.0):
    """100,000 people whose every interaction is there."""
    counts = np.exp(np.random.default_rng(seed).normal(0, spread, sizes))
    return Table(Domain(tuple(variables(*sizes))), counts / counts.sum() * 100_000)


def margins(table, order=2):
    return [table.project(*names) for names in itertools.combinations(table.names, order)]


def distance(one, other):
    """Total variation."""
    return 0.5 * np.abs(one.scaled(1.0).counts - other.scaled(1.0).counts).sum()


def chance(table, n):
    """Expected total variation of n independent draws, nearly."""
    p = table.scaled(1.0).counts
    return 0.5 * np.sqrt(2 / np.pi * p * (1 - p) / n).sum()


@pytest.mark.parametrize("sizes", [(3, 4, 2, 5), (2, 9, 70, 3)], ids=["short", "long"])
def test_the_sampler_draws_from_its_own_model(sizes):
    table = joint(*sizes, spread=0.7)
    problem = Problem([*margins(table), table.project("a", "c", "d")])
    field = Field.of(problem.domain, problem.margins, None, problem.total)
    rng = np.random.default_rng(1)
    logs = [rng.normal(0, 0.8, factor.shape) for factor in field.factors]
    weights = np.ones(field.sizes)
    for factor, values in [
        *zip(field.base, field.base_logs(), strict=True),
        *zip(field.factors, logs, strict=True),
    ]:
        shape = [size if v in factor.axes else 1 for v, size in enumerate(field.sizes)]
        order = np.argsort(factor.axes)
        weights *= np.exp(np.transpose(values, order)).reshape(shape)
    pool = np.zeros((60_000, 4), np.uint16)
    conditionals = field.layout.conditionals([*field.base_logs(), *logs])
    sweep(pool, conditionals, np.arange(4), seed=5, sweeps=30)
    cells = np.ravel_multi_index(pool.T.astype(int), field.sizes)
    drawn = np.bincount(cells, minlength=weights.size)
    model = Table(problem.domain, weights / weights.sum())
    found = Table(problem.domain, drawn.reshape(field.sizes))
    assert distance(model, found) <= 1.5 * chance(model, len(pool))


@pytest.mark.parametrize("order", [2, 3])
def test_the_sampled_joint_is_the_exact_one_of_ipf(order):
    table = joint(3, 4, 2, 5)
    problem = Problem(margins(table, order))
    exact, model = IPF().fit(problem), SAMPLED.fit(problem)
    assert isinstance(model.parts[0], PoolPart)
    everything = table.names
    allowed = 1.5 * chance(exact.project(*everything), SAMPLED.pool)
    assert distance(model.project(*everything), exact.project(*everything)) <= allowed
    for margin in problem.margins:
        assert distance(model.project(*margin.variables), margin.table) < 1e-6


def test_interactions_of_the_field_are_those_of_the_exact_table():
    table = joint(3, 4, 2, spread=0.6)
    problem = Problem(margins(table))
    dense, sampled = MaxEnt().fit(problem), SAMPLED.fit(problem)
    for pair in itertools.permutations(table.names, 2):
        one, other = dense.interactions(*pair), sampled.interactions(*pair)
        assert one.shape == table.domain.project(*pair).shape
        np.testing.assert_allclose(one, other, atol=0.12)
    assert np.abs(sampled.interactions("a", "b", "c")).max() < 1e-9


@pytest.mark.parametrize("threads", [1, 3])
def test_people_do_not_depend_on_the_number_of_threads(threads):
    table = joint(3, 4, 2)
    recipe = MaxEnt(max_cells=1, people=3000, sweeps=5, pool=3000, threads=threads)
    base = MaxEnt(max_cells=1, people=3000, sweeps=5, pool=3000, threads=2)
    problem = Problem(margins(table))
    one, other = recipe.fit(problem), base.fit(problem)
    np.testing.assert_array_equal(one.parts[0].pool, other.parts[0].pool)
    np.testing.assert_array_equal(one.sample(99, rng=1).codes, other.sample(99, rng=1).codes)


def determined():
    """Trade (6 levels) determines its sector (3), and both go with age and region."""
    rng = np.random.default_rng(3)
    trade, sector = Variable("trade", tuple("abcdef")), Variable("sector", ("x", "y", "z"))
    age, region = variables(4, 5)
    counts = np.zeros((6, 3, 4, 5))
    for level in range(6):
        counts[level, level // 2] = np.exp(rng.normal(0, 0.8, (4, 5)))
    domain = Domain((trade, sector, age, region))
    return Table(domain, counts / counts.sum() * 100_000)


def test_a_variable_that_another_determines_mixes():
    table = determined()
    problem = Problem(margins(table))
    model, exact = SAMPLED.fit(problem), IPF().fit(problem)
    names = table.names
    assert model.parts[0].field.derived.keys() == {1}
    allowed = 1.5 * chance(exact.project(*names), SAMPLED.pool)
    assert distance(model.project(*names), exact.project(*names)) <= allowed
    people = model.sample(2000, rng=0)
    np.testing.assert_array_equal(people.column("trade") // 2, people.column("sector"))


def test_the_sampler_leaves_a_bad_start_where_one_variable_determines_another():
    table = determined()
    problem = Problem(margins(table))
    field = Field.of(problem.domain, problem.margins, None, problem.total)
    model = SAMPLED.fit(problem).parts[0]
    pool = np.zeros((20_000, len(field.free)), np.uint16)
    layout = Layout(field.sizes, (*field.base, *field.factors))
    conditionals = layout.conditionals([*field.base_logs(), *model.logs])
    sweep(pool, conditionals, np.arange(len(field.free)), seed=9, sweeps=40)
    found = np.bincount(field.people(pool)[:, 1], minlength=3) / len(pool)
    expected = table.project("sector").scaled(1.0).counts
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_cells_that_nobody_is_in_stay_empty():
    table = joint(3, 4, 5)
    counts = np.array(table.counts)
    counts[0, 1:] = 0
    counts[:, 2, 3] = 0
    table = Table(table.domain, counts)
    model = SAMPLED.fit(Problem(margins(table)))
    people = model.sample(5000, rng=0)
    for pair in itertools.combinations(table.names, 2):
        empty = table.project(*pair).counts == 0
        assert empty.any() or pair == ("a", "c")
        assert people.project(*pair).counts[empty].sum() == 0
        assert model.project(*pair).counts[empty].sum() == 0
    assert np.isnan(model.interactions("a", "b")[0, 1])


def test_margins_in_bands_and_over_part_of_the_people():
    table = joint(6, 4, 3)
    a, b, c = table.domain.variables
    band = Coarsening.from_groups(a, "band", {"low": a.levels[:2], "high": a.levels[2:]})
    some = Coarsening.from_groups(b, "some", {"b2": ["b2"], "b3": ["b3"]})
    book = Codebook.of([a, b, c, band.coarse, some.coarse], (band, some))
    tables = [
        table.project("a"),
        table.project("b"),
        table.coarsen(band).project("band", "c"),
        table.coarsen(some).project("a", "some"),
    ]
    problem = Problem(tables, codebook=book)
    exact, model = IPF().fit(problem), SAMPLED.fit(problem)
    allowed = 1.5 * chance(exact.project("a", "b", "c"), SAMPLED.pool)
    assert distance(model.project("a", "b", "c"), exact.project("a", "b", "c")) <= allowed


def test_variables_that_nothing_links_are_independent_and_exact():
    table = joint(3, 4, 2, 2)
    model = MaxEnt().fit(Problem([table.project("a", "b"), table.project("d", "c")]))
    assert [part.domain.names for part in model.parts] == [("a", "b"), ("d", "c")]
    assert all(isinstance(part, DensePart) for part in model.parts)
    expected = np.multiply.outer(
        table.project("c", "d").counts / 100_000, table.project("b", "a").counts
    )
    np.testing.assert_allclose(model.project("c", "d", "b", "a").counts, expected)
    assert (model.interactions("a", "c") == 0).all()


@pytest.mark.parametrize("method", [MaxEnt(), SAMPLED], ids=["dense", "sampled"])
def test_margins_with_standard_errors_are_held_to_within_one(method):
    table = joint(2, 2, spread=0.0)  # 25,000 in each cell
    a = Table(table.domain.project("a"), [50_000, 50_000])
    b = Table(table.domain.project("b"), [50_000, 50_000])
    pair = Table(table.domain, [[35_000, 15_000], [15_000, 35_000]], np.full((2, 2), 4_000))
    found = method.fit(Problem([a, b, pair])).project("a", "b").counts
    np.testing.assert_allclose(found, [[31_000, 19_000], [19_000, 31_000]], atol=450)
    vague = Table(table.domain, pair.counts, np.full((2, 2), 12_000))
    found = method.fit(Problem([a, b, vague])).project("a", "b").counts
    np.testing.assert_allclose(found, 25_000, atol=450)


@pytest.mark.parametrize("method", [MaxEnt(), SAMPLED], ids=["dense", "sampled"])
def test_records_fill_in_what_margins_do_not_say_and_are_shrunk(method):
    table = joint(3, 3, 3, spread=0.8)
    rng = np.random.default_rng(2)
    errors = []
    for n in (60, 6000):
        cells = rng.choice(27, n, p=table.counts.ravel() / 100_000)
        records = Microdata(table.domain, np.column_stack(np.unravel_index(cells, (3, 3, 3))))
        model = method.fit(Problem(margins(table, 1), records))
        assert set(model.shrinkage) == set(itertools.combinations("abc", 2))
        assert all(0 < found.weight < 1 for found in model.shrinkage.values())
        for margin in model.problem.margins:
            assert distance(model.project(*margin.variables), margin.table) < 1e-6
        errors.append(distance(model.project("a", "b"), table.project("a", "b")))
    without = IPF().fit(Problem(margins(table, 1))).project("a", "b")
    assumed = distance(without, table.project("a", "b"))
    assert errors[0] < 1.2 * assumed
    assert errors[1] < 0.4 * assumed


@pytest.mark.parametrize("method", [MaxEnt(), SAMPLED], ids=["dense", "sampled"])
def test_people_with_given_levels(method):
    table = joint(3, 4, 2, 5)
    model = method.fit(Problem(margins(table)))
    people = model.sample(4000, rng=0, given={"b": "b1", "d": ["d0", "d4"]})
    assert set(people.column("b")) == {1}
    assert set(people.column("d")) == {0, 4}
    exact = IPF().fit(Problem(margins(table))).project(*table.names).counts[:, 1][:, :, [0, 4]]
    found = people.project(*table.names).counts[:, 1][:, :, [0, 4]]
    one, other = exact / exact.sum(), found / found.sum()
    spread = 0.5 * np.sqrt(2 / np.pi * one * (1 - one) / 1000).sum()
    assert 0.5 * np.abs(one - other).sum() <= 1.5 * spread
    np.testing.assert_array_equal(
        people.codes, model.sample(4000, rng=0, given={"b": "b1", "d": ["d0", "d4"]}).codes
    )
    about = people.provenance
    assert about["given"] == {"b": ["b1"], "d": ["d0", "d4"]}
    assert about["rng"] == model.sample(1, rng=0).provenance["rng"]
    with pytest.raises(PopgenError, match="no level 'b9'"):
        model.sample(10, rng=0, given={"b": "b9"})
    with pytest.raises(PopgenError, match="given takes a level of 'b' or several, as texts; got 1"):
        model.sample(10, rng=0, given={"b": 1})
    with pytest.raises(PopgenError, match="rng must be a whole number"):
        model.sample(10, rng="x", given={"b": "b1"})


def test_people_with_rare_given_levels_are_drawn_anew():
    table = joint(3, 4, 2, 5)
    counts = np.array(table.counts)
    counts[:, :, :, 4] *= 0.002
    table = Table(table.domain, counts)
    model = SAMPLED.fit(Problem(margins(table)))
    people = model.sample(4000, rng=0, given={"d": "d4"})
    again = model.sample(4000, rng=replayed(people.provenance["rng"]), given={"d": "d4"})
    np.testing.assert_array_equal(people.codes, again.codes)
    assert set(people.column("d")) == {4}
    exact = IPF().fit(Problem(margins(table))).project("a", "b", "d").counts[:, :, 4]
    found = people.project("a", "b").counts
    assert 0.5 * np.abs(exact / exact.sum() - found / found.sum()).sum() < 0.12
    assert len(np.unique(people.codes[:, :3], axis=0)) > 15


def test_refusals():
    table = joint(3, 4)
    with pytest.raises(PopgenError, match="people must be above 0; got 0"):
        MaxEnt(people=0)
    with pytest.raises(PopgenError, match="rng must be a whole number of at least 0"):
        MaxEnt(rng=-1).fit(Problem(margins(table, 1)))
    counts = np.array(table.counts)
    counts[0] = 0
    model = MaxEnt().fit(Problem([Table(table.domain, counts)]))
    with pytest.raises(InfeasibleError, match="nobody with a=a0"):
        model.sample(10, given={"a": "a0"})
    few = MaxEnt(max_cells=1, people=50, sweeps=2, pool=50)
    with pytest.raises(ConvergenceError, match=r"MaxEnt's pool of 50 people misses margin"):
        few.fit(Problem(margins(joint(9, 9, 9), 2)))


def test_counts_of_a_pool():
    table = joint(3, 4, 2)
    problem = Problem(margins(table))
    field = Field.of(problem.domain, problem.margins, None, problem.total)
    pool = np.random.default_rng(0).integers(0, 2, (1000, 3)).astype(np.uint16)
    cells = indexed(field.factors)
    counts = count(pool, cells)
    for i, factor in enumerate(field.factors):
        found = counts[cells.start[i] : cells.start[i + 1]].reshape(factor.shape)
        expected = np.zeros(factor.shape, int)
        np.add.at(expected, tuple(pool[:, axis] for axis in factor.axes), 1)
        np.testing.assert_array_equal(found, expected)
