"""People for a state and for the country; then popgen against a language model, on a known joint.

``python benchmarks/demo.py [folder]`` writes into ``demo/`` unless a folder is named:

- ``wisconsin/`` and ``united_states/``: 10,000 people each, ``people.parquet`` with its provenance;
- ``panel/``: popgen's panel of the comparison;
- ``report.html`` and ``report.json``: the comparison, the pictures, the conclusions.

The candidates drawn at random (popgen, independent, replicate) are one draw each, from `RNG`. What
draws of independent people and of real samples give *in expectation* stands beside every figure as
its floor and ceiling; for popgen the mean over `DRAWS` further draws is among the notes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Grid

import popgen as pg
from popgen.bench.pose import Replicate
from popgen.generate import generate
from popgen.metrics import MAE, PRIMARY, SLOPE, K, number
from popgen.panels import read_panel
from popgen.report import Hits, margin_hits, summarise, write_report
from popgen.score import Scores, compare

RNG = 2020
DRAWS = 5
SPARE = 5
PEOPLE = 10_000
PLACE, TRUTH = "us_2018", "us_panel_2020"
OURS, MODEL, PRIOR = "popgen", "LLM invents people", "popgen, LLM as prior"
GROUPS = {
    "all": "All two- and three-way tables",
    "unmeasured": "Only tables that no input contained",
}


def main(folder: str = "demo") -> None:
    out, screen, start = Path(folder), Console(), time.perf_counter()
    hits = [
        people_of("Wisconsin", "WI", out / "wisconsin", screen),
        people_of("United States", None, out / "united_states", screen),
    ]
    truth = pg.read_census(TRUTH, margins=["one_way", "two_way", "three_way"])
    inputs = truth.about["inputs"]["forecaster"]["margins"]
    problem = pg.Problem({"_".join(names): truth.project(*names) for names in inputs})
    say(screen, f"{TRUTH}: fitting the {len(inputs)} margins that a forecaster could have\n")
    model = pg.IPF().fit(problem)
    prior = pg.PersonaPrior().fit(problem)
    candidates = entrants(model, prior, problem, truth.margins)
    written(candidates[OURS], out / "panel")
    scores = compare(candidates, truth, measured=inputs, rng=RNG)
    show(scores, screen)
    summary = summarise(
        scores,
        title="People with interactions: popgen and a language model against a known joint",
        featured=(OURS, MODEL),
        hits=[*hits, margin_hits("popgen's panel", (candidates[OURS], problem))],
        notes=[*about(truth), over_draws(model, problem, truth, len(candidates[OURS]))],
        provenance={"rng": RNG, "truth": described(truth), "candidates": list(candidates)},
    )
    for sentence in summary.conclusions:
        say(screen, f"- {sentence}")
    page = write_report(out / "report.html", summary)
    say(screen, f"\nWrote {page} and its .json; {time.perf_counter() - start:.0f} s in all")


def people_of(name: str, zone: str | None, folder: Path, screen: Console) -> Hits:
    """Generate a place's people from its shipped margins, write them, measure the margins."""
    begun = time.perf_counter()
    with screen.status(f"{name}: fitting the margins of {PLACE}"):
        people = generate(PLACE, n=PEOPLE, zone=zone, rng=RNG)
    path = written(people, folder)
    hits = margin_hits(name, *parts(people, zone))
    say(
        screen,
        f"{name}: {len(people):,} people in {time.perf_counter() - begun:.0f} s to {path}; of "
        f"{hits.cells:,} margin cells the worst is missed by {hits.worst.largest:.1f} people, the "
        f"mean cell by {hits.mean:.2f}",
    )
    return hits


def parts(people: pg.Population, zone: str | None) -> list[tuple[pg.Microdata, pg.Problem]]:
    """Put each zone's people beside the problem made of its margins."""
    found = []
    for one in [zone] if zone else people.domain["state"].levels:
        census = pg.read_census(PLACE, zone=one)
        here = people
        if zone is None:
            here = people.take(people.column("state") == people.domain["state"].index(one))
        found.append((here, pg.Problem(census.margins, codebook=census.codebook)))
    return found


