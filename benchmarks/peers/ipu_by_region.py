"""IPU by region.

Iterative proportional updating as in its paper (`households.ipu`), each region from its own
records alone: the usual way where records say their region. Households are drawn by their weights.
"""

from __future__ import annotations

import numpy as np
from households.ipu import by_ipu

from peers.given import Given, People
from peers.homes import people_of, sample_of

REQUIREMENTS = ("numpy==2.4.0", "polars==2.1.0")
NEEDS = ("margins", "records", "homes")


def people(given: Given) -> People:
    sample = sample_of(given)
    rng = np.random.default_rng(given.rng)
    return people_of(by_ipu(sample, rng, own=True), sample, given)
