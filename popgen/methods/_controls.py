"""Controls on numbers beside margin cells: columns for calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from popgen.controls import Control
from popgen.errors import InfeasibleError
from popgen.methods._cells import people
from popgen.methods.distances import Floats
from popgen.microdata import Microdata
from popgen.problem import Incidence


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
