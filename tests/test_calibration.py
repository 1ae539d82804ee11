import numpy as np
import pytest
from calibration_cases import DISTANCES, cells_of, feasible, raked
from hypothesis import given, settings, strategies as st
from scipy import sparse

from popgen.domain import Domain, Variable
from popgen.errors import InfeasibleError, PopgenError
from popgen.methods.calibration import Calibration, calibrate
from popgen.methods.distances import LINEAR, RAKING, logit
from popgen.microdata import Microdata
from popgen.problem import Problem
from popgen.table import Table

each_distance = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)


# What it must equal


def test_raking_equals_the_raking_loop():
    _, X, d, targets = feasible(np.random.default_rng(0))
    fit = calibrate(X, d, targets, RAKING)
    np.testing.assert_allclose(fit.weights, raked(X, d, targets, (3, 4, 2), 200), rtol=1e-10)


def test_linear_equals_the_regression_estimator():
    # Deville & Särndal 1992, eq. 2.3: w = d (1 + x' (X'DX)^- (t - X'd))
    _, X, d, targets = feasible(np.random.default_rng(1))
    dense = X.toarray()
    gram = dense.T @ (d[:, None] * dense)
    greg = d * (1 + dense @ np.linalg.pinv(gram, rcond=1e-12) @ (targets - dense.T @ d))
    fit = calibrate(X, d, targets, LINEAR)
    np.testing.assert_allclose(fit.weights, greg, rtol=1e-9)
    assert fit.iterations == 1


@each_distance
def test_one_margin_over_everything_is_poststratification(distance):
    rng = np.random.default_rng(2)
    stratum = np.r_[np.arange(5), rng.integers(0, 5, 200)]
    X, _ = cells_of(stratum[:, None], (5,))
    d = rng.gamma(4, 1, len(stratum))
    held = np.bincount(stratum, d)
    targets = held * rng.uniform(0.5, 2, 5)
    fit = calibrate(X, d, targets, distance)
    np.testing.assert_allclose(fit.weights, d * (targets / held)[stratum], rtol=1e-12)


@each_distance
def test_meets_every_target_and_says_how(distance):
    _, X, d, targets = feasible(np.random.default_rng(3))
    fit = calibrate(X, d, targets, distance)
    np.testing.assert_allclose(X.T @ fit.weights, targets, rtol=1e-9)
    np.testing.assert_allclose(fit.weights, d * distance.F(X @ fit.multipliers), rtol=1e-12)
    assert fit.residual == pytest.approx(np.abs(X.T @ fit.weights - targets).max(), abs=1e-9)
    assert fit.iterations == len(fit.history) - 1 < 30


def test_logit_keeps_weights_within_its_bounds():
    _, X, d, targets = feasible(np.random.default_rng(4), spread=0.2)
    fit = calibrate(X, d, targets, logit(0.4, 2.2))
    assert 0.4 < (fit.weights / d).min() < (fit.weights / d).max() < 2.2


def test_sums_and_household_members_are_columns_like_any_other():
    rng = np.random.default_rng(5)
    _, X, d, _ = feasible(rng)
    members, income = rng.integers(1, 6, len(d)), rng.gamma(2, 30_000, len(d))
    X = sparse.hstack([X, sparse.csr_array(np.column_stack([members, income]))]).tocsr()
    targets = X.T @ (d * rng.uniform(0.8, 1.2, len(d)))
    fit = calibrate(X, d, targets, RAKING)
    np.testing.assert_allclose(X.T @ fit.weights, targets, rtol=1e-9)
    np.testing.assert_allclose(fit.weights, d * np.exp(X @ fit.multipliers), rtol=1e-11)


def test_design_weights_of_any_scale_will_do():
    _, X, d, targets = feasible(np.random.default_rng(6))
    want = calibrate(X, d, targets, RAKING).weights
    for factor in (1e-6, 1e6):
        got = calibrate(X, d * factor, targets, RAKING).weights
        np.testing.assert_allclose(got, want, rtol=1e-9)


def test_redundant_and_repeated_columns_change_nothing():
    _, X, d, targets = feasible(np.random.default_rng(7))
    twice = sparse.hstack([X, X[:, ::-1]]).tocsr()
    fit = calibrate(twice, d, np.append(targets, targets[::-1]), RAKING)
    np.testing.assert_allclose(fit.weights, calibrate(X, d, targets, RAKING).weights, rtol=1e-10)


def test_identical_records_are_merged_and_told_apart_by_design_weight_only():
    rng = np.random.default_rng(8)
    _, X, d, targets = feasible(rng, n=5_000)
    fit = calibrate(X, d, targets, RAKING)
    ratio = fit.weights / d
    _, kind = np.unique(X.toarray(), axis=0, return_inverse=True)
    assert all(np.ptp(ratio[kind == k]) < 1e-15 for k in range(kind.max() + 1))


# Structural zeros


