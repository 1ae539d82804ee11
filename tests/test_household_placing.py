"""Whole households of fitted zones: what is exact, what is near, and that order does not matter."""

import pickle
from itertools import product

import numpy as np
import polars as pl
import pytest
from household_cases import dense_weights, town
from hypothesis import given, settings, strategies as st
from scipy import sparse

from popgen import (
    LINEAR,
    ConvergenceError,
    Geography,
    HouseholdProblem,
    InfeasibleError,
    NestedCalibration,
    PopgenError,
    household_replicates,
    populate,
)
from popgen.households.controls import Controls
from popgen.households.metric import Records
from popgen.households.persons import evened
from popgen.households.placing import (
    INTEGERISE,
    Task,
    rounded_parts,
    shares,
)
from popgen.households.populate import place_all
from popgen.households.report import FitReport, held_by, held_by_weights


def fitted(place, **changed):
    controls = [
        place.controls("zone", "size", "age"),
        place.controls("tract", "tenure"),
        place.controls("county", "tenure", "age"),
    ]
    return NestedCalibration().fit(place.problem(*controls, **changed))


def placed(place, found):
    counts = np.zeros(place.true.shape, int)
    np.add.at(counts, (found.zone, found.record), 1)
    return counts


@pytest.mark.parametrize("way", INTEGERISE)
@given(
    seed=st.integers(0, 10**6),
    kinds=st.integers(1, 2),
    regions=st.integers(1, 2),
    crossing=st.booleans(),
)
@settings(max_examples=6)
def test_numbers_of_units_are_exact_and_counts_are_weights_rounded(
    way, seed, kinds, regions, crossing
):
    place = town(seed, records=90, kinds=kinds, regions=regions, crossing=crossing)
    model = fitted(place)
    counts = placed(place, place_all(model, seed, integerise=way))
    assert (counts @ np.eye(kinds)[place.kind_of] == model.problem.households).all()
    weights = dense_weights(model)
    for pool in model.pools:
        rows = (pool.row_of[:, None] == np.arange(len(pool.d))) * 1.0
        here = np.ix_(pool.zones, pool.records)
        assert np.abs((counts[here] - weights[here]) @ rows).max() < 1 + 1e-5


def test_exchanges_meet_more_than_other_ways():
    place = town(3, records=600, zones=8, homes=300)
    model = fitted(place)
    error = {
        way: FitReport.of(model, held_by(model, place_all(model, 1, integerise=way))).rows["error"]
        for way in ("exchange", "cube", "systematic")
    }
    assert error["exchange"].sum() < error["cube"].sum() < error["systematic"].sum()


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_every_cell_is_met_where_zones_are_few(seed):
    place = town(seed, records=300, zones=4, homes=200)
    controls = [place.controls("zone", "size", "age", "tenure")]
    model = NestedCalibration().fit(place.problem(*controls))
    counts = placed(place, place_all(model, seed))
    assert (counts @ controls[0].X == controls[0].targets).all()


def test_gaps_are_measured_by_the_covariance_within_kinds():
    rng = np.random.default_rng(0)
    X, kind = rng.integers(0, 4, (200, 3)).astype(float), np.arange(200) % 2
    X[kind == 1] += 5
    held = np.column_stack([X, X[:, 0] + X[:, 1]])  # a cell that adds up to others
    records = Records.of(sparse.csr_array(held), kind)
    Q, own, lean, _ = records.metric(np.zeros(4))
    within = X - np.array([X[kind == one].mean(axis=0) for one in (0, 1)])[kind]
    gap = np.array([1.0, -2.0, 1.0, -1.0])
    expected = gap[:3] @ np.linalg.inv(within.T @ within / 200) @ gap[:3]
    np.testing.assert_allclose(gap @ Q @ gap, expected, rtol=1e-9)
    np.testing.assert_allclose(own, ((held @ Q) * held).sum(axis=1))
    np.testing.assert_allclose(lean, ((held @ Q) * records.means[kind]).sum(axis=1))


