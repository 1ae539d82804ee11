import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from popgen import PopgenError, Variable, read_microdata, table_from_frame
from popgen.frames import load_frame

SEX = Variable("sex", ("female", "male"))
ROWS = {"sex": ["male", "female"], "count": [48, 52]}


def csv(folder, content, name="margin.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS, schema_overrides={"sex": pl.Categorical, "count": pl.UInt8}),
        pl.DataFrame(ROWS, schema_overrides={"sex": pl.Enum(["male", "female"])}),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS, index=[7, 7]),
        pd.DataFrame(ROWS).astype({"sex": "category", "count": "Int64"}),
        pd.DataFrame(ROWS).astype({"sex": object, "count": str}),
        pd.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow"),
        pa.table(ROWS),
        pa.table({**ROWS, "sex": pa.array(ROWS["sex"]).dictionary_encode()}),
    ],
    ids=lambda frame: type(frame).__module__.split(".")[0],
)
def test_frames_of_every_library_are_read(frame):
    table = table_from_frame(frame, [SEX])
    assert table.domain["sex"] == SEX  # the variable's order, not the rows'
    assert table.counts.tolist() == [52, 48]


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "feather"])
def test_files_of_every_kind_are_read(tmp_path, ending):
    path = tmp_path / f"margin.{ending}"
    writer = {"csv": "write_csv", "parquet": "write_parquet"}.get(ending, "write_ipc")
    getattr(pl.DataFrame(ROWS), writer)(path)
    for source in (path, str(path)):
        assert table_from_frame(source, [SEX]).counts.tolist() == [52, 48]


def test_levels_come_in_order_of_appearance_if_none_is_stated():
    assert table_from_frame(pl.DataFrame(ROWS)).domain["sex"].levels == ("male", "female")


def test_levels_of_which_no_cell_is_stated_are_left_out():
    table = table_from_frame(pl.DataFrame({"sex": ["male"], "count": [1]}), [SEX])
    assert table.domain["sex"].levels == ("male",)


def test_standard_errors_and_other_columns():
    frame = pl.DataFrame({**ROWS, "moe": [3, 4], "note": ["a", "b"]})
    table = table_from_frame(frame, ["sex"], se="moe")
    assert table.se.tolist() == [3, 4]
    assert table_from_frame(frame, ["sex"]).se is None


def test_codes_with_leading_zeros_stay_as_they_are(tmp_path):
    path = csv(tmp_path, "state,count\n01,5\n02,6\n")
    assert table_from_frame(path).domain["state"].levels == ("01", "02")


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = csv(tmp_path, "\ufeffsex,count\nmale,1\nfemale,2\n")
    assert table_from_frame(path).names == ("sex",)


def test_numbers_and_booleans_can_be_levels():
    wave = Variable("wave", ("1", "2"))
    for raw in ([1, 2], [1.0, 2.0], ["1", "2"], ["1.0", "2.0"]):
        frame = pl.DataFrame({"wave": raw, "count": [3, 4]})
        assert table_from_frame(frame, [wave]).counts.tolist() == [3, 4]
    frame = pl.DataFrame({"adult": [True, False], "count": [3, 4]})
    assert table_from_frame(frame).domain["adult"].levels == ("true", "false")


