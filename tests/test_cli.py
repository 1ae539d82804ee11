"""The command line: what it prints where, and how it behaves as a program."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from command_line import PLACE, WI, Refused, Run, write

import popgen as pg
from popgen.cli import main, terminal
from popgen.methods.ipf import IPF

pytestmark = pytest.mark.usefixtures("elsewhere")


# What it prints


def test_version_and_help(run: Run) -> None:
    assert run("--version") == (f"popgen {pg.__version__}\n", "")
    for command in ((), ("data",), ("generate", "--help"), ("compare", "-h")):
        assert "Usage: popgen" in run(*command)[0]


def test_data_list(run: Run) -> None:
    out, err = run("data", "list")
    assert {line.split()[0] for line in out.splitlines()[1:]} >= {"us_2018", PLACE}
    assert err == ""
    rows = json.loads(run("data", "list", "--json")[0])
    assert {"place": PLACE, "zones": 50}.items() <= next(
        row for row in rows if row["place"] == PLACE
    ).items()


def test_data_show_a_place(run: Run) -> None:
    out, _ = run("data", "show", PLACE)
    assert "agency: US Census Bureau" in out
    assert "race_sex_age_education" in out
    about = json.loads(run("data", "show", PLACE, "--json")[0])
    assert about["zones"][:2] == ["AK", "AL"]
    assert about["margins"][0]["margin"] == "race_sex_age_education"


def test_data_show_a_margin(run: Run) -> None:
    out, _ = run("data", "show", PLACE, "race_sex_age_education", "--zone", "WI")
    frame = pl.read_csv(out.encode())
    assert frame["state"].unique().to_list() == ["WI"]
    assert frame.height == 180
    rows = json.loads(run("data", "show", "us_panel_2020", "one_way", "--json")[0])
    assert sum(row["count"] for row in rows if row["variable_1"] == "gender") == 60282


def test_generate_to_a_file(run: Run, elsewhere: Path) -> None:
    out, err = run("generate", *WI, "-n", "100", "--rng", "0", "--out", "people.parquet")
    assert out == ""
    assert err == "wrote 100 people with race, sex, age, education to people.parquet\n"
    assert len(pl.read_parquet("people.parquet")) == 100
    assert json.loads(Path("people.parquet.provenance.json").read_text())["people"] == 100
    assert len(list(elsewhere.iterdir())) == 2


def test_generate_to_stdout(run: Run) -> None:
    out, err = run("generate", "--place", PLACE, "-n", "100", "--rng", "0")
    frame = pl.read_csv(out.encode())
    assert frame.columns == ["state", "race", "sex", "age", "education"]
    assert (frame.height, err) == (100, "")
    told = json.loads(run("generate", *WI, "-n", "2", "--json")[0])
    assert (len(told["people"]), told["provenance"]["people"]) == (2, 2)


def test_generate_is_the_function(run: Run) -> None:
    out, _ = run("generate", *WI, "-n", "50", "--rng", "4", "--method", "independent")
    people = pg.generate(PLACE, zone="WI", n=50, rng=4, method=pg.Independent())
    assert out == people.to_polars().write_csv()


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_same_rng_same_bytes(run: Run, ending: str) -> None:
    for name in ("one", "two"):
        run("generate", *WI, "-n", "200", "--rng", "9", "--out", f"{name}.{ending}", "-q")
    assert Path(f"one.{ending}").read_bytes() == Path(f"two.{ending}").read_bytes()
    one, two = (
        json.loads(Path(f"{n}.{ending}.provenance.json").read_text()) for n in ("one", "two")
    )
    assert {k: v for k, v in one.items() if k not in ("created", "file")} == {
        k: v for k, v in two.items() if k not in ("created", "file")
    }


def test_quiet_before_or_after_the_command(run: Run) -> None:
    draw = ("generate", *WI, "-n", "5", "--out", "people.csv")
    assert run("--quiet", *draw) == ("", "")
    assert run(*draw, "--quiet") == ("", "")
    assert run(*draw)[1] != ""


def test_margins_from_files(run: Run) -> None:
    sex = write("sex.csv", "sex,count", "f,60", "m,40")
    age = write("age.csv", "age,count,se", "young,30,2", "old,70,2")
    out, _ = run("generate", "--margins", f"{sex},{age}", "-n", "1000", "--rng", "0")
    frame = pl.read_csv(out.encode())
    assert frame["sex"].value_counts(sort=True).rows() == [("f", 600), ("m", 400)]
    assert frame["age"].value_counts(sort=True).rows() == [("old", 700), ("young", 300)]


def test_margins_of_a_place_and_from_files_together(run: Run) -> None:
    total = pg.read_census("us_2018", zone="WI", margins=["sex_age"]).margins["sex_age"].total
    pets = write("pets.csv", "pet,count", f"cat,{total / 4}", f"none,{total * 3 / 4}")
    where = ("--place", "us_2018", "--zone", "WI", "--margins", f"sex_age,{pets}")
    out, _ = run("generate", *where, "-n", "400", "--rng", "0", "--json")
    told = json.loads(out)
    assert sum(person["pet"] == "cat" for person in told["people"]) in range(95, 106)
    assert told["provenance"]["margins"]["pets"]["sha256"]


def test_microdata_are_weighted(run: Run) -> None:
    sex = write("sex.csv", "sex,count", "f,60", "m,40")
    survey = write("survey.csv", "sex,vote,w", "f,a,1", "f,b,1", "m,a,3", "m,,1")
    draw = ("generate", "--margins", sex, "--microdata", survey, "--weight", "w", "-n", "100")
    out, err = run(*draw, "--missing", "drop", "--rng", "0", "--out", "people.csv", "--json")
    told = json.loads(out)
    assert told["provenance"]["method"].startswith("Calibration(")
    assert "dropped 1 of 4 records" in err
    frame = pl.read_csv("people.csv")
    assert frame.group_by("sex", "vote").len().sort("sex", "vote")["len"].to_list() == [30, 30, 40]


@pytest.mark.parametrize("method", ["bayesnet", "sequential", "copula", "vine"])
def test_what_learns_from_microdata_is_calibrated(run: Run, method: str) -> None:
    sex = write("sex.csv", "sex,count", "f,60", "m,40")
    survey = write("survey.csv", "sex,vote", "f,a", "f,b", "m,a")
    draw = ("generate", "--margins", sex, "--microdata", survey, "-n", "100", "--rng", "0")
    told = json.loads(run(*draw, "--method", method, "--json")[0])
    assert told["provenance"]["method"].startswith("CalibratedPool(")
    assert sum(person["sex"] == "f" for person in told["people"]) == 60


@pytest.mark.parametrize(("method", "kind"), [("copula", "GaussianCopula"), ("vine", "VineCopula")])
def test_methods_are_told_what_is_in_order(run: Run, method: str, kind: str) -> None:
    age = write("age.csv", "age,count", "young,30", "middle,50", "old,20")
    survey = write("survey.csv", "age,vote", "young,a", "middle,a", "middle,b", "old,b")
    draw = ("generate", "--margins", age, "--microdata", survey, "-n", "100", "--rng", "0")
    told = json.loads(run(*draw, "--method", method, "--ordinal", "age, vote", "--json")[0])
    assert f"{kind}(ordinal=('age', 'vote')" in told["provenance"]["method"]
    audit = ("audit", "--margins", age, "--microdata", survey)
    assert "age" in run(*audit, "--method", method, "--ordinal", "age")[0]


def test_reconciling_is_asked_for_and_told(run: Run, refused: Refused) -> None:
    files = write("sex.csv", "sex,count", "f,60", "m,40")
    files += "," + write("age.csv", "age,count", "young,50", "old,60")
    refused(
        "generate", "--margins", files, "-n", "10", says="disagree on the total: 100 against 110"
    )
    _, err = run("generate", "--margins", files, "-n", "10", "--reconcile", "--out", "p.csv")
    assert "note: margin 'age' moved by 10 of 110 people" in err


def test_score_and_compare(run: Run, elsewhere: Path) -> None:
    run("generate", *WI, "-n", "2000", "--rng", "1", "--out", "ipf.parquet")
    run("generate", *WI, "-n", "2000", "--rng", "1", "--method", "independent", "--out", "ind.csv")
    truth = ("--truth", PLACE, "--zone", "WI")
    [head, line] = run("score", "ipf.parquet", *truth)[0].splitlines()
    assert head.split()[:4] == ["candidate", "n", "group", "K1"]
    assert line.split()[:2] == ["ipf", "2,000"]
    rows = json.loads(
        run("compare", "ipf.parquet", "apart=ind.csv", *truth, "--orders", "1,2", "--json")[0]
    )
    k2 = {r["candidate"]: r["value"] for r in rows if (r["metric"], r["order"]) == ("K", 2)}
    assert k2["ipf"] > k2["apart"]
    assert {row["order"] for row in rows} == {1, 2}


def test_compare_writes_a_report_that_escapes_names(run: Run) -> None:
    run("generate", *WI, "-n", "500", "--rng", "1", "--out", "p.csv")
    truth = ("--truth", PLACE, "--zone", "WI", "--orders", "1,2")
    _, err = run("compare", "<b>x</b>=p.csv", *truth, "--report", "r.html")
    assert err == "wrote r.html and r.json\n"
    assert "<b>x</b>" not in Path("r.html").read_text(encoding="utf-8")
    assert "<b>x</b>" in Path("r.json").read_text(encoding="utf-8")


def test_people_are_scored_against_margins_in_bands(run: Run, refused: Refused) -> None:
    adults = ("--place", "us_2018", "--zone", "WI", "-n", "500", "--rng", "0")
    run("generate", *adults, "--out", "p.csv")
    truth = ("--truth", "us_2018", "--zone", "WI", "--margins", "sex_age_education,sex_age_marital")
    rows = json.loads(run("score", "p.csv", *truth, "--orders", "1", "--json")[0])
    assert next(r["value"] for r in rows if r["metric"] == "K") > 980
    Path("half.csv").write_text("sex,education\nfemale,bachelor\nmale,bachelor\n")
    lacks = "no column 'age_education', 'age_marital', 'marital'"
    refused("score", "half.csv", *truth, says=lacks)


def test_score_codes_raw_values_and_ignores_other_columns(run: Run) -> None:
    truth = write("truth.csv", "sex,vote,count", "f,a,30", "f,b,20", "m,a,10", "m,b,40")
    people = write("p.csv", "id,vote,sex,w", "1,a,f,3", "2,b,f,2", "3,a,m,1", "4,b,m,4")
    rows = json.loads(run("score", people, "--truth", truth, "--weight", "w", "--json")[0])
    assert [r["value"] for r in rows if r["metric"] == "K"] == pytest.approx([1000, 1000])
    _, err = run("score", truth, "--truth", truth)
    assert err == (
        "note: truth: each row is one person; with --count count, it is as many people as its "
        "column count says\n"
    )


def test_counted_kinds_of_people_score_as_the_people_themselves(run: Run) -> None:
    people = pg.generate(PLACE, zone="WI", n=500, rng=0)
    people.write("p.csv")
    people.cells().write_csv("kinds.csv")
    truth = ("--truth", PLACE, "--zone", "WI", "--orders", "1,2", "--json")
    one = json.loads(run("score", "p.csv", *truth)[0])
    two, err = run("score", "kinds.csv", *truth, "--count", "count")
    assert err == ""
    keys = [key for key in one[0] if key not in ("candidate", "se")]  # se: groups of other records
    assert {row["size"] for row in one} == {500}
    for a, b in zip(one, json.loads(two), strict=True):
        assert [a[key] for key in keys] == pytest.approx([b[key] for key in keys])


def test_a_folder_with_an_equals_sign_is_no_name(run: Run) -> None:
    truth = write("truth.csv", "sex,vote,count", "f,a,3", "f,b,2", "m,a,1", "m,b,4")
    Path("x=y").mkdir()
    for file in ("x=y/p.csv", "p.csv"):
        Path(file).write_text("sex,vote\nf,a\nf,b\nm,a\nm,b\n")
    out, _ = run("compare", "./x=y/p.csv", "a=p.csv", "b=x=y/p.csv", "--truth", truth, "--json")
    assert list(dict.fromkeys(row["candidate"] for row in json.loads(out))) == ["p", "a", "b"]


def test_score_against_records_with_measured_sets(run: Run) -> None:
    people = write("p.csv", *(["a,b,c", "x,x,x", "y,y,y", "x,y,x", "y,x,x"] * 1))
    out, _ = run("score", people, "--truth", people, "--measured", "a,b", "--json")
    groups = {(row["order"], row["group"]) for row in json.loads(out)}
    assert {(2, "measured"), (2, "unmeasured"), (3, "unmeasured")} <= groups


def test_validate_a_good_place(run: Run) -> None:
    assert run("validate", "us_panel_2020") == ("", "us_panel_2020: nothing wrong\n")
    assert json.loads(run("validate", "us_panel_2020", "--json", "-q")[0])["valid"] is True


def test_validate_lists_everything_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("place")
    folder.mkdir()
    entry = '[[margins]]\nname = "{0}"\nfile = "{0}.csv"\nvariables = ["sex"]\n'
    about = "".join(map(entry.format, ("good", "negative", "strange", "gone", "short")))
    write("place/SOURCE.toml", about, "total = 7")
    write("place/codebook.toml", "[variables.sex]", 'levels = ["f", "m"]')
    write("place/good.csv", "sex,count", "f,1", "m,2")
    write("place/negative.csv", "sex,count", "f,-1", "m,2")
    write("place/strange.csv", "sex,count", "f,1", "x,2")
    write("place/short.csv", "sex,count", "f,3", "m,3")
    assert main(["validate", "place", "--json"]) == 2
    printed = capsys.readouterr()
    faults = json.loads(printed.out)["faults"]
    for text in ("count -1", "unknown to the codebook: 'x'", "gone.csv", "add to 6"):
        assert any(text in fault for fault in faults), (text, faults)
    assert printed.err == f"popgen: place: {len(faults)} fault(s) found\n"


def test_validate_microdata_names_every_bad_column(capsys: pytest.CaptureFixture[str]) -> None:
    levels = '[variables.{}]\nlevels = ["a", "b"]'.format
    book = write("codebook.toml", levels("x"), levels("y"), levels("z"))
    file = write("survey.csv", "x,y,z,w", "a,?,a,1", "q,b,,2")
    assert main(["validate", file, "--codebook", book, "--weight", "w"]) == 2
    printed = capsys.readouterr()
    faults = printed.out.splitlines()
    assert len(faults) == 3
    for fault, text in zip(faults, ("'q'", "'?'", "miss a value (z 1)"), strict=True):
        assert text in fault
    assert printed.err == "popgen: survey.csv: 3 fault(s) found\n"


def test_workers_draw_the_same_people(run: Run) -> None:
    draw = ("generate", "--place", PLACE, "-n", "60", "--rng", "0")
    assert run(*draw, "--workers", "2") == run(*draw)


def test_no_colour_unless_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in run("--help")[0] + run("generate", "--help")[0]


# Hostile names


def test_hostile_level_names_survive_csv(run: Run) -> None:
    levels = ['a,"b"', "x\ny", "=1+1", "<b>", "\x1b[31m", "é"]
    pl.DataFrame({"odd": levels, "count": [10.0] * 6}).write_csv("odd.csv")
    out, _ = run("generate", "--margins", "odd.csv", "-n", "60", "--rng", "0")
    assert sorted(pl.read_csv(out.encode())["odd"].unique()) == sorted(levels)
    told = json.loads(run("generate", "--margins", "odd.csv", "-n", "60", "--json")[0])
    assert {person["odd"] for person in told["people"]} == set(levels)


def test_a_terminal_is_not_told_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    terminal.print_text("a\x1b[2J\nb")
    assert capsys.readouterr().out == "a\\x1b[2J\nb\n"


# Being a program


def popgen(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "popgen.cli", *arguments]


def test_as_a_process(elsewhere: Path) -> None:
    done = subprocess.run(popgen("generate", *WI, "-n", "5"), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 6
    bad = subprocess.run(popgen("generate", *WI, "-n", "0"), capture_output=True, text=True)
    message = "popgen: n must be at least 1 person; got 0\n"
    assert (bad.returncode, bad.stdout, bad.stderr) == (2, "", message)


def test_output_may_be_cut_short() -> None:
    with subprocess.Popen(
        popgen("generate", *WI, "-n", "50000"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_help_does_not_wait_for_numpy() -> None:
    code = "import sys; from popgen.cli import main; main(['--help']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "'typer'" in loaded
    assert not [name for name in ("numpy", "polars", "scipy", "numba") if f"'{name}'" in loaded]


def test_interrupting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(IPF, "fit", interrupted)
    assert main(["generate", *WI, "-n", "5", "--out", "p.csv"]) == 130
    assert capsys.readouterr() == ("", "popgen: interrupted\n")
    assert not list(elsewhere.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupting_a_process_while_it_writes(elsewhere: Path) -> None:
    code = """
import os, signal, sys, time
import polars as pl
from popgen.cli import main

def write_csv(frame, path):
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)

pl.DataFrame.write_csv = write_csv
sys.exit(main())
"""
    draw = [sys.executable, "-c", code, "generate", *WI, "-n", "5", "--out", "p.csv"]
    done = subprocess.run(draw, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "popgen: interrupted\n")
    assert not list(elsewhere.iterdir())


def test_every_name_of_the_package_is_there() -> None:
    assert set(pg.__all__) == set(pg._HOME)
    assert all(getattr(pg, name) is not None for name in pg.__all__)
    assert _names_for_type_checkers() == pg._HOME
    assert callable(pg.score)  # the function, not the module of that name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pg.nothing


def _names_for_type_checkers() -> dict[str, str]:
    [block] = [
        node for node in ast.parse(Path(pg.__file__).read_text()).body if isinstance(node, ast.If)
    ][:1]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {str(name.asname): str(node.module) for node in imports for name in node.names}