@given(st.integers(0, 10**6))
@settings(max_examples=100)
def test_persons_are_exact_wherever_roundings_of_the_weights_can_be(seed):
    rng = np.random.default_rng(seed)
    size, kind = rng.integers(1, 7, 8), rng.integers(0, 2, 8)
    weights = np.where(rng.random(8) < 0.2, 1.0, rng.uniform(0, 2, 8))
    X = sparse.csr_array(np.column_stack([rng.integers(0, 2, 8), size]).astype(float))
    up = np.array(list(product((0, 1), repeat=8))) * (weights % 1 > 0)
    every = np.unique(np.floor(weights).astype(int) + up, axis=0)
    counts = every[rng.integers(len(every))]
    persons = int(counts @ size + rng.integers(-4, 5))
    kinds = np.eye(2, dtype=int)[kind]
    fit = (every @ kinds == counts @ kinds).all(axis=1) & (every @ size == persons)
    gap = np.array([0.0, counts @ size - persons])
    found, left = evened(Records.of(X, kind), weights, counts, gap, np.ones(2), np.array([1]))
    assert (found @ kinds == counts @ kinds).all()
    assert (found == every).all(axis=1).any()
    assert (found @ size == persons) == fit.any()
    assert left.tolist() == (gap + X.T @ (found - counts)).tolist()


def test_persons_that_no_households_add_up_to_are_said_to_be_off():
    place = town(3, records=60, zones=2, homes=20)
    problem = place.problem(place.controls("zone", "tenure"), persons=[60, 200])
    with pytest.raises(InfeasibleError, match=r"^zone 'z1': margins 'persons', .*clash"):
        NestedCalibration().fit(problem)
    model = NestedCalibration(on_infeasible="soften").fit(problem)
    assert model.softened_areas() == [("zone", "z1")]
    made = populate(model, rng=0)
    row = made.report.rows.filter(margin="persons").to_dicts()[0]
    assert row["error"] == 200 - 20 * place.survey.size.max()
    assert f"persons of zones are off by {row['error']:,.6g} in all, most in z1" in str(made.report)


def test_persons_of_every_zone_are_exact():
    place = town(3, records=600, zones=8, homes=300)
    model = fitted(place)
    counts = placed(place, place_all(model, 1))
    assert (counts @ place.survey.size == model.problem.persons).all()


def test_persons_are_exact_where_no_control_counts_them():
    place = town(3, records=600, zones=8, homes=300)
    problem = place.problem(place.controls("zone", "tenure"))
    model = NestedCalibration().fit(problem)
    np.testing.assert_allclose(dense_weights(model) @ place.survey.size, problem.persons)
    counts = placed(place, place_all(model, 1))
    assert (counts @ place.survey.size == problem.persons).all()


@pytest.mark.parametrize("crossing", [False, True])
def test_the_same_people_whatever_the_order_of_zones_and_pools(crossing):
    place = town(1, records=200, regions=2, crossing=crossing)
    model = fitted(place)
    first = populate(model, rng=5)
    order = np.array([3, 1, 5, 0, 4, 2])
    crosswalk = pl.DataFrame(
        {
            column: [place.geography.ids(column)[place.geography.area_of(column)[z]] for z in order]
            for column in place.geography.columns
        }
    )
    beside = [one.name for one in place.geography.beside]
    again = Geography.of(crosswalk, place.geography.levels, beside=beside)
    problem = model.problem
    shuffled = HouseholdProblem(
        problem.survey,
        again,
        problem.controls[::-1],
        problem.households,
        problem.persons,
        region=problem.region,
        region_of=problem.region_of,
    )
    other = populate(NestedCalibration().fit(shuffled), rng=5)
    assert first.households.equals(other.households)
    assert first.persons.equals(other.persons)
    goals = shares(model)
    alone = [Task.of(model, number, goals[number]).filled(9)[1] for number in (1, 0)]
    together = place_all(model, 9)
    order = np.argsort(np.concatenate([part.zone for part in alone]), kind="stable")
    record = np.concatenate([part.record for part in alone])[order]
    assert record.tolist() == together.record.tolist()
    assert not first.households.equals(populate(model, rng=6).households)


def test_a_model_can_go_to_another_process():
    place = town(zones=3)
    model = fitted(place)
    other = pickle.loads(pickle.dumps(model))
    assert populate(other, rng=0).households.equals(populate(model, rng=0).households)


def test_shares_of_an_area_over_several_pools_add_up_to_its_target():
    place = town(2, records=200, regions=2)
    nation = Geography.of(
        pl.DataFrame(
            {
                "zone": place.geography.zones,
                "county": [f"c{z // 4}" for z in range(6)],
                "state": ["s"] * 6,
            }
        ),
        ("zone", "county", "state"),
    )
    held = place.true @ place.cells["age"]
    state = Controls(
        "state", ("age: 0", "age: 1", "age: 2"), place.controls("zone", "age").X, [held.sum(axis=0)]
    )
    problem = HouseholdProblem(
        place.survey, nation, [state], [40] * 6, region="county", region_of=place.region_of
    )
    parts = shares(NestedCalibration().fit(problem))
    assert len(parts) == 2
    assert (parts[0][1] + parts[1][1] == state.targets).all()
    assert (parts[0][1] == parts[0][1].round()).all()


