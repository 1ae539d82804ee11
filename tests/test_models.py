"""Fitted models: how people are drawn, by hand; what all have in common is in test_methods."""

import numpy as np
import pytest

from popgen import IPF, Domain, Independent, Microdata, Problem, Table, Variable
from popgen.methods.calibration import Calibration

SEX, AGE = Variable("sex", ("f", "m")), Variable("age", ("young", "mid", "old"))
COUNTS = [[10, 20, 0], [5, 5, 10]]
JOINT = Table(Domain((SEX, AGE)), COUNTS)
SURVEY = Microdata(JOINT.domain, [[1, 2], [0, 1], [1, 0], [0, 0], [1, 1]])


@pytest.mark.parametrize("method", [IPF(), Calibration()], ids=repr)
@pytest.mark.parametrize("how", ["systematic", "trs", "cube"])
def test_whole_expectations_are_drawn_exactly(method, how):
    model = method.fit(Problem([JOINT], SURVEY))
    people = model.sample(50, rng=0, integerise=how)
    np.testing.assert_array_equal(people.project("sex", "age").counts, COUNTS)


@pytest.mark.parametrize("method", [IPF(), Calibration(), Independent()], ids=repr)
def test_people_come_in_random_order(method):
    sexes = method.fit(Problem([JOINT], SURVEY)).sample(500, rng=0).column("sex")
    # 300 women of 500 in random order: runs have mean 1 + 2*300*200/500 = 241, sd 10.7.
    assert abs(1 + np.count_nonzero(np.diff(sexes)) - 241) < 5 * 10.7


def test_systematic_over_sorted_cells_keeps_the_first_variable_to_within_one():
    rng = np.random.default_rng(0)
    joint = Table(JOINT.domain, rng.gamma(1, 10, (2, 3)))
    model = IPF().fit(Problem([joint]))
    for seed in range(20):
        women = model.sample(37, rng=seed).project("sex").counts
        assert (np.abs(women - joint.project("sex").scaled(37).counts) < 1).all()


def test_the_cube_keeps_every_margin_to_about_a_person():
    rng = np.random.default_rng(1)
    names = "abc"
    domain = Domain([Variable(name, tuple("0123")) for name in names])
    joint = Table(domain, rng.gamma(1, 1, (4, 4, 4)))
    margins = [joint.project(name) for name in names]
    model = IPF().fit(Problem(margins))
    for seed in range(5):
        people = model.sample(101, rng=seed, integerise="cube")
        for name, margin in zip(names, margins, strict=True):
            off = people.project(name).counts - margin.scaled(101).counts
            assert np.abs(off).max() <= 2


def test_independent_people_have_their_one_way_shares_and_no_interaction():
    model = Independent().fit(Problem([JOINT]))
    people = model.sample(20_000, rng=2)
    np.testing.assert_allclose(people.project("age").counts, [6000, 10_000, 4000], atol=1)
    expected = model.project("sex", "age").scaled(20_000).counts
    np.testing.assert_allclose(people.project("sex", "age").counts, expected, atol=5 * 50)


def test_a_record_model_keeps_the_records_weights():
    model = Calibration().fit(Problem([JOINT], SURVEY))
    np.testing.assert_allclose(model.weights.sum(), 50)
    np.testing.assert_array_equal(model.weights, model.microdata.weights)


def test_a_long_table_is_decoded_right():
    shape = (3, 2, 4, 2, 5)
    domain = Domain(
        [Variable(name, tuple("01234"[:k])) for name, k in zip("abcde", shape, strict=True)]
    )
    counts = np.zeros(shape)
    counts[2, 1, 3, 0, 4] = counts[0, 1, 2, 1, 3] = 5
    people = IPF().fit(Problem([Table(domain, counts)])).sample(10, rng=0)
    assert (
        sorted(map(tuple, people.codes.tolist())) == [(0, 1, 2, 1, 3)] * 5 + [(2, 1, 3, 0, 4)] * 5
    )
