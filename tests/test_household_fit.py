"""Nested calibration against closed forms, other solvers and its own promises."""

from dataclasses import replace

import numpy as np
import pytest
from household_cases import SIZES, dense_weights, town
from hypothesis import given, settings, strategies as st
from scipy import linalg, optimize, sparse

from popgen import (
    LINEAR,
    RAKING,
    ConvergenceError,
    InfeasibleError,
    NestedCalibration,
    PopgenError,
    logit,
    populate,
)
from popgen.households import least_cap
from popgen.households.controls import Controls, precision
from popgen.households.manifest import digest_of
from popgen.methods.calibration import calibrate


def stacked_cells(place, controls):
    """All zones' records one below another, by every cell of every area; and the targets."""
    zones, n = place.true.shape
    blocks, targets = [np.kron(np.eye(zones), np.ones((n, 1)))], [place.true.sum(axis=1)]
    for one in controls:
        area_of, X = place.geography.area_of(one.level), one.X.toarray()
        inside = area_of[:, None] == np.arange(len(one.targets))
        blocks.append(np.concatenate([np.kron(inside[z], X) for z in range(zones)]))
        targets.append(one.targets.ravel())
    return np.hstack(blocks), np.concatenate(targets)


def design(place):
    d = place.survey.weights
    return (place.true.sum(axis=1)[:, None] * d / d.sum()).ravel()


@pytest.mark.parametrize("distance", [RAKING, LINEAR, logit(0.01, 30)])
def test_one_zone_is_calibration(distance):
    place = town(zones=1, homes=400)
    own = place.controls("zone", "size", "tenure", "age")
    model = NestedCalibration(distance, tol=1e-12).fit(place.problem(own))
    X = sparse.hstack([np.ones((60, 1)), own.X], format="csr")
    targets = np.concatenate([[400], own.targets[0]])
    alone = calibrate(X, design(place), targets, distance)
    np.testing.assert_allclose(dense_weights(model)[0], alone.weights, rtol=1e-9, atol=1e-9)


def test_one_soft_zone_is_soft_calibration_of_records_worth_their_effective_number():
    place = town(zones=1, homes=400)
    own = place.controls("zone", "size", "age")
    own = Controls("zone", own.names, own.X, own.targets * 1.1, np.sqrt(own.targets) + 1)
    model = NestedCalibration().fit(place.problem(own, persons=None))
    d = place.survey.weights
    worth = min(d.sum() ** 2 / (d**2).sum(), 400) / 400
    X = sparse.hstack([np.ones((60, 1)), own.X], format="csr")
    targets, se = np.concatenate([[400], own.targets[0]]), np.concatenate([[0], own.se[0]])
    alone = calibrate(X, design(place), targets, RAKING, se=se * np.sqrt(worth))
    np.testing.assert_allclose(dense_weights(model)[0], alone.weights, rtol=1e-7)
    exact = NestedCalibration(soft=False, on_infeasible="soften")
    assert exact.fit(place.problem(own, persons=None)).softened_areas() == [("zone", "z0")]


def test_linear_weights_of_nested_levels_are_one_regression():
    place = town(zones=8, homes=300)
    controls = [
        place.controls("zone", "tenure"),
        place.controls("tract", "size"),
        place.controls("county", "age"),
    ]
    model = NestedCalibration(LINEAR).fit(place.problem(*controls, persons=None))
    X, targets = stacked_cells(place, controls)
    d = design(place)
    lam = np.linalg.lstsq(X.T @ (d[:, None] * X), targets - X.T @ d, rcond=1e-11)[0]
    expected = (d * (1 + X @ lam)).reshape(place.true.shape)
    np.testing.assert_allclose(dense_weights(model), expected, rtol=1e-6, atol=1e-6)