def written(people: pg.Population, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return people.write(folder / "people.parquet")


def entrants(model: Any, prior: Any, problem: pg.Problem, truth: pg.Tables) -> dict[str, Any]:
    """Gather the candidates; those drawn at random are as many people as the LLM's pooled panel."""
    invented = read_panel("direct")
    n = len(invented)
    ours, plain, apart, real, advised = np.random.default_rng(RNG).spawn(5)
    return {
        OURS: balanced(model, problem, n, ours),
        PRIOR: balanced(prior, problem, n, advised, spare=2 * SPARE),
        "popgen (plain draw)": model.sample(n, rng=plain),
        MODEL: invented,
        "LLM completes profiles": read_panel("fill"),
        "LLM judges draws": read_panel("judge"),
        "independent draws": pg.Independent().fit(problem).sample(n, rng=apart),
        "real sample": Replicate(truth, n, real),
    }


def balanced(
    model: Any, problem: pg.Problem, n: int, rng: np.random.Generator, *, spare: int = SPARE
) -> pg.Population:
    """Draw people who meet every margin to a person or two: more than needed, then the cube.

    The joint has half a million cells and the cube method takes its time for each, so it chooses
    among ``spare`` times as many people as are needed, weighted to meet the margins exactly.
    """
    pool = pg.CalibratedPool(pg.IPF(), pool=spare * n).calibrated(model, problem, rng=rng)
    return pool.sample(n, rng=rng, integerise="cube")


def show(scores: Scores, screen: Console) -> None:
    """Print the scores: on all tables, and apart on those that no input contained."""
    columns = [(metric, order) for metric in scores.metrics for order in metric.main]
    heads = [m.label if len(m.main) == 1 else f"{m.label}{order}" for m, order in columns]
    for group, title in GROUPS.items():
        looks = box.SIMPLE_HEAD if screen.is_terminal else None
        grid = Grid(title=title, title_justify="left", box=looks, pad_edge=False)
        grid.add_column("candidate", no_wrap=True)
        for head in ("n", *heads, "skill"):
            grid.add_column(head, justify="right", no_wrap=True)
        parts = scores.rows.filter(group=group).group_by("candidate", maintain_order=True)
        for (name, *_), part in parts:
            figures = {(r["metric"], r["order"]): r for r in part.iter_rows(named=True)}
            values = [m.written(figures.get((m.name, k), {}).get("value")) for m, k in columns]
            skill = number(figures[PRIMARY]["skill"])
            grid.add_row(str(name), f"{part['size'][0]:,}", *values, skill)
        screen.print(grid, "")
    say(
        screen,
        "K: 1000 is perfect. slope, corr, MAE: two-way interactions against the true ones (1, 1 "
        "and 0 are right). skill: of that MAE, 0 = independent draws, 1 = a real sample of the "
        "same size, both in expectation.\n",
    )


def say(screen: Console, text: str) -> None:
    screen.print(text, highlight=False, markup=False, soft_wrap=not screen.is_terminal)


def over_draws(model: Any, problem: pg.Problem, truth: pg.Census, n: int) -> str:
    """Score further draws of popgen's panel, to say what is luck in the one that is shown."""
    streams = np.random.default_rng([RNG, 1]).spawn(DRAWS)
    draws = {str(i): balanced(model, problem, n, rng) for i, rng in enumerate(streams)}
    inputs = [margin.variables for margin in problem.margins]
    rows = compare(draws, truth, measured=inputs, orders=(2, 3), rng=RNG, replicates=2).rows
    said = []
    for metric, order, group, label in (
        (K, 2, "all", "K2"),
        (K, 3, "all", "K3"),
        (SLOPE, 2, "all", "slope"),
        (MAE, 2, "all", "MAE"),
        (SLOPE, 2, "unmeasured", "slope on pairs that no input contained"),
    ):
        values = rows.filter(metric=metric.name, order=order, group=group)["value"]
        mean, spread = metric.written(values.mean()), metric.written(values.std())
        said.append(f"{label} {mean} ± {spread}")
    return f"popgen over {DRAWS} further draws of {n:,} people, mean ± spread: {', '.join(said)}."


def about(truth: pg.Census) -> list[str]:
    """Say what the comparison rests on."""
    return [
        f"The truth: {truth.about['title']}, {round(truth.project('gender').total):,} people.",
        *truth.about["caveats"],
        "popgen was given only "
        + truth.about["inputs"]["forecaster"]["description"]
        + ". Its joint is the flattest that has these margins (IPF from a flat seed), so it "
        "assumes that there is no interaction but those the margins imply.",
        "Its people are drawn so that every margin is met to a person or two (the cube method); "
        "the plain draw is the default, systematic over sorted cells. A balanced draw has less "
        "noise in the tables that were inputs than a real sample has, which can outweigh what it "
        "lacks elsewhere: judge it on the tables that no input contained.",
        "The LLM was given the one-way shares (as text) and, for completed profiles, five real "
        "attributes of each person; for judged draws, independent draws. Prompts and recordings "
        "are in data/personas.",
        f"{PRIOR!r} was given the same margins and, for the pairs that they leave out, the LLM's "
        "recorded personas and stated shares: how far to believe them is learned from the pairs "
        "that the margins hold (PersonaPrior).",
        "The real sample is drawn from the true tables, each table apart, since no person's "
        "record is shipped. popgen, independent draws and the real sample are one draw each; "
        "what independent draws and real samples give in expectation are the yardsticks.",
    ]


def described(truth: pg.Census) -> dict[str, str]:
    return {s.file: str(s.details.get("sha256", "")) for s in truth.sources.values()}


if __name__ == "__main__":
    main(*sys.argv[1:2])
