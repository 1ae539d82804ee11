"""Regions beside the levels of geography: survey records of PUMAs that cross the counties."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import Refused, Run
from household_cases import dense_weights, nested
from household_folders import contents, edit, rewrite, town

from popgen import (
    Domain,
    Geography,
    HouseholdProblem,
    Households,
    Microdata,
    NestedCalibration,
    PopgenError,
    Table,
    Variable,
    populate,
    pose,
    write_households,
)
from popgen.households.controls import Controls
from popgen.households.read import household_faults

CROSSWALK = pl.DataFrame(
    {
        "zone": ["z1", "z2", "z3", "z4"],
        "county": ["c1", "c1", "c2", "c2"],
        "state": ["s"] * 4,
        "puma": ["p1", "p2", "p1", "p2"],
    }
)
LEVELS = ("zone", "county", "state")
UNITS = np.array([30, 50, 40, 20])
OWNERS = np.array([35, 20])
"""Households that own their home, by county."""

SURVEY = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 5],
        "tenure": ["own", "rent", "own", "rent", "own"],
        "puma": ["p1", "p1", "p2", "p2", "p9"],
        "w": [20.0, 10.0, 5.0, 25.0, 40.0],
    }
)
TENURE = Variable("tenure", ("own", "rent"))
PUMA = Variable("puma", ("p1", "p2"))


def table(level: str, areas: tuple[str, ...], counts: object, *more: Variable) -> Table:
    return Table(Domain((Variable(level, areas), *more)), counts)


def posed(households: pl.DataFrame = SURVEY, **more: Table) -> HouseholdProblem:
    """Pose zones' totals, counties' tenure, and more; region: PUMAs that cross the counties."""
    survey = Households.of(households, id="id", weight="w")
    tenure = (households["tenure"] == "rent").to_numpy().astype(int)
    puma = (households["puma"] == "p2").to_numpy().astype(int)
    of_county = np.column_stack([OWNERS, UNITS.reshape(2, 2).sum(axis=1) - OWNERS])
    return pose(
        survey,
        Geography.of(CROSSWALK, LEVELS, beside=["puma"]),
        {
            "units": table("zone", tuple(CROSSWALK["zone"]), UNITS),
            "tenure": table("county", ("c1", "c2"), of_county, TENURE),
            **more,
        },
        homes=Microdata(Domain((TENURE, PUMA)), np.column_stack([tenure, puma])),
        region="puma",
    )


def owners_of_zones() -> np.ndarray:
    """Owners of each zone, from a quadratic equation a county.

    In a zone of the PUMA whose records have odds o of owning, rakings by the county's owners T make
    them o x for one factor x a county: N1 o1 x / (1 + o1 x) + N2 o2 x / (1 + o2 x) = T.
    """
    odds, out = np.array([20 / 10, 5 / 25]), []
    for units, wanted in zip(UNITS.reshape(2, 2), OWNERS, strict=True):
        square = (units.sum() - wanted) * odds.prod()
        x = np.roots([square, ((units - wanted) * odds).sum(), -wanted]).max()
        out.append(units * odds * x / (1 + odds * x))
    return np.concatenate(out)


def test_counties_crossed_by_pumas_have_a_closed_form():
    model = NestedCalibration(tol=1e-12).fit(posed())
    weights = dense_weights(model)
    own, (of_p1, of_p2) = owners_of_zones(), ([1, 0, 1, 0], [0, 1, 0, 1])
    rent = UNITS - own
    wanted = np.column_stack([own * of_p1, rent * of_p1, own * of_p2, rent * of_p2, 0 * own])
    np.testing.assert_allclose(weights, wanted, rtol=0, atol=1e-9)
    assert own.reshape(2, 2).sum(axis=1) == pytest.approx(OWNERS)


def test_whole_households_meet_zones_and_counties_with_their_own_pumas_records():
    model = NestedCalibration().fit(posed())
    homes = populate(model, rng=0).households
    assert homes.columns == [
        "household_id", "zone", "county", "state", "puma", "id", "tenure", "survey_puma", "w",
    ]  # fmt: skip
    assert (homes["puma"] == homes["survey_puma"]).all()
    placed = homes.select("zone", "county", "state", "puma").unique(maintain_order=True)
    assert placed.equals(CROSSWALK)
    assert homes.group_by("zone", maintain_order=True).len()["len"].to_list() == UNITS.tolist()
    owners = homes.group_by("county", maintain_order=True).agg((pl.col("tenure") == "own").sum())
    assert owners["tenure"].to_list() == OWNERS.tolist()


def test_cells_of_pumas_are_stated_over_the_records_puma_by_a_level_that_holds_them():
    of_pumas = [[50, 20], [5, 65]]  # own, rent of p1; own, rent of p2
    states = table("state", ("s",), [of_pumas], PUMA, TENURE)
    inside = SURVEY.filter(pl.col("puma") != "p9")
    model = NestedCalibration().fit(posed(inside, of_pumas=states))
    homes = populate(model, rng=0).households
    held = homes.group_by("puma", "tenure").len().sort("puma", "tenure")["len"].to_list()
    assert held == [50, 20, 5, 65]
    owners = homes.group_by("county", maintain_order=True).agg((pl.col("tenure") == "own").sum())
    assert owners["tenure"].to_list() == OWNERS.tolist()


def test_nothing_can_be_stated_by_what_lies_beside():
    pumas = table("puma", ("p1", "p2"), [70, 70])
    says = (
        "'puma' lies beside the levels of geography 'zone', 'county', 'state' and need not nest "
        "with them, so nothing can be stated by it: state figures by a level, or, if the records "
        "say their puma, by a level that holds whole puma areas, over the records' puma"
    )
    with pytest.raises(PopgenError, match=says):
        posed(pumas=pumas)
    problem = posed()
    pumas = Controls("puma", ("all",), np.ones((5, 1)), [[70], [70]])
    with pytest.raises(PopgenError, match=says):
        HouseholdProblem(problem.survey, problem.geography, [pumas], UNITS)


@pytest.mark.parametrize(
    ("change", "beside", "says"),
    [
        ({"zone": ["z1", "z1", "z3", "z4"]}, ["puma"], "zone 'z1' lies in puma 'p1', 'p2'; give"),
        ({"puma": ["p1", None, "p1", "p2"]}, ["puma"], r"1 row\(s\) have no puma, first row 2"),
        ({}, ["taz"], "no column 'taz'; it has 'zone', 'county', 'state', 'puma'"),
        ({}, ["county"], "levels of geography, each once; got 'zone', 'county', 'state', 'county'"),
    ],
)
def test_a_zone_lies_in_one_area_beside_the_levels(change, beside, says):
    frame = CROSSWALK.with_columns(**{name: pl.Series(some) for name, some in change.items()})
    with pytest.raises(PopgenError, match=says):
        Geography.of(frame, LEVELS, beside=beside)


def test_a_puma_without_records_is_refused():
    without = SURVEY.filter(pl.col("puma") != "p2")
    says = r"2 zone\(s\) have units .* first zone 'z2': 50 of kind 'household', and puma 'p2' has"
    with pytest.raises(PopgenError, match=says):
        posed(without)


SEVERAL = {f"town {seed}": partial(nested, seed, crossing=True) for seed in range(2)}


def test_a_run_writes_a_part_a_puma_the_same_whatever_does_the_work(tmp_path):
    alone = write_households(SEVERAL, tmp_path / "alone", rng=7)
    parts = sorted(path.name for path in (tmp_path / "alone/households").rglob("*.parquet"))
    assert parts == ["0000-p0.parquet", "0000-p0.parquet", "0001-p1.parquet", "0001-p1.parquet"]
    homes = alone.scan("households").collect()
    assert homes.columns[:5] == ["household_id", "zone", "tract", "county", "puma"]
    assert homes["household_id"].is_unique().all()
    with ThreadPoolExecutor(2) as pool:
        write_households(SEVERAL, tmp_path / "pool", rng=7, executor=pool)
    assert contents(tmp_path / "pool") == contents(tmp_path / "alone")
    next((tmp_path / "pool/persons").rglob("0001-p1.parquet")).unlink()
    write_households(SEVERAL, tmp_path / "pool", resume=True)
    assert contents(tmp_path / "pool") == contents(tmp_path / "alone")


def test_a_run_of_other_pumas_is_another_run(tmp_path):
    problem = nested(0, crossing=True)
    write_households(problem, tmp_path / "run", rng=7)
    next((tmp_path / "run/fit").rglob("*.parquet")).unlink()
    crosswalk = pl.DataFrame(
        {name: np.array(problem.geography.ids(name))[problem.geography.area_of(name)]
         for name in problem.geography.columns}
    ).with_columns(puma=pl.Series([f"p{z // 2 % 2}" for z in range(8)]))  # fmt: skip
    moved = HouseholdProblem(
        problem.survey,
        Geography.of(crosswalk, problem.geography.levels, beside=["puma"]),
        problem.controls,
        problem.households,
        problem.persons,
        region="puma",
        region_of=problem.region_of,
    )
    with pytest.raises(PopgenError, match=r"is not the one that .* was begun with"):
        write_households(moved, tmp_path / "run", rng=7, resume=True)


PUMAS = {"0101": "e", "0102": "w", "0103": "e", "0201": "w", "0202": "e", "0203": "w"}
"""Of the shipped town's tracts, three of which are in either county."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped town, with records of PUMAs that cross its counties."""
    place = town(tmp_path)
    by_tract = pl.col("tract").replace_strict(PUMAS)
    rewrite(place, "crosswalk.csv", lambda f: f.with_columns(PUMA=by_tract))
    by_turns = pl.Series("PUMACE", ["e", "w"])
    rewrite(
        place,
        "households.csv",
        lambda f: f.with_columns(by_turns.gather(np.arange(len(f)) % 2)).drop("county"),
    )
    edit(place, 'region = "county"  ', 'region = "PUMA"  ')
    edit(place, 'weight = "WEIGHT"', 'weight = "WEIGHT"\nregion = "PUMACE"')
    return place


