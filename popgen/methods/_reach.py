"""Why controls on numbers cannot be met beside the margins, and what is within reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize, sparse

from popgen.controls import Control
from popgen.errors import InfeasibleError, PopgenError, listed
from popgen.methods._cells import people
from popgen.methods.distances import Floats
from popgen.microdata import Microdata
from popgen.problem import Incidence, Problem

SLACK = 1e-7
"""A figure nearer than this to the end of what is within reach, as a share of it, is beyond it."""


def explain(
    error: PopgenError, problem: Problem, incidence: Incidence, controls: Sequence[Control]
) -> PopgenError:
    """Say which control cannot be met beside the exact margins, and what is within reach.

    Parameters
    ----------
    error : PopgenError
        What calibration said: returned if controls are not to blame.
    problem : Problem
    incidence : Incidence
        Margin cells alone; those with a standard error are not held.
    controls : sequence of Control
        The exact ones.
    """
    exact = np.flatnonzero(incidence.se == 0)
    X, shares = incidence.X[:, exact], incidence.targets[exact] / problem.total
    for control in controls:
        reach = within_reach(control, problem.records, X, shares)
        if reach is None:  # the margins alone clash
            return error
        low, high = (end if control.per_person else end * problem.total for end in reach)
        room = SLACK * max(abs(low), abs(high))
        settled = high - low <= 2 * room and abs(control.aim - low) <= 2 * room  # by the margins
        if not (settled or low + room < control.aim < high - room):
            return InfeasibleError(
                f"{control.said!r} is to be {people(control.aim)}; with the exact margins met, "
                f"these {len(problem.records):,} records reach {people(low)} to {people(high)}: "
                f"nearest {people(min(max(control.aim, low), high))}; correct the figure, give it "
                "a standard error and soft=True, or add records"
            )
    if not controls:
        return error
    named = listed([control.name for control in controls])
    return type(error)(
        f"each of the controls {named} can be met beside the exact margins by weights above 0, but "
        "not all together, or not within the distance's bounds or so many steps; drop one, give "
        "it a standard error and soft=True, or allow wider bounds"
    )


def within_reach(
    control: Control, records: Microdata, X: sparse.csr_array, shares: Floats
) -> tuple[float, float] | None:
    """Least and greatest figure (a sum: per person of the total) over weights that meet margins.

    A mean over a group is a ratio of two linear forms. With y = t w and t so chosen that the group
    counts 1 it is linear (Charnes & Cooper 1962, doi:10.1002/nav.3800090303). None if no weights
    meet the margins.
    """
    inside = control.among(records)
    score = np.zeros(len(records) + 1)
    score[:-1][inside] = control.score(records.values[control.variable][inside])
    unit = float(np.abs(score).max()) or 1.0
    one = np.append(inside.astype(float), 0.0) if control.per_person else np.eye(len(score))[-1]
    margins = sparse.hstack([X.T, sparse.csr_array(-shares[:, None])])
    ends = []
    for sign in (1.0, -1.0):
        found = optimize.linprog(
            sign * score / unit,
            A_eq=sparse.vstack([margins, sparse.csr_array(one[None, :])]).tocsc(),
            b_eq=np.append(np.zeros(len(shares)), 1.0),
            method="highs",
        )
        if found.x is None:
            return None
        ends.append(sign * float(found.fun) * unit)
    return ends[0], ends[1]
