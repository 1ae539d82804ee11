"""The leaderboard in this repository follows from the rows in it."""

from pathlib import Path

from command_line import Run

from popgen.bench.rows import read_rows
from popgen.bench.task import read_tasks

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"


def test_the_leaderboard_follows_from_the_stored_rows(run: Run) -> None:
    run("bench", "rank", "--check", "--folder", str(BENCHMARKS))


def test_every_stored_row_is_of_a_task_that_there_is() -> None:
    rows = read_rows(BENCHMARKS / "results")
    assert {row.task for row in rows} <= {task.name for task in read_tasks(BENCHMARKS / "tasks")}
