"""Regions that borrow records of others, which count there at a share of their weight."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import Run
from household_cases import dense_weights, nested
from household_folders import edit, rewrite, town
from hypothesis import given, settings, strategies as st

from popgen import (
    Geography,
    HouseholdProblem,
    Households,
    NestedCalibration,
    PopgenError,
    populate,
    write_households,
)
from popgen.households.controls import Controls
from popgen.households.manifest import digest_of
from popgen.households.read import household_faults, read_households

PLACES = Geography.of(pl.DataFrame({"zone": ["a", "b"]}), ["zone"])
SURVEY = Households.of(pl.DataFrame({"id": [1, 2, 3], "w": [20.0, 5.0, 15.0]}), id="id", weight="w")


def borrowing(borrow: float, seed: int = 0, **more) -> HouseholdProblem:
    """A town of two regions and three levels of margins."""
    return replace(nested(seed, **more), borrow=borrow)


def posed(borrow: float, region_of=(0, 1, -1), units=(44, 10)) -> HouseholdProblem:
    """Two zones that are regions; nothing but their numbers of households is to be met."""
    return HouseholdProblem(
        SURVEY, PLACES, [], list(units), region="zone", region_of=region_of, borrow=borrow
    )


def test_without_margins_weights_are_the_design_weights_of_each_region():
    model = NestedCalibration().fit(posed(0.4))
    design = np.array([[20, 2, 6], [8, 5, 6]])
    expected = design * np.array([[44 / 28], [10 / 19]])
    np.testing.assert_allclose(dense_weights(model), expected, rtol=1e-12)
    assert model.borrowed == pytest.approx((expected[0, 1:].sum() + expected[1, [0, 2]].sum()) / 54)


def test_nothing_is_borrowed_unless_asked():
    model = NestedCalibration().fit(posed(0.0))
    np.testing.assert_allclose(dense_weights(model), [[44, 0, 0], [0, 10, 0]], rtol=1e-12)
    assert model.borrowed == 0


def test_all_lent_is_as_if_there_were_no_regions():
    one = borrowing(1.0)
    all_alike = HouseholdProblem(
        one.survey, one.geography, one.controls, one.households, one.persons
    )
    weights = [dense_weights(NestedCalibration().fit(problem)) for problem in (one, all_alike)]
    np.testing.assert_allclose(*weights, rtol=1e-6, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 1), st.integers(0, 1000))
def test_every_level_is_met_whatever_is_borrowed(borrow, seed):
    problem = borrowing(borrow, seed)
    model = NestedCalibration().fit(problem)
    assert not any(missed.any() for missed in model.missed())
    people = populate(model, rng=0)
    by_zone = people.households["zone"].value_counts().sort("zone")["count"].to_list()
    assert by_zone == problem.units.tolist()


def test_more_is_borrowed_the_more_others_count():
    shares = [NestedCalibration().fit(borrowing(b)).borrowed for b in (0.0, 0.1, 0.5, 1.0)]
    assert shares == sorted(shares)
    assert shares[0] == 0 < shares[1] < shares[3] < 1


def test_standard_errors_are_weighed_against_what_is_borrowed_too():
    """A soft cell is held more loosely where more records speak against it."""
    held = []
    for borrow in (0.0, 1.0):
        problem = borrowing(borrow, homes=600)
        cells = problem.controls[0]
        soft = Controls(cells.level, cells.names, cells.X, cells.targets, np.sqrt(cells.targets))
        model = NestedCalibration().fit(replace(problem, controls=(soft,), persons=None))
        held.append(model.stack.levels[0].variance[:, 1:].sum())
    assert held[1] > 1.2 * held[0]


def test_a_region_without_records_borrows_all_of_its_households():
    with pytest.raises(PopgenError, match=r"no record of it; .* or borrow"):
        posed(0.0, region_of=(0, 0, -1))
    with pytest.raises(PopgenError, match="of kind 'quarters', and the survey has no record of it"):
        replace(posed(0.5), kinds=("home", "quarters"), households=[[44, 1], [10, 0]])
    model = NestedCalibration().fit(posed(0.5, region_of=(0, 0, -1)))
    np.testing.assert_allclose(dense_weights(model)[1], np.array([20, 5, 15]) / 4, rtol=1e-12)


@pytest.mark.parametrize("borrow", [-0.1, 1.5, np.nan])
def test_a_share_is_between_0_and_1(borrow):
    with pytest.raises(PopgenError, match="borrow must be at least 0 and at most 1"):
        posed(borrow)


def test_without_regions_there_is_nobody_to_borrow_from():
    with pytest.raises(PopgenError, match=r"borrow is 0\.5, but without regions"):
        HouseholdProblem(SURVEY, PLACES, [], [44, 10], borrow=0.5)


def test_a_run_is_not_resumed_with_another_share(tmp_path: Path):
    assert digest_of(posed(0.4)) != digest_of(posed(0.5))
    done = write_households(posed(0.4), tmp_path / "run", rng=0)
    at_once = populate(NestedCalibration().fit(posed(0.4)), rng=0)
    assert done.summary["households"] == len(at_once.households) == 54
    share = NestedCalibration().fit(posed(0.4)).borrowed
    assert done.summary["borrowed"] == pytest.approx(share)
    assert f"{share:.1%} of households are weighted from records of other" in str(done)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The town, whose two counties have survey records of their own."""
    place = town(tmp_path)
    edit(place, "[households]", "[households]\nborrow = 0.25")
    return place


