"""`CalibratedPool`: what a pool lacks is found and said, and what it has is kept."""

import numpy as np
import pytest

from popgen import (
    IPF,
    BayesNet,
    CalibratedPool,
    Calibration,
    Domain,
    Independent,
    InfeasibleError,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Variable,
)

SEX, AGE = Variable("sex", ("f", "m")), Variable("age", ("young", "mid", "old"))
DOMAIN = Domain((SEX, AGE))
JOINT = Table(DOMAIN, [[400.0, 300, 99], [100, 100, 1]])


def one_way(joint=JOINT):
    return [joint.project("sex"), joint.project("age")]


def odds(table):
    c = table.counts
    return c[0, 0] * c[1, 1] / (c[0, 1] * c[1, 0])


def test_margins_are_met_and_the_models_interactions_kept():
    survey = Microdata(DOMAIN, np.argwhere(JOINT.counts > 0), JOINT.counts.ravel())
    targets = [Table(Domain((SEX,)), [500, 500]), Table(Domain((AGE,)), [300, 300, 400])]
    model = CalibratedPool(BayesNet(prior=0)).fit(Problem(targets, survey))
    for target in targets:
        np.testing.assert_allclose(model.project(*target.names).counts, target.counts, atol=1e-5)
    # scaling keeps odds ratios, and 50,000 people have them to about a percent
    assert odds(model.project("sex", "age")) == pytest.approx(odds(JOINT), rel=0.02)


def test_a_model_fitted_elsewhere_is_brought_to_other_margins():
    nation = IPF().fit(Problem([JOINT]))
    state = Problem([Table(Domain((SEX,)), [30, 70]), Table(Domain((AGE,)), [20, 30, 50])])
    recipe = CalibratedPool(IPF(), pool=20_000)
    model = recipe.calibrated(nation, state, rng=1)
    np.testing.assert_allclose(model.project("sex").counts, [30, 70], atol=1e-6)
    assert odds(model.project("sex", "age")) == pytest.approx(odds(JOINT), rel=1e-2)
    assert model.method == recipe
    assert model.problem is state


def test_says_which_cells_the_pool_lacks_and_how_large_a_pool_would_do():
    problem = Problem([JOINT])  # 1 man of 1000 people is old
    with pytest.raises(
        InfeasibleError,
        match=r"1 margin cell\(s\) have people but nobody in a pool of 40: "
        r"'sex_age: sex=m, age=old \(1 people\)'; draw a larger pool: 5,000 would have some",
    ):
        CalibratedPool(IPF(), pool=40).fit(problem)
    CalibratedPool(IPF(), pool=5000).fit(problem)


def test_says_if_no_pool_would_do():
    survey = Microdata(DOMAIN, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]])
    with pytest.raises(
        InfeasibleError,
        match=r"sex=m, age=old \(1 people\), of which the model has none'; coarsen the margin",
    ):
        CalibratedPool(BayesNet(prior=0), pool=1000).fit(Problem([JOINT], survey))
    CalibratedPool(BayesNet(), pool=1000).fit(Problem([JOINT], survey))  # the prior has such men


def test_margins_that_clash_on_the_pool_are_named():
    zero = Table(DOMAIN, [[5.0, 3, 0], [0, 0, 2]])
    nobody = Problem([JOINT.project("sex"), JOINT.project("age")])
    with pytest.raises(InfeasibleError, match="clash"):
        CalibratedPool(IPF(), pool=1000).calibrated(IPF().fit(Problem([zero])), nobody)


def test_soft_margins_may_be_missed():
    tables = [
        Table(Domain((SEX,)), [70, 30]),
        Table(DOMAIN, [[30, 20, 20], [10, 10, 10]], np.full((2, 3), 5.0)),
    ]
    model = CalibratedPool(Independent(), Calibration(soft=True), pool=1000).fit(Problem(tables))
    np.testing.assert_allclose(model.project("sex").counts, [70, 30], atol=1e-6)
    assert 0 < np.abs(model.project("sex", "age").counts - tables[1].counts).max() < 5


def test_the_recipe_decides_the_pool():
    problem = Problem(one_way())
    fits = [CalibratedPool(Independent(), pool=500, rng=rng).fit(problem) for rng in (0, 0, 1)]
    people = [fit.microdata.codes for fit in fits]
    np.testing.assert_array_equal(people[0], people[1])
    assert not np.array_equal(people[0], people[2])
    assert "pool=500" in fits[0].sample(10, rng=0).provenance["method"]


def test_records_of_other_variables_cannot_stand_in_a_problem():
    problem = Problem(one_way())
    with pytest.raises(PopgenError, match="the model has variables"):
        problem.with_microdata(Microdata(Domain((AGE,)), [[0]]))
    other = Domain((SEX, Variable("age", ("young", "old"))))
    model = IPF().fit(Problem([Table(other, np.ones((2, 2)))]))
    with pytest.raises(PopgenError, match="or with other levels"):
        CalibratedPool(IPF()).calibrated(model, problem)