def test_a_folder_may_have_regions_that_cross_its_levels(folder: Path, run: Run) -> None:
    assert household_faults(folder) == []
    out = folder / "out"
    run("generate", "--config", str(folder), "--rng", "0", "--out", str(out))
    homes = pl.read_csv(out / "synthetic_households.csv", infer_schema=False)
    assert homes.columns[:5] == ["household_id", "tract", "county", "state", "PUMA"]
    assert (homes["PUMA"] == homes["PUMACE"]).all()
    assert dict(homes.select("tract", "PUMA").unique().iter_rows()) == PUMAS
    units = pl.read_csv(folder / "units.csv", schema_overrides={"tract": pl.String})
    by_tract = homes.group_by("tract").len().sort("tract")["len"]
    assert by_tract.to_list() == (units["households"] + units["group_quarters"]).to_list()
    report = pl.read_csv(out / "fit_report.csv")
    assert report.filter(margin="size_by_tenure")["error"].item() <= 4


def test_a_run_of_a_folder_has_the_same_people_under_activitysims_names(
    folder: Path, run: Run
) -> None:
    for out, more in (("one", ()), ("run", ("--workers", "1"))):
        where = str(folder / out)
        named = ("--rng", "0", "--names", "activitysim", "--out", where, *more)
        run("generate", "--config", str(folder), *named)
    parts = [path.name for path in (folder / "run/households").rglob("*.parquet")]
    assert sorted(parts) == ["0000-e.parquet", "0001-w.parquet"]
    homes = pl.read_parquet(folder / "run/households/*/*.parquet").sort("household_id")
    assert homes.columns[3:6] == ["county", "state", "PUMA"]
    at_once = pl.read_csv(folder / "one/synthetic_households.csv")
    assert homes["PUMA"].to_list() == at_once["PUMA"].to_list()
    assert homes["income"].to_list() == at_once["income"].to_list()


