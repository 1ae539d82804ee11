"""PopulationSim's own input folder is read as it stands; what cannot be followed is said."""

import gzip
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import Refused
from household_folders import TOWN, contents, edit, rewrite

from popgen import PopgenError
from popgen.households.fit import NestedCalibration
from popgen.households.placing import Task, shares
from popgen.households.read import holds_plan, household_faults, read_households

SETTINGS = """
max_expansion_factor: 30
geographies: [state, county, tract]
seed_geography: county
data_dir: data
input_table_list:
  - tablename: households
    filename: households.csv
    rename_columns:
      serial: hh_id
  - tablename: persons
    filename: persons.csv
    column_map:
      serial: hh_id
  - tablename: geo_cross_walk
    filename: crosswalk.csv
  - tablename: tract_control_data
    filename: tracts.csv
  - tablename: county_control_data
    filename: workers.csv
household_weight_col: WEIGHT
household_id_col: hh_id
total_hh_control: num_hh
control_file_name: controls.csv
output_synthetic_population:
  household_id: household_id
  households:
    filename: homes.csv
    columns: [NP, INCOME]
  persons:
    filename: people.csv
    columns: [per_num, AGE]
models: [input_pre_processor, sub_balancing.geography=tract, write_synthetic_population]
"""

CONTROLS = """target,geography,seed_table,importance,control_field,expression
num_hh,tract,households,1000000000,units,(households.WEIGHT > 0) & (households.WEIGHT < np.inf)
#left,tract,households,1,out,households.NP == 1
children,tract,persons,500,under_18,persons.AGE < 18
old,tract,persons,500,from_65,(persons.AGE >= 65) & (persons.AGE <= np.inf)
workers,county,persons,1000,working,persons.WORKS == 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the shipped town as PopulationSim has it: settings in configs, files in data."""
    for name in ("configs", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "configs/settings.yaml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "configs/controls.csv").write_text(CONTROLS, encoding="utf-8")
    for name in ("households", "persons"):
        pl.read_csv(TOWN / f"{name}.csv").rename({"hh_id": "serial"}).write_csv(
            tmp_path / f"data/{name}.csv"
        )
    for name in ("crosswalk", "workers"):
        shutil.copy(TOWN / f"{name}.csv", tmp_path / "data")
    units = pl.read_csv(TOWN / "units.csv", infer_schema=False)
    total = units["households"].cast(pl.Int64) + units["group_quarters"].cast(pl.Int64)
    ages = pl.read_csv(TOWN / "age_by_sex.csv", infer_schema=False)
    ages.with_columns(units=total).write_csv(tmp_path / "data/tracts.csv")
    text = (tmp_path / "data/tracts.csv").read_text(encoding="utf-8")
    (tmp_path / "data/tracts.csv").write_text(f"{text}#0299,1,2,3,4,5,6\n#\n", encoding="utf-8")
    return tmp_path


def only_fault(folder: Path) -> str:
    faults = household_faults(folder)
    assert len(faults) == 1, faults
    return faults[0].removeprefix(f"{folder}/configs/settings.yaml")


def test_its_folder_is_read_and_met(folder: Path, tmp_path: Path) -> None:
    assert holds_plan(folder)
    plan = read_households(folder)
    assert [(c.level, len(c.names)) for c in plan.problem.controls] == [("tract", 2), ("county", 1)]
    made = plan.populate(rng=0)
    files = plan.write(made, tmp_path / "out")
    assert {file.name for file in files} == {
        "homes.csv", "people.csv", "fit_report.csv", "provenance.json",
    }  # fmt: skip
    homes, people = (
        pl.read_csv(tmp_path / "out/homes.csv"),
        pl.read_csv(tmp_path / "out/people.csv"),
    )
    assert homes.columns == ["household_id", "tract", "county", "state", "NP", "INCOME"]
    assert people.columns == ["person_id", "household_id", "per_num", "AGE"]
    tracts = pl.read_csv(folder / "data/tracts.csv", comment_prefix="#")
    found = homes.group_by("tract", maintain_order=True).len()
    assert found["len"].to_list() == tracts["units"].to_list()
    lived = people.join(homes, on="household_id").group_by("tract", maintain_order=True)
    young = lived.agg((pl.col("AGE") < 18).sum())["AGE"]
    assert (young - tracts["under_18"]).abs().sum() <= 3


def test_importance_is_a_precision_and_the_total_is_exact_whatever_its_own(folder: Path) -> None:
    edit(folder, "households,1000000000", "households,1000", "configs/controls.csv")
    tract, county = read_households(folder).problem.controls
    np.testing.assert_allclose(tract.se, np.sqrt(np.maximum(tract.targets, 1) / 500))
    np.testing.assert_allclose(county.se**2, county.targets / 1000)


def test_the_total_may_be_a_control_of_larger_areas_too(folder: Path) -> None:
    counties = pl.read_csv(folder / "data/workers.csv").with_columns(units=pl.Series([900, 900]))
    counties.write_csv(folder / "data/workers.csv")
    row = "num_hh,county,households,1000,units,households.WEIGHT > 0\n"
    edit(folder, "num_hh,tract", f"{row}num_hh,tract", "configs/controls.csv")
    read = read_households(folder).problem
    (county,) = (one for one in read.controls if one.level == "county")
    assert county.names[0].startswith("num_hh: ")
    assert read.units.sum() == 1800


def test_settings_and_files_may_all_be_in_one_folder(folder: Path) -> None:
    for file in (*(folder / "configs").iterdir(), *(folder / "data").iterdir()):
        shutil.move(file, folder)
    assert household_faults(folder) == []


def test_its_settings_may_be_named_for_the_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_households(folder).inputs
    assert read_households(folder / "configs" / "settings.yaml").inputs == whole
    monkeypatch.chdir(folder / "configs")
    assert read_households("settings.yaml").inputs == whole


def test_seed_households_without_weight_are_left_out_and_said(folder: Path) -> None:
    light = pl.when(pl.col("serial") == "4").then(pl.lit("0")).otherwise("WEIGHT")
    rewrite(folder, "data/households.csv", lambda f: f.with_columns(WEIGHT=light))
    assert read_households(folder).notes == (
        "left out 1 of 371 households whose weight 'WEIGHT' is 0, and their 2 persons, as "
        "PopulationSim does",
    )


def test_what_differs_from_populationsim_is_said(folder: Path) -> None:
    edit(folder, "max_expansion", "absolute_upper_bound: 9\nmax_expansion", "configs/settings.yaml")
    rewrite(folder, "data/persons.csv", lambda f: f.filter(pl.col("serial") != "4"))
    edit(folder, "\n0102", "\n0102,5,5,5,5,5,5\n0199", "data/tracts.csv")
    edit(folder, "under_18,persons.AGE < 18", "under_18,persons.AGE == 41", "configs/controls.csv")
    away = (pl.col("AGE") == "41") & (pl.col("serial").cast(pl.Int64) > 190)
    rewrite(
        folder,
        "data/persons.csv",
        lambda f: f.with_columns(AGE=pl.when(away).then(pl.lit("40")).otherwise("AGE")),
    )
    assert read_households(folder).notes == (
        "1 of 371 households have no person",
        "left out 1 row(s) of tract_control_data whose tract the crosswalk does not have",
        "no record can meet 'children', which 3 tract area(s) have",
        "settings that popgen does not follow: 'absolute_upper_bound'",
    )


def test_seed_areas_may_borrow_from_others(folder: Path) -> None:
    """A key of popgen's own, beside PopulationSim's."""
    with (folder / "configs/settings.yaml").open("a", encoding="utf-8") as settings:
        settings.write("\nborrow: 0.25\n")
    assert household_faults(folder) == []
    plan = read_households(folder)
    assert plan.problem.borrow == 0.25
    notes = plan.populate(rng=0).provenance["notes"]
    assert any("weighted from records of other regions (borrow = 0.25)" in one for one in notes)


@pytest.fixture
def crossing(folder: Path) -> Path:
    """The same with seed households of PUMAs that have tracts of both counties."""
    pumas = ("1", "2", "1", "2", "1", "2")
    rewrite(folder, "data/crosswalk.csv", lambda f: f.with_columns(pl.Series("PUMA", pumas)))
    rewrite(
        folder,
        "data/households.csv",
        lambda f: f.with_columns(PUMA=pl.Series(["1", "2"]).gather(np.arange(len(f)) % 2)),
    )
    edit(folder, "county, tract]", "county, PUMA, tract]", "configs/settings.yaml")
    edit(folder, "seed_geography: county", "seed_geography: PUMA", "configs/settings.yaml")
    edit(folder, "columns: [NP,", "columns: [PUMA, NP,", "configs/settings.yaml")
    return folder


def test_seed_areas_may_cross_the_larger_geographies(crossing: Path) -> None:
    plan = read_households(crossing)
    assert plan.notes == (
        "PUMA areas do not nest with the other geographies: they say which seed households each "
        "tract is made of, and no control can be by PUMA",
    )
    homes = plan.populate(rng=0).households
    assert homes.columns == ["household_id", "tract", "county", "state", "PUMA", "NP", "INCOME"]
    made_of = homes.group_by("tract", "PUMA").len().sort("tract")
    assert made_of["PUMA"].to_list() == ["1", "2", "1", "2", "1", "2"]
    units = pl.read_csv(crossing / "data/tracts.csv", comment_prefix="#")["units"]
    assert made_of["len"].to_list() == units.to_list()


@pytest.mark.parametrize(
    ("old", "new", "file", "says"),
    [
        (
            "\n0102,north,example,2",
            "\n0102,north,example,2\n0102,north,example,1",
            "data/crosswalk.csv",
            ", geo_cross_walk: geo_cross_walk: tract '0102' lies in PUMA '2', '1'; give every",
        ),
        (
            "south,example",
            "south,elsewhere",
            "data/crosswalk.csv",
            ", geo_cross_walk: geo_cross_walk: county 'south' lies in state 'elsewhere', 'example'",
        ),
        (
            "workers,county",
            "workers,PUMA",
            "configs/controls.csv",
            ", controls[4].workers: 'PUMA' lies beside the levels of geography 'tract', 'county', ",
        ),
    ],
)
def test_mistakes_where_seed_areas_cross(
    crossing: Path, old: str, new: str, file: str, says: str
) -> None:
    edit(crossing, old, new, file)
    if file.startswith("configs"):
        table = "tablename: county_control_data"
        edit(crossing, table, "tablename: PUMA_control_data", "configs/settings.yaml")
        workers = pl.DataFrame({"PUMA": [1, 2], "working": [1500, 1500]})
        workers.write_csv(crossing / "data/workers.csv")
    assert only_fault(crossing).startswith(says)


def is_refused(folder: Path, says: str) -> None:
    faults = household_faults(folder)
    assert any(says in fault for fault in faults), faults
    with pytest.raises(PopgenError, match=r"configs/settings\.yaml"):
        read_households(folder)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed_geography: county\n", "", ": needs 'seed_geography'"),
        ("geographies: [", "geographies: ]", ": cannot be read as YAML: while pars"),
        (
            "write_synthetic_population]",
            "repop_balancing]",
            ": steps 'repop_balancing' are of re",
        ),
        ("geographies: [state, ", "geographies: [nation, ", "has no column 'nation'"),
        ("seed_geography: county", "seed_geography: puma", ", seed_geography: there"),
        ("filename: persons.csv", "filename: p.csv", ", households: there is no fil"),
        ("tablename: persons", "tablename: people", "counts persons, but input_tab"),
        ("serial: hh_id", "serial: NP", ", households: table 'households': rename_"),
        ("serial: hh_id", "WORKERS: hh_id", "household identifier(s) are there more"),
        ("num_hh", "n_hh", ", total_hh_control: 'n_hh' is no target of the controls"),
        ("num_hh", "old", ", total_hh_control: 'old' must count every household onc"),
        ("[per_num, AGE]", "[AGEP]", ", output_synthetic_population: output.persons"),
        ("name: controls.csv", "name: c.csv", ", controls: there is no file 'c.csv'"),
        (
            "filename: tracts.csv",
            "filename: tracts.csv\n    expression_filename: e.csv",
            "has an expression_filename, which popgen does not run; write the columns",
        ),
        ("tablename: county_con", "tablename: c", "has no table 'county_control_data'"),
        ("models: [", "run_list: {steps: [repop.x]}\nx: [", ": steps 'repop.x' are of repop"),
        ("serial: hh_id", "serial: hh_id\n      NP: hh_id", "makes 'hh_id' of two columns of hou"),
        ("    column_map:", "    rename_columns: {AGE: A}\n    column_map:", "give one of them"),
        ("filename: homes.csv", "filename: a/homes.csv", "households.filename: 'a/homes.csv' must"),
        ("filename: homes.csv", "filename: homes.parquet", "must be the name of a CSV file, wi"),
        ("filename: homes.csv", "filename: People.csv", "two of them would be 'people.csv'; na"),
        ("filename: homes.csv", "filename: fit_report.csv", "would be 'fit_report.csv'; name th"),
        ("household_id: household_id", "household_id: NP", "two columns 'NP'; name them apart"),
        ("household_id: household_id", "household_id: tract", "two columns 'tract'; name them"),
        ("tablename: persons", "tablename: households", "input_table_list[2]: lists 'households'"),
        ("column_map:", "keep_columns: [AGES]\n    column_map:", "keep_columns keeps some, has no"),
        ("models: [", "household_id_col: 1997-13-40\nx: [", ": cannot be read as YAML: month m"),
    ],
)
def test_mistakes_in_the_settings(folder: Path, old: str, new: str, says: str) -> None:
    edit(folder, old, new, "configs/settings.yaml")
    is_refused(folder, says)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("geographies", "5", ", geographies: must be a list; got 5"),
        ("geographies", "[tract, tract]", ", geographies: names 'tract' more than once"),
        ("geographies", "[state, 5, tract]", ", geographies[2]: must be text; got 5"),
        ("geographies", "", ": needs 'geographies'"),
        ("input_table_list", "nope", ", input_table_list: must be a list; got 'nope'"),
        ("input_table_list", "[nope]", ", input_table_list[1]: must be a table of keys; got 'n"),
        ("input_table_list", "[{filename: f}]", ", input_table_list[1]: needs 'tablename'"),
        (
            "input_table_list",
            "[{tablename: persons, rename_columns: [a]}]",
            ", input_table_list[1].rename_columns: must be a table of keys; got ['a']",
        ),
        (
            "input_table_list",
            "[{tablename: persons, rename_columns: {2020: a}}]",
            ": input_table_list[1].rename_columns has the key 2020, which is no text; write it in",
        ),
        (
            "input_table_list",
            "[{tablename: persons, drop_columns: AGE}]",
            ", input_table_list[1].drop_columns: must be a list; got 'AGE'",
        ),
        ("household_weight_col", "[w]", ", household_weight_col: must be text; got ['w']"),
        ("data_dir", "[data]", ", data_dir: must be text; got ['data']"),
        ("max_expansion_factor", "many", ", max_expansion_factor: must be a number; got 'many'"),
        ("max_expansion_factor", "1", ", max_expansion_factor: must be more than 1; got 1"),
        ("models", "3", ", models: must be a list; got 3"),
        ("run_list", "x", ", run_list: must be a table of keys; got 'x'"),
        ("output_synthetic_population", "3", ", output_synthetic_population: must be a table of"),
        (
            "output_synthetic_population",
            "{persons: {columns: [AGE, no]}}",
            ", output_synthetic_population.persons.columns[2]: must be text; got False",
        ),
        ("activitysim", "x", ", activitysim: must be a table of keys; got 'x'"),
    ],
)
def test_settings_of_another_type(folder: Path, key: str, value: str, says: str) -> None:
    text = (folder / "configs/settings.yaml").read_text(encoding="utf-8")
    text = re.sub(rf"(?m)^{key}:.*\n([ -].*\n)*", "", text)
    (folder / "configs/settings.yaml").write_text(f"{text}{key}: {value}\n", encoding="utf-8")
    assert says in only_fault(folder)


