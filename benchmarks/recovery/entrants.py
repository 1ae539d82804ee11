"""Who recovers a joint: popgen's methods, the plain ones, and other packages.

An entrant takes a `Task` and returns an `Answer`: people, or the reason why there are none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from peers.given import Given, Margin, People
from peers.run import Outcome, Peer, run

from popgen import Independent, PopgenError, Problem, Table
from popgen.integerise import integerise
from popgen.methods.base import Method, Model
from recovery.task import Task

MANY = 200_000
"""People drawn where a method's shares are known in closed form."""

ROUNDS = 60
"""Rounds of raking; where cells have nobody it does not settle."""


@dataclass(frozen=True, eq=False)
class Answer:
    """People of an entrant and what they cost, or the reason why there are none."""

    people: People | None
    reason: str = ""
    cost: dict[str, float] = field(default_factory=dict)


Entrant = Callable[[Task], Answer]


def own(make: Callable[[Task], People | None]) -> Entrant:
    """Time an entrant that runs in this process; a refusal is an answer with a reason."""

    def answer(task: Task) -> Answer:
        start, used = time.perf_counter(), time.process_time()
        try:
            people, reason = make(task), "does not apply"
        except PopgenError as error:
            people, reason = None, f"{type(error).__name__}: {error}"
        cost = {"seconds": time.perf_counter() - start}
        cost["cpu_seconds"] = time.process_time() - used
        return Answer(people, "" if people else reason, cost)

    return answer


def fitted(method: Method, kinds: Callable[[Model], People]) -> Entrant:
    """Enter a method of popgen's; ``kinds`` takes people and weights from what it fitted."""
    return own(lambda task: in_order(kinds(method.fit(task.problem)), task.problem, task))


def in_order(people: People, problem: Problem, task: Task) -> People:
    """Put codes into the task's order of variables."""
    order = [problem.domain.axis(name) for name in task.domain.names]
    return People(people.codes[:, order], people.weights)


def whole_people(people: People, task: Task) -> People:
    """Draw whole people from weighted ones, as models do."""
    rng = np.random.default_rng(task.draw)
    return People(
        people.codes, integerise(people.weights, task.people, method="systematic", rng=rng)
    )


def independent(task: Task) -> People:
    drawn = Independent().fit(task.problem).sample(MANY, rng=task.draw, integerise="multinomial")
    return in_order(People(drawn.codes), task.problem, task)


def conditional(task: Task) -> People | None:
    """Draw every other variable given the first, independently; if that is what margins state."""
    first, *others = task.domain.names
    tables = {table.names[-1]: table for table in task.margins if table.names[:-1] == (first,)}
    if set(tables) != set(others) or len(tables) != len(task.margins):
        return None
    rng = np.random.default_rng(task.draw)
    area = task.margins[0].counts.sum(axis=1)
    where = rng.choice(len(area), MANY, p=area / area.sum())
    columns = [where]
    for name in others:
        counts = tables[name].counts
        chance = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
        drawn = (rng.random(MANY)[:, None] >= chance[where]).sum(axis=1)
        columns.append(np.minimum(drawn, counts.shape[1] - 1))
    return People(np.column_stack(columns))


def raw(task: Task) -> People | None:
    return task.seed and People(task.seed.codes, task.seed.weights)


def raked_seed(task: Task) -> People | None:
    return task.seed and raked(People(task.seed.codes, task.seed.weights), task)


def raked(people: People, task: Task) -> People:
    """Rake people to the margins classically; cells without anybody are missed."""
    weights = np.ones(len(people.codes)) if people.weights is None else people.weights
    cells = [cells_of(people.codes, table, task) for table in task.margins]
    for _ in range(ROUNDS):
        for table, cell in zip(task.margins, cells, strict=True):
            held = np.bincount(cell, weights, table.domain.size)
            ratio = np.divide(table.counts.ravel(), held, out=np.zeros_like(held), where=held > 0)
            weights = weights * ratio[cell]
    return People(people.codes, weights)


def cells_of(codes: np.ndarray, table: Table, task: Task) -> np.ndarray:
    axes = [task.domain.axis(name) for name in table.names]
    return np.ravel_multi_index(codes[:, axes].T, table.domain.shape)


def given(task: Task) -> Given:
    """State a task for other packages."""
    records = None
    if task.seed is not None:
        weights = task.seed.weights
        even = bool((weights == weights[0]).all())
        records = People(task.seed.codes, None if even else weights)
    return Given(
        {variable.name: variable.levels for variable in task.domain},
        tuple(Margin(table.names, table.counts, table.se) for table in task.margins),
        records,
        task.people,
        task.draw,
    )


def from_peer(peer: Peer, timeout: float) -> Callable[[Task], tuple[Answer, Answer]]:
    """Enter another package: its people as they are, and raked to the margins."""

    def answers(task: Task) -> tuple[Answer, Answer]:
        found: Outcome = run(peer, given(task), timeout)
        cost = {
            "seconds": found.seconds,
            "cpu_seconds": found.cpu_seconds,
            "peak_mib": found.peak_mib,
        }
        alone = Answer(found.people, found.reason, cost)
        if found.people is None:
            return alone, alone
        return alone, Answer(raked(found.people, task), "", cost)

    return answers
