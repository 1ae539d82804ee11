"""Diagnostics of the recorded persona answers that come with popgen.

``python benchmarks/diagnostics.py [truth] [folder]``: prints every figure; ``truth`` is what the
people whose profiles were completed really answered (not shipped). With a folder, a page an arm.
"""

from __future__ import annotations

import sys
from pathlib import Path

import popgen as pg
from popgen.personas.diagnostics import diagnose, recorded_answers
from popgen.report import write_diagnosis


def main(truth: str = "", folder: str = "") -> None:
    population = pg.read_census("us_panel_2020", margins=["one_way", "two_way"])
    panels = {
        "fill": recorded_answers("fill", truth=truth or None, population=population.margins),
        "traits": recorded_answers("traits"),
        "evidence": recorded_answers("evidence"),
    }
    for arm, answers in panels.items():
        found = diagnose(answers)
        print(f"\n{arm}\n\n{found}")
        if folder:
            write_diagnosis(Path(folder) / f"{arm}.html", found, title=f"Recorded: {arm}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