@given(st.integers(0, 10**6))
def test_rounded_parts_are_neighbours_and_add_up(seed):
    rng = np.random.default_rng(seed)
    parts = rng.gamma(1, 5, (4, 3))
    totals = np.rint(parts.sum(axis=0))
    parts *= totals / parts.sum(axis=0)
    found = rounded_parts(parts, totals)
    assert (found.sum(axis=0) == totals).all()
    assert np.abs(found - parts).max() < 1


def test_frames_join_and_carry_every_level():
    place = town(zones=3, homes=20)
    people = populate(fitted(place), rng=0)
    homes, persons = people.households, people.persons
    assert homes["household_id"].to_list() == list(range(1, 61))
    assert homes.columns == ["household_id", "zone", "tract", "county", "id", "tenure", "w"]
    assert homes.group_by("zone").len().sort("zone")["len"].to_list() == [20, 20, 20]
    assert persons["person_id"].is_unique().all()
    joined = persons.join(homes, on="household_id")
    assert (joined["id"] == joined["id_right"]).all()
    size = persons.group_by("household_id", maintain_order=True).agg(
        pl.len(), pl.col("per_num").max()
    )
    assert (size["len"] == size["per_num"]).all()
    assert len(size) == 60
    assert people.provenance["integerise"] == "exchange"
    assert repr(people) == f"HouseholdPopulation(60 households, {len(persons)} persons)"


def test_survey_columns_of_our_names_are_kept_apart():
    place = town(zones=2, homes=10)
    survey = place.survey.households.rename({"id": "household_id", "tenure": "zone"})
    renamed = type(place.survey)(survey, None, place.survey.weights, place.survey.first * 0)
    problem = HouseholdProblem(renamed, place.geography, [], [10, 10])
    people = populate(NestedCalibration().fit(problem), rng=0)
    assert people.persons is None
    assert {"household_id", "survey_household_id", "zone", "survey_zone"} < set(
        people.households.columns
    )


def test_the_report_counts_misses_by_margin_and_names_the_worst():
    place = town()
    model = fitted(place)
    by_weights = FitReport.of(model, held_by_weights(model))
    assert by_weights.rows["error"].max() < 1e-3
    assert (by_weights.rows["met"] == 1).all()
    found = place_all(model, 0)
    held = held_by(model, found)
    counts = placed(place, found)
    report = FitReport.of(model, held)
    age = report.rows.filter(level="zone", margin="age").to_dicts()[0]
    gap = counts @ place.cells["age"] - place.targets("zone", "age")
    assert age["error"] == np.abs(gap).sum()
    assert age["max"] == np.abs(gap).max()
    assert abs(age["worst_held"] - age["worst_target"]) == age["max"]
    assert report.rows["margin"].to_list()[0] == "units"
    assert report.rows["error"].to_list()[0] == 0
    assert "zone: total absolute error" in str(report)


def test_replicates_meet_the_cells_and_differ_where_the_sample_decides():
    place = town(records=150)
    controls = [place.controls("zone", "size"), place.controls("county", "age")]
    model = NestedCalibration().fit(place.problem(*controls))
    found = [dense_weights(one) for one in household_replicates(model, 3, rng=0)]
    for weights in found:
        np.testing.assert_allclose(weights @ controls[0].X, controls[0].targets, atol=1e-5)
    tenure = [(weights @ place.cells["tenure"])[:, 0].sum() for weights in found]
    assert np.ptp(tenure) > 1
    with pytest.raises(PopgenError, match=r"at least 2 replicates are needed .* got 1"):
        household_replicates(model, 1)


def test_negative_weights_and_unknown_ways_are_refused():
    place = town(homes=8)
    model = fitted(place)
    with pytest.raises(PopgenError, match="unknown way to integerise 'luck'; known: 'exchange'"):
        populate(model, integerise="luck")
    controls = [place.controls("zone", "size", "age", "tenure")]
    model = NestedCalibration(LINEAR).fit(place.problem(*controls))
    with pytest.raises(PopgenError, match=r"weights are negative, down to .* RAKING or logit"):
        populate(model)


def test_zones_that_cannot_have_their_units_are_refused():
    place = town(zones=2, homes=8)
    model = fitted(place)
    nobody = np.zeros((2, len(model.pools[0].d)), np.int32)
    with pytest.raises(ConvergenceError, match=r"2 zone\(s\) cannot have .* 'z0': 8 of kind 'hous"):
        Task.of(model, 0, shares(model)[0]).refuse_uncounted(nobody)
