import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from popgen import Codebook, PopgenError, Variable, read_microdata
from popgen.codebook import Recode

SEX = Variable("sex", ("female", "male"))
AGE = Variable("age", ("young", "old"))
BOOK = Codebook({"sex": SEX, "age": AGE})
RAW = Codebook({"sex": SEX}, {}, {"sex": Recode("SEX", {"1": "male", "2": "female"})})
ROWS = {"sex": ["male", "female", "male"], "age": ["old", "young", "old"], "w": [10, 20, 30]}


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS, schema_overrides={"sex": pl.Categorical}),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS).astype({"sex": "category", "w": "Int64"}),
        pa.table(ROWS),
    ],
    ids=lambda frame: type(frame).__module__.split(".")[0],
)
def test_frames_of_every_library_are_read(frame):
    survey = read_microdata(frame, BOOK, weight="w")
    assert survey.project("sex", "age").counts.tolist() == [[20, 0], [0, 40]]


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_files_of_every_kind_are_read(tmp_path, ending):
    path = tmp_path / f"survey.{ending}"
    frame = pl.DataFrame(ROWS)
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "arrow": frame.write_ipc}[ending](path)
    assert read_microdata(path, BOOK, weight="w").weights.tolist() == [10, 20, 30]


def test_without_a_codebook_levels_are_the_sorted_values():
    survey = read_microdata(pl.DataFrame(ROWS), weight="w")
    assert survey.domain.names == ("sex", "age")
    assert survey.domain["age"].levels == ("old", "young")
    assert len(read_microdata(pl.DataFrame(ROWS), variables=["age"]).domain) == 1


def test_levels_nobody_has_are_kept():
    survey = read_microdata(pl.DataFrame({"sex": ["male"]}), BOOK)
    assert survey.domain["sex"] == SEX


@pytest.mark.parametrize(
    "raw",
    [
        pl.Series([1, 2]),
        pl.Series([1.0, 2.0]),
        pl.Series(["1", "2"]),
        pl.Series(["1.0", "2.0"]),
        pl.Series(["1", "2"], dtype=pl.Categorical),
    ],
    ids=lambda raw: str(raw.dtype),
)
def test_raw_values_are_recoded_however_they_are_stored(raw):
    survey = read_microdata(pl.DataFrame({"SEX": raw}), RAW)
    assert survey.to_polars()["sex"].to_list() == ["male", "female"]


def test_raw_values_beside_gaps_are_recoded():
    for frame in (
        pd.DataFrame({"SEX": [1.0, np.nan]}),
        pd.DataFrame({"SEX": pd.array([1, None], dtype="Int64")}),
        pl.DataFrame({"SEX": [1.0, float("nan")]}),
    ):
        assert len(read_microdata(frame, RAW, missing="drop")) == 1


def test_booleans_are_recoded():
    book = Codebook({"sex": SEX}, {}, {"sex": Recode("man", {"true": "male", "false": "female"})})
    survey = read_microdata(pl.DataFrame({"man": [False, True]}), book)
    assert survey.codes.ravel().tolist() == [0, 1]


def test_a_raw_value_is_never_rounded():
    with pytest.raises(PopgenError, match=r"does not recode into 'sex': '1\.5'; it knows '1', '2'"):
        read_microdata(pl.DataFrame({"SEX": [1.5, 2.0]}), RAW)


def test_other_and_missing_values_get_the_levels_that_the_codebook_gives_them():
    recode = Recode("SEX", {"1": "male"}, otherwise="female", missing="male")
    book = Codebook({"sex": SEX}, {}, {"sex": recode})
    survey = read_microdata(pl.DataFrame({"SEX": [1, 9, None]}), book)
    assert survey.to_polars()["sex"].to_list() == ["male", "female", "male"]


def test_coded_columns_are_read_where_the_raw_one_is_absent():
    assert len(read_microdata(pl.DataFrame({"sex": ["male"]}), RAW)) == 1


