"""`with_values`: people get numbers in their bands, from like records or from counts alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen._hotdeck import LIKE, dealt, described
from popgen._rng import Rng, replayable
from popgen._spline import pareto_index, within_bands
from popgen.bands import Bands
from popgen.errors import PopgenError, listed
from popgen.microdata import Microdata, Population

Floats = NDArray[np.float64]
SPLINE = "a monotone spline of the people's cumulative counts"
PARETO = f"{SPLINE}; a Pareto tail of index {{:.3g}} in the open band"


def with_values(
    people: Population,
    records: Microdata | None = None,
    *,
    bands: Mapping[str, Bands] | None = None,
    ends: Mapping[str, float | str] | None = None,
    rng: Rng = None,
) -> Population:
    """Give people in bands of a number (age, income) a number within their band.

    Parameters
    ----------
    people : Population
    records : Microdata, optional
        Each person takes the number of one record, drawn by weight among those of the same band
        that are alike in most other variables (hot deck). Variables are taken in the order of what
        they tell of the number within bands; the last step at which 5 records are left counts.
        Someone in a level of which no record has a number gets none.
    bands : mapping of name to `Bands`, optional
        Of variables of which no record has numbers, e.g. ``codebook.bands``: numbers are drawn from
        a monotone spline through the people's own cumulative counts, whatever else they are.
    ends : mapping of name to number or 'pareto', optional
        How an open top band ends: at a number (as for age), or in a Pareto tail (as for income)
        whose index the last two bands give. There is no default.
    rng : int, Generator or None
        The same int gives the same numbers.

    Returns
    -------
    Population
        The same people; ``provenance["values"]`` says where their numbers come from.

    Raises
    ------
    PopgenError
        If neither records nor bands have numbers of a variable of the people, levels differ, an
        open band has no end, an end is of no open band, or a Pareto tail does not suit.

    Examples
    --------
    >>> from popgen import Domain, Variable
    >>> bands = Bands.named([0, 18, 65, math.inf], "years")
    >>> people = Population(Domain((Variable("age", bands.levels),)), [[0], [1], [1], [2]])
    >>> drawn = with_values(people, bands={"age": bands}, ends={"age": 100}, rng=0)
    >>> bands.find(drawn.values["age"]).tolist()
    [0, 1, 1, 2]
    """
    _refuse_idle_ends(bands or {}, ends or {})
    generator, state = replayable(rng)
    found: dict[str, Any] = {}
    how: dict[str, str] = {}
    if records is not None and records.values:
        shared = _shared(people, records)
        for name, numbers in dealt(*shared, rng=generator).items():
            found[name], how[name] = numbers, LIKE
    for name, of in (bands or {}).items():
        if name in people.domain and name not in found:
            end = (ends or {}).get(name, of.edges[-1])
            found[name], how[name] = _smooth(people, name, of, end, generator)
    if not found:
        raise PopgenError(
            f"there are no numbers for any of {listed(people.domain.names)}: give records with "
            "values (read_microdata with bands), or bands"
        )
    known = {**people.provenance.get("values", {}), **described(found, how)}
    about = {**people.provenance, "values": known, "values_rng": state}
    return replace(people, values={**people.values, **found}, provenance=about)


def _refuse_idle_ends(bands: Mapping[str, Bands], ends: Mapping[str, float | str]) -> None:
    """Refuse bands that are none, and ends of what has no open top band."""
    for name, of in bands.items():
        if not isinstance(of, Bands):
            raise PopgenError(f"bands of {name!r} are {of!r}; write Bands.named(edges)")
    for name, end in ends.items():
        if name not in bands:
            raise PopgenError(f"ends name {name!r}, of which no bands are given: {listed(bands)}")
        if math.isfinite(last := bands[name].edges[-1]):
            raise PopgenError(
                f"the top band of {name!r} ends at {last:g}, so it cannot end at {end!r}: leave "
                "it out of ends, or change the bands"
            )


def _shared(people: Population, records: Microdata) -> tuple[Microdata, Microdata]:
    """Keep the variables that people and records both have, at the same levels."""
    names = [v.name for v in people.domain if v.name in records.domain]
    for name in records.values:
        if name in names and people.domain[name] != records.domain[name]:
            raise PopgenError(
                f"people and records have other levels of {name!r}: "
                f"{listed(people.domain[name].levels)} and {listed(records.domain[name].levels)}; "
                "read the records by the people's levels"
            )
    alike = [name for name in names if people.domain[name] == records.domain[name]]
    if not set(alike) & set(records.values):
        raise PopgenError(
            f"records have numbers of {listed(records.values)}, none of which the people have: "
            f"they have {listed(people.domain.names)}"
        )
    return _only(people, alike), _only(records, alike)


def _only(held: Microdata, names: Sequence[str]) -> Microdata:
    domain = held.domain.project(*names)
    codes = np.column_stack([held.column(name) for name in names])
    values = {name: held.values[name] for name in held.values if name in names}
    return Microdata(domain, codes, held.weights, values=values)


def _smooth(
    people: Population, name: str, bands: Bands, end: float | str, rng: np.random.Generator
) -> tuple[Floats, str]:
    """Draw numbers from the bands' counts alone."""
    variable = people.domain[name]
    place = {level: i for i, level in enumerate(bands.levels)}
    if strange := [level for level in bands.levels if level not in variable.levels]:
        raise PopgenError(
            f"bands of {name!r} name levels that the people do not have: "
            f"{listed(strange)}; they have {listed(variable.levels)}"
        )
    band = np.array([*(place.get(level, -1) for level in variable.levels), -1])[people.column(name)]
    inside = np.flatnonzero(band >= 0)
    band, uniform = band[inside], rng.random(len(inside))
    counts = np.bincount(band, minlength=len(bands.levels)).astype(np.float64)
    edges, how = np.array(bands.edges), SPLINE
    if math.isinf(edges[0]):
        raise PopgenError(f"the first band of {name!r} is open below; give its bands a lowest edge")
    drawn = np.empty(len(inside))
    closed = np.ones(len(inside), dtype=bool)
    if end == "pareto":
        index = _tail_index(name, edges, counts)
        closed, how = band < len(counts) - 1, PARETO.format(index)
        drawn[~closed] = edges[-2] * (1 - uniform[~closed]) ** (-1 / index)
        edges, counts = edges[:-1], counts[:-1]
    else:
        edges[-1] = _end(name, end, edges[-2])
    drawn[closed] = within_bands(edges, counts, band[closed], uniform[closed])
    values = np.full(len(people), np.nan)
    values[inside] = drawn
    return values, how


def _end(name: str, end: float | str, last: float) -> float:
    """Check where the top band ends."""
    if not (isinstance(end, int | float | np.number) and last < end < math.inf):
        raise PopgenError(
            f"the top band of {name!r}, from {last:g}, ends at {end!r}: say where it ends, "
            f"ends={{{name!r}: number}}, or that it has a Pareto tail, ends={{{name!r}: 'pareto'}}"
        )
    return float(end)


def _tail_index(name: str, edges: Floats, counts: Floats) -> float:
    """Index of the Pareto tail, where there can be one with a mean."""
    fits = len(counts) > 1 and edges[-3] > 0 and (counts[-2:] > 0).all()
    index = pareto_index(edges[:-1], counts) if fits else 0.0
    if index > 1:
        return index
    why = f"its index would be {index:.3g}, so that it has no mean"
    if not fits:
        why = "it needs people in an open top band and in the one before, with edges above 0"
    raise PopgenError(
        f"{name!r} cannot have a Pareto tail: {why}; give the top band an end, "
        f"ends={{{name!r}: number}}"
    )