def test_keys_without_a_value_are_as_those_left_out(folder: Path) -> None:
    for key in ("rename_columns", "drop_columns", "keep_columns", "index_col"):
        edit(folder, "tracts.csv", f"tracts.csv\n    {key}:", "configs/settings.yaml")
    edit(folder, "[per_num, AGE]", "", "configs/settings.yaml")
    edit(folder, "max_expansion_factor: 30", "max_expansion_factor:", "configs/settings.yaml")
    plan = read_households(folder)
    assert plan.notes == ()
    assert plan.naming.persons is None


def test_columns_are_dropped_renamed_and_kept_in_this_order(folder: Path) -> None:
    rewrite(folder, "data/persons.csv", lambda f: f.with_columns(hh_id=pl.lit("9"), x=pl.lit("1")))
    more = "drop_columns: [hh_id, gone]\n    keep_columns: [hh_id, AGE, WORKS]"
    edit(folder, "    column_map:", f"    {more}\n    column_map:", "configs/settings.yaml")
    edit(folder, "tracts.csv", "tracts.csv\n    dtypes: {a: int}", "configs/settings.yaml")
    plan = read_households(folder)
    persons = plan.problem.survey.persons
    assert persons is not None
    assert persons.columns == ["hh_id", "AGE", "WORKS"]
    homes = "households.csv\n    index_col: hh_id\n    keep_columns: [county, NP, INCOME, WEIGHT]"
    edit(folder, "households.csv", homes, "configs/settings.yaml")
    survey = read_households(folder).problem.survey  # what rows are found by stays too
    assert survey.households.columns == ["hh_id", "county", "NP", "INCOME", "WEIGHT"]
    assert plan.notes == (
        "persons.csv has no column 'gone', which drop_columns names",
        "popgen does not follow 'dtypes' of table 'tract_control_data'",
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("persons.AGE < 18", "persons.AGE <", ", controls[2].children: expression: '"),
        (
            "persons.AGE < 18",
            "persons.AGE < 0",
            "no record is counted by 'persons.AGE < 0', but 6 t",
        ),
        ("persons.AGE < 18", "households.NP < 2", "is not the table counted, 'person"),
        ("under_18", "under_19", "tract_control_data has no column 'under_19'"),
        ("children,tract", "children,taz", "has no table 'taz_control_data'"),
        ("children,tract,persons", "children,tract,cars", "seed_table 'cars' is nei"),
        ("persons,500,under", "persons,high,under", "importance 'high' is not a num"),
        ("persons,500,under", "persons,0,under", "an importance must be above 0"),
        ("persons,500,under", "persons,,under", "'importance' left empty; fill in"),
        ("control_field", "field", ", controls: controls.csv has no column 'control_"),
    ],
)
def test_mistakes_in_the_controls(folder: Path, old: str, new: str, says: str) -> None:
    edit(folder, old, new, "configs/controls.csv")
    is_refused(folder, says)


