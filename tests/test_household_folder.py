"""A folder with popgen.toml becomes households and persons who meet what it says."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from household_folders import TOWN, edit, rewrite, town, without
from polars.testing import assert_frame_equal

from popgen import PopgenError
from popgen.households.read import holds_plan, household_faults, read_households


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return town(tmp_path)


def test_the_town_meets_what_is_published_of_it() -> None:
    plan = read_households(TOWN)
    made = plan.populate(rng=0)
    homes, people = made.households, made.persons
    assert people is not None
    units = pl.read_csv(TOWN / "units.csv", schema_overrides={"tract": pl.String})
    kind = pl.col("TYPE")
    counted = homes.group_by("tract", maintain_order=True).agg(
        households=(kind == 1).sum(), group_quarters=(kind == 2).sum()
    )
    lived = people.join(homes.select("household_id", "tract", "county"), on="household_id")
    persons = lived.group_by("tract", maintain_order=True).len("persons")
    found = counted.join(persons, on="tract")
    assert_frame_equal(found, units, check_dtypes=False)
    by_age = pl.read_csv(TOWN / "age_by_sex.csv", schema_overrides={"tract": pl.String})
    old = lived.group_by("tract", maintain_order=True).agg((pl.col("AGE") >= 65).sum())["AGE"]
    assert (old - by_age["from_65"]).abs().sum() <= 2
    assert made.report.rows.filter(pl.col("margin") == "size_by_tenure")["error"].item() <= 4
    income = pl.read_csv(TOWN / "mean_income.csv")
    means = homes.group_by("county", maintain_order=True).agg(pl.col("INCOME").mean())["INCOME"]
    assert ((means - income["count"]).abs() < 2 * income["se"]).all()


def test_each_county_is_made_of_its_own_records() -> None:
    homes = read_households(TOWN).populate(rng=0).households
    assert (homes["county"] == homes["survey_county"]).all()


def test_the_same_rng_gives_the_same_people_and_another_others() -> None:
    plan = read_households(TOWN)
    one, same, other = (plan.populate(rng=seed).households for seed in (3, 3, 4))
    assert one.equals(same)
    assert not one.equals(other)


def test_order_of_rows_files_and_kinds_of_file_change_nothing(folder: Path) -> None:
    before = read_households(folder).populate(rng=0)
    for name in ("size_by_tenure", "age_by_sex", "units"):
        rewrite(folder, f"{name}.csv", lambda f: f.sample(fraction=1, shuffle=True, seed=1))
    for name in ("households", "persons"):
        pl.read_csv(folder / f"{name}.csv").write_parquet(folder / f"{name}.parquet")
        edit(folder, f"{name}.csv", f"{name}.parquet")
    after = read_households(folder).populate(rng=0)
    assert before.households.equals(after.households)
    assert before.persons is not None
    assert after.persons is not None
    assert before.persons.equals(after.persons)


def test_one_file_of_persons_and_their_households_is_parted(folder: Path) -> None:
    before = read_households(folder).problem
    homes, people = (pl.read_csv(folder / f"{name}.csv") for name in ("households", "persons"))
    people.join(homes, on="hh_id", maintain_order="left").write_csv(folder / "joined.csv")
    edit(folder, "households.csv", "joined.csv")
    edit(folder, "persons.csv", "joined.csv")
    after = read_households(folder).problem
    assert set(after.survey.households.columns) == set(homes.columns)
    assert set(after.survey.persons.columns) == set(people.columns)  # type: ignore[union-attr]
    np.testing.assert_array_equal(after.survey.weights, before.survey.weights)
    for one, other in zip(before.controls, after.controls, strict=True):
        assert (one.X != other.X).nnz == 0


def test_persons_may_name_their_household_in_another_column(folder: Path) -> None:
    before = read_households(folder).problem
    rewrite(folder, "persons.csv", lambda f: f.rename({"hh_id": "lives"}).with_row_index("hh_id"))
    edit(folder, 'file = "persons.csv"', 'file = "persons.csv"\nhousehold = "lives"')
    after = read_households(folder).problem
    np.testing.assert_array_equal(before.survey.size, after.survey.size)


def test_without_a_codebook_levels_are_those_of_the_margin(folder: Path) -> None:
    edit(folder, 'codebook = "codebook.toml"', "")
    without(folder, "size_by_tenure.csv")
    kept = pl.read_csv(folder / "households.csv").with_columns(
        rooms=pl.when(pl.col("NP") > 2).then(pl.lit("many")).otherwise(pl.lit("few"))
    )
    kept.write_csv(folder / "households.csv")
    areas = pl.read_csv(folder / "units.csv", infer_schema=False)["tract"]
    rows = [(tract, level, n) for tract in areas for level, n in (("few", 180), ("many", 60))]
    frame = pl.DataFrame(rows, schema=["tract", "rooms", "count"], orient="row")
    frame.write_csv(folder / "rooms.csv")
    edit(folder, "[output]", ROOMS)
    (level,) = (c for c in read_households(folder).problem.controls if c.level == "tract")
    few = level.names.index("rooms: rooms=few")
    assert level.targets[:, few].tolist() == [180] * 6
    assert (level.X[:, [few]].toarray().ravel() == (kept["NP"] <= 2).to_numpy()).all()
    assert (level.se[:, few] == math.sqrt(180 / 20)).all()


@pytest.mark.parametrize("margin", [pl.Int64, pl.Float64, pl.String])
@pytest.mark.parametrize("records", [pl.Int64, pl.Float64, pl.String])
def test_levels_of_margin_and_records_may_be_numbers_of_two_types(
    folder: Path, margin: type[pl.DataType], records: type[pl.DataType]
) -> None:
    edit(folder, 'codebook = "codebook.toml"', "")
    without(folder, "size_by_tenure.csv")
    homes = pl.read_csv(folder / "households.csv")
    rooms = pl.when(pl.col("NP") > 2).then(2).otherwise(1).cast(records)
    homes.with_columns(rooms=rooms).write_parquet(folder / "households.parquet")
    areas = pl.read_csv(folder / "units.csv", infer_schema=False)["tract"]
    rows = [(tract, level, n) for tract in areas for level, n in ((1, 180), (2, 60))]
    frame = pl.DataFrame(rows, schema=["tract", "rooms", "count"], orient="row")
    frame.with_columns(pl.col("rooms").cast(margin)).write_parquet(folder / "rooms.parquet")
    edit(folder, "[output]", ROOMS.replace("csv", "parquet"))
    edit(folder, "households.csv", "households.parquet")
    assert household_faults(folder) == []
    (level,) = (c for c in read_households(folder).problem.controls if c.level == "tract")
    few = level.names.index("rooms: rooms=1")
    assert (level.X[:, [few]].toarray().ravel() == (homes["NP"] <= 2).to_numpy()).all()


def test_a_margin_of_some_kinds_need_not_agree_with_one_of_all(folder: Path) -> None:
    """Those in group quarters live alone, and only the second margin counts them."""
    some = pl.read_csv(folder / "size_by_tenure.csv", schema_overrides={"tract": pl.String})
    quarters = pl.read_csv(folder / "units.csv", schema_overrides={"tract": pl.String})
    more = pl.when(pl.col("size") == "1").then("group_quarters").otherwise(0)
    (
        some.group_by("tract", "size")
        .agg(pl.col("count").sum())
        .join(quarters, on="tract")
        .select("tract", "size", pl.col("count") + more)
        .write_csv(folder / "size.csv")
    )
    margin = '[[margins]]\nfile = "size.csv"\nlevel = "tract"\nunit = "households"\n'
    edit(folder, "[output]", f'{margin}variables = ["size"]\n\n[output]')
    assert household_faults(folder) == []


ROOMS = """[[margins]]
file = "rooms.csv"
level = "tract"
unit = "households"
variables = ["rooms"]
importance = 20

