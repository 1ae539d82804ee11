"""``popgen fuse``: the table, people, questions, JSON, and refusals with one message."""

import json

import polars as pl
import pytest
from command_line import write

FRAME = ("age,degree,count", "young,no,30", "young,yes,20", "old,no,40", "old,yes,10")
VOTES = ("age,vote,count", "young,a,40", "young,b,10", "old,a,25", "old,b,25")


@pytest.fixture
def files(elsewhere):
    rows = [f"{age},{vote},{x},2" for age in ("young", "old") for vote in "ab" for x in range(10)]
    write("survey.csv", "age,vote,shoe,w", *rows, "young,a,,2")  # shoe sizes do not matter
    return write("frame.csv", *FRAME), write("votes.csv", *VOTES)


def test_the_table_by_its_margin(run, files):
    frame, votes = files
    out, err = run("fuse", frame, "vote", "--margins", votes)
    lines = out.splitlines()
    assert lines[0] == "age,degree,vote,count"
    assert lines[1] == "young,no,a,24.0"
    assert "note: 'vote' fused, way 'product': assumes that it is independent" in err


def test_a_survey_a_question_and_a_file(run, files):
    frame, votes = files
    asked = ("--margins", votes, "--share", "vote=a given degree=yes", "--out", "fused.parquet")
    out, err = run("fuse", frame, "vote", "--donor", "survey.csv", "--weight", "w", *asked)
    assert out == ""
    assert "share of degree=yes that are vote=a: estimate 70.0%, possible 33.3% to 100.0%" in err
    assert "by way: product 70.0%, logit" in err
    assert "wrote 8 rows with age, degree, vote, count to fused.parquet" in err
    assert pl.read_parquet("fused.parquet")["count"].sum() == pytest.approx(100)


def test_people_and_json(run, files):
    frame, _ = files
    given = ("--donor", "survey.csv", "--weight", "w", "-n", "50", "--rng", "0")
    run("fuse", frame, "vote", *given, "--out", "people.csv")
    assert pl.read_csv("people.csv").columns == ["age", "degree", "vote"]
    asked = ("--json", "--share", "vote=a")
    found = json.loads(run("fuse", frame, "vote", *given, *asked)[0])
    assert len(found["rows"]) == 50
    assert found["answers"][0]["ways"]["logit"] == pytest.approx(0.5, abs=0.1)
    assert "way 'logit'" in found["notes"][0]


def test_json_of_questions_alone_has_no_cells(run, files):
    given = ("--donor", "survey.csv", "--weight", "w", "--json")
    found = json.loads(run("fuse", files[0], "vote", *given, "--share", "vote=a")[0])
    assert set(found) == {"notes", "answers"}
    assert len(json.loads(run("fuse", files[0], "vote", *given)[0])["rows"]) == 8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("vote",), "nothing says anything of 'vote'"),
        (("age", "--margins", "votes.csv"), "the frame has 'age' already"),
        (("vote", "--donor", "survey.csv", "--way", "balanced"), "needs a margin of 'vote'"),
        (("shoe", "--donor", "survey.csv"), "1 of 41 records miss a value (shoe 1)"),
        (("party", "--donor", "survey.csv"), "the donor has no 'party'"),
        (("vote", "--margins", "votes.csv", "--share", "x"), "cannot read 'x'"),
        (("vote", "--margins", "votes.csv", "--out", "x.xls"), "give a name ending in"),
        (("vote", "--margins", "votes.csv", "--rng", "1"), "say with -n how many"),
    ],
)
def test_refused_with_one_message(refused, files, arguments, says):
    refused("fuse", "frame.csv", *arguments, says=says)