def test_raking_weights_of_two_levels_are_the_least_divergence():
    place = town(records=7, zones=2, homes=50)
    controls = [place.controls("zone", "tenure"), place.controls("tract", "size")]
    model = NestedCalibration().fit(place.problem(*controls, persons=None))
    X, targets = stacked_cells(place, controls)
    d = design(place)
    d[X[:, targets == 0].any(axis=1)] = 1e-9
    Q = linalg.orth(X)
    goal = Q.T @ place.true.ravel()
    found = optimize.minimize(
        lambda w: (w * np.log(w / d) - w + d).sum(),
        d,
        jac=lambda w: np.log(w / d),
        constraints={"type": "eq", "fun": lambda w: Q.T @ w - goal, "jac": lambda w: Q.T},
        bounds=optimize.Bounds(1e-9, np.inf),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    np.testing.assert_allclose(dense_weights(model).ravel(), found.x, atol=1e-4)


def test_weights_obey_bounds():
    place = town(records=200, homes=150)
    controls = [place.controls("zone", "size"), place.controls("tract", "age")]
    model = NestedCalibration(logit(0.4, 1.7)).fit(place.problem(*controls))
    ratio = dense_weights(model) / design(place).reshape(place.true.shape)
    assert ratio.min() >= 0.4
    assert ratio.max() <= 1.7
    free = NestedCalibration().fit(place.problem(*controls))
    assert (dense_weights(free) / design(place).reshape(place.true.shape)).max() > 1.7


def test_bounded_weights_of_zones_of_one_household_come_to_rest():
    place = town(1, records=300, zones=8, homes=1)
    own = place.controls("zone", "size", "age", "tenure")
    above = place.controls("county", "tenure", "size")
    se = [precision(one.targets, 5000.0) for one in (own, above)]
    controls = [
        Controls(one.level, one.names, one.X, one.targets, spread)
        for one, spread in zip((own, above), se, strict=True)
    ]
    model = NestedCalibration(logit(0, 10)).fit(place.problem(*controls))
    ratio = dense_weights(model) / design(place).reshape(place.true.shape)
    assert ratio.max() <= 10 + 1e-9
    np.testing.assert_allclose(dense_weights(model).sum(axis=1), 1)


@given(
    seed=st.integers(0, 10**6),
    kinds=st.integers(1, 2),
    regions=st.integers(1, 2),
    crossing=st.booleans(),
)
@settings(max_examples=25)
def test_cells_of_every_level_are_met_together(seed, kinds, regions, crossing):
    place = town(seed, records=90, zones=6, kinds=kinds, regions=regions, crossing=crossing)
    controls = [
        place.controls("zone", "size", "age"),
        place.controls("tract", "tenure"),
        place.controls("county", "size", "age"),
    ]
    model = NestedCalibration().fit(place.problem(*controls))
    weights = dense_weights(model)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights @ np.eye(kinds)[place.kind_of], model.problem.households)
    for one in controls:
        held = np.zeros_like(one.targets)
        np.add.at(held, place.geography.area_of(one.level), weights @ one.X)
        np.testing.assert_allclose(held, one.targets, atol=1e-4)


def test_an_empty_zone_stays_empty():
    place = town()
    place.true[2] = 0
    controls = [place.controls("zone", "size"), place.controls("tract", "age")]
    model = NestedCalibration().fit(place.problem(*controls))
    assert dense_weights(model)[2].sum() == 0
    homes = populate(model, rng=0).households
    assert homes["zone"].unique(maintain_order=True).to_list() == ["z0", "z1", "z3", "z4", "z5"]


def test_a_region_without_records_may_have_no_households():
    place = town(regions=2)
    place.true[4:] = 0
    controls = [place.controls("zone", "size"), place.controls("county", "age")]
    region_of = np.where(place.region_of == 0, 0, -1)
    model = NestedCalibration().fit(place.problem(*controls, region_of=region_of))
    assert len(model.pools) == 1
    assert len(populate(model, rng=0).households) == 160


@pytest.mark.parametrize("cell", range(SIZES))
def test_cells_that_must_be_empty_are_so_to_the_last_digit(cell):
    place = town(5, records=200, zones=4, homes=100)
    within = place.cells["size"][:, cell] > 0
    place.true[1, within] = 0
    controls = [place.controls("zone", "size"), place.controls("tract", "tenure", "age")]
    model = NestedCalibration().fit(place.problem(*controls))
    assert (dense_weights(model)[1, within] == 0).all()
    assert model.solved.iterations.max() <= 6


