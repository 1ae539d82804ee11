"""``popgen generate --config`` region by region: the same people, however often it is stopped."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from command_line import Refused, Run
from household_folders import TOWN, contents, edit, rewrite, town

from popgen import read_households
from popgen.cli import main
from popgen.households.job import KINDS

POPGEN = [sys.executable, "-m", "popgen.cli"]
COPIES = 12
OWN = ("tract", "county", "hh_id")


def many(folder: Path) -> Path:
    """The shipped town a dozen times over: 24 regions."""
    place = town(folder)
    for file in place.glob("*.csv"):
        rewrite(
            place,
            file.name,
            lambda f: pl.concat(
                f.with_columns(pl.col(set(OWN) & {*f.columns}) + f"{copy:02d}")
                for copy in range(COPIES)
            ),
        )
    return place


def asked(folder: Path, out: Path, *more: str) -> list[str]:
    return ["generate", "--config", str(folder), "--out", str(out), *more]


def scanned(out: Path, what: str) -> pl.DataFrame:
    return pl.read_parquet(out / what / "*" / "*.parquet")


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A folder of many regions, and what a run of it writes that nothing disturbs."""
    folder = tmp_path_factory.mktemp("large")
    place = many(folder)
    read_households(place).write_parts(folder / "run", rng=3)
    return place, contents(folder / "run")


@pytest.mark.parametrize("names", ["as read", "activitysim"])
def test_the_people_of_a_run_are_those_made_at_once(run: Run, tmp_path: Path, names: str) -> None:
    out = tmp_path / "run"
    more = ("--rng", "0", "--workers", "1", "--names", names, "--json")
    printed, told = run(*asked(TOWN, out, *more))
    made = read_households(TOWN, names=names).populate(rng=0)
    assert scanned(out, "households").equals(made.households)
    assert scanned(out, "persons").equals(made.persons)
    assert "wrote 1,800 households and 4,324 persons to" in told
    assert "note: a run is written to Parquet files, not csv" in told
    assert str(made.report).splitlines()[0].split(":")[0] in told
    answer = json.loads(printed)
    assert answer["folder"] == str(out)
    assert answer["summary"] == json.loads((out / "summary.json").read_text())


def test_zones_are_numbers_for_activitysim_in_all_parts_or_in_none(tmp_path: Path) -> None:
    place = town(tmp_path)
    for file in ("crosswalk", "units", "size_by_tenure", "age_by_sex"):
        rewrite(
            place, f"{file}.csv", lambda f: f.with_columns(pl.col("tract").replace("0201", "02x1"))
        )
    plan = read_households(place, names="activitysim")
    plan.write_parts(tmp_path / "run", rng=0)
    zones = scanned(tmp_path / "run", "households")["home_zone_id"]
    assert set(zones) == {"0101", "0102", "0103", "02x1", "0202", "0203"}
    assert zones.equals(plan.populate(rng=0).households["home_zone_id"])


def stopped(command: list[str], out: Path, how: int) -> tuple[int, str]:
    """Stop a command on its way; one that is done before it could be is begun once more."""
    for _ in range(5):
        returned, told = signalled(command, out, how)
        if returned:
            return returned, told
        shutil.rmtree(out)
    raise AssertionError("the command was done each time before it could be stopped")


def signalled(command: list[str], out: Path, how: int) -> tuple[int, str]:
    """Send a signal to a command, and all its workers if it is Ctrl-C, once it has three parts."""
    with subprocess.Popen(
        POPGEN + command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(list(out.glob("households/*/*.parquet"))) < 3 and process.poll() is None:
            time.sleep(0.001)
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        told = process.communicate(timeout=120)[1]
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return process.returncode, told
        time.sleep(0.01)
    raise AssertionError("a worker outlived its command")


@pytest.mark.parametrize(
    ("how", "code", "number"),
    [(signal.SIGKILL, -9, 1), (signal.SIGKILL, -9, 2), (signal.SIGINT, 130, 2)],
)
def test_a_stopped_run_goes_on(large, run: Run, tmp_path: Path, how, code, number) -> None:
    place, whole = large
    out = tmp_path / "run"
    begun = asked(place, out, "--rng", "3", "--workers", str(number))
    returned, told = stopped(begun, out, how)
    assert returned == code
    if how == signal.SIGINT:
        assert told.splitlines()[-2:] == [
            "regions that were finished are kept: to go on, give the same command with --resume",
            "popgen: interrupted",
        ]
    assert not (out / "summary.json").exists()
    written = [path.relative_to(out).parts for path in out.glob("*/*/*.parquet")]
    whole_parts = [
        part for part in set(written) if all((what, *part[1:]) in written for what in KINDS)
    ]
    kept = {out.joinpath(*part): out.joinpath(*part).stat().st_mtime_ns for part in whole_parts}
    assert "wrote 21,600 households" in run(*asked(place, out, "--resume"))[1]
    assert contents(out) == whole
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


def test_a_terminal_shows_zones_done_and_the_time_that_remains(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = POPGEN + asked(TOWN, tmp_path / "run", "--workers", "1", "--rng", "0")
    with subprocess.Popen(command, stderr=theirs, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # how Linux says that the other end was closed
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"zones" in shown
    assert b"100%" in shown
    assert b":00" in shown


def test_refusals(run: Run, refused: Refused, elsewhere: Path) -> None:
    place = town(elsewhere)
    command = asked(place, Path("out"), "--rng", "0")
    alone = "cannot go without --config"
    refused("generate", "--resume", "-n", "5", says=f"--resume {alone}")
    refused("generate", "--integerise", "milp", "-n", "5", says=f"--integerise milp {alone}")
    refused(*command, "--integerise", "trs", says="unknown way to integerise 'trs'; known: 'exch")
    refused("generate", "--config", "town", "--workers", "1", says="say with --out into which")
    run(*command, "--workers", "1")
    refused(*command, "--workers", "1", says="holds a run already; resume it (resume=True, on the")
    refused(*command[:-1], "1", "--resume", says="its 'rng.entropy' differ, 'rng.entropy' is 0 ")
    refused(*command, "--resume", "--names", "activitysim", says="its 'naming.style' differ")
    edit(place, "north,1338", "north,1339", "workers.csv")
    refused(*command, "--resume", says="its 'files.workers.csv' differ")
    (elsewhere / "other").mkdir()
    (elsewhere / "other/thesis.txt").write_text("mine")
    refused(*asked(place, Path("other"), "--resume"), says="has files and no manifest.json of a")


def test_what_is_refused_before_any_people_can_be_mended_in_the_same_folder(
    run: Run, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = town(elsewhere)
    edit(place, "[output]", "[fit]\nmax_expansion = 1.01\n[output]")
    command = asked(place, Path("out"), "--rng", "0", "--workers", "1")
    assert main(command) == 2
    assert "is used more than 1.01 times" in capsys.readouterr().err
    edit(place, "1.01", "30")
    run(*command)
    assert len(scanned(Path("out"), "households")) == 1800


def test_the_way_to_integerise_is_the_folders_or_the_command_lines(
    run: Run, elsewhere: Path
) -> None:
    place = town(elsewhere)
    command = asked(place, Path("out"), "--rng", "0", "--workers", "1", "--integerise", "cube")
    run(*command)
    edit(place, "[output]", '[fit]\nintegerise = "cube"\n[output]')
    plan = read_households(place)
    assert plan.integerise == "cube"
    assert scanned(Path("out"), "households").equals(plan.populate(rng=0).households)
    assert not plan.populate(rng=0).households.equals(
        read_households(TOWN).populate(rng=0).households
    )