def test_codes_with_leading_zeros_stay_as_they_are(tmp_path):
    path = tmp_path / "survey.csv"
    path.write_text("state\n01\n02\n")
    assert read_microdata(path).domain["state"].levels == ("01", "02")


def test_weights_as_text_are_read(tmp_path):
    path = tmp_path / "survey.csv"
    path.write_text("sex,w\nmale,1.5\nfemale,2\n")
    assert read_microdata(path, BOOK, weight="w").weights.tolist() == [1.5, 2]
    frame = pl.DataFrame({"sex": ["male"], "w": ["1e3"]})
    assert read_microdata(frame, BOOK, weight="w").weights.tolist() == [1000]


# missing values


GAPS = pl.DataFrame({"sex": ["male", None, None], "age": ["old", "old", None], "w": [10, 20, 70]})


def test_missing_values_are_refused_unless_a_policy_is_named():
    message = (
        r"2 of 3 records miss a value \(sex 2, age 1\); read with missing='drop' to leave them out"
    )
    with pytest.raises(PopgenError, match=message):
        read_microdata(GAPS, BOOK, weight="w")


def test_dropped_records_are_noted_with_their_people():
    survey = read_microdata(GAPS, BOOK, weight="w", missing="drop")
    assert len(survey) == 1
    assert survey.notes == (
        "dropped 2 of 3 records (90 of 100 people) with a missing value: sex 2, age 1",
    )


def test_missing_values_can_have_a_level_of_their_own():
    survey = read_microdata(GAPS, BOOK, weight="w", missing="level")
    assert survey.domain["sex"].levels == ("female", "male", "missing")
    assert survey.project("sex").counts.tolist() == [0, 10, 90]
    assert survey.notes == ("gave missing values a level of their own, 'missing': sex 2, age 1",)


def test_complete_records_need_no_policy():
    assert read_microdata(pl.DataFrame(ROWS), BOOK, missing="level").domain["sex"] == SEX


# refusals


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {"sex": ["x", "male"]},
            {},
            "'sex' has level.s. unknown to the codebook: 'x' .first in row",
        ),
        ({"race": ["a"]}, {}, "has none of the codebook's variables 'sex', 'age'; its columns are"),
        (
            {"sex": ["male"]},
            {"variables": ["age"]},
            "no column 'age', nor a finer variable",
        ),
        ({"sex": ["male"]}, {"variables": ["race"]}, "codebook has no variable 'race'"),
        (
            {"sex": ["male"]},
            {"variables": ["sex", "sex"]},
            "at least one variable to read, each on",
        ),
        ({"sex": ["male"]}, {"variables": []}, "at least one variable to read, each once; got "),
        ({"sex": ["male"]}, {"weight": "w"}, "has no column 'w'; it has 'sex'"),
        ({"sex": ["male"]}, {"missing": "ignore"}, "missing='ignore' is not a policy; use 'error'"),
        (
            {"sex": ["male"], "w": [0]},
            {"weight": "w"},
            "not a positive number in 1 row.s., first 0",
        ),
        (
            {"sex": ["male"], "w": [-1]},
            {"weight": "w"},
            "first -1 in row 1; leave such records out",
        ),
        ({"sex": ["male"], "w": ["?"]}, {"weight": "w"}, "weight column 'w' is not .* first '\\?'"),
        ({"sex": ["male"], "w": [None]}, {"weight": "w"}, "not a positive number in 1 row"),
        ({"sex": ["male"], "w": [float("nan")]}, {"weight": "w"}, "not a positive number in 1 row"),
        (
            {"sex": [None]},
            {"missing": "drop"},
            r"every record misses a value \(sex 1\); none is left",
        ),
    ],
)
def test_records_that_make_no_sense_are_refused(columns, options, message):
    with pytest.raises(PopgenError, match=message):
        read_microdata(pl.DataFrame(columns), BOOK, **options)