def test_numbers_of_a_puma_are_stated_in_a_folder_by_a_level_that_holds_it(
    folder: Path, run: Run
) -> None:
    figures = pl.DataFrame({"state": ["example"], "cars_e": [230], "cars_w": [270]})
    figures.write_csv(folder / "cars.csv")
    margin = """
[[margins]]
file = "cars.csv"
level = "state"
unit = "households"
columns.cars_e = "(PUMACE == 'e') & (CARS >= 2)"
columns.cars_w = "(PUMACE == 'w') & (CARS >= 2)"

[output]
"""
    edit(folder, "[output]\n", margin)
    run("generate", "--config", str(folder), "--rng", "0", "--out", str(folder / "out"))
    homes = pl.read_csv(folder / "out/synthetic_households.csv").filter(pl.col("CARS") >= 2)
    assert homes.group_by("PUMA").len().sort("PUMA")["len"].to_list() == [230, 270]


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "crosswalk.csv",
            "0102,north,example,w\n",
            "0102,north,example,w\n0102,north,example,e\n",
            "popgen.toml, line 7, geography.region: crosswalk.csv: tract '0102' lies in PUMA 'w', "
            "'e'; give every tract one PUMA",
        ),
        (
            "crosswalk.csv",
            "0102,north,example,w\n",
            "0102,north,example,v\n",
            "popgen.toml: 1 zone(s) have units of a kind without records, first tract '0102': 301 "
            "of kind 'household', and PUMA 'v' has no record of it; add records, or join the "
            "region to one that has some, or borrow",
        ),
        (
            "popgen.toml",
            'region = "PUMA"',
            'region = "PUMAS"',
            "popgen.toml, line 7, geography.region: crosswalk.csv has no column 'PUMAS'; it has "
            "'tract', 'county', 'state', 'PUMA'",
        ),
        (
            "popgen.toml",
            'file = "workers.csv"\nlevel = "county"',
            'file = "workers.csv"\nlevel = "PUMA"',
            "popgen.toml, line 52, margins[3]: 'PUMA' lies beside the levels of geography 'tract', "
            "'county', 'state' and need not nest with them, so nothing can be stated by it: state "
            "figures by a level, or, if the records say their PUMA, by a level that holds whole "
            "PUMA areas, over the records' PUMA",
        ),
    ],
)
def test_mistakes_in_a_folder(
    folder: Path, refused: Refused, file: str, old: str, new: str, says: str
) -> None:
    edit(folder, old, new, file)
    faults = [fault.removeprefix(f"{folder}/") for fault in household_faults(folder)]
    assert faults == [says]
    refused("generate", "--config", str(folder), "--out", str(folder / "out"), says=says)
