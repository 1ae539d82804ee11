"""PopulationSim by region.

https://github.com/ActivitySim/populationsim (BSD-3-Clause). Each region is made of its own records
alone: its usual way where records say their region.
"""

from __future__ import annotations

import sys
from pathlib import Path

from households.populationsim import by_populationsim

from peers.given import Given, People
from peers.homes import people_of, sample_of

REQUIREMENTS = (
    "populationsim==0.10.0",
    "numpy==1.26.4",
    "pandas==3.0.6",
    "numba==0.68.1",
    "ortools==9.14.6206",
    "polars==2.1.0",
)
NEEDS = ("margins", "records", "homes")


def people(given: Given) -> People:
    sample = sample_of(given)
    made = by_populationsim(sample, Path(sys.executable), own=True)
    return people_of(made, sample, given)
