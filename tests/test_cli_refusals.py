"""The command line's refusals: exit code 2, one message that says why, and nothing written."""

from pathlib import Path

import polars as pl
import pytest
from command_line import PLACE, WI, Refused, write

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_unknown_place(refused: Refused) -> None:
    refused("generate", "--place", "nowhere", "-n", "5", says="no place 'nowhere'")
    refused("data", "show", "nowhere", says="no place 'nowhere'")
    refused("score", "x.csv", "--truth", "nowhere", says="no place 'nowhere'")


def test_unknown_zone(refused: Refused) -> None:
    says = f"{PLACE} has no zone 'ZZ'; it has 'AK', 'AL'"
    refused("generate", "--place", PLACE, "--zone", "ZZ", "-n", "5", says=says)
    refused("data", "show", PLACE, "race_sex_age_education", "--zone", "ZZ", says=says)
    refused(
        *("generate", "--place", "us_panel_2020", "--zone", "WI", "-n", "5"),
        says="us_panel_2020 has no zone 'WI'; it is one zone",
    )


def test_unknown_universe(refused: Refused) -> None:
    says = f"{PLACE} has no universe 'cats'"
    refused("generate", *WI, "--universe", "cats", "-n", "5", says=says)


def test_unknown_margin(refused: Refused) -> None:
    refused("generate", *WI, "--margins", "cats", "-n", "5", says="no margin 'cats'; it has")
    refused("data", "show", PLACE, "cats", says="no margin 'cats'; it has")


@pytest.mark.parametrize("n", ["0", "-3"])
def test_nobody_asked_for(refused: Refused, n: str) -> None:
    says = f"n must be at least 1 person; got {n}"
    refused("generate", *WI, "-n", n, "--out", "p.csv", says=says)


def test_bad_usage(refused: Refused) -> None:
    refused("generate", *WI, says="Missing option '-n'")
    refused("generate", *WI, "-n", "many", says="Invalid value for '-n'")
    refused("generate", "-n", "5", says="give --place")
    refused("generate", *WI, "-n", "5", "--method", "magic", says="Invalid value for '--method'")
    ordinal = ("generate", *WI, "-n", "5", "--ordinal", "age")
    refused(*ordinal, says="--ordinal needs a --method that asks for it: 'sequential', 'copula'")
    refused(*ordinal, "--method", "ipf", says="method 'ipf' asks for no order of levels")
    refused("generate", *WI, "-n", "5", "--rng", "-1", says="Invalid value for '--rng'")
    refused("generate", *WI, "-n", "5", "--margins", ",", says="--margins names none")
    refused("conjure", says="No such command 'conjure'")
    refused("score", "p.csv", says="Missing option '--truth'")
    refused("data", "show", PLACE, "--zone", "WI", says="name a margin too")


def test_unwritable_output(refused: Refused) -> None:
    write("file.txt", "x")
    Path("folder.csv").mkdir()
    for out in ("absent/p.csv", "file.txt/p.csv", "folder.csv"):
        refused("generate", *WI, "-n", "5", "--out", out, says=f"cannot write {out}")
    truth = ("--truth", PLACE, "--zone", "WI")
    refused("compare", "a=b.csv", *truth, "--report", "absent/r.html", says="cannot write absent/r")


def test_output_of_unknown_ending(refused: Refused) -> None:
    says = "cannot write p.xlsx: give a name ending in '.parquet', '.csv', '.arrow'"
    refused("generate", *WI, "-n", "5", "--out", "p.xlsx", says=says)
    truth = ("--truth", PLACE, "--zone", "WI")
    refused("compare", "a=b.csv", *truth, "--report", "r.pdf", says="ending in '.html'")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["f,-60", "m,40"], "count -60 in cell (sex=f)"),
        (["f,nan", "m,40"], "'count' is not a number in 1 row(s)"),
        (["f,inf", "m,40"], "count inf in cell (sex=f)"),
        (["f,lots", "m,40"], "'count' is not a number in 1 row(s), first 'lots' in row 1"),
        (["f,", "m,40"], "'count' is not a number in 1 row(s)"),
        (["f,60", "m,40", "f,1"], "cell (sex=f) is stated 2 times"),
        ([",60", "m,40"], "1 row(s) have no 'sex'"),
        ([], "has a header but no rows"),
    ],
)
def test_bad_figures(refused: Refused, rows: list[str], says: str) -> None:
    bad = write("bad.csv", "sex,count", *rows)
    refused("generate", "--margins", bad, "-n", "5", "--out", "p.csv", says=f"{says}")


def test_empty_file(refused: Refused) -> None:
    Path("bad.csv").touch()
    refused("generate", "--margins", "bad.csv", "-n", "5", says="bad.csv is empty")
    refused("generate", *WI, "-n", "5", "--microdata", "bad.csv", says="bad.csv is empty")


