"""The leaderboard in this repository follows from the rows in it."""

import json
from pathlib import Path

from popgen.bench.leaderboard import leaderboard
from popgen.bench.rows import read_rows
from popgen.bench.task import read_tasks
from popgen.bench.words import markdown
from popgen.report.leaderboard import leaderboard_page

ROOT = Path(__file__).resolve().parents[1]
TASKS = read_tasks(ROOT / "benchmarks" / "tasks")


def test_the_leaderboard_follows_from_the_stored_rows() -> None:
    found = leaderboard(read_rows(ROOT / "benchmarks" / "results"), TASKS)
    assert (ROOT / "benchmarks" / "LEADERBOARD.md").read_text("utf-8") == markdown(found)
    page = (ROOT / "benchmarks" / "leaderboard.html").read_text("utf-8")
    assert page == leaderboard_page(found)


def test_every_stored_row_is_of_a_task_that_there_is() -> None:
    rows = read_rows(ROOT / "benchmarks" / "results")
    assert {row.task for row in rows} <= {task.name for task in TASKS}
    assert all(json.dumps(dict(row.figures), allow_nan=False) for row in rows)
