"""How much of a joint of 21 variables is recovered: ACS 2019, 27,253 people, 20 PUMAs.

    python benchmarks/nist.py --data DIR [--regimes samples pairs seed half noisy] [--draws 5]
                              [--peers NAME ... [--only-peers]] [--rate | --print]

Regimes: real samples of growing size; all 210 pairs of the variables; the 20 PUMA x feature margins
and 1, 5 or 10 % of the records; the same with margins and seed from one half of the records, scored
on the other half; the same with margins as a survey of so many people would publish them, with
standard errors and rounded to 10 (a record stands for 100 people). Every row is a mean over draws,
with the worst one in brackets. Scores are 1000 x (1 - mean total variation): over the 190 pairs of
features crossed with PUMA, all 210 pairs, and all 1,140 triples of features without PUMA. In % of
the records: how many real records, drawn with replacement, would score as much; in halves, records
of the first half without replacement. Rows are appended to benchmarks/recovery/results/nist.jsonl,
from which --print prints the tables again.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from peers.run import peers
from recovery import acs2019, entrants
from recovery.acs2019_tasks import all_pairs, split, tasks
from recovery.entrants import Answer, People, Task
from recovery.kmarginal import FIGURES, equivalent, real_samples, scores
from recovery.rows import Row, append, grouped, latest, setting, standing, summary

from popgen import Domain, MaxEnt, Microdata, Problem, Table, Variable
from popgen.methods._gibbs import sweep, workers
from popgen.methods._parts import PoolPart

RESULTS = Path(__file__).resolve().parent / "recovery" / "results" / "nist.jsonl"
REGIMES = ("samples", "pairs", "seed", "half", "noisy")
SHARES = (0.01, 0.05, 0.10)
BARS = {
    "all 210 pairs": (923, 965),
    "margins + 1% seed": (909, 865),
    "margins + 5% seed": (928, 911),
    "margins + 10% seed": (934, 930),
}
SAMPLES, HALF_SAMPLES = "real samples", "real samples, other half"


def pool(model) -> People:
    return People(*model.parts[0].kinds())


def answers(
    task: Task, names: list[str], options: argparse.Namespace
) -> Iterator[tuple[str, Answer]]:
    """Have everybody answer a task, one after the other."""
    for name in names:
        alone, raked = entrants.from_peer(peers()[name], options.timeout)(task)
        yield name, alone
        yield f"{name}, raked", raked
    if options.only_peers:
        return
    found = entrants.fitted(MaxEnt(rng=task.draw), pool)(task)
    yield "MaxEnt", found
    if found.people is not None:
        yield "MaxEnt, whole people", Answer(entrants.whole_people(found.people, task))
    yield "conditional independence", entrants.own(entrants.conditional)(task)
    yield "independence", entrants.own(entrants.independent)(task)
    if task.seed is not None:
        yield "seed raked", entrants.own(entrants.raked_seed)(task)
        yield "seed as it is", entrants.own(entrants.raw)(task)


def everybody(
    records: Microdata, options: argparse.Namespace
) -> Iterator[tuple[Task, str, Answer]]:
    """Have real samples of growing size, if asked for, and then all others answer."""
    for draw in range(options.draws if "samples" in options.regimes else 0):
        rungs = [(SAMPLES, records, records, True), (HALF_SAMPLES, *split(records, draw), False)]
        for regime, source, truth, replace in rungs:
            task = Task(regime, draw, (), None, truth, len(records))
            for share, (codes, weights) in real_samples(source, len(records), draw, replace):
                yield task, f"{share:g}", Answer(People(codes, weights))
    for task in tasks(records, options.regimes, options.draws, tuple(options.shares)):
        names = options.peers if task.draw < options.peer_draws else []
        for name, answer in answers(task, names, options):
            yield task, name, answer


def measure(records: Microdata, options: argparse.Namespace) -> None:
    """Have everybody answer, and append a row for every answer."""
    about = setting()
    for task, name, answer in everybody(records, options):
        found = {}
        if answer.people is not None:
            codes, weights = answer.people.codes, answer.people.weights
            weights = np.ones(len(codes)) if weights is None else weights
            found = scores((codes, weights), task.truth, acs2019.AREA)
        row = {"regime": task.regime, "entrant": name, "draw": task.draw, "scores": found}
        append(RESULTS, row | {"reason": answer.reason, "cost": answer.cost} | about)
        said = "  ".join(f"{figure} {value:.1f}" for figure, value in found.items())
        seconds = answer.cost.get("seconds", 0.0)
        print(f"{task.regime:22} {task.draw} {name:28} {said or answer.reason}  {seconds:.1f} s")


def show(regimes: Mapping[str, list[Row]]) -> None:
    """Print a table for every regime."""
    for regime, rows in regimes.items():
        ladder = regimes.get(HALF_SAMPLES if "half" in regime else SAMPLES, [])
        print(f"\n{regime}: means over {len({row['draw'] for row in rows})} draws (the worst)")
        by = grouped(rows, "entrant")
        for entrant, some in by.items():
            line = f"  {entrant:28} {summary(some, dict.fromkeys(FIGURES, True))}"
            print(line + as_samples(some, ladder) + verdict(regime, entrant, some))
        if "MaxEnt" in by:
            print(f"  MaxEnt: {standing(by, 'MaxEnt', dict.fromkeys(FIGURES, True))}")


def as_samples(rows: list[Row], ladder: list[Row]) -> str:
    """Say how many real records score as much, in % of the records."""
    scored = any(row["scores"] for row in rows)
    if not ladder or not scored or rows[0]["regime"] in (SAMPLES, HALF_SAMPLES):
        return ""
    said = []
    for figure in ("area x pair", "3-way"):
        rungs = {
            float(share): mean(some, figure) for share, some in grouped(ladder, "entrant").items()
        }
        said.append(equivalent(rungs, mean(rows, figure)))
    return f"  as {' / '.join(said)} of the records"


def mean(rows: list[Row], figure: str) -> float:
    return float(np.mean([row["scores"][figure] for row in rows if row["scores"]]))


def verdict(regime: str, entrant: str, rows: list[Row]) -> str:
    """Say whether every draw meets the bars."""
    if entrant != "MaxEnt" or regime not in BARS:
        return ""
    area, three = BARS[regime]
    met = all(
        row["scores"] and row["scores"]["area x pair"] >= area and row["scores"]["3-way"] >= three
        for row in rows
    )
    return f"  bars {area} / {three}: {'met in every draw' if met else 'NOT MET'}"


def rate(part: PoolPart, sweeps: int = 10) -> float:
    """Variables drawn anew in a second, in a fitted field."""
    logs = [*part.field.base_logs(), *part.logs]
    conditionals, people = part.field.layout.conditionals(logs), part.pool.copy()
    start = time.perf_counter()
    sweep(people, conditionals, np.arange(people.shape[1]), 1, sweeps)
    return sweeps * people.size / (time.perf_counter() - start)


def warm_up() -> None:
    """Have numba compile, or read what it compiled before."""
    a, b = (Variable(name, ("0", "1")) for name in "ab")
    small = Problem([Table(Domain((a, b)), [[1, 2], [3, 4]])])
    MaxEnt(max_cells=1, people=600, sweeps=1, pool=600).fit(small)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    home = os.environ.get("POPGEN_SHARED_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(home))
    parser.add_argument("--regimes", nargs="*", choices=REGIMES, default=REGIMES)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES)
    parser.add_argument("--peers", nargs="*", choices=sorted(peers()), default=[])
    parser.add_argument("--peer-draws", type=int, default=5, help="draws that peers run on")
    parser.add_argument("--only-peers", action="store_true")
    parser.add_argument("--timeout", type=float, default=600, help="seconds a peer has")
    parser.add_argument("--rate", action="store_true", help="only time the Gibbs sampler")
    parser.add_argument("--print", action="store_true", help="print stored rows, run nothing")
    options = parser.parse_args()
    if not options.print:
        records = acs2019.read(options.data)
        print(f"{len(records):,} people, {len(records.domain)} features, {MaxEnt()}")
        print(f"other packages have {options.timeout:,.0f} s each")
        warm_up()
        if options.rate:
            part = MaxEnt(sweeps=20).fit(all_pairs(records, 0).problem).parts[0]
            print(f"Gibbs updates a second: {rate(part) / 1e6:.1f} M on {workers()} cores")
            return
        measure(records, options)
    show(grouped(latest(RESULTS), "regime"))


if __name__ == "__main__":
    main()
