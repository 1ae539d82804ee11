"""One test for each kind of bad input that a user is likely to have, from the door they use."""

import polars as pl
import pytest

from popgen import (
    InconsistentMarginsError,
    Microdata,
    PopgenError,
    Population,
    Problem,
    read_census,
    read_codebook,
    read_microdata,
)

SOURCE = """
zone = "town"
[[margins]]
name = "sex"
file = "sex.csv"
variables = ["town", "sex"]
[[margins]]
name = "sex_age"
file = "sex_age.csv"
variables = ["town", "sex", "age"]
"""
CODEBOOK = """
[variables.town]
levels = ["A", "B"]
[variables.sex]
levels = ["f", "m"]
[variables.age]
levels = ["young", "old"]
"""
SEX = "town,sex,count\nA,f,52\nA,m,48\n"
SEX_AGE = "town,sex,age,count\nA,f,young,20\nA,f,old,32\nA,m,young,30\nA,m,old,18\n"


@pytest.fixture
def town(tmp_path):
    folder = tmp_path / "town"
    folder.mkdir()
    for name, text in {
        "SOURCE.toml": SOURCE,
        "codebook.toml": CODEBOOK,
        "sex.csv": SEX,
        "sex_age.csv": SEX_AGE,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def problem(folder):
    census = read_census(folder, zone="A")
    return Problem(census.margins, codebook=census.codebook)


def refusal(folder, name=None, text=None, encoding="utf-8"):
    """Spoil a file of the folder, and give what popgen then says."""
    if name is not None:
        (folder / name).write_bytes(text.encode(encoding))
    with pytest.raises(PopgenError) as caught:
        problem(folder)
    return str(caught.value)


def test_good_input_is_accepted(town):
    assert problem(town).total == 100


def test_overlapping_tables_whose_totals_disagree(town):
    said = refusal(town, "sex.csv", SEX.replace("52", "55"))
    assert said == (
        "margins 'sex' ('sex',) and 'sex_age' ('sex', 'age') disagree in cell (sex=f): 55 against "
        "52, by 3 people; reconcile them first (popgen.reconcile)"
    )
    with pytest.raises(InconsistentMarginsError):
        problem(town)


def test_a_level_unknown_to_the_codebook(town):
    said = refusal(town, "sex.csv", SEX.replace("A,f", "A,female"))
    assert said == (
        f"{town / 'sex.csv'}, zone 'A': column 'sex' has level(s) unknown to the codebook: "
        "'female' (first in row 1); variable 'sex' has 'f', 'm'"
    )


def test_a_negative_count(town):
    said = refusal(town, "sex.csv", SEX.replace("52", "-52"))
    assert said == (
        f"{town / 'sex.csv'}, zone 'A': count -52 in cell (sex=f) of table ('sex',): counts must "
        "be finite and not negative (1 such cell(s)); correct or leave out the figure"
    )


@pytest.mark.parametrize(("figure", "shown"), [("NaN", "'NaN'"), ("n/a", "'n/a'"), ("", "None")])
def test_a_count_that_is_not_a_number(town, figure, shown):
    said = refusal(town, "sex.csv", SEX.replace("52", figure))
    assert said == (
        f"{town / 'sex.csv'}, zone 'A': 'count' is not a number in 1 row(s), first {shown} in row 1"
    )


def test_duplicate_levels(town):
    said = refusal(town, "codebook.toml", CODEBOOK.replace('["f", "m"]', '["f", "m", "f"]'))
    assert said == (
        f"{town / 'codebook.toml'}: variable 'sex' has duplicate levels: 'f'; name each level once"
    )


def test_a_cell_stated_twice(town):
    said = refusal(town, "sex.csv", SEX + "A,f,52\n")
    assert said == (
        f"{town / 'sex.csv'}, zone 'A': cell (sex=f) is stated 2 times; state each once"
    )


def test_a_cell_left_out(town):
    said = refusal(town, "sex_age.csv", SEX_AGE.replace("A,m,old,18\n", ""))
    assert "1 of 4 cells are not stated, first (sex=m, age=old); write 0 where there is" in said


def test_an_empty_file(town):
    assert refusal(town, "sex.csv", "") == f"{town / 'sex.csv'} is empty"
    said = refusal(town, "sex.csv", "town,sex,count\n")
    assert said == f"{town / 'sex.csv'} has a header but no rows"


def test_wrong_encoding(town):
    said = refusal(town, "sex.csv", SEX + "Besançon,f,1\n", "latin-1")
    assert said.startswith(f"{town / 'sex.csv'} is not UTF-8 text (")
    assert said.endswith("save it as UTF-8")
    assert "is not UTF-8 text" in refusal(town, "sex.csv", SEX, "utf-16")


def test_a_missing_column(town):
    said = refusal(town, "sex.csv", SEX.replace("sex", "gender"))
    assert said == f"{town / 'sex.csv'} has no column 'sex'; it has 'town', 'gender', 'count'"


def test_a_column_named_twice(town):
    said = refusal(town, "sex.csv", SEX.replace("count", "sex"))
    assert said == f"{town / 'sex.csv'} has duplicate columns: 'sex'; name each column once"


def test_a_zone_that_is_not_in_the_table(town):
    with pytest.raises(PopgenError) as caught:
        read_census(town, zone="B")
    assert str(caught.value) == f"{town / 'sex.csv'} has no zone 'B'; it has 'A'"
    with pytest.raises(PopgenError, match="town has no zone 'C'; it has 'A', 'B'"):
        read_census(town, zone="C")


def test_records_with_a_level_unknown_to_the_codebook(town):
    codebook = read_codebook(town / "codebook.toml")
    with pytest.raises(
        PopgenError, match=r"'sex' has .* unknown to the codebook: 'x', 'y' .first i"
    ):
        read_microdata(pl.DataFrame({"sex": ["f", "x", "y"]}), codebook)


def test_records_without_a_variable_of_the_margins(town):
    census = read_census(town, zone="A")
    records = read_microdata(pl.DataFrame({"sex": ["f", "m"]}), census.codebook)
    message = "margin 'sex_age' states 'age', which the records do not have: they have 'sex', and"
    with pytest.raises(PopgenError, match=message):
        Problem(census.margins, records, codebook=census.codebook)


def test_weights_that_are_no_weights():
    frame = pl.DataFrame({"sex": ["f", "m"], "w": ["1", "-"]})
    message = "weight column 'w' is not a positive number in 1 row.s., first '-' in row 2; leave su"
    with pytest.raises(PopgenError, match=message):
        read_microdata(frame, weight="w")


def test_unwritable_output_leaves_no_file(tmp_path, town):
    census = read_census(town, zone="A")
    people = Population(census.domain, [[0, 0]])
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "absent" / "people.parquet", tmp_path / "file" / "people.csv"):
        with pytest.raises(
            PopgenError, match=r"cannot write .*; choose a folder that exists and is"
        ):
            people.write(path)
    with pytest.raises(PopgenError, match=r"cannot write .*people\.txt: give a name ending in"):
        people.write(tmp_path / "people.txt")
    assert sorted(path.name for path in tmp_path.rglob("*people*")) == []


def test_no_records():
    with pytest.raises(PopgenError, match="the dataframe has no rows"):
        read_microdata(pl.DataFrame({"sex": []}))
    with pytest.raises(PopgenError, match="there are no records; give at least one"):
        Microdata(read_microdata(pl.DataFrame({"sex": ["f"]})).domain, [[0]]).take([False])
