"""Benchmark data that do not ship: registered folders, downloads, checksums, sealed truths."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
from command_line import Refused, Run

import popgen as pg
from popgen.bench import found
from popgen.bench.entrants import entrants
from popgen.bench.pose import NeedsDataError, pose, truth_of
from popgen.bench.rows import read_rows
from popgen.bench.run import run as run_tasks, scored
from popgen.bench.task import read_tasks

ROOT = Path(__file__).resolve().parents[1]

DEFINITION = """
name = "sealed.D"
title = "Made-up people"
population = "sealed"
licence = "CC0"
card = "Three variables, two zones."
track = "{track}"
people = 500
seeds = 2
[data]
file = "people.csv"
zone = "zone"
variables = ["a", "b", "c"]
url = "{url}"
sha256 = {{ "people.csv" = "{digest}" }}
[zones]
test = ["n", "s"]
[given]
margins = [["a"], ["b"], ["c"]]
records = 200
source = "{source}"
"""


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(found.FOLDERS, raising=False)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A folder outside the repository that holds the truth."""
    folder = tmp_path / "vault"
    folder.mkdir()
    rows = [
        (z, a, b, "yn"[(i + j) % 2])
        for i in range(40)
        for j, a in enumerate("xy")
        for b in "pqr"[: 2 + i % 2]
        for z in "ns"
    ]
    pl.DataFrame(rows, schema=["zone", "a", "b", "c"], orient="row").write_csv(
        folder / "people.csv"
    )
    return folder


def benchmark(folder: Path, vault: Path, url: str = "", source: str = "here") -> Path:
    digest = sha256((vault / "people.csv").read_bytes()).hexdigest()
    track = "E" if source == "elsewhere" else "D"
    text = DEFINITION.format(url=url, digest=digest, source=source, track=track)
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks" / "sealed.toml").write_text(text)
    return folder


@pytest.fixture
def server(vault: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(vault))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_a_task_without_its_data_is_left_out_and_said(tmp_path: Path, vault: Path) -> None:
    tasks = read_tasks(benchmark(tmp_path / "bench", vault) / "tasks")
    with pytest.raises(
        NeedsDataError, match=r"task 'sealed.D/n' needs people.csv: popgen data add"
    ):
        truth_of(tasks[0])
    done = run_tasks(tasks, entrants()[:1], tmp_path / "rows")
    assert done == {"run": 0, "stored": 0, "failed": 0, "need data": 2}


def test_a_sealed_truth_is_named_when_it_runs(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = read_tasks(benchmark(tmp_path / "bench", vault) / "tasks")
    monkeypatch.setenv(found.FOLDERS, str(vault))
    done = run_tasks(tasks, entrants()[:1], tmp_path / "rows")
    assert (done["run"], done["need data"]) == (8, 0)
    assert str(vault) not in (tmp_path / "rows" / "sealed.D.jsonl").read_text()
    assert not any(row.failure for row in read_rows(tmp_path / "rows"))


def test_records_from_other_zones_are_theirs(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pl.read_csv(vault / "people.csv")
    south = rows.filter(pl.col("zone") == "s").with_columns(b=pl.lit("q"))
    pl.concat([rows.filter(pl.col("zone") == "n"), south]).write_csv(vault / "people.csv")
    monkeypatch.setenv(found.FOLDERS, str(vault))
    tasks = read_tasks(benchmark(tmp_path / "bench", vault, source="elsewhere") / "tasks")
    north = next(task for task in tasks if task.zone == "n")
    posed, truth = pose(north, 0)
    assert posed.records is not None
    assert (posed.records.column("b") == posed.domain["b"].index("q")).all()
    assert truth.project("b").counts.min() > 0


def test_an_altered_file_is_refused(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = read_tasks(benchmark(tmp_path / "bench", vault) / "tasks")
    with (vault / "people.csv").open("a") as stream:
        stream.write("n,x,p,y\n")
    monkeypatch.setenv(found.FOLDERS, str(vault))
    with pytest.raises(pg.PopgenError, match="is not the file that the task was made with"):
        truth_of(tasks[0])


def test_data_add_and_bench_from_the_command_line(
    tmp_path: Path, vault: Path, run: Run, refused: Refused
) -> None:
    folder = str(benchmark(tmp_path / "bench", vault))
    listed, _ = run("bench", "list", "--folder", folder)
    assert listed.count("needs data") == 2
    refused("data", "add", str(tmp_path / "none"), says="is no folder")
    run("data", "add", str(vault))
    listed, _ = run("bench", "list", "--folder", folder)
    assert "needs data" not in listed
    _, said = run("bench", "run", "--folder", folder, "--entrant", "Independent")
    assert "8 run, 0 stored, 0 failed, 0 need data" in said
    refused("bench", "rank", "--check", "--folder", folder, says="popgen bench rank")
    run("bench", "rank", "--folder", folder)
    run("bench", "rank", "--check", "--folder", folder)
    page = (tmp_path / "bench" / "leaderboard.html").read_text()
    assert "Independent" in page
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    panel = tmp_path / "panel.csv"
    rows = pl.DataFrame({"a": ["x", "y"], "b": ["p", "q"], "c": ["y", "n"]})
    pl.concat([rows] * 250).write_csv(panel)
    out, _ = run("bench", "submit", str(panel), "--folder", folder, "--task", "sealed.D/n")
    assert out.startswith("sealed.D/n, seed 0: K 1 ")
    refused("bench", "submit", str(panel), "--folder", folder, "--task", "sealed", says="2 start")
    refused("bench", "run", "--folder", folder, "--task", "none", says="no task starts with 'none'")
    refused(
        "bench",
        "run",
        "--folder",
        folder,
        "--peers",
        str(tmp_path),
        says="has no run.py that knows",
    )


def test_an_official_download_is_checked(
    tmp_path: Path, vault: Path, server: str, run: Run, refused: Refused
) -> None:
    folder = str(benchmark(tmp_path / "bench", vault, f"{server}/people.csv"))
    _, said = run("data", "get", "sealed.D", "--folder", folder)
    assert "downloaded" in said
    assert isinstance(truth_of(read_tasks(tmp_path / "bench" / "tasks")[0]), pg.Microdata)
    refused("data", "get", "other", "--folder", folder, says="no task 'other'")


@pytest.mark.parametrize("path", ["absent.csv", "people.csv"])
def test_a_download_that_fails_or_is_another_file_is_refused(
    server: str, path: str, refused: Refused, tmp_path: Path
) -> None:
    with pytest.raises(pg.PopgenError, match="cannot download http://127"):
        found.download(f"{server}/{path}", "people.csv", "0" * 64)


DEFINITIONS = {
    task.definition: replace(task, people=300)
    for task in read_tasks(ROOT / "benchmarks" / "tasks")
    if task.data.file
}

FEW_FINDINGS = {"ces2018.H"}
"""Tasks with outcomes of which studies report some five main effects: no rate with this rng."""


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_task_with_a_file_runs_where_the_data_are(
    name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(found.FOLDERS, str(shared_data))
    task = DEFINITIONS[name]
    if not (shared_data / task.data.file).is_file():
        pytest.skip(f"{task.data.file} is not in {shared_data}")
    posed, truth = pose(task, 0)
    assert posed.domain == truth.domain
    assert (posed.records is not None) == (task.track in "DEG")
    row = scored(task, 0, entrants()[0])
    assert row.failure == ""
    assert row.size == 300
    known = bool(task.outcomes) and name not in FEW_FINDINGS
    assert (row.figure("replicated", 1, "all", "skill") is not None) == known