def test_a_folder_may_have_regions_borrow(folder: Path, run: Run) -> None:
    assert household_faults(folder) == []
    plan = read_households(folder)
    assert plan.problem.borrow == 0.25
    out = folder / "out"
    run("generate", "--config", str(folder), "--rng", "0", "--out", str(out))
    told = (out / "provenance.json").read_text()
    share = re.search(r"([\d.]+)% of households are weighted from records of other regions", told)
    assert share
    assert 5 < float(share[1]) < 40
    units = pl.read_csv(folder / "units.csv", schema_overrides={"tract": pl.String})
    homes = pl.read_csv(out / "synthetic_households.csv", schema_overrides={"tract": pl.String})
    by_tract = homes.group_by("tract").len().sort("tract")["len"]
    assert by_tract.to_list() == (units["households"] + units["group_quarters"]).to_list()


def test_what_no_record_of_a_region_has_is_borrowed(folder: Path) -> None:
    def change(homes: pl.DataFrame) -> pl.DataFrame:
        south = pl.col("county") == "south"
        away = pl.when(pl.col("hh_id") == "4").then(pl.lit("west")).otherwise("county")
        owns = pl.when(south).then(pl.lit("1")).otherwise("OWNS")
        return homes.with_columns(OWNS=owns, county=away)

    rewrite(folder, "households.csv", change)
    assert household_faults(folder) == []
    plan = read_households(folder)
    assert plan.notes == (
        "1 of 371 households are of a county that the crosswalk does not have, and are only "
        "borrowed",
    )
    assert plan.populate(rng=0).report.rows["max"][0] == 0
    edit(folder, "borrow = 0.25", "borrow = 0")
    assert "no household of its region adds to it" in household_faults(folder)[0]


def test_mistakes_in_what_is_borrowed_are_explained(folder: Path) -> None:
    edit(folder, "borrow = 0.25", "borrow = 2")
    (fault,) = household_faults(folder)
    assert fault.endswith("line 10, households.borrow: must be at most 1; got 2")
    edit(folder, "borrow = 2", "borrow = nan")
    (fault,) = household_faults(folder)
    assert "line 10, households.borrow: must be at least 0; got nan" in fault
    edit(folder, "borrow = nan", "borrow = 0.25")
    edit(folder, 'region = "county"', "#")
    (fault,) = household_faults(folder)
    assert "line 10, households.borrow: without geography.region every zone uses all" in fault
