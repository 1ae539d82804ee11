"""Mistakes in folders of households: each is refused, in words, where it is; and all at once."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from household_folders import edit, rewrite, town, without

from popgen import PopgenError
from popgen.households.geography import identifiers
from popgen.households.read import household_faults, read_households

Change = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return town(tmp_path)


def only_fault(folder: Path) -> str:
    """The one mistake, without the path before it; reading refuses it in the same words."""
    faults = household_faults(folder)
    assert len(faults) == 1, faults
    with pytest.raises(PopgenError) as refusal:
        read_households(folder)
    assert str(refusal.value) == faults[0]
    return faults[0].removeprefix(f"{folder}/")


def test_the_town_has_no_fault(folder: Path) -> None:
    assert household_faults(folder) == []


def test_an_orphan_zone(folder: Path) -> None:
    edit(folder, "0102,north,", "0102,,", "crosswalk.csv")
    assert only_fault(folder) == (
        "popgen.toml, line 4, geography: crosswalk.csv: 1 row(s) have no county, first row 2; give "
        "every zone its county"
    )


def test_a_zone_with_two_parents(folder: Path) -> None:
    edit(
        folder, "0102,north,example\n", "0102,north,example\n0102,south,example\n", "crosswalk.csv"
    )
    assert only_fault(folder) == (
        "popgen.toml, line 4, geography: crosswalk.csv: tract '0102' lies in county 'north', "
        "'south'; give every tract one county"
    )


def test_a_household_without_persons(folder: Path) -> None:
    rewrite(folder, "persons.csv", lambda f: f.filter(pl.col("hh_id") != f["hh_id"][0]))
    assert (
        "1 of 371 households have no person, first household '4'; add their persons or leave"
        in (only_fault(folder))
    )


def test_a_person_without_household(folder: Path) -> None:
    rewrite(folder, "households.csv", lambda f: f[1:])
    assert "belong to no household, first to household '4'; add the household or leave the" in (
        only_fault(folder)
    )


def test_a_margin_of_a_zone_that_the_crosswalk_lacks(folder: Path) -> None:
    edit(folder, "0203,", "0299,", "units.csv")
    faults = household_faults(folder)
    assert len(faults) == 3  # both kinds, and the persons
    assert faults[0].endswith(
        "kinds[1].total: units.csv names 1 tract area(s) that the crosswalk does not have: '0299'"
    )


def test_a_zone_that_a_margin_leaves_out(folder: Path) -> None:
    rewrite(folder, "age_by_sex.csv", lambda f: f.filter(pl.col("tract") != "0203"))
    faults = household_faults(folder)
    assert len(faults) == 4  # each of the four columns
    assert faults[0].endswith(
        "margins[2].columns.under_18: age_by_sex.csv has no row of 1 of 6 tract area(s): '0203'; "
        "give each one row"
    )
    rewrite(folder, "size_by_tenure.csv", lambda f: f.filter(pl.col("tract") != "0203"))
    assert (
        "margin 'size_by_tenure' says nothing of 1 of 6 tract area(s): '0203'; state every"
        in (household_faults(folder)[0])
    )


def test_a_zone_whose_region_has_no_records(folder: Path) -> None:
    north = pl.col("county") == "north"
    homes = pl.read_csv(folder / "households.csv").filter(north)["hh_id"].cast(pl.String)
    rewrite(folder, "households.csv", lambda f: f.filter(north))
    rewrite(folder, "persons.csv", lambda f: f.filter(pl.col("hh_id").is_in(homes.implode())))
    assert only_fault(folder) == (
        "popgen.toml: 3 zone(s) have units of a kind without records, first tract '0201': 370 of "
        "kind 'household', and county 'south' has no record of it; add records, or join the region "
        "to one that has some, or borrow"
    )


def test_records_of_no_region_at_all(folder: Path) -> None:
    edit(folder, 'weight = "WEIGHT"', 'weight = "WEIGHT"\nregion = "TYPE"')
    assert "households.region: households.csv: no record's 'TYPE' is a county of the crosswalk" in (
        only_fault(folder)
    )


def test_fewer_persons_than_households(folder: Path) -> None:
    without(folder, "age_by_sex.csv")
    rewrite(folder, "units.csv", lambda f: f.with_columns(persons=pl.lit("17")))
    assert only_fault(folder) == (
        "popgen.toml: 6 zone(s) have fewer persons than households, first tract '0101': 17 persons "
        "in 420 households; correct one of the margins"
    )


def empty_zone(folder: Path) -> None:
    """Take everybody out of the last tract, wherever it is stated."""
    there = pl.col("tract") == "0203"
    for file in ("units.csv", "age_by_sex.csv", "size_by_tenure.csv"):

        def emptied(frame: pl.DataFrame) -> pl.DataFrame:
            figures = [c for c in frame.columns if c not in ("tract", "size", "tenure")]
            none = [pl.when(there).then(pl.lit("0")).otherwise(c).alias(c) for c in figures]
            return frame.with_columns(none)

        rewrite(folder, file, emptied)
    without(folder, "workers.csv", "mean_income.csv")


def test_a_zone_without_households_is_left_empty(folder: Path) -> None:
    empty_zone(folder)
    made = read_households(folder).populate(rng=0)
    assert set(made.households["tract"]) == {"0101", "0102", "0103", "0201", "0202"}


def test_a_zone_without_households_that_has_people(folder: Path) -> None:
    empty_zone(folder)
    edit(folder, "0203,0,0,0,0", "0203,0,9,0,0", "age_by_sex.csv")
    assert (
        "the stated total and margin 'age_by_sex' disagree on the persons of 1 tract area(s)"
        in (only_fault(folder))
    )
    without(folder, "age_by_sex.csv")
    edit(folder, "0203,0,0,0", "0203,0,0,9", "units.csv")
    assert "1 zone(s) have persons, no home, first tract '0203': 9 persons in 0 households" in (
        only_fault(folder)
    )


def test_identifiers_may_be_whole_numbers_or_text_in_each_file(folder: Path) -> None:
    """600, 600.0 and "600" are one household; zeros in front are kept."""
    whole = pl.col("hh_id").cast(pl.Int64)
    homes = pl.read_csv(folder / "households.csv").with_columns(whole.cast(pl.Float64))
    homes.write_parquet(folder / "households.parquet")
    people = pl.read_csv(folder / "persons.csv").with_columns(whole.cast(pl.String))
    people.write_parquet(folder / "persons.parquet")
    before = read_households(folder).populate(rng=1)
    edit(folder, "households.csv", "households.parquet")
    edit(folder, "persons.csv", "persons.parquet")
    after = read_households(folder).populate(rng=1)
    assert after.persons is not None
    assert after.persons["AGE"].equals(before.persons["AGE"])  # type: ignore[index]
    tracts = pl.read_csv(folder / "units.csv")  # whose identifiers have lost their zeros
    tracts.write_csv(folder / "units.csv")
    assert (
        "names 6 tract area(s) that the crosswalk does not have: '101', '102'"
        in (household_faults(folder)[0])
    )


def test_an_identifier_that_is_no_whole_number(folder: Path) -> None:
    rewrite(folder, "households.csv", lambda f: f.with_columns(pl.col("hh_id") + ".5"))
    assert "identifiers in column 'hh_id' must be whole numbers or text; got 4.5" in (
        only_fault(folder)
    )


def test_identifiers_whose_last_digits_a_float_has_lost(folder: Path) -> None:
    ids = pl.col("hh_id").cast(pl.Int64) + 2**53
    for file in ("households.csv", "persons.csv"):
        rewrite(folder, file, lambda f: f.with_columns(ids))
    assert household_faults(folder) == []
    rewrite(folder, "households.csv", lambda f: f.with_columns(hh_id=pl.col("hh_id") + ".0"))
    assert "371 identifier(s) in column 'hh_id' are floats of 2**53 or more, first 90071992" in (
        only_fault(folder)
    )
    frame = pl.read_csv(folder / "households.csv", schema_overrides={"hh_id": pl.String})
    frame.write_parquet(folder / "households.parquet")  # as text they keep their digits
    edit(folder, "households.csv", "households.parquet")
    assert household_faults(folder) == []


@pytest.mark.parametrize(("kind", "bits"), [(pl.Float64, 53), (pl.Float32, 24)])
def test_identifiers_that_are_floats_keep_as_many_digits_as_these_have(
    kind: type[pl.DataType], bits: int
) -> None:
    most = pl.Series("id", [2**bits - 1], pl.Int64)
    assert identifiers(most.cast(kind), "file").to_list() == [str(2**bits - 1)]
    with pytest.raises(
        PopgenError, match=rf"'id' are floats of 2\*\*{bits} or more, first {2**bits},"
    ):
        identifiers((most + 2).cast(kind), "file")


def test_two_households_of_one_identifier(folder: Path) -> None:
    rewrite(folder, "households.csv", lambda f: pl.concat([f, f[:1]]))
    assert only_fault(folder) == (
        "popgen.toml, line 9, households: 1 household identifier(s) are there more than once, "
        "first '4'; give each household one row and an identifier of its own"
    )


def test_a_control_that_no_record_can_meet(folder: Path) -> None:
    edit(folder, 'from_65 = "AGE >= 65"', 'from_65 = "AGE >= 165"')
    assert only_fault(folder) == (
        "popgen.toml, line 48, margins[2].columns.from_65: no record is counted by 'AGE >= 165', "
        "but 6 tract area(s) have some, most '0101': 53; correct the condition, or merge these "
        "figures with others"
    )


def test_only_records_that_a_margin_counts_need_an_amount(folder: Path) -> None:
    quarters = pl.when(pl.col("TYPE") == "2").then(pl.lit(None, pl.String))
    rewrite(folder, "households.csv", lambda f: f.with_columns(INCOME=quarters.otherwise("INCOME")))
    assert (
        "margins[4]: amount 'INCOME' is not a finite number for 11 of 371 households, first None "
        "in row 85; fill such values first, or name the kinds of unit that have one (kinds)"
    ) in only_fault(folder)
    edit(folder, 'amount = "INCOME"', 'amount = "INCOME"\nkinds = ["household"]')
    edit(folder, 'where = "NP > 0"', 'where = "INCOME * 0 + 1"')
    assert household_faults(folder) == []


def test_a_kind_that_is_wrong_is_named(folder: Path) -> None:
    edit(folder, '"TYPE == 2"', '"TYP == 2"')
    assert "popgen.toml, line 25, kinds[2].where: where: in 'TYP == 2', households have no" in (
        only_fault(folder)
    )
    edit(folder, '"TYP == 2"', '"TYPE == 2"')
    edit(folder, 'name = "group quarters"', 'name = "household"')
    assert household_faults(folder)[0].endswith(
        "line 24, kinds[2].name: another kind is called 'household' too; name them apart"
    )


def test_a_cell_that_no_record_of_the_region_can_meet(folder: Path) -> None:
    rents = (pl.col("OWNS") == "0") & (pl.col("county") == "south")
    rewrite(
        folder,
        "households.csv",
        lambda f: f.with_columns(OWNS=pl.when(rents).then(pl.lit("1")).otherwise("OWNS")),
    )
    fault = only_fault(folder)
    assert "margins[1]: no record can meet 12 figure(s), first 'size_by_tenure: size=1, " in fault
    assert "of tract '0201': " in fault
    assert fault.endswith(
        "no household of its region adds to it; correct the margin, or merge the "
        "cell with another, join the region to one that has such households, or borrow from others"
    )


@pytest.mark.parametrize(
    ("key", "instead"), [("[households]", "[households]\nborrow = 0.2"), ("region =", "# region =")]
)
def test_a_cell_that_no_record_at_all_can_meet(folder: Path, key: str, instead: str) -> None:
    """Nobody is told to borrow who does so, or has no regions to borrow from."""
    edit(folder, key, instead)
    owns = pl.lit("1").alias("OWNS")
    rewrite(folder, "households.csv", lambda f: f.with_columns(owns))
    assert only_fault(folder).endswith(
        "and no household of the survey adds to it; correct the margin, or merge the cell with "
        "another"
    )


BOTH = "totals.households: is stated beside totals of kinds; leave one out"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('id = "hh_id"', 'id = "hhid"', "households: households.csv has no column 'hhid'; it has"),
        ('"households.csv"', '"homes.csv"', "households: there is no file 'homes.csv' in '"),
        ('"WEIGHT"', '"OWNS"', "household weight(s) in column 'OWNS' are not positive numbers"),
        ('levels = ["tract",', 'levels = ["trac",', "crosswalk.csv has no column 'trac'"),
        ('region = "county"', 'region = "puma"', "geography.region: crosswalk.csv has no"),
        ('level = "tract"', 'level = "town"', "margins[1]: there is no level of geography 'town'"),
        ('"TYPE == 1"', '"TYPE < 3"', "or of several, first row 85 (of 'household', 'g"),
        ('["household"] ', '["home"] ', "margins[1]: there is no kind 'home'; there are"),
        ('unit = "persons"', 'unit = "persons"\nvariables = ["size"]', "needs variables (one row"),
        ("columns.count = {", 'columns.se = "NP > 1"\ncolumns.count = {', "a mean is over all"),
        ('amount = "INCOME"\n', "", "margins[4]: has a statistic but no amount"),
        ('amount = "INCOME"', 'amount = "county"', "amount 'county' is not a finite number"),
        ('se = "working_se"', 'se = "sd"', "workers.csv has no column 'sd'"),
        ('se = "working_se"', 'se = "working_se", importance = 9', "has standard errors and"),
        ("[output]", "[fit]\nlower = 0.5\n[output]", "fit: a lower bound needs an upper one too"),
        ('format = "csv"', 'format = "csv"\npersons = ["AG"]', "output.persons names 'AG'"),
        ('sex = "SEX"', 'sex = "GENDER"', "activitysim.persons names 'GENDER', which the persons"),
        ("variables = [", 'amount = "NP"\nvariables = [', "amounts are stated in columns"),
        ('variables = ["size",', 'variables = ["tract",', "is the column of areas and cannot be"),
        ('kinds = ["household"] ', "# ", "of 371 households have no 'tenure'; give them"),
        ("[totals]", '[totals]\nhouseholds = { file = "units.csv", column = "households" }', BOTH),
    ],
)
def test_other_mistakes(folder: Path, old: str, new: str, says: str) -> None:
    edit(folder, old, new)
    if "activitysim" in says:
        edit(folder, "[output]", '[output]\nnames = "activitysim"')
    faults = household_faults(folder)
    if not faults:  # seen only when fitted
        with pytest.raises(PopgenError) as refusal:
            read_households(folder).populate(rng=0)
        faults = [str(refusal.value)]
    assert any(says in fault for fault in faults), faults


def test_margins_that_disagree(folder: Path) -> None:
    rewrite(folder, "age_by_sex.csv", lambda f: f.with_columns(from_65=pl.lit("50")))
    assert (
        "the stated total and margin 'age_by_sex' disagree on the persons of 6 tract area(s), "
        in (only_fault(folder))
    )


def test_a_margin_of_some_kinds_that_disagrees_with_their_total(folder: Path) -> None:
    edit(folder, "0102,1,owns,", "0102,1,owns,1", "size_by_tenure.csv")
    fault = only_fault(folder)
    assert "totals: the stated totals and margin 'size_by_tenure' disagree on the units of" in fault
    assert "of kind 'household' of 1 tract area(s), most in '0102': 301 against 401" in fault


def test_two_margins_of_one_name(folder: Path) -> None:
    edit(folder, 'file = "workers.csv"', 'file = "workers.csv"\nname = "mean_income"')
    assert only_fault(folder).endswith(
        "margins[4]: another margin of county is called 'mean_income' too; give this one a name of "
        "its own"
    )


def test_rows_without_an_area(folder: Path) -> None:
    edit(folder, "\n0102", "\n", "age_by_sex.csv")
    assert household_faults(folder)[0].endswith(
        "age_by_sex.csv: 1 row(s) have no tract in column 'tract', first row 2; give every row its "
        "tract"
    )
    edit(folder, "\n0102", "\n", "size_by_tenure.csv")
    assert (
        "size_by_tenure.csv: 1 row(s) have no 'tract' (first: row 9)"
        in (household_faults(folder)[0])
    )


def test_an_area_with_two_rows(folder: Path) -> None:
    edit(folder, "\n0102", "\n0101", "age_by_sex.csv")
    faults = household_faults(folder)
    assert "age_by_sex.csv has no row of 1 of 6 tract area(s): '0102'; give each one" in faults[0]
    rewrite(folder, "workers.csv", lambda f: pl.concat([f, f[:1]]))
    assert "has more than one row of 1 of 2 county area(s): 'north'" in household_faults(folder)[-1]


def test_a_figure_that_is_no_number(folder: Path) -> None:
    edit(folder, "0101,", "0101,x", "units.csv")
    assert (
        "kinds[1].total: units.csv: 'households' is not a number of at least 0 in 1 row(s), "
        in (household_faults(folder)[0])
    )


def test_a_weight_that_differs_within_a_household(folder: Path) -> None:
    homes, people = (pl.read_csv(folder / f"{name}.csv") for name in ("households", "persons"))
    rows = people.join(homes, on="hh_id", maintain_order="left").with_row_index()
    rows.with_columns(WEIGHT=pl.col("index") + 1).write_csv(folder / "joined.csv")
    edit(folder, "households.csv", "joined.csv")
    edit(folder, "persons.csv", "joined.csv")
    assert "joined.csv, for all of a household alike, has no column 'WEIGHT'; it has" in (
        only_fault(folder)
    )


@pytest.mark.parametrize(
    ("file", "columns", "says"),
    [
        (
            "households",
            ["household_id", "survey_household_id"],
            "two columns 'survey_household_id'",
        ),
        ("households", ["tract", "survey_tract"], "two columns 'survey_tract'"),
        ("persons", ["per_num", "survey_per_num"], "two columns 'survey_per_num'; name them apart"),
    ],
)
def test_columns_that_would_be_written_under_one_name(
    folder: Path, file: str, columns: list[str], says: str
) -> None:
    more = {name: pl.lit("1") for name in columns[:1]}
    rewrite(folder, f"{file}.csv", lambda f: f.with_columns(**more))
    assert household_faults(folder) == []  # it is moved aside
    more = {name: pl.lit("1") for name in columns}
    rewrite(folder, f"{file}.csv", lambda f: f.with_columns(**more))
    assert f"output: the {file} written would have {says}" in only_fault(folder)


@pytest.mark.parametrize("name", ["county", "state"])
def test_columns_of_one_name_to_activitysim(folder: Path, name: str) -> None:
    edit(folder, "format", 'names = "activitysim"\nformat')
    edit(folder, "num_workers", f'{name} = "NP"\nnum_workers')
    assert f"activitysim: the households written would have two columns {name!r}" in (
        only_fault(folder)
    )


def test_a_level_named_as_a_column_that_is_made(folder: Path) -> None:
    edit(folder, '"state"]', '"household_id"]')
    rewrite(folder, "crosswalk.csv", lambda f: f.rename({"state": "household_id"}))
    assert "the households written would have two columns 'household_id'" in only_fault(folder)


def test_a_folder_of_neither_kind(tmp_path: Path) -> None:
    with pytest.raises(
        PopgenError, match=r"has neither popgen\.toml .* nor PopulationSim's settings"
    ):
        read_households(tmp_path)


def test_a_file_that_is_no_toml(folder: Path) -> None:
    (folder / "popgen.toml").write_text("a = ", encoding="utf-8")
    assert "popgen.toml: cannot be read as TOML: Invalid value (at end of document)" in (
        only_fault(folder)
    )


def test_all_mistakes_are_listed_at_once(folder: Path) -> None:
    """The schema's, the files', and the figures', each with its own line."""
    edit(folder, 'weight = "WEIGHT"', 'weigth = "WEIGHT"')
    edit(folder, 'codebook = "codebook.toml"', 'codebook = "book.toml"')
    edit(folder, 'file = "workers.csv"', 'file = "work.csv"')
    edit(folder, "0102,north", "0102,", "crosswalk.csv")
    edit(folder, 'format = "csv"', 'format = "xls"')
    found = [fault.removeprefix(f"{folder}/popgen.toml, ") for fault in household_faults(folder)]
    assert [fault.split(":")[0] for fault in found] == [
        "line 12, households.weigth",
        "line 67, output.format",
        "line 4, geography",
        "line 51, margins[3]",
    ]
    edit(folder, "0102,", "0102,north", "crosswalk.csv")
    edit(folder, 'weigth = "WEIGHT"', 'weight = "WEIGHT"')
    edit(folder, 'from_65 = "AGE >= 65"', 'from_65 = "AGES >= 65"')
    found = [fault.removeprefix(f"{folder}/popgen.toml, ") for fault in household_faults(folder)]
    assert [fault.split(":")[0] for fault in found] == [
        "line 67, output.format",
        "line 2, codebook",
        "line 48, margins[2].columns.from_65",
        "line 51, margins[3]",
    ]
    with pytest.raises(
        PopgenError, match=r"output\.format.*; 3 more mistake\(s\): popgen validate"
    ):
        read_households(folder)