def test_a_level_is_never_rounded():
    frame = pl.DataFrame({"wave": [1.5, 2.0], "count": [3, 4]})
    with pytest.raises(PopgenError, match=r"unknown to the codebook: '1\.5' \(first in row 1\)"):
        table_from_frame(frame, [Variable("wave", ("1", "2"))])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"sex": ["male", "x"], "count": [1, 2]},
            "'sex' has level.s. unknown to the codebook: 'x'",
        ),
        ({"sex": ["male", None], "count": [1, 2]}, r"1 row.s. have no 'sex' \(first: row 2\)"),
        (
            {"sex": ["male"] * 2, "count": [1, 2]},
            r"cell \(sex=male\) is stated 2 times; state each",
        ),
        ({"sex": ["male", "female"], "count": [1, -2]}, r"count -2 in cell \(sex=female\)"),
        ({"sex": ["male"], "count": ["many"]}, "'count' is not a number in 1 row.*'many' in row 1"),
        ({"sex": ["male"], "count": ["1,000"]}, "'count' is not a number in 1 row.*'1,000' in row"),
        ({"sex": ["male", "female"], "count": [None, 1]}, "'count' is not a number in 1 row"),
        ({"sex": ["male"], "count": [float("nan")]}, "'count' is not a number.* nan in row 1"),
        ({"sex": ["male"], "count": [float("inf")]}, r"count inf in cell \(sex=male\)"),
        ({"sex": ["male"], "count": [True]}, "'count' holds Boolean values, not numbers"),
        ({"sex": ["male"], "count": [1], "se": [-1]}, r"standard error -1 in cell \(sex=male\)"),
        ({"sex": ["male"], "count": [1], "se": ["?"]}, "'se' is not a number in 1 row"),
        ({"sex": ["male"], "people": [1]}, "has no column 'count'; it has 'sex', 'people'"),
        ({"count": [1]}, "has no column 'sex'; it has 'count'"),
        ({"sex": [["male"]], "count": [1]}, r"'sex' holds List\(String\) values, which cannot be"),
    ],
)
def test_a_margin_that_makes_no_sense_is_refused(columns, message):
    with pytest.raises(PopgenError, match=f"^dataframe.*{message}"):
        table_from_frame(pl.DataFrame(columns, strict=False), [SEX])


def test_a_gap_is_refused_with_the_cell():
    frame = pl.DataFrame({"a": ["x", "x", "y"], "b": ["1", "2", "1"], "count": [1, 2, 3]})
    with pytest.raises(
        PopgenError, match=r"1 of 4 cells are not stated, first \(a=y, b=2\); write"
    ):
        table_from_frame(frame)


def test_columns_that_are_no_variables_are_noticed():
    frame = pl.DataFrame({f"v{i}": [str(j) for j in range(1000)] for i in range(4)})
    with pytest.raises(PopgenError, match="1,000 rows for 1,000,000,000,000 cells; are all of"):
        table_from_frame(frame.with_columns(count=1))


def test_a_margin_has_variables():
    with pytest.raises(PopgenError, match="dataframe has no column of levels; it has 'count'"):
        table_from_frame(pl.DataFrame({"count": [1]}))