def test_a_value_that_the_codebook_does_not_recode_is_refused():
    message = "'SEX' has value.s. that the codebook does not recode into 'sex': '9'; it knows '1'"
    with pytest.raises(PopgenError, match=message):
        read_microdata(pl.DataFrame({"SEX": [1, 9]}), RAW)


def test_a_column_without_values_is_refused():
    with pytest.raises(PopgenError, match="column 'sex' holds no value; leave it out"):
        read_microdata(pl.DataFrame({"sex": [None, None], "age": ["a", "b"]}))


def test_a_file_of_weights_only_is_refused():
    with pytest.raises(PopgenError, match="name at least one variable to read"):
        read_microdata(pl.DataFrame({"w": [1.0]}), weight="w")


def test_identifiers_are_not_taken_for_a_variable():
    frame = pl.DataFrame({"id": [str(i) for i in range(40_000)]})
    with pytest.raises(PopgenError, match="'id' has 40,000 levels; records can tell 32,767 apart"):
        read_microdata(frame)


def test_a_column_of_very_many_values_is_noted_unless_a_codebook_knows_it():
    income = [str(i) for i in range(201)]
    frame = pl.DataFrame({"income": income, "sex": ["f"] * 201})
    [note] = read_microdata(frame).notes
    assert note.startswith("column 'income' has 201 distinct values, each now a level")
    gaps = frame.with_columns(sex=pl.Series([None] + ["f"] * 200))
    assert len(read_microdata(gaps, missing="level").notes) == 2
    assert read_microdata(frame[:200]).notes == ()
    assert read_microdata(frame, Codebook.of([Variable("income", tuple(income))])).notes == ()


def test_a_million_records_are_read_whole():
    codes = np.random.default_rng(0).integers(1, 3, (1_000_000, 10))
    names = [f"v{i}" for i in range(10)]
    book = Codebook(
        {name: Variable(name, SEX.levels) for name in names},
        {},
        {name: Recode(name.upper(), {"1": "male", "2": "female"}) for name in names},
    )
    frame = pl.DataFrame(codes, schema=[name.upper() for name in names])
    assert read_microdata(frame, book).project("v0", "v9").total == 1_000_000


# counts of people


def test_counts_become_records_and_weights_do_not():
    frame = pl.DataFrame({"sex": ["f", "m", "m"], "age": ["y", "y", "o"], "k": ["3", "0", "2"]})
    counted = read_microdata(frame, count="k")
    assert counted.domain.names == ("sex", "age")
    assert counted.effective_size == len(counted) == 5
    assert counted.project("sex", "age").counts.tolist() == [[0, 3], [2, 0]]
    weighted = frame.with_columns(w=pl.Series([2.0, 1.0, 0.5]))
    both = read_microdata(weighted, variables=["sex"], count="k", weight="w")
    assert both.project("sex").counts.tolist() == [6, 1]
    gaps = frame.with_columns(age=pl.Series(["y", None, None]))
    told = read_microdata(gaps, count="k", missing="drop").notes
    assert told == ("dropped 2 of 5 records (2 of 5 people) with a missing value: age 2",)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (["1", "1.5"], "'k' is not a whole number of people in 1 row.* first '1.5' in row 2"),
        ([-1, 2], "'k' is not a whole number of people in 1 row.* first '?-1'? in row 1"),
        ([1, None], "'k' is not a whole number of people in 1 row.* first None in row 2"),
        ([0, 0], "'k' adds up to 0 people on 1 variable.s.: nobody"),
        ([10**9, 1], "'k' adds up to 1,000,000,001 people on 1 .* read them as a table"),
    ],
)
def test_counts_that_are_none_are_refused(counts, message):
    with pytest.raises(PopgenError, match=message):
        read_microdata(pl.DataFrame({"sex": ["f", "m"], "k": counts}), count="k")
