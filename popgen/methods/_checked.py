"""The arrays that calibration is given, checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from popgen.errors import PopgenError
from popgen.methods._cells import Cells
from popgen.methods.distances import Floats
from popgen.table import not_positive


def checked_cells(
    X: sparse.csr_array, targets: Floats, se: Floats | None, names: Sequence[str] | None
) -> Cells:
    """Refuse arrays that do not fit together or are not finite."""
    X = sparse.csr_array(X, dtype=np.float64)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()  # and sorts each row's columns, which the kernel needs
    m = X.shape[1]
    targets = np.asarray(targets, float)
    se = np.zeros(m) if se is None else np.asarray(se, float)
    names = tuple(f"cell {j}" for j in range(m)) if names is None else tuple(names)
    for what, shape in (("targets", targets.shape), ("se", se.shape), ("cells", (len(names),))):
        if shape != (m,):
            raise PopgenError(f"{m} cells (columns of X) need {m} {what}; got shape {shape}")
    for what, values in (("X", X.data), ("targets", targets), ("se", se)):
        if bad := int((~np.isfinite(values)).sum()):
            raise PopgenError(f"{what}: {bad} of {values.size} numbers are not finite")
    if se.min(initial=0.0) < 0:
        worst = int(se.argmin())
        raise PopgenError(f"standard errors must be >= 0; that of {names[worst]!r} is {se[worst]}")
    unit = _largest_entries(X)
    if (unit != 1).any():
        X = sparse.csr_array((X.data / unit[X.indices], X.indices, X.indptr), shape=X.shape)
    return Cells(X, targets / unit, se / unit, names, unit)


def checked_weights(d: Floats, n: int) -> Floats:
    """Refuse design weights that are not one positive number a record."""
    d = np.asarray(d, float)
    if d.shape != (n,):
        raise PopgenError(f"{n} records (rows of X) need {n} design weights; got shape {d.shape}")
    bad = not_positive(d)
    if bad.size:
        raise PopgenError(
            f"{bad.size} of {n} design weights are not positive numbers, first {d[bad[0]]:g} of "
            f"record {bad[0]}; leave out records that stand for nobody"
        )
    return d


def _largest_entries(X: sparse.csr_array) -> Floats:
    unit = np.ones(X.shape[1])
    if (X.data != 1).any():
        largest = np.zeros(X.shape[1])
        np.maximum.at(largest, X.indices, np.abs(X.data))
        unit = np.where(largest > 0, largest, 1.0)
    return unit
