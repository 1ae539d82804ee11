"""Controls on numbers beside margin cells: columns for calibration, and why they cannot be met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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


def with_controls(
    incidence: Incidence,
    controls: Sequence[Control],
    records: Microdata,
    design: Floats,
    *,
    soft: bool,
) -> Incidence:
    """Add a column a control to the margin cells.

    Parameters
    ----------
    incidence : Incidence
    controls : sequence of Control
    records : Microdata
    design : array, shape (n,)
        Weights, people: precision of a mean is that of so many people's sum.
    soft : bool
        Whether standard errors are asked for; else all are 0.

    Raises
    ------
    InfeasibleError
        If no record is on one side of a figure.
    """
    if not controls:
        return incidence
    columns, targets, errors = [], [], []
    for control in controls:
        inside = control.among(records)
        values, weights = records.values[control.variable][inside], design[inside]
        scores = control.score(values)
        refuse_one_sided(control, scores)
        column = np.zeros(len(records))
        column[inside] = scores - (control.aim if control.per_person else 0.0)
        columns.append(column)
        targets.append(0.0 if control.per_person else control.aim)
        counted = float(weights.sum()) if control.per_person else 1.0
        errors.append(control.error(values, weights) * counted if soft else 0.0)
    return replace(
        incidence,
        X=sparse.csr_array(
            sparse.hstack([incidence.X, sparse.csr_array(np.column_stack(columns))])
        ),
        targets=np.concatenate([incidence.targets, targets]),
        se=np.concatenate([incidence.se, errors]),
        cells=(*incidence.cells, *(control.name for control in controls)),
    )


def refuse_one_sided(control: Control, scores: Floats) -> None:
    """Refuse a figure that no weights whatever bring about: all records are on one side of it."""
    if not len(scores):
        raise InfeasibleError(
            f"{control.name!r} is to be {people(control.value)}, and no record of that group has a "
            "number; coarsen the group, or add records"
        )
    low, high = float(scores.min()), float(scores.max())
    if control.per_person and not (low < control.aim < high or low == high == control.aim):
        raise InfeasibleError(
            f"{control.said!r} is to be {people(control.aim)}, but the {len(scores):,} records of "
            f"that group run from {people(low)} to {people(high)}: nearest "
            f"{people(min(max(control.aim, low), high))}; correct the figure, or add records"
        )


def refuse_far_controls(controls: Sequence[Control], records: Microdata, far: float) -> None:
    """Refuse soft controls that weighted records miss by more than so many standard errors."""
    for control in controls:
        inside = control.among(records)
        values, weights = records.values[control.variable][inside], records.weights[inside]
        se, found = control.error(values, weights), control.reached(records)
        if se and abs(found - control.aim) > far * se:
            raise InfeasibleError(
                f"soft control {control.said!r} is to be {people(control.aim)} (standard error "
                f"{people(se)}) and comes to {people(found)}, "
                f"{abs(found - control.aim) / se:.1f} standard errors away; the records or a "
                "margin contradict it: correct or drop it, or add records"
            )


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