@pytest.mark.parametrize("names", [["sex", "sex"], ["sex", "count"]])
def test_a_column_is_used_once(names):
    with pytest.raises(PopgenError, match="must be different columns"):
        table_from_frame(pl.DataFrame(ROWS), names)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (7, "cannot read a int as a dataframe; pass a path, or a pandas, polars or pyarrow frame"),
        (pl.LazyFrame(ROWS), "cannot read a LazyFrame as a dataframe"),
        (pl.DataFrame({"sex": []}), "the dataframe has no rows"),
        (
            pd.DataFrame([["f", 1, 2]], columns=["sex", "count", "count"]),
            "unique column names.*cou",
        ),
        (
            pa.table([["f"], [1], [2]], names=["sex", "count", "count"]),
            "unique column names.*'coun",
        ),
        (pd.DataFrame({"sex": pd.Series(["f", 1], dtype=object)}), "give each column one type"),
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(frame, message):
    with pytest.raises(PopgenError, match=message):
        load_frame(frame)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"margin\.csv is empty"),
        (b"sex,count\n", "has a header but no rows"),
        (b"\n", "cannot be read as CSV: .*; it must be UTF-8 text with one header line"),
        (b"sex,count,count\nf,1,2\n", "has duplicate columns: 'count'; name each column once"),
        (b"sex,count\nf,1,2\n", "cannot be read as CSV: found more fields"),
        (
            "sex,count\nfé,1\n".encode("latin-1"),
            r"not UTF-8 text \(.* at byte \d+\); save it as UTF",
        ),
        ("sexé,count\nf,1\n".encode("latin-1"), "is not UTF-8 text"),
        (b"sex,count\n" + b"f,1\n" * 50_000 + b"\xe9,1\n", "cannot be read as CSV: invalid utf-8"),
        ("sex,count\nf,1\n".encode("utf-16"), "is not UTF-8 text"),
        ("sex,count\nf,1\n".encode("utf-16-le"), r"is not UTF-8 text \(it has NUL bytes\)"),
        (b"sex;count\nf;1\n", "has no column 'sex', 'count'; it has 'sex;count'"),
        (b"sex,count\nmale\n", "'count' is not a number in 1 row"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_path(tmp_path, content, message):
    with pytest.raises(PopgenError, match=message) as refusal:
        table_from_frame(csv(tmp_path, content), [Variable("sex", ("f", "male"))])
    assert "margin.csv" in str(refusal.value)


def test_files_that_are_absent_or_of_another_kind_are_named(tmp_path):
    with pytest.raises(PopgenError, match=r"there is no file .*absent\.csv"):
        load_frame(tmp_path / "absent.csv")
    with pytest.raises(PopgenError, match=r"m\.xlsx: unknown kind of file; give one of '\.csv'"):
        load_frame(csv(tmp_path, "x", "m.xlsx"))
    for name, kind in (("m.parquet", "Parquet"), ("m.arrow", "Arrow")):
        with pytest.raises(PopgenError, match=f"{name} cannot be read as {kind}: "):
            load_frame(csv(tmp_path, "no such thing", name))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(PopgenError, match="there is no file"):
        load_frame(tmp_path / "folder.csv")


def test_a_large_margin_is_read_whole():
    levels = np.array([f"tract {i}" for i in range(40_000)])  # more than records can tell apart
    frame = pl.DataFrame({"tract": np.repeat(levels, 10), "age": np.tile(np.arange(10), 40_000)})
    table = table_from_frame(frame.with_columns(count=1.0), ["tract", "age"])
    assert table.domain.shape == (40_000, 10)
    assert table.total == 400_000


def test_what_no_integer_can_hold_is_not_taken_for_missing():
    read = read_microdata(pl.DataFrame({"code": [1.0, 1e20]}))
    assert len(read.domain["code"]) == 2
    assert read.project("code").counts.tolist() == [1, 1]
    for values in ([1.0, float("inf")], [0.5, float("-inf")]):
        with pytest.raises(
            PopgenError, match=r"column 'code' is infinite in 1 row.s., first row 2"
        ):
            read_microdata(pl.DataFrame({"code": values}), missing="drop")
    assert (
        len(read_microdata(pl.DataFrame({"code": [1.0, None, float("nan")]}), missing="drop")) == 1
    )


@pytest.mark.parametrize(
    "head",
    ["# a,a,,\n", "#,,\n# of 2020\n", "\n# a\n\n", "\ufeff# a,,\r\n", "\n \n", "# a\r\r\n"],
)
def test_comments_may_stand_above_the_header_whatever_they_hold(tmp_path, head):
    path = csv(tmp_path, f"{head}sex,count\nmale,48\n#x,,\nfemale,52\n")
    assert load_frame(path, comment="#")[0].rows() == [("male", 48), ("female", 52)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("# a\nsex,sex\nmale,48\n", "has duplicate columns: 'sex'"),
        (" # of 2020,\nsex,count\nmale,48\n", "header, column 1 begins with blanks and then '#'"),
        ('# a\n"sex,count\n' + "male,48\n" * 20_000, "header cannot be read .* mark left open"),
        ("sex,count\nmale,48\n\t# no,5\n", "row 2 begins with blanks and then '#'; take the bla"),
    ],
)
def test_mistakes_below_comments_are_refused(tmp_path, content, says):
    with pytest.raises(PopgenError, match=says):
        load_frame(csv(tmp_path, content), comment="#")
