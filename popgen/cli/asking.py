"""What ``popgen personas run`` does: it asks a model, or writes batches, or says what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popgen.cli.terminal import print_columns, print_json, print_text, progress, say
from popgen.errors import PopgenError

if TYPE_CHECKING:
    import polars as pl

    from popgen.personas.arm import Arm, Task
    from popgen.personas.cache import Cache
    from popgen.personas.endpoint import Endpoint
    from popgen.personas.told import Told


@dataclass(frozen=True)
class Run:
    """An arm, what it is to ask, of whom, and the answers there are."""

    arm: Arm
    task: Task
    endpoint: Endpoint
    cache: Cache

    def ask(self) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Have people from the model: the frame, and where they come from."""
        from popgen.personas.arm import converse
        from popgen.personas.client import Client
        from popgen.personas.run import account, estimate, refuse_costly

        refuse_costly(estimate(self.arm, self.task, self.endpoint, self.cache), self.endpoint)
        with progress() as tell:
            asked = converse(self.arm, self.task, Client(self.endpoint, self.cache, tell=tell))
        record = account(self.arm, self.task, self.endpoint, asked)
        for row in record["unanswered"]:
            say(f"note: request {row['request']} {row['status']}: {row['detail']}")
        return asked.people, record

    def print_estimate(self, as_json: bool) -> None:
        """Say what asking may cost."""
        from popgen.personas.run import estimate

        found = asdict(estimate(self.arm, self.task, self.endpoint, self.cache))
        print_json(found) if as_json else print_columns([found])

    def write_batch(self, folder: Path, service: str) -> None:
        """Write the first requests that are unanswered as batch files."""
        from popgen.personas.batch import write_batch

        requests = self._unanswered()
        for path in write_batch(requests, self.endpoint, folder, kind=service):
            print_text(str(path))
        if requests:
            say(f"{len(requests):,} request(s); read the results with --results FILE")
        else:
            say("nothing is left to ask: run again without --batch for the people")

    def read_results(self, path: Path) -> None:
        """Keep the answers of a batch."""
        from popgen.personas.batch import read_batch

        counts = read_batch(path, self._unanswered(), self.endpoint, self.cache)
        say(f"{path}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))

    def _unanswered(self) -> list[Any]:
        """Give the first requests, round by round, that the cache does not answer."""
        from popgen.personas.arm import converse
        from popgen.personas.batch import UnansweredError, from_cache

        try:
            converse(self.arm, self.task, from_cache(self.cache, self.endpoint))
        except UnansweredError as lacking:
            return list(lacking.requests)
        return []


def posed(
    arm: Arm, told: Told, people: int | None, chunk: int, records: pl.DataFrame | None, rng: int
) -> Task:
    """Say what an arm is to ask for, once it is known to be possible."""
    from popgen.personas.arm import Task

    if records is not None and not arm.records:
        raise PopgenError("this arm starts from no records; leave out --records")
    if people is None and records is None:
        raise PopgenError("say how many personas you want, with -n, or give --records")
    wanted = people if people is not None else 0 if records is None else len(records)
    return Task(told, wanted, chunk, records, rng)


def read_records(path: Path | None, given: str | None) -> pl.DataFrame | None:
    """Read records; those without an id are numbered."""
    from popgen.cli.inputs import split
    from popgen.frames import load_frame, need_columns

    if path is None:
        return None
    frame, where = load_frame(path, text=True)
    if "id" not in frame.columns:
        frame = frame.with_row_index("id", offset=1)
    names = split(given)
    if names is None:
        return frame
    need_columns(frame, names, where)
    return frame.select("id", *names)