def test_wrong_encoding(refused: Refused) -> None:
    Path("bad.csv").write_bytes("sex,count\nmâle,60\n".encode("latin-1"))
    refused("generate", "--margins", "bad.csv", "-n", "5", says="UTF-8")
    refused("score", "bad.csv", "--truth", PLACE, says="UTF-8")


def test_absent_file(refused: Refused) -> None:
    refused("generate", "--margins", "gone.csv", "-n", "5", says="there is no file gone.csv")
    refused("validate", "gone.csv", says="there is no file gone.csv")
    refused("score", "gone.csv", "--truth", PLACE, says="there is no file gone.csv")


def test_missing_columns_are_all_named(refused: Refused) -> None:
    no_count = write("bad.csv", "sex,people", "f,60")
    refused("generate", "--margins", no_count, "-n", "5", says="has no column 'count'; it has")
    people = write("p.csv", "race,sex", "White,male")
    truth = ("--truth", PLACE, "--zone", "WI")
    refused("score", people, *truth, says="p.csv has no column 'age', 'education'")
    refused("score", people, *truth, "--weight", "w", says="no column")


def test_level_unknown_to_the_codebook(refused: Refused) -> None:
    people = write("p.csv", "race,sex,age,education", "White,man,18-29,bachelor")
    says = "column 'sex' has level(s) unknown to the codebook: 'man' (first in row 1)"
    refused("score", people, "--truth", PLACE, "--zone", "WI", says=says)
    refused("generate", *WI, "--microdata", people, "-n", "5", says=says)
    bad = write("bad.csv", "sex,count", "man,1")
    refused("generate", *WI, "--margins", bad, "-n", "5", says="unknown to the codebook: 'man'")


def test_margins_whose_totals_disagree(refused: Refused) -> None:
    files = write("sex.csv", "sex,count", "f,60", "m,40")
    files += "," + write("age.csv", "age,count", "young,50", "old,60")
    says = "margins 'sex' ('sex',) and 'age' ('age',) disagree on the total: 100 against 110"
    refused("generate", "--margins", files, "-n", "5", "--out", "p.csv", says=says)


def test_people_without_a_record(refused: Refused) -> None:
    sex = write("sex.csv", "sex,count", "f,60", "m,40")
    survey = write("survey.csv", "sex,vote", "f,a", "f,b")
    says = "counts 40 people in level(s) 'm' of 'sex'"
    refused("generate", "--margins", sex, "--microdata", survey, "-n", "5", says=says)
    joint = write("joint.csv", "sex,vote,count", "f,a,30", "f,b,30", "m,a,20", "m,b,20")
    survey = write("survey.csv", "sex,vote", "f,a", "f,b", "m,a")
    draw = ("generate", "--margins", joint, "--microdata", survey, "-n", "5", "--out", "p.csv")
    refused(*draw, says="sex=m, vote=b")


def test_missing_values_are_refused_by_default(refused: Refused) -> None:
    sex = write("sex.csv", "sex,count", "f,60", "m,40")
    survey = write("survey.csv", "sex,vote", "f,a", "m,")
    says = "1 of 2 records miss a value (vote 1)"
    refused("generate", "--margins", sex, "--microdata", survey, "-n", "5", says=says)


def test_margin_files_and_places_must_fit(refused: Refused) -> None:
    sex = write("sex.csv", "sex,count", "f,60", "m,40")
    draw = ("generate", "-n", "5", "--margins")
    refused(*draw, sex, "--place", "us_2018", says="say which one of us_2018 with --zone")
    refused(*draw, f"{sex},sex_age", says="'sex_age'")
    refused(*draw, sex, "--zone", "WI", says="give --place")
    Path("b").mkdir()
    again = write("b/sex.csv", "sex,count", "f,60", "m,40")
    refused(*draw, f"{sex},{again}", says="two margins are called 'sex'")
    by_state = write("s.csv", "state,sex,count", "WI,f,60", "WI,m,40")
    refused(*draw, by_state, *WI, says="has a column 'state'")


def test_candidates_need_names_of_their_own(refused: Refused) -> None:
    truth = ("--truth", PLACE, "--zone", "WI")
    refused("compare", "a=x.csv", "a=y.csv", *truth, says="'a=y.csv': the name is taken")
    refused("compare", "=x.csv", *truth, says="it has no name")
    refused("score", "x.csv", *truth, "--orders", "one", says="--orders 'one' is not a list")
    refused("score", "x.csv", *truth, "--measured", "cats", says="truth has no variable 'cats'")


def test_hostile_level_names_do_not_reach_the_terminal(refused: Refused) -> None:
    pl.DataFrame({"odd\x1b[2J\n": ["a", "b"], "count": [-1, 1]}).write_csv("odd.csv")
    refused("generate", "--margins", "odd.csv", "-n", "60", says="\\x1b[2J\\n")
