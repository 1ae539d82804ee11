"""People chosen from personas and new ones, so that margins and pairs are met."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Coarsening
from popgen.integerise import integerise as integerised
from popgen.margin import Margin
from popgen.methods.calibration import calibrate
from popgen.methods.distances import RAKING
from popgen.methods.panel import pair_of
from popgen.methods.prior import PriorModel
from popgen.microdata import Microdata
from popgen.problem import incidence_of
from popgen.table import Table

PRECISION = 1e-7
"""Miss of a margin that is accepted, as a share of all people."""

LOOSE = 0.1
"""Weight, per person wanted, of the pool against the joint's pairs, which have 1 a person."""

Index = NDArray[np.intp]


def _pairs(model: PriorModel, people: int) -> list[Margin]:
    """State the joint's pairs that no margin states, with the errors of a sample of n people."""
    stated = {
        pair_of(*pair)
        for margin in model.problem.margins
        for pair in itertools.combinations(margin.variables, 2)
    }
    found = []
    for pair in itertools.combinations(model.domain.names, 2):
        if pair_of(*pair) in stated:
            continue
        table = model.project(*pair)
        share = np.maximum(table.shares.counts, 0.5 / people)
        se = table.total * np.sqrt(share * (1 - share) / people)
        rules = tuple(Coarsening.by_name(each, each) for each in table.domain)
        found.append(Margin("×".join(pair), Table(table.domain, table.counts, se), rules))
    return found


def chosen(
    pool: Microdata,
    design: NDArray[np.float64],
    model: PriorModel,
    people: int,
    rng: np.random.Generator,
) -> Index:
    """Choose people of a pool, some of them several times, in random order."""
    margins = model.problem.margins
    cells = incidence_of([*margins, *_pairs(model, people)], pool)
    exact = sum(margin.table.domain.size for margin in margins)
    total = model.problem.total
    hard = np.arange(len(cells.targets)) < exact
    weights = calibrate(
        cells.X,
        design * total,
        cells.targets,
        RAKING,
        se=np.where(hard, 0.0, cells.se * np.sqrt(LOOSE * people / total)),
        cells=cells.cells,
        tol=PRECISION * total,
    ).weights
    kept = np.flatnonzero(weights > 0)
    balance = cells.X[kept][:, :exact]
    times = integerised(weights[kept], people, method="cube", balance=balance, rng=rng)
    found = np.repeat(kept, times)
    rng.shuffle(found)
    return found


def lacking(own: NDArray[np.int16], model: PriorModel, people: int) -> tuple[str, ...]:
    """Name the cells in which people are due and the panel has nobody, the fullest first."""
    panel = Microdata(model.domain, own)
    found: dict[str, float] = {}
    for order in (1, 2):
        for names in itertools.combinations(model.domain.names, order):
            due = model.project(*names).shares.counts * people
            empty = np.flatnonzero((panel.project(*names).counts == 0) & (due >= 0.5))
            domain = model.domain.project(*names)
            found |= {domain.cell(int(i)): float(due.flat[i]) for i in empty}
    fullest = sorted(found.items(), key=lambda item: -item[1])
    return tuple(f"{cell} ({count:.0f} people)" for cell, count in fullest)
