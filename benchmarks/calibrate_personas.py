"""What calibrating recorded personas does to them: us_panel_2020, from the one-way shares.

``python benchmarks/calibrate_personas.py [--data FOLDER]``: with the folder that holds
``survey/ces2020_demographics_vote.parquet``, also with 500 real respondents.

Every figure is `popgen.score`'s for a panel of the recorded one's size, calibrated panels the mean
over `SEEDS` draws. Skill: of the interactions' MAE, 0 for independent draws, 1 for a real sample.
No figure of the truth beyond the one-way shares (and the respondents) is used, but for the default
factor 0.45, which was found on this population.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import popgen as pg
from popgen.methods.panel import PROFILE

PLACE, SURVEY = "us_panel_2020", "survey/ces2020_demographics_vote.parquet"
RESPONDENTS = 500
SEEDS = range(3)
SHOWN = (("K", 1), ("K", 2), ("K", 3), ("slope", 2), ("mae", 2))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the survey's records")
    folder = parser.parse_args().data
    truth = pg.read_census(PLACE, margins=["one_way", "two_way", "three_way"])
    ways = {name: truth.project(name) for name in truth.domain.names}
    heads = "".join(f"{name}{order}".rjust(8) for name, order in SHOWN)
    print(f"{'':<34}{'people':>7}{heads}{'skill':>8}{'kept':>8}")
    raw, ours = [], []
    for arm in ("direct", "fill", "judge"):
        panel = pg.read_panel(arm)
        raw.append(line(f"{arm}, as recorded", [panel], truth))
        for fresh in (0.1, 0.5, 1.0) if arm == "direct" else (0.1,):
            got = calibrated(arm, panel, pg.Problem(ways), truth, fresh)
            if arm != "judge":  # nearly independent draws: there is nothing to weaken
                ours.append(got)
    with_people = [] if folder is None else respondents(truth, ways, folder)
    print()
    passed = bar("direct, fill as recorded, best skill", max(raw[:2]), 0, least=False)
    passed &= bar("the same calibrated, worst skill", min(ours), 0.3, least=True)
    if with_people:
        label = f"direct with {RESPONDENTS} respondents, worst skill"
        passed &= bar(label, min(with_people), 0.55, least=True)
    else:
        print(f"({RESPONDENTS} respondents: give --data)")
    return 0 if passed else 1


def respondents(truth: pg.Census, ways: dict[str, pg.Table], folder: Path) -> list[float]:
    """Calibrate the invented personas with real respondents, a fresh draw of them each time."""
    book = pg.read_census(PLACE, margins=["one_way"]).codebook
    survey = pg.read_microdata(folder / SURVEY, book, missing="drop")
    found = []
    for seed in SEEDS:
        rng = np.random.default_rng([2020, seed])
        few = survey.take(rng.choice(len(survey), RESPONDENTS, replace=False))
        problem = pg.Problem(ways, few)
        raked = pg.Calibration().fit(problem).sample(1188, rng=seed)
        line(f"{RESPONDENTS} respondents {seed} alone", [raked], truth)
        label = f"direct, {RESPONDENTS} respondents {seed}"
        found.append(calibrated(label, pg.read_panel("direct"), problem, truth, 0.1))
    return found


def calibrated(
    label: str, panel: pg.Population, problem: pg.Problem, truth: pg.Census, fresh: float
) -> float:
    given = PROFILE if label == "fill" else ()
    several = [
        pg.calibrate_personas(panel, problem, fresh=fresh, given=given, rng=seed) for seed in SEEDS
    ]
    kept = float(np.mean([one.kept / len(one.people) for one in several]))
    return line(f"{label}, fresh {fresh:g}", [one.people for one in several], truth, kept)


def line(
    label: str, panels: list[pg.Population], truth: pg.Census, kept: float | None = None
) -> float:
    """Score panels, print their mean, return the mean skill."""
    scores = [pg.score(panel, truth, orders=(1, 2, 3), replicates=20) for panel in panels]
    row = f"{label:<34}{len(panels[0]):>7}"
    for name, order in SHOWN:
        value = float(np.mean([one.value(name, order) for one in scores]))
        row += f"{value:8.1f}" if name == "K" else f"{value:8.3f}"
    skill = float(np.mean([one.skill("mae", 2) for one in scores]))
    print(row + f"{skill:8.2f}" + ("" if kept is None else f"{kept:8.2f}"), flush=True)
    return skill


def bar(what: str, value: float, limit: float, *, least: bool) -> bool:
    met = value > limit if least else value < limit
    print(f"{'met   ' if met else 'MISSED'}  {what}: {value:.2f} ({'>' if least else '<'} {limit})")
    return met


if __name__ == "__main__":
    sys.exit(main())