@pytest.mark.parametrize("distance", [RAKING, logit(0, 20)], ids=lambda d: d.name)
def test_records_in_a_cell_of_nobody_get_no_weight(distance):
    codes, X, d, _ = feasible(np.random.default_rng(9))
    held = X.T @ (d * (codes[:, 0] != 1))
    fit = calibrate(X, d, held, distance)
    assert (fit.weights[codes[:, 0] == 1] == 0).all()
    assert (fit.weights[codes[:, 0] != 1] > 0).all()
    np.testing.assert_allclose(X.T @ fit.weights, held, atol=1e-8)


def test_linear_calibration_cancels_a_zero_cell_instead():
    codes, X, d, _ = feasible(np.random.default_rng(10))
    held = X.T @ (d * (codes[:, 0] != 1))
    fit = calibrate(X, d, held, LINEAR)
    np.testing.assert_allclose(X.T @ fit.weights, held, atol=1e-8)


def test_zeros_that_follow_from_two_margins_are_approached():
    # Cells (0,0), (0,1), (1,1); rows hold 50, 50 and columns 50, 50: (0,1) must be empty.
    X, _ = cells_of(np.array([[0, 0], [0, 1], [1, 1]]), (2, 2))
    fit = calibrate(X, np.ones(3), np.full(4, 50.0), RAKING)
    np.testing.assert_allclose(fit.weights, [50, 0, 50], atol=1e-7)


# Soft margins


@each_distance
def test_soft_cells_are_missed_by_their_variance_times_the_multiplier(distance):
    rng = np.random.default_rng(11)
    _, X, d, targets = feasible(rng)
    se = np.where(np.arange(9) < 3, 0.0, rng.uniform(1, 50, 9))
    fit = calibrate(X, d, targets, distance, se=se)
    np.testing.assert_allclose(X.T @ fit.weights - targets, -(se**2) * fit.multipliers, atol=1e-6)
    np.testing.assert_allclose((X.T @ fit.weights)[:3], targets[:3], rtol=1e-9)


def test_soft_cells_run_from_exact_to_ignored():
    _, X, d, targets = feasible(np.random.default_rng(12))
    exact = calibrate(X, d, targets, RAKING)
    tight = calibrate(X, d, targets, RAKING, se=np.full(9, 1e-3))
    loose = calibrate(X, d, targets, RAKING, se=np.full(9, 1e9))
    np.testing.assert_allclose(tight.weights, exact.weights, rtol=1e-6)
    np.testing.assert_allclose(loose.weights, d, rtol=1e-6)


def test_soft_cells_weigh_two_opinions_by_their_precision():
    # A cell stated twice, 100 +- 1 and 130 +- 2. Linear calibration takes the records for a third
    # opinion, 100 +- 10 (4 design weights of 25; variance 100). Weighted by precision:
    # (100/1 + 130/4 + 100/100) / (1/1 + 1/4 + 1/100) = 133.5 / 1.26.
    X = sparse.csr_array(np.ones((4, 2)))
    fit = calibrate(X, np.full(4, 25.0), np.array([100.0, 130]), LINEAR, se=np.array([1.0, 2]))
    assert fit.weights.sum() == pytest.approx(133.5 / 1.26, rel=1e-12)


def test_contradictory_soft_margins_are_no_error():
    _, X, d, targets = feasible(np.random.default_rng(13))
    targets[:3] *= 1.1
    fit = calibrate(X, d, targets, RAKING, se=np.full(9, 30.0))
    assert targets[3:].sum() / 2 < fit.weights.sum() < targets[:3].sum()


# Invariances

problems = st.builds(
    lambda entropy, n: feasible(np.random.default_rng(entropy), n=n),
    st.integers(0, 2**32 - 1),
    st.integers(20, 200),
)
any_distance = st.sampled_from([RAKING, logit(0.005, 200)])
brief = settings(max_examples=25, deadline=None)


@brief
@given(problems, any_distance, st.randoms())
def test_record_order_does_not_matter(problem, distance, random):
    _, X, d, targets = problem
    order = list(range(len(d)))
    random.shuffle(order)
    want = calibrate(X, d, targets, distance).weights
    np.testing.assert_allclose(
        calibrate(X[order], d[order], targets, distance).weights, want[order], rtol=1e-6
    )


@brief
@given(problems, any_distance)
def test_a_record_split_in_two_half_weights_gets_the_same_weight(problem, distance):
    _, X, d, targets = problem
    split = calibrate(sparse.vstack([X, X]).tocsr(), np.append(d, d) / 2, targets, distance)
    halves = split.weights.reshape(2, -1)
    np.testing.assert_allclose(halves.sum(0), calibrate(X, d, targets, distance).weights, rtol=1e-6)


@brief
@given(problems, any_distance, st.floats(1e-6, 1e6))
def test_scaling_people_scales_weights(problem, distance, factor):
    _, X, d, targets = problem
    scaled = calibrate(X, d * factor, targets * factor, distance).weights
    np.testing.assert_allclose(
        scaled, factor * calibrate(X, d, targets, distance).weights, rtol=1e-6
    )