def test_a_zero_that_signs_make_leaves_nobody_out():
    place = town(records=40, zones=1, homes=100)
    change = np.random.default_rng(0).normal(size=(40, 1))
    balance = Controls("zone", ("change: total",), sparse.csr_array(change), [[0.0]])
    weights = dense_weights(NestedCalibration().fit(place.problem(balance, persons=None)))
    assert abs(weights @ change).max() < 1e-6
    assert weights.min() > 0


def test_amounts_are_met_beside_counts():
    place = town(homes=200)
    income = np.random.default_rng(1).gamma(2, 30_000, len(place.survey))
    totals = (place.true @ income)[:, None]
    amount = Controls("zone", ("income: total",), income[:, None], totals, worth=[60_000.0])
    size = place.controls("zone", "size")
    both = Controls(
        "zone",
        (*size.names, *amount.names),
        sparse.hstack([size.X, amount.X]),
        np.hstack([size.targets, amount.targets]),
        worth=[1.0, 1.0, 1.0, 1.0, 60_000.0],
    )
    weights = dense_weights(NestedCalibration().fit(place.problem(both)))
    np.testing.assert_allclose(weights @ income, totals[:, 0], rtol=1e-8)
    np.testing.assert_allclose(weights @ size.X, size.targets, atol=1e-5)


def test_records_are_counted_by_32_bits_and_kept_once_where_that_will_do():
    place = town(3, records=200, zones=4, homes=100)
    size = place.controls("zone", "size")
    wide = sparse.csr_array(
        (size.X.data, size.X.indices.astype(np.int64), size.X.indptr.astype(np.int64)),
        shape=size.X.shape,
    )
    again = Controls("zone", size.names, wide, size.targets)
    assert again.X.indices.dtype == again.X.indptr.dtype == np.int32
    problem = place.problem(again)
    assert digest_of(problem) == digest_of(place.problem(size))
    model = NestedCalibration().fit(problem)
    sample = model.nest.samples[0]
    assert model.pools[0].X.indices.dtype == np.int32
    assert sample.all is sample.X
    assert sample.X.shape[1] == SIZES + 1  # of six cells (units, persons, sizes) one follows


def test_importance_is_a_variance():
    targets = np.array([[100.0, 0.0]])
    assert precision(targets, 4.0).tolist() == [[5.0, 0.5]]
    assert precision(targets, 1e8).tolist() == [[0.0, 0.0]]
    with pytest.raises(PopgenError, match="an importance must be above 0; got 0"):
        precision(targets, 0.0)


def test_too_few_steps_are_refused():
    place = town()
    problem = place.problem(place.controls("zone", "size"), place.controls("tract", "age"))
    with pytest.raises(ConvergenceError, match=r"after 1 steps .* raise max_iter"):
        NestedCalibration(max_iter=1).fit(problem)


def test_the_way_out_of_infeasible_cells_is_one_of_two():
    with pytest.raises(PopgenError, match="must be 'raise' or 'soften'; got 'ignore'"):
        replace(NestedCalibration(), on_infeasible="ignore")


def test_misses_counted_by_size_come_near_the_least_total_absolute_error():
    place = town(5, records=400, zones=4, homes=300)
    own = place.controls("zone", "size", "tenure", "age")
    rng = np.random.default_rng(0)
    clashing = np.rint(own.targets * np.exp(rng.normal(0, 0.1, own.targets.shape)))
    spread = np.full(clashing.shape, 0.3)
    problem = place.problem(
        Controls("zone", own.names, own.X, clashing, spread), persons=None, region=None
    )
    n, m = own.X.shape
    least = 0.0
    for households, row in zip(problem.units, clashing, strict=True):
        X = sparse.hstack([np.ones((n, 1)), own.X]).T
        misses = sparse.vstack([sparse.csr_array((1, m)), sparse.eye_array(m)])
        found = optimize.linprog(
            np.repeat([0.0, 1.0], [n, 2 * m]),
            A_eq=sparse.hstack([X, misses, -misses]),
            b_eq=[households, *row],
        )
        least += found.fun
    error = {
        loss: np.abs(NestedCalibration(loss=loss).fit(problem).held()[0][:, 1:] - clashing).sum()
        for loss in ("squared", "absolute")
    }
    assert least <= error["absolute"] <= 1.01 * least < error["squared"]
    exact = place.problem(Controls("zone", own.names, own.X, clashing), persons=None)
    softened = NestedCalibration(on_infeasible="soften").fit(exact)
    assert np.abs(softened.held()[0][:, 1:] - clashing).sum() <= 1.03 * least


