"""What peers that make whole households share: what is given as a sample, what they made as people.

Needs polars besides numpy.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from households.sample import Made, Sample, cells, first_of

from peers.given import Array, CannotUse, Given, Homes, Margin, People


def sample_of(given: Given) -> Sample:
    """State what is given as a sample of households and one-way margins of areas."""
    homes = _homes(given)
    persons = pl.DataFrame(
        {"home": homes.of, **dict(zip(given.names, given.sample.codes.T, strict=True))}
    ).sort("home", maintain_order=True)
    of_households, of_persons = (
        {name: len(given.levels[name]) for name in (_other(m, homes.area) for m in margins)}
        for margins in (homes.margins, given.margins)
    )
    first = _by_area(homes.margins[0], homes.area)
    return Sample(
        persons,
        cells(persons, of_households, of_persons),
        persons[homes.area].to_numpy()[first_of(persons)].astype(np.intp),
        np.hstack([_by_area(margin, homes.area) for margin in (*homes.margins, *given.margins)]),
        first.sum(axis=1).astype(np.intp),
        of_households,
        of_persons,
    )


def people_of(made: Made, sample: Sample, given: Given) -> People:
    """Give everybody in the households made."""
    return People(made.codes(sample, _homes(given).area, list(given.names)))


def _homes(given: Given) -> Homes:
    if given.homes is None:
        raise CannotUse("there are no households")
    return given.homes


def _other(margin: Margin, area: str) -> str:
    rest = [name for name in margin.names if name != area]
    if len(rest) != 1:
        raise CannotUse(f"margin {margin.names} is not of one variable by {area}")
    return rest[0]


def _by_area(margin: Margin, area: str) -> Array:
    return np.moveaxis(margin.counts, margin.names.index(area), 0)
