"""pyvinecopulib: Gaussian vine of the records, discrete.

https://github.com/vinecopulib/pyvinecopulib (MIT). A regular vine of three trees; a level is an
interval of [0, 1] as wide as its share, by the margins where they state it.
"""

from __future__ import annotations

import numpy as np
import pyvinecopulib as pv

from peers.given import Given, People

REQUIREMENTS = ("pyvinecopulib==1.0.1",)
NEEDS = ("records",)
TREES = 3


def people(given: Given) -> People:
    low, high = given.intervals()
    controls = pv.FitControlsVinecop(
        family_set=[pv.BicopFamily.gaussian], trunc_lvl=TREES, num_threads=2
    )
    kinds = ["d"] * len(given.names)
    points = np.hstack([high, low])
    model = pv.Vinecop.from_data(points, var_types=kinds, controls=controls)
    drawn = model.simulate(given.people, seeds=[given.rng + 1])
    return People(given.levels_at(np.asarray(drawn)))
