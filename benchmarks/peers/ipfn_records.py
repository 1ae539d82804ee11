"""ipfn on the records (raking).

https://github.com/Dirguis/ipfn (MIT). Iterative proportional fitting of a data frame. It asks for
every combination of the levels it sees, so each margin is stated as one variable of its cells; it
fails where a cell has a single record, so each record is entered as two halves. Cells without a
record are missed.
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
    codes = np.repeat(records.codes, 2, axis=0)
    frame = pd.DataFrame({"total": np.repeat(weights, 2) * given.total / weights.sum() / 2})
    frame["record"] = np.repeat(np.arange(len(weights)), 2)
    targets, dimensions = [], []
    for i, margin in enumerate(given.margins):
        name = f"cell{i}"
        cells = np.ravel_multi_index(codes[:, given.axes(margin)].T, margin.counts.shape)
        frame[name] = cells
        targets.append(pd.Series(margin.counts.ravel())[np.unique(cells)])
        targets[-1].index.name = name
        dimensions.append([name])
    fitted = ipfn.ipfn(frame, targets, dimensions, max_iteration=ROUNDS).iteration()
    return People(records.codes, fitted.groupby("record")["total"].sum().to_numpy())
