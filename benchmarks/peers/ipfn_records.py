"""ipfn on the records (raking).

https://github.com/Dirguis/ipfn (MIT). Iterative proportional fitting of a data frame. It asks for
every combination of the levels it sees, so each margin is stated as one variable of its cells;
cells without a record are missed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from ipfn import ipfn

from peers.given import Given, People

REQUIREMENTS = ("ipfn==1.4.4", "pandas==2.3.3")
NEEDS = ("margins", "records")
ROUNDS = 30


def people(given: Given) -> People:
    records = given.sample
    weights = np.ones(len(records.codes)) if records.weights is None else records.weights
    frame = pd.DataFrame({"total": weights * given.total / weights.sum()})
    frame["record"] = np.arange(len(frame))
    targets, dimensions = [], []
    for i, margin in enumerate(given.margins):
        name = f"cell{i}"
        cells = np.ravel_multi_index(records.codes[:, given.axes(margin)].T, margin.counts.shape)
        frame[name] = cells
        targets.append(pd.Series(margin.counts.ravel())[np.unique(cells)])
        targets[-1].index.name = name
        dimensions.append([name])
    fitted = ipfn.ipfn(frame, targets, dimensions, max_iteration=ROUNDS).iteration()
    fitted = fitted.sort_values("record")
    return People(records.codes, fitted["total"].to_numpy())
