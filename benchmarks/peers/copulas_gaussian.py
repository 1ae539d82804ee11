"""copulas: Gaussian copula of the records.

https://github.com/sdv-dev/Copulas (BUSL). A level is an interval of [0, 1] as wide as its share, by
the margins where they state it; a record is a point in it, at random.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from copulas.multivariate import GaussianMultivariate
from copulas.univariate import UniformUnivariate

from peers.given import Given, People

REQUIREMENTS = ("copulas==0.14.1",)
NEEDS = ("records",)


def people(given: Given) -> People:
    rng = np.random.default_rng(given.rng)
    low, high = given.intervals()
    points = pd.DataFrame(rng.uniform(low, high), columns=list(given.names))
    model = GaussianMultivariate(distribution=UniformUnivariate, random_state=given.rng)
    model.fit(points)
    drawn = model.sample(given.people)[list(given.names)].to_numpy()
    return People(given.levels_at(drawn))
