"""``popgen audit``: the table, JSON, questions, and refusals with one message."""

import json

import pytest

from popgen.cli import main

WI = ("audit", "--place", "us_adult_citizens_2018", "--zone", "WI")


@pytest.fixture
def margins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "race.csv").write_text("race,count\nBlack,40\nWhite,60\n", encoding="utf-8")
    (tmp_path / "vote.csv").write_text("vote,count\na,70\nb,30\n", encoding="utf-8")
    rows = "".join(f"{r},{v}\n" for r in ("Black", "White") for v in "ab" for _ in range(20))
    (tmp_path / "survey.csv").write_text("race,vote\n" + rows, encoding="utf-8")
    return "race.csv,vote.csv"


def run(capsys, *arguments, code=0):
    assert main(arguments) == code
    return capsys.readouterr()


def test_the_table_and_a_question(capsys, margins):
    asked = ("--share", "vote=a given race=Black", "--share", "vote=b")
    out = run(capsys, "audit", "--margins", margins, *asked).out
    assert "race×vote  assumed  maximum entropy" in out
    assert "share of race=Black that are vote=a: estimate 70.0%, possible 25.0% to 100.0%" in out
    assert "share of everybody that are vote=b: estimate 30.0%, measured 30.0%" in out


def test_json_with_records(capsys, margins):
    printed = run(capsys, "audit", "--margins", margins, "--microdata", "survey.csv", "--json")
    found = json.loads(printed.out)
    [row] = found["rows"]
    assert (row["status"], row["n"]) == ("borrowed", 80)
    assert found["evidence"]["records_used"] == 80


def test_a_place(capsys):
    out = run(capsys, *WI, "--order", "3").out
    assert out.count("measured") == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("audit", "--place", "us_adult_citizens_2018"), "say which with --zone"),
        (("audit",), "give --place"),
        ((*WI, "--share", "age"), "cannot read 'age'"),
        ((*WI, "--share", "age=18-29 given"), "has no level '18-29 given'"),
        ((*WI, "--share", "x=1"), "no variable 'x'"),
        ((*WI, "--order", "7"), "between 1 and 4"),
    ],
)
def test_refused_with_one_message(capsys, arguments, says):
    printed = run(capsys, *arguments, code=2)
    assert printed.out == ""
    [message] = printed.err.splitlines()
    assert message.startswith("popgen: ")
    assert says in message
