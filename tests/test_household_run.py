"""Runs of many zones: the same files whatever does the work, after whatever went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pytest
from household_cases import nested
from household_folders import contents

from popgen import NestedCalibration, PopgenError, logit, populate, write_households
from popgen.households.expand import APART, Homes
from popgen.households.naming import Naming

SEVERAL = {f"town {seed}": partial(nested, seed) for seed in range(3)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What a run of three towns writes, one region after another in this process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    write_households(SEVERAL, folder, rng=7)
    return contents(folder)


def test_a_run_of_one_problem_has_the_people_of_populate(tmp_path):
    problem = nested()
    done = write_households(problem, tmp_path / "run", rng=7)
    people = populate(NestedCalibration().fit(problem), rng=7)
    assert done.scan("households").collect().equals(people.households)
    assert done.scan("persons").collect().equals(people.persons)
    assert done.summary["households"] == len(people.households)
    assert done.summary["persons"] == len(people.persons)
    zone = next(level for level in done.summary["levels"] if level["level"] == "zone")
    own = people.report.rows.filter(level="zone")
    assert zone["error"] == own["error"].sum()
    assert zone["max"] == own["max"].max()


def test_identifiers_of_several_problems_do_not_meet(alone, tmp_path):
    done = write_households(SEVERAL, tmp_path / "run", rng=7)
    homes, persons = (done.scan(what).collect() for what in ("households", "persons"))
    assert homes["household_id"].to_list() == list(range(1, 3 * 480 + 1))
    assert persons["person_id"].is_unique().all()
    assert (persons["person_id"] // APART == persons["household_id"]).all()
    assert contents(tmp_path / "run") == alone


def threads():
    return ThreadPoolExecutor(3)


def processes():
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


def loky():
    return pytest.importorskip("loky").ProcessPoolExecutor(2)


@pytest.mark.parametrize("executor", [threads, processes, loky])
def test_any_executor_writes_the_same_bytes(alone, tmp_path, executor):
    with executor() as pool:
        write_households(SEVERAL, tmp_path / "run", rng=7, executor=pool, in_flight=3)
    assert contents(tmp_path / "run") == alone


def test_a_cluster_writes_the_same_bytes_and_outlives_the_loss_of_a_worker(alone, tmp_path):
    distributed = pytest.importorskip("distributed")
    quiet = {"dashboard_address": None, "silence_logs": 50}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet) as cluster,
        distributed.Client(cluster) as client,
    ):
        write_households(SEVERAL, tmp_path / "run", rng=7, executor=client.get_executor())
        victims = list(client.run(os.getpid).values())[:1]
        lossy = client.get_executor()

        def told(what, done, of):
            if done == 8 and victims:  # it may be told more than once
                os.kill(victims.pop(), signal.SIGKILL)

        write_households(SEVERAL, tmp_path / "lossy", rng=7, executor=lossy, progress=told)
    assert contents(tmp_path / "run") == alone
    assert contents(tmp_path / "lossy") == alone


RUN = """
import sys
from functools import partial
from test_household_run import SEVERAL
from popgen import write_households
tell = lambda *told: print(*told, flush=True)
write_households(SEVERAL, sys.argv[1], rng=7, resume=True, progress=tell)
"""


def child(script, folder):
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": here},
    )


@pytest.mark.parametrize("wait", [0.0, 0.01])
def test_a_killed_run_goes_on_where_it_was(alone, tmp_path, wait):
    with child(RUN, tmp_path / "run") as process:
        lines = 0
        while lines < 4 and process.stdout.readline():
            lines += 1
        time.sleep(wait)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    before = contents(tmp_path / "run")
    assert 0 < len(before) < len(alone)
    write_households(SEVERAL, tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == alone


def test_a_finished_part_is_not_made_again_nor_a_finished_problem(alone, tmp_path):
    folder = tmp_path / "run"
    write_households(SEVERAL, folder, rng=7)
    lost = sorted((folder / "persons").rglob("*.parquet"))[3]
    lost.unlink()
    (lost.parent / f".{lost.name}.abc.part").write_bytes(b"half")
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    made = []

    def noted(name):
        made.append(name)
        return SEVERAL[name]()

    loads = {name: partial(noted, name) for name in SEVERAL}
    told = []
    write_households(loads, folder, resume=True, progress=lambda *one: told.append(one))
    assert made == ["town 1"]
    assert told[-1] == ("zones", 24, 24)
    fresh = [path for path, at in kept.items() if path.stat().st_mtime_ns != at]
    assert {path.name for path in fresh} == {lost.name}
    assert contents(folder) == alone


def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(alone, tmp_path):
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, old[1]))
    try:
        with pytest.raises(PopgenError, match=r"cannot write .*\.parquet: .*File too large"):
            write_households(SEVERAL, tmp_path / "run", rng=7)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert not list((tmp_path / "run").rglob(".*.part"))
    for path, content in contents(tmp_path / "run").items():
        assert content == alone[path]
    write_households(SEVERAL, tmp_path / "run", rng=7, resume=True)
    assert contents(tmp_path / "run") == alone


def test_a_lost_worker_is_one_error_and_the_run_goes_on_afterwards(alone, tmp_path):
    with processes() as pool:
        pool.submit(os.getpid).result()

        def told(*_):
            for pid in list(pool._processes):
                os.kill(pid, signal.SIGKILL)

        with pytest.raises(PopgenError, match=r"a worker died .*resume=True"):
            write_households(SEVERAL, tmp_path / "run", rng=7, executor=pool, progress=told)
    write_households(SEVERAL, tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == alone


def test_jobs_in_flight_are_bounded(tmp_path):
    class Counting(ThreadPoolExecutor):
        waiting = most = 0

        def submit(self, *args):
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            future: Future = super().submit(*args)
            future.add_done_callback(self.done)
            return future

        def done(self, _):
            self.waiting -= 1

    with Counting(4) as pool:
        write_households(SEVERAL, tmp_path / "run", rng=7, executor=pool, in_flight=2)
    assert pool.most == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rng": 8}, "its 'rng.entropy' differ"),
        ({"method": NestedCalibration(logit(0.01, 50))}, "its 'method' differ"),
        ({"integerise": "systematic"}, "its 'integerise' differ"),
        ({"problems": {"another": SEVERAL["town 0"]}}, "its 'problems' differ"),
        ({"problems": {"town": partial(nested, 4)}}, "problem 'town' is not the one that"),
        ({"resume": False}, "holds a run already; resume it"),
        ({"integerise": "dice"}, "unknown way to integerise 'dice'"),
        ({"in_flight": 0}, "in_flight must be at least 1 job; got 0"),
        ({"problems": {}}, "there is no problem to write households of"),
    ],
)
def test_a_folder_of_another_run_is_refused(tmp_path, changed, message):
    whole = {"problems": {"town": SEVERAL["town 0"]}, "rng": 7, "resume": True}
    folder = tmp_path / "run"
    write_households(folder=folder, **whole)
    next((folder / "fit").rglob("*.parquet")).unlink()
    before = contents(folder)
    with pytest.raises(PopgenError, match=message):
        write_households(folder=folder, **(whole | changed))
    assert contents(folder) == before


def test_a_run_of_other_versions_is_refused(tmp_path):
    folder = tmp_path / "run"
    write_households(SEVERAL, folder, rng=7)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["software"]["polars"] = "0.1"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PopgenError, match=r"its 'software.polars' differ, .* is 0.1 there"):
        write_households(SEVERAL, folder, rng=7, resume=True)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PopgenError, match=r"has files and no manifest.json of a run: 'thesis.txt'"):
        write_households(SEVERAL, tmp_path, rng=7)
    with pytest.raises(PopgenError, match="cannot make the folder"):
        write_households(SEVERAL, tmp_path / "thesis.txt" / "run", rng=7)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(PopgenError, match=r"manifest.json is not JSON"):
        write_households(SEVERAL, tmp_path, rng=7, resume=True)


FORKED = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from test_household_run import SEVERAL
from popgen import PopgenError, write_households
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    try:
        write_households(SEVERAL, sys.argv[1], rng=7, executor=pool)
    except PopgenError as error:
        print(error)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_worker_is_refused_before_it_would_hang(tmp_path):
    with child(FORKED, tmp_path / "run") as process:
        assert "fork of a process with threads" in process.stdout.read()


def test_a_problem_whose_columns_are_others_is_refused_before_it_is_fitted(tmp_path):
    other = nested(1)
    homes = other.survey.households.with_columns(pl.col("tenure").cast(pl.Int8), rooms=pl.lit(3))
    other = replace(other, survey=replace(other.survey, households=homes))
    problems = {"AL": SEVERAL["town 0"], "AK": lambda: other}
    folder = tmp_path / "run"
    with ThreadPoolExecutor(1) as pool:
        for executor in (None, pool):
            with pytest.raises(PopgenError) as refused:
                write_households(problems, folder, rng=7, resume=True, executor=executor)
            assert str(refused.value).startswith(
                "problem 'AK' has other columns of households than the problems before it: "
                "'tenure' (Int8, before Int64), 'rooms' (Int32, before none); give all surveys"
            )
            assert not (folder / "problems" / "0001-AK.json").exists()
    shared = Naming(households=["id"])
    done = write_households(problems, tmp_path / "shared", rng=7, naming=shared)
    assert done.scan("households").collect().height == done.summary["households"]


def test_households_without_persons_have_no_file_of_them(tmp_path):
    problem = nested()
    homes = problem.survey.households
    survey = type(problem.survey).of(homes, id="id", weight="w")
    alone = type(problem)(
        survey,
        problem.geography,
        problem.controls,
        problem.households,
        region=problem.region,
        region_of=problem.region_of,
    )
    done = write_households(alone, tmp_path / "run", rng=1)
    assert done.summary["persons"] == 0
    assert not (tmp_path / "run" / "persons").exists()


def test_a_household_too_large_to_be_numbered_is_refused():
    problem = nested()
    many = pl.concat([problem.survey.persons.head(1)] * APART)
    survey = type(problem.survey).of(
        problem.survey.households,
        pl.concat([problem.survey.persons, many]),
        id="id",
        weight="w",
    )
    object.__setattr__(problem, "survey", survey)
    with pytest.raises(PopgenError, match=r"has 1,00\d persons; at most 999"):
        Homes.of(problem)


def test_columns_of_one_name_are_refused_before_fitting(tmp_path, monkeypatch):
    monkeypatch.setattr(NestedCalibration, "fit", None)  # it is not come to
    naming = Naming(household_id="w")
    with pytest.raises(PopgenError, match="households written would have two columns 'w'; name"):
        write_households(nested(), tmp_path / "run", rng=1, naming=naming)