@brief
@given(problems, any_distance)
def test_refitting_a_fit_changes_nothing(problem, distance):
    _, X, d, targets = problem
    once = calibrate(X, d, targets, distance)
    again = calibrate(X, once.weights, targets, distance)
    np.testing.assert_allclose(again.weights, once.weights, rtol=1e-6)
    assert again.iterations <= 1


# The recipe

SEX, AGE = Variable("sex", ("f", "m")), Variable("age", ("young", "mid", "old"))
SURVEY = Microdata(
    Domain((SEX, AGE)),
    [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]],
    [1.0, 2.0, 1.0, 2.0, 1.0, 1.0],
)


def sex_age(sex=(520, 480), age=(300, 400, 300), se=None):
    tables = [Table(Domain((SEX,)), sex), Table(Domain((AGE,)), age, se)]
    return Problem(tables, SURVEY)


@each_distance
def test_fit_meets_the_margins_of_a_problem(distance):
    model = Calibration(distance).fit(sex_age())
    np.testing.assert_allclose(model.project("sex").counts, [520, 480])
    np.testing.assert_allclose(model.project("age").counts, [300, 400, 300])
    assert model.convergence.converged
    assert model.convergence.residual < 1e-6


def test_bounds_speak_of_design_weights_scaled_to_the_total():
    model = Calibration(logit(0.5, 1.5)).fit(sex_age())
    ratio = model.weights / (SURVEY.weights * 1000 / SURVEY.weights.sum())
    assert 0.5 < ratio.min() < ratio.max() < 1.5


def test_records_of_nobody_leave_the_model():
    model = Calibration().fit(sex_age(age=(0, 600, 400)))
    assert len(model.weights) == 6
    assert np.flatnonzero(model.weights).tolist() == model.kept.tolist() == [1, 2, 4, 5]
    np.testing.assert_allclose(model.project("age").counts, [0, 600, 400])


def test_soft_margins_are_held_by_their_precision_and_hard_by_default():
    problem = sex_age(se=(100, 100, 100))
    hard = Calibration().fit(problem).project("age").counts
    np.testing.assert_allclose(hard, [300, 400, 300])
    soft = Calibration(soft=True).fit(problem)
    np.testing.assert_allclose(soft.project("sex").counts, [520, 480])
    drawn = np.array([375, 375, 250])  # the records' own shares
    between = (soft.project("age").counts - drawn) / (hard - drawn)
    assert (between > 0).all()
    assert (between < 1).all()


def test_a_sample_pulls_a_soft_margin_as_a_poisson_sample_of_its_size_would():
    # 400 records of a population of 1e6: the share of one sex is 0.5 +- 0.025, in people
    # 500,000 +- 25,000; a margin of 520,000 +- 25,000 should land half-way, at 510,000.
    records = Microdata(Domain((SEX,)), np.repeat([[0], [1]], 200, axis=0))
    total = Variable("all", ("all",))
    records = Microdata(Domain((SEX, total)), np.c_[records.codes, np.zeros(400, int)])
    tables = [
        Table(Domain((total,)), [1e6]),
        Table(Domain((SEX,)), [520_000, 480_000], [25_000 * 2**0.5] * 2),
    ]
    model = Calibration(soft=True).fit(Problem(tables, records))
    assert model.project("sex").counts[0] == pytest.approx(510_000, abs=50)


def test_refuses_a_soft_margin_that_the_rest_contradicts():
    records = Microdata(Domain((SEX, AGE)), [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]])  # no old men
    tables = [
        Table(Domain((SEX,)), [500, 500]),
        Table(Domain((SEX, AGE)), [[200, 200, 100], [200, 200, 100]], np.full((2, 3), 10.0)),
    ]
    with pytest.raises(
        InfeasibleError, match=r"\(100 people, standard error 10\) is missed by 100"
    ):
        Calibration(soft=True).fit(Problem(tables, records))


def test_refuses_negative_weights_that_nobody_can_be_drawn_from():
    with pytest.raises(
        PopgenError, match=r"linear\) gave 2 of 6 records a negative weight.*RAKING"
    ):
        Calibration(LINEAR).fit(sex_age(sex=(950, 50), age=(600, 250, 150)))


def test_names_the_cell_of_a_problem_that_has_no_record():
    records = Microdata(Domain((SEX, AGE)), [[0, 0], [1, 1]])
    tables = [Table(Domain((SEX,)), [50, 50]), Table(Domain((AGE,)), [40, 40, 20])]
    with pytest.raises(InfeasibleError, match=r"age=old \(20 people\)"):
        Calibration().fit(Problem(tables, records))


def test_needs_microdata():
    with pytest.raises(PopgenError, match="microdata"):
        Calibration().fit(Problem([Table(Domain((SEX,)), [1, 1])]))