[output]"""


ALONE = """[variables.alone]
coarsens = "size"
levels = { yes = ["1"], no = ["2", "3", "4+"] }

"""


def test_a_coarser_margin_goes_by_the_codebook(folder: Path) -> None:
    two = (
        '\n[variables.alone]\ncoarsens = "size"\nlevels = { yes = ["1"], no = ["2", "3", "4+"] }\n'
    )
    book = folder / "codebook.toml"
    book.write_text(book.read_text(encoding="utf-8") + two, encoding="utf-8")
    sizes = pl.read_csv(folder / "size_by_tenure.csv", infer_schema=False)
    alone = pl.when(pl.col("size") == "1").then(pl.lit("yes")).otherwise(pl.lit("no"))
    one = sizes.with_columns(alone=alone).group_by("tract", "alone", maintain_order=True)
    one.agg(pl.col("count").cast(pl.Int64).sum()).write_csv(folder / "size_by_tenure.csv")
    edit(folder, 'variables = ["size", "tenure"]', 'variables = ["alone"]')
    assert household_faults(folder) == []


def test_soft_figures_are_held_as_their_errors_say_unless_told_otherwise(folder: Path) -> None:
    edit(folder, "working_se", "se", "workers.csv")
    edit(folder, '"working_se"', '"se"')
    assert read_households(folder).method.soft
    edit(folder, "[output]", "[fit]\nsoft = false\n[output]")
    assert not read_households(folder).method.soft


def test_weights_stay_within_bounds(folder: Path) -> None:
    without(folder, "age_by_sex.csv", "workers.csv", "mean_income.csv")
    edit(folder, "[output]", "[fit]\nlower = 0.1\nupper = 6\n[output]")
    plan = read_households(folder)
    model = plan.method.fit(plan.problem)
    for number, pool in enumerate(model.pools):
        scale = plan.problem.units[pool.zones] / pool.d.sum()
        ratio = model.weights(number) / np.multiply.outer(scale, pool.d)
        assert ratio.min() >= 0.1 - 1e-9
        assert ratio.max() <= 6 + 1e-9


def test_a_cap_on_expansion_is_checked_and_told(folder: Path) -> None:
    edit(folder, "[output]", "[fit]\nmax_expansion = 30\n[output]")
    notes = read_households(folder).populate(rng=0).provenance["notes"]
    assert notes[0].startswith("no record is weighted more than ")
    edit(folder, "max_expansion = 30", "max_expansion = 1.01")
    with pytest.raises(PopgenError, match=r"no record is used more than 1\.01 times its design"):
        read_households(folder).populate(rng=0)


def test_households_without_weight_are_left_out_when_told_to(folder: Path) -> None:
    light = pl.when(pl.col("hh_id") == "4").then(pl.lit("0")).otherwise("WEIGHT")
    rewrite(folder, "households.csv", lambda f: f.with_columns(WEIGHT=light))
    assert (
        "1 household weight(s) in column 'WEIGHT' are not positive" in household_faults(folder)[0]
    )
    edit(folder, 'weight = "WEIGHT"', 'weight = "WEIGHT"\nzero_weight = "drop"')
    plan = read_households(folder)
    assert len(plan.problem.survey) == 370
    assert plan.notes == (
        "left out 1 of 371 households whose weight 'WEIGHT' is 0, and their 2 persons",
    )


def test_records_of_another_region_are_not_used(folder: Path) -> None:
    away = pl.when(pl.col("hh_id") == "4").then(pl.lit("west")).otherwise("county")
    rewrite(folder, "households.csv", lambda f: f.with_columns(county=away))
    made = read_households(folder).populate(rng=0)
    assert 4 not in made.households["hh_id"]
    assert made.provenance["notes"] == [
        "1 of 371 households are of a county that the crosswalk does not have, and are not used"
    ]


def test_households_alone_need_no_persons(folder: Path) -> None:
    edit(folder, '[persons]\nfile = "persons.csv"\n', "")
    edit(folder, '[totals]\npersons = { file = "units.csv", column = "persons" }\n', "")
    edit(folder, '[activitysim.persons]\nage = "AGE"\nsex = "SEX"\n', "")
    assert "counts persons, but there is no [persons] file; name one" in household_faults(folder)[0]
    without(folder, "age_by_sex.csv", "workers.csv")
    made = read_households(folder).populate(rng=0)
    assert made.persons is None
    assert len(made.households) == 1800


def test_columns_are_written_as_asked(folder: Path, tmp_path: Path) -> None:
    keys = 'format = "parquet"\nhouseholds = ["NP", "county"]\npersons = ["AGE"]'
    edit(folder, 'format = "csv"', keys)
    plan = read_households(folder)
    files = plan.write(plan.populate(rng=0), tmp_path / "new" / "out")
    assert sorted(file.name for file in files) == [
        "fit_report.csv",
        "provenance.json",
        "synthetic_households.parquet",
        "synthetic_persons.parquet",
    ]
    homes, people = (pl.read_parquet(tmp_path / f"new/out/synthetic_{what}.parquet")
                     for what in ("households", "persons"))  # fmt: skip
    assert homes.columns == ["household_id", "tract", "county", "state", "NP"]
    assert people.columns == ["person_id", "household_id", "per_num", "AGE"]


def test_names_are_activitysims_on_request(folder: Path) -> None:
    plan = read_households(folder, names="activitysim")
    made = plan.populate(rng=0)
    homes, people = made.households, made.persons
    assert people is not None
    assert homes.columns == [
        "household_id", "home_zone_id", "hhsize", "county", "state",
        "income", "HHT", "auto_ownership", "num_workers",
    ]  # fmt: skip
    assert people.columns == ["person_id", "household_id", "PNUM", "age", "sex"]
    assert homes["home_zone_id"].dtype.is_integer()
    assert people["person_id"].is_unique().all()
    sizes = people.group_by("household_id", maintain_order=True).agg(
        pl.len().alias("hhsize"), pl.col("PNUM").max()
    )
    assert_frame_equal(
        sizes.select("household_id", "hhsize"), homes.select("household_id", "hhsize")
    )
    assert (sizes["hhsize"] == sizes["PNUM"]).all()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'income = "INCOME"\n',
            "",
            "ActivitySim's households need 'income': say which",
        ),
        (
            'sex = "SEX"',
            "",
            "ActivitySim's persons need 'sex': say which",
        ),
        ('age = "AGE"', 'age = "AGE"\nPNUM = "AGE"', "names 'PNUM', which popgen makes itself"),
    ],
)
def test_activitysims_names_are_checked(folder: Path, old: str, new: str, says: str) -> None:
    edit(folder, old, new)
    assert household_faults(folder) == []  # nobody asked for them
    with pytest.raises(PopgenError) as refusal:
        read_households(folder, names="activitysim")
    assert says in str(refusal.value)


@pytest.mark.parametrize("style", ["as read", "activitysim"])
def test_columns_of_the_survey_beside_others_named_as_those_moved_aside(
    folder: Path, style: str
) -> None:
    """A column is not taken for another, whose name it has but for what is put before it."""
    rewrite(folder, "households.csv", lambda f: f.with_columns(survey_INCOME=pl.lit("7"), hhsize=1))
    edit(folder, 'format = "csv"', 'households = ["INCOME", "hhsize"]')
    made = read_households(folder, names=style).populate(rng=0)
    assert made.persons is not None
    name = "income" if style == "activitysim" else "INCOME"
    assert made.households[name].min() > 7  # type: ignore[operator]
    if style == "activitysim":
        assert made.households["hhsize"].sum() == len(made.persons)


@pytest.mark.parametrize(("unit", "name"), [("persons", "tract"), ("households", "per_num")])
def test_columns_that_are_made_for_the_other_unit_cannot_be_kept(
    folder: Path, unit: str, name: str
) -> None:
    edit(folder, 'format = "csv"', f'{unit} = ["{name}"]')
    (fault,) = household_faults(folder)
    assert f"output.{unit} names {name!r}, which the {unit} lack; they have" in fault


def test_zones_that_are_one_number_to_activitysim(folder: Path) -> None:
    for file in folder.glob("*.csv"):
        file.write_text(file.read_text("utf-8").replace("\n0102,", "\n101,"), encoding="utf-8")
    assert household_faults(folder) == []
    with pytest.raises(PopgenError) as refusal:
        read_households(folder, names="activitysim")
    assert str(refusal.value) == (
        "ActivitySim knows zones by number, and 1 number(s) would each be several tract areas, "
        "first 101: '101', '0101'; give every zone a number of its own"
    )


def test_nothing_is_written_where_nothing_can_be(folder: Path, tmp_path: Path) -> None:
    plan = read_households(folder)
    made = plan.populate(rng=0)
    (tmp_path / "file").write_text("")
    for place in ("file", "file/out/here"):
        with pytest.raises(PopgenError, match=r"cannot make the folder .*: .*/file is a file"):
            plan.refuse_folder(tmp_path / place)  # before anything is fitted
        with pytest.raises(PopgenError, match="cannot make the folder"):
            plan.write(made, tmp_path / place)
    with pytest.raises(PopgenError, match=r"cannot make the folder .*: File name too long"):
        plan.refuse_folder(tmp_path / ("out" * 100))


@pytest.mark.parametrize("name", ["synthetic_households", "synthetic_persons", "fit_report"])
def test_no_file_that_was_read_is_written_onto(folder: Path, name: str) -> None:
    (folder / "workers.csv").rename(folder / f"{name}.csv")
    edit(folder, "workers.csv", f"{name}.csv")
    plan = read_households(folder)
    plan.refuse_folder(folder / "out")
    with pytest.raises(PopgenError, match=rf"{name}\.csv was read and would be written onto"):
        plan.refuse_folder(folder)


def test_provenance_names_every_file_that_was_read() -> None:
    plan = read_households(TOWN)
    files = {file.name for file in TOWN.iterdir()} - {"popgen.toml"}
    assert set(plan.inputs) == {*files, "popgen.toml"}


def test_which_folders_are_of_households(tmp_path: Path) -> None:
    assert holds_plan(TOWN)
    assert not holds_plan(tmp_path)


def test_a_weight_that_is_missing_is_not_one_of_nothing(folder: Path) -> None:
    edit(folder, 'weight = "WEIGHT"', 'weight = "WEIGHT"\nzero_weight = "drop"')
    missing = pl.when(pl.col("hh_id") == "4").then(None).otherwise("WEIGHT")
    rewrite(folder, "households.csv", lambda f: f.with_columns(WEIGHT=missing))
    assert (
        "1 household weight(s) in column 'WEIGHT' are not positive" in household_faults(folder)[0]
    )


def test_people_are_not_written_into_the_folder_of_a_run(folder: Path, tmp_path: Path) -> None:
    plan = read_households(folder)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}")
    with pytest.raises(PopgenError, match="holds a run written region by region"):
        plan.write(plan.populate(rng=0), tmp_path / "run")


def test_a_condition_that_no_record_meets_passes_where_all_its_figures_are_0(folder: Path) -> None:
    edit(folder, "columns.working =", "columns.robots = 'WORKS == 2'\ncolumns.working =")
    edit(folder, 'amount = "INCOME"', 'amount = "INCOME"\nname = "mean"')
    text = """\n[[margins]]\nfile = "mean_income.csv"\nlevel = "county"\nunit = "households"
        amount = "INCOME"\ncolumns.none = "NP > 99"\n[output]"""
    edit(folder, "[output]", text)
    rewrite(folder, "workers.csv", lambda f: f.with_columns(robots=pl.lit("0")))
    rewrite(folder, "mean_income.csv", lambda f: f.with_columns(none=pl.lit("0")))
    plan = read_households(folder)
    assert [note for note in plan.notes if "no record" in note] == [
        f"no record is counted by '{cell}', whose figures are all 0"
        for cell in ("workers: robots", "mean_income: none")
    ]
    rows = plan.populate(rng=0).report.rows.filter(margin="mean_income")
    assert rows["error"].to_list() == [0]