def test_seed_files_are_not_written_onto(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(folder, "filename: homes.csv", "filename: households.csv", "configs/settings.yaml")
    monkeypatch.setattr(NestedCalibration, "fit", None)  # it is not come to
    before = contents(folder)
    refused(
        "generate", "--config", str(folder), "--out", str(folder / "data"),
        says="data/households.csv was read and would be written onto; give another folder",
    )  # fmt: skip
    (folder / "link").symlink_to(folder / "data")
    with pytest.raises(PopgenError, match=r"link/households\.csv was read and would be"):
        read_households(folder).refuse_folder(folder / "link")
    (folder / "link").unlink()
    assert contents(folder) == before


def test_all_mistakes_are_listed_at_once(folder: Path) -> None:
    edit(folder, "persons.AGE < 18", "persons.AGES < 18", "configs/controls.csv")
    edit(folder, "1000,working", "1000,works", "configs/controls.csv")
    edit(folder, "columns: [NP", "columns: [N", "configs/settings.yaml")
    places = [fault.split(": ")[0].split("settings.yaml")[1] for fault in household_faults(folder)]
    assert places == [
        ", controls[2].children", ", controls[4].workers", ", output_synthetic_population",
    ]  # fmt: skip


def test_without_pyyaml_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert only_fault(folder) == (
        ": reading PopulationSim's settings.yaml needs PyYAML, which is not installed: pip install "
        "'popgen-joint[populationsim]'"
    )


CALM = """
max_expansion_factor: 30
geographies: [REGION, PUMA, TRACT, TAZ]
seed_geography: PUMA
input_table_list:
  - {tablename: households, filename: seed_households.csv, rename_columns: {hhnum: hh_id}}
  - tablename: persons
    filename: seed_persons.csv
    rename_columns: {hhnum: hh_id, SPORDER: per_num}
  - {tablename: geo_cross_walk, filename: geo_cross_walk.csv, rename_columns: {TRACTCE: TRACT}}
  - {tablename: TAZ_control_data, filename: control_totals_taz.csv}
  - {tablename: TRACT_control_data, filename: control_totals_tract.csv}
  - {tablename: REGION_control_data, filename: scaled_control_totals_meta.csv}
household_weight_col: WGTP
household_id_col: hh_id
total_hh_control: num_hh
"""


def test_calm_is_met_better_than_populationsim_meets_it(shared_data: Path, tmp_path: Path) -> None:
    """Its own files (persons: a stand-in), with all 31 controls.

    PopulationSim 0.10 misses its zones by 1,929 and its tracts by 252 on these files.
    """
    source = shared_data / "household/calm"
    if not source.is_dir():
        pytest.skip(f"PopulationSim's example not found at {source}")
    for file in source.glob("*.csv"):
        shutil.copy(file, tmp_path)
    for name, packed in (("households", "households"), ("persons", "persons_standin")):
        with gzip.open(source / f"seed_{packed}.csv.gz") as stream:
            (tmp_path / f"seed_{name}.csv").write_bytes(stream.read())
    (tmp_path / "settings.yaml").write_text(CALM, encoding="utf-8")
    plan = read_households(tmp_path)
    assert plan.notes == (
        "left out 2 of 4,841 households whose weight 'WGTP' is 0, and their 6 persons, as "
        "PopulationSim does",
    )
    model = plan.method.fit(plan.problem)
    found = Task.of(model, 0, shares(model)[0]).filled(0)[1]
    zones = np.bincount(found.zone, minlength=930)
    np.testing.assert_array_equal(zones, plan.problem.units)
    misses = {}
    for level in plan.problem.controls:
        area_of = plan.problem.geography.area_of(level.level)
        held = np.zeros_like(level.targets)
        np.add.at(held, area_of[found.zone], level.X[found.record].toarray())
        misses[level.level] = np.abs(held - level.targets).sum()
    assert misses["TAZ"] <= 30
    assert misses["TRACT"] == 0
    assert misses["REGION"] <= 25
    used = np.bincount(found.record, minlength=len(plan.problem.survey))
    design = plan.problem.survey.weights
    ratio = used / design * design.sum() / used.sum()
    assert ratio.max() <= 30
    share = used[used > 0] / used.sum()
    assert (share * np.log(share / (design / design.sum())[used > 0])).sum() <= 0.458
