"""ipfn on the full table, from a flat start.

https://github.com/Dirguis/ipfn (MIT). Iterative proportional fitting of a dense array.
"""

from __future__ import annotations

import math

import numpy as np
from ipfn import ipfn

from peers.given import CannotUse, Given, People

REQUIREMENTS = ("ipfn==1.4.4", "pandas==2.3.3")
NEEDS = ("margins",)
MOST_CELLS = 5_000_000


def people(given: Given) -> People:
    cells = math.prod(given.shape)
    if cells > MOST_CELLS:
        raise CannotUse(f"the full table has {cells:.1e} cells, more than {MOST_CELLS:.0e}")
    start = np.full(given.shape, given.total / cells)
    ordered = []
    for margin in given.margins:  # it wants dimensions in ascending order
        axes = given.axes(margin)
        ordered.append((sorted(axes), np.transpose(margin.counts, np.argsort(axes))))
    tables = [counts for _, counts in ordered]
    joint = ipfn.ipfn(start, tables, [axes for axes, _ in ordered], convergence_rate=1e-9)
    counts = joint.iteration().ravel()
    some = np.flatnonzero(counts > 0)
    return People(np.column_stack(np.unravel_index(some, given.shape)), counts[some])
