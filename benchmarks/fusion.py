"""Which way to add a variable that was never seen with all of a frame: a joint that is known.

``python benchmarks/fusion.py [--data FOLDER] [--seeds 5]``: adult citizens of 50 states in 2018 by
state, race, sex and age are the frame, education is to be added; donors are drawn from the true
joint, the margin is education by state. With the folder that holds
``survey/ces2020_demographics_vote.parquet`` also the presidential vote of 2020, added to region ×
race × age × education among its respondents.

Fitted joints are scored by expected counts on the sets of variables that no input contains (the
frame and the margin are the inputs); means over seeds. K: 1000 is perfect; slope and MAE compare
interactions with the true ones (1 and 0 are right).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import popgen as pg

SIZES = (500, 2000, 5000)
HEADS = ("K2", "K3", "slope2", "MAE2", "MAE3")
FIGURES = (("K", 2), ("K", 3), ("slope", 2), ("mae", 2), ("mae", 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with the survey's records")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    states = pg.read_census("us_adult_citizens_2018").margins["race_sex_age_education"]
    print("\nus_adult_citizens_2018")
    report(states, asked.seeds)
    bound(states, {"education": "bachelor"}, {"race": "Black"})
    if asked.data is not None:
        names = ("region", "race", "age", "education", "vote2020")
        records = pg.read_microdata(
            asked.data / "survey/ces2020_demographics_vote.parquet",
            pg.read_census("us_panel_2020", margins=["one_way"]).codebook,
            missing="drop",
        )
        print("\nCES 2020")
        report(records.project(*names), asked.seeds)
        bound(records.project(*names), {"vote2020": "Trump"}, {"race": "Black"})


def report(truth: pg.Table, seeds: int) -> None:
    """Score every way on tables alone, and on donors of each size who did not say everything.

    The last variable is added; its margin is by the first one, the area.
    """
    area, hidden, *_, new = truth.names
    frame, margin = truth.project(*truth.names[:-1]), truth.project(area, new)
    inputs = [frame.names, margin.names]
    print(f"{new} added to {' × '.join(frame.names)}, margin {area} × {new}")
    print(f"{'way':44}" + "".join(f"{head:>9}" for head in HEADS) + f"{'s':>7}")
    tables = {
        "independent (one-way shares)": truth.project(new),
        "product, the margin": margin,
        f"product, the margin and {hidden} × {new}": [margin, truth.project(hidden, new)],
        "product, the margin and all the others": [margin, truth.project(*truth.names[1:])],
    }
    for label, given in tables.items():
        line(label, [lambda g=given: pg.fuse(frame, new, margins=g).table], truth, inputs)
    for n in SIZES:
        for unsaid in (None, area, hidden):
            asked = tuple(name for name in truth.names if name != unsaid)
            print(f"{n:,} donors" + ("" if unsaid is None else f" who did not say their {unsaid}"))
            draws = [drawn(truth, n, asked, seed) for seed in range(seeds)]
            for label, fit in ways(frame, margin, new, asked).items():
                line(f"  {label}", [lambda d=d, f=fit: f(d) for d in draws], truth, inputs)


def bound(truth: pg.Table, where: dict[str, str], given: dict[str, str]) -> None:
    """Bound a share among people by a variable that 2,000 donors did not say."""
    [hidden], new = given, truth.names[-1]
    asked = tuple(name for name in truth.names if name != hidden)
    donor = drawn(truth, SIZES[1], asked, 0)
    frame, margin = truth.project(*truth.names[:-1]), truth.project(truth.names[0], new)
    model = pg.fuse(frame, new, donor, margins=margin, unseen="average")
    people = truth.select(**{hidden: [given[hidden]]})
    true = people.select(**{new: [where[new]]}).total / people.total
    print(f"{pg.fusion_bounds(model, where, given)}; true {true:.1%}")


def ways(
    frame: pg.Table, margin: pg.Table, new: str, asked: tuple[str, ...]
) -> dict[str, Callable[[pg.Microdata], pg.Table]]:
    def fused(way: str, effects: int = 1) -> Callable[[pg.Microdata], pg.Table]:
        options = {"way": way, "effects": effects, "unseen": "average"}
        options["margins"] = () if way == "logit" else margin
        return lambda donor: pg.fuse(frame, new, donor, **options).table

    def raked(donor: pg.Microdata) -> pg.Table:
        margins = [*(frame.project(name) for name in frame.names), margin.project(new)]
        return pg.Calibration().fit(pg.Problem(margins, donor)).project(*frame.names, new)

    if margin.names[0] not in asked:
        return {way: fused(way) for way in ("logit", "smooth_fix")}
    plain = {way: fused(way) for way in ("logit", "smooth_fix", "balanced")}
    if not set(frame.names) <= set(asked):
        return plain
    pairs = {f"{way}, effects of pairs": fused(way, 2) for way in ("smooth_fix", "balanced")}
    return {"donor raked to one-way margins": raked, **plain, **pairs}


def line(
    label: str,
    fits: list[Callable[[], pg.Table]],
    truth: pg.Table,
    inputs: list[tuple[str, ...]],
) -> None:
    """Print the mean figures of several fits, and how many were refused."""
    rows, refused = [], 0
    for fit in fits:
        begun = time.perf_counter()
        try:
            joint = fit().project(*truth.names)
        except pg.InfeasibleError:
            refused += 1
            continue
        seconds = time.perf_counter() - begun
        scores = pg.score(joint, truth, measured=inputs, orders=(2, 3), replicates=2)
        rows.append([*(scores.value(m, k, "unmeasured") for m, k in FIGURES), seconds])
    note = f"  ({refused} of {len(fits)} refused)" if refused else ""
    if not rows:
        print(f"{label:44}{note}")
        return
    k2, k3, slope, mae2, mae3, seconds = np.mean(rows, axis=0)
    print(
        f"{label:44}{k2:9.1f}{k3:9.1f}{slope:9.2f}{mae2:9.3f}{mae3:9.3f}{seconds:7.1f}{note}",
        flush=True,
    )


def drawn(truth: pg.Table, n: int, asked: tuple[str, ...], seed: int) -> pg.Microdata:
    rng = np.random.default_rng([n, seed])
    cells = rng.choice(truth.domain.size, n, p=truth.shares.counts.ravel())
    codes = np.column_stack(np.unravel_index(cells, truth.domain.shape))
    axes = [truth.domain.axis(name) for name in asked]
    return pg.Microdata(truth.domain.project(*asked), codes[:, axes])


if __name__ == "__main__":
    main()
