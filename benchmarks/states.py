"""Whose joint of state, race, sex, age and education is nearest: 9,000 cells, truth known.

    python benchmarks/states.py [--draws 5] [--peers NAME ...] [--peer-draws 1] [--print]

Adult citizens of 50 states, 2018 (shipped). Two tasks. (1) Margins: state by each other variable,
and the national table of the other four; no records. (2) A biased donor: 2,500 or 500 records from
five states, and state by each other variable; every state must be made of other states' people.
"MaxEnt" then is fitted to each state's four margins and the donor's records, "donor raked" rakes
the records to them, "margins alone" takes everything as independent within a state. Other packages
are given a copy of the records for every state.

K2, K3, K5: 1000 x (1 - mean total variation) of all two-way and three-way tables and the whole
joint. MAE: error of log interactions, of two and three variables, and of state with two others.
Means over draws of the donor, the worst in brackets. Rows go to
benchmarks/recovery/results/states.jsonl.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from peers.run import peers
from recovery import entrants
from recovery.entrants import Answer, People, Task
from recovery.rows import append, grouped, latest, setting, standing, summary

import popgen as pg
from popgen.methods.base import Model

RESULTS = Path(__file__).resolve().parent / "recovery" / "results" / "states.jsonl"
FOUR = ("race", "sex", "age", "education")
DONORS = {
    "five largest": ("CA", "TX", "FL", "NY", "PA"),
    "deep South": ("AL", "GA", "LA", "MS", "SC"),
    "South-West": ("AZ", "HI", "NM", "NV", "TX"),
    "North": ("ID", "ME", "MT", "VT", "WY"),
}
SIZES = (2500, 500)
PEOPLE = 500_000
FIGURES = {"K2": True, "K3": True, "K5": True, "MAE2": False, "MAE3": False, "MAE3 state": False}


def truth() -> pg.Table:
    census = pg.read_census("us_adult_citizens_2018")
    return census.project("state", *FOUR)


def margins_only(joint: pg.Table) -> Task:
    margins = (*by_state(joint), joint.project(*FOUR))
    return Task("margins, no records", 0, margins, None, joint, PEOPLE)


def by_state(joint: pg.Table) -> tuple[pg.Table, ...]:
    return tuple(joint.project("state", name) for name in FOUR)


def biased(joint: pg.Table, name: str, size: int, draw: int) -> tuple[Task, pg.Microdata]:
    """Return the task, whose records are the donor's once for every state, and the donor."""
    rng = np.random.default_rng(draw)
    states = joint.domain["state"]
    some = joint.counts[[states.index(state) for state in DONORS[name]]]
    cells = rng.choice(some.size, size, p=some.ravel() / some.sum())
    codes = np.column_stack(np.unravel_index(cells, some.shape))[:, 1:]
    donor = pg.Microdata(joint.domain.project(*FOUR), codes)
    where = np.repeat(np.arange(len(states)), size)
    everywhere = np.column_stack([where, np.tile(codes, (len(states), 1))])
    regime = f"{size:,} records of the {name}"
    seed = pg.Microdata(joint.domain, everywhere)
    return Task(regime, draw, by_state(joint), seed, joint, PEOPLE), donor


def cells(joint: pg.Table) -> People:
    """All cells that have people."""
    counts = joint.counts.ravel()
    some = np.flatnonzero(counts > 0)
    return People(np.column_stack(np.unravel_index(some, joint.domain.shape)), counts[some])


def expected(model: Model) -> People:
    return cells(model.project(*model.domain.names))


def without(task: Task) -> Task:
    """Leave out the records."""
    return replace(task, seed=None)


def state_by_state(task: Task, donor: pg.Microdata) -> People:
    """Fit each state on its own margins, with the donor's records for what they do not state."""
    parts = []
    for state in range(len(task.domain["state"])):
        margins = [
            pg.Table(table.domain.project(table.names[1]), table.counts[state])
            for table in task.margins
        ]
        model = pg.MaxEnt().fit(pg.Problem(margins, donor))
        parts.append(model.project(*FOUR).counts)
    return cells(pg.Table(task.domain, np.stack(parts)))


def answers(joint: pg.Table, options: argparse.Namespace) -> Iterator[tuple[Task, str, Answer]]:
    """Have everybody answer every task."""
    task = margins_only(joint)
    for method in (pg.MaxEnt(), pg.IPF(), pg.Independent()):
        yield task, type(method).__name__, entrants.fitted(method, expected)(task)
    yield from others(task, options)
    for size in SIZES:
        for name in DONORS:
            for draw in range(options.draws):
                task, donor = biased(joint, name, size, draw)
                fit = entrants.own(lambda task, donor=donor: state_by_state(task, donor))
                yield task, "MaxEnt", fit(task)
                yield task, "donor raked", entrants.own(entrants.raked_seed)(task)
                yield task, "margins alone", entrants.fitted(pg.IPF(), expected)(without(task))
                yield from others(task, options)


def others(task: Task, options: argparse.Namespace) -> Iterator[tuple[Task, str, Answer]]:
    if task.draw < options.peer_draws:
        for name in options.peers:
            alone, raked = entrants.from_peer(peers()[name], options.timeout)(task)
            yield task, name, alone
            yield task, f"{name}, raked", raked


def figures(people: People, joint: pg.Table) -> dict[str, float]:
    shape = joint.domain.shape
    flat = np.ravel_multi_index(people.codes.T, shape)
    counts = np.bincount(flat, people.weights, joint.domain.size).reshape(shape)
    found = pg.Table(joint.domain, counts * (joint.total / counts.sum()))
    scores = pg.score(found, joint, orders=(2, 3, 5), replicates=2)
    triples = pg.Tables([joint.project("state", *pair) for pair in pairs()])
    states = pg.score(found, triples, orders=(3,), replicates=2)
    return {
        **{f"K{order}": scores.value("K", order) for order in (2, 3, 5)},
        **{f"MAE{order}": scores.value("mae", order) for order in (2, 3)},
        "MAE3 state": states.value("mae", 3),
    }


def pairs() -> list[tuple[str, str]]:
    return [(a, b) for i, a in enumerate(FOUR) for b in FOUR[i + 1 :]]


def show() -> None:
    """Print a table for every task."""
    for regime, rows in grouped(latest(RESULTS), "regime").items():
        print(f"\n{regime}   {'  '.join(FIGURES)}   mean (worst) of each")
        by = grouped(rows, "entrant")
        for entrant, some in by.items():
            print(f"  {entrant:26} {summary(some, FIGURES)}")
        print(f"  MaxEnt: {standing(by, 'MaxEnt', FIGURES)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=sorted(peers()), default=[])
    parser.add_argument("--peer-draws", type=int, default=1, help="draws that peers run on")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a peer has")
    parser.add_argument("--print", action="store_true", help="print stored rows, run nothing")
    options = parser.parse_args()
    if not options.print:
        joint, about = truth(), setting()
        for task, name, answer in answers(joint, options):
            row = {"regime": task.regime, "entrant": name, "draw": task.draw}
            row["scores"] = figures(answer.people, joint) if answer.people else {}
            append(RESULTS, row | {"reason": answer.reason, "cost": answer.cost} | about)
            print(".", end="", flush=True)
        print()
    show()


if __name__ == "__main__":
    main()