@pytest.mark.parametrize(("seed", "apart"), [(5, True), (4, True), (5, False)])
def test_the_least_cap_is_told_and_a_little_more_is_kept(seed, apart, monkeypatch):
    monkeypatch.setattr(least_cap, "ZONES", 6 * apart)
    place = town(seed)
    problem = place.problem(
        place.controls("zone", "size", "age"), place.controls("tract", "tenure")
    )
    free = NestedCalibration().fit(problem)
    known = least_cap.LeastCap.find(problem, free.stack, free.pools, free.method.distance)
    assert known.reached == apart
    assert 1 < known.expansion < free.largest_expansion
    said = (
        rf"no record is used more than .* some record must be used at least {known.expansion:.6g}"
    )
    with pytest.raises(InfeasibleError, match=said):
        NestedCalibration(max_expansion=0.99 * known.expansion).fit(problem)
    if apart:  # 200 rounds do not come there
        most = 1.01 * known.expansion
        assert NestedCalibration(max_expansion=most).fit(problem).keeps(most)
    else:
        monkeypatch.setattr(least_cap, "APART", 10)
        with pytest.raises(ConvergenceError, match="the least possible: not known"):
            NestedCalibration(max_expansion=0.99 * known.expansion).fit(problem)


def test_a_cap_on_expansion_holds_and_changes_no_more_than_it_must():
    place = town(2, records=12, zones=2, homes=60)
    own = place.controls("zone", "tenure", "age")
    problem = place.problem(own, persons=None)
    free = NestedCalibration().fit(problem)
    most = 1 + 0.8 * (free.largest_expansion - 1)
    model = NestedCalibration(max_expansion=most).fit(problem)
    assert model.largest_expansion <= most * (1 + 1e-6)
    assert model.held()[0] == pytest.approx(model.stack.levels[0].targets, abs=1e-6)
    X, _targets = stacked_cells(place, [own])
    d = design(place)
    Q = linalg.orth(X)
    goal = Q.T @ place.true.ravel()
    total = d.reshape(place.true.shape).sum(axis=0)
    found = optimize.minimize(
        lambda w: (w * np.log(w / d) - w + d).sum(),
        d,
        jac=lambda w: np.log(w / d),
        constraints=[
            {"type": "eq", "fun": lambda w: Q.T @ w - goal, "jac": lambda w: Q.T},
            {"type": "ineq", "fun": lambda w: most * total - w.reshape(2, -1).sum(axis=0)},
        ],
        bounds=optimize.Bounds(1e-9, np.inf),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    np.testing.assert_allclose(dense_weights(model).ravel(), found.x, atol=1e-3)


def test_margins_named_as_totals_are_softened_like_any_other():
    place = town(1)
    size = place.controls("zone", "size")
    X = sparse.vstack([size.X.T, size.X.T]).T
    clash = np.hstack([size.targets, size.targets + 3])
    names = [f"units: {cell}" for cell in range(clash.shape[1])]
    problem = place.problem(Controls("zone", names, X, clash), persons=None)
    model = NestedCalibration(on_infeasible="soften").fit(problem)
    held = model.held()[0]
    assert held[:, 0] == pytest.approx(problem.units)
    assert len(model.softened_areas()) == 6


def test_soft_figures_of_a_zone_without_households_stay_soft():
    place = town(1)
    size = place.controls("zone", "size")
    targets, true = size.targets.copy(), place.true.copy()
    targets[0], true[0] = [3, 0, 0, 0], 0
    soft = Controls("zone", size.names, size.X, targets, precision(targets, 1000.0))
    households = np.rint(true.sum(axis=1)).astype(int)
    persons = np.rint(true @ place.survey.size).astype(int)
    model = NestedCalibration().fit(place.problem(soft, households=households, persons=persons))
    assert model.held()[0][0] == pytest.approx(0)
