"""Controls on numbers: means, totals, medians and other quantiles that a population must have.

A control is a column of numbers, one a record, and what it must come to: the same linear condition
as a margin cell, with numbers in place of 0 and 1.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from popgen.errors import PopgenError, listed
from popgen.microdata import Microdata

Floats = NDArray[np.float64]
Group = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Control(abc.ABC):
    """One figure of a banded variable's numbers, over everybody or over a group.

    Attributes
    ----------
    variable : str
        The banded variable; people without a number are not counted.
    value : float
        The figure, in the variable's unit.
    by : mapping of variable to level or levels
        Whom it is of. Default: everybody. Kept as pairs of a name and a tuple of levels.
    se : float
        Standard error of the figure, in the same unit; 0 if it is exact.
    """

    variable: str
    value: float
    by: Mapping[str, str | Sequence[str]] | Group = field(default=(), kw_only=True)
    se: float = field(default=0.0, kw_only=True)

    statistic: ClassVar[str]
    per_person: ClassVar[bool] = True
    """Whether the figure is a mean over people (else a sum)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", _pairs(self.by, f"{self.statistic} of {self.variable}"))
        for what, figure in (("value", self.value), ("se", self.se)):
            if not (isinstance(figure, int | float | np.number) and math.isfinite(figure)):
                raise PopgenError(f"{self.name}: {what} must be a finite number; got {figure!r}")
        if self.se < 0:
            raise PopgenError(f"{self.name}: a standard error must be >= 0; got {self.se:g}")

    @property
    def group(self) -> Group:
        """Whom it is of, as pairs of a name and a tuple of levels."""
        return tuple((name, tuple(levels)) for name, levels in dict(self.by).items())

    @property
    def name(self) -> str:
        """Write what the figure is of, for messages: ``mean of income: sex=f``."""
        group = ", ".join(f"{name}={'|'.join(levels)}" for name, levels in self.group)
        return f"{self.statistic} of {self.variable}: {group or 'everybody'}"

    @property
    def aim(self) -> float:
        """What the mean (or sum) of the records' scores is to be."""
        return self.value

    @property
    def said(self) -> str:
        """What ``aim`` is, for messages."""
        return self.name

    @abc.abstractmethod
    def score(self, values: Floats) -> Floats:
        """Return what each record adds to the figure, by its number."""

    def error(self, values: Floats, weights: Floats) -> float:
        """Return the standard error of ``aim``."""
        return self.se

    def among(self, records: Microdata) -> NDArray[np.bool_]:
        """Say which records the figure is of: those of the group that have a number."""
        inside = ~np.isnan(records.values[self.variable])
        for name, levels in self.group:
            variable = records.domain[name]
            inside &= np.isin(records.column(name), [variable.index(level) for level in levels])
        return inside

    def reached(self, records: Microdata) -> float:
        """Return the figure of weighted records, in the terms of ``aim``."""
        inside = self.among(records)
        weights = records.weights[inside]
        total = float(weights @ self.score(records.values[self.variable][inside]))
        return total / float(weights.sum()) if self.per_person else total


@dataclass(frozen=True)
class Mean(Control):
    """The mean of a number.

    Examples
    --------
    >>> Mean("income", 41_300, by={"sex": "f"}).name
    'mean of income: sex=f'
    """

    statistic: ClassVar[str] = "mean"

    def score(self, values: Floats) -> Floats:
        """Return the number itself."""
        return values


@dataclass(frozen=True)
class Total(Control):
    """The sum of a number over people."""

    statistic: ClassVar[str] = "total"
    per_person: ClassVar[bool] = False

    def score(self, values: Floats) -> Floats:
        """Return the number itself."""
        return values


@dataclass(frozen=True)
class Quantile(Control):
    """A quantile: the share ``p`` of people lies below it.

    A record exactly at the figure counts half below (the mid-distribution), so that ties are shared
    out evenly; between two records any figure is a quantile. Where numbers are whole units already
    begun or done, such as age in completed years, say so by ``width``: a record at x then stands
    for people spread evenly from x to x + width, as agencies reckon medians of age.

    Attributes
    ----------
    p : float
        Between 0 and 1.
    width : float
        Of the unit that each number stands for; 0 for a point.

    Examples
    --------
    >>> ninth = Quantile("income", 90_000, p=0.9)
    >>> ninth.score(np.array([20_000.0, 90_000.0, 95_000.0])).tolist()
    [1.0, 0.5, 0.0]
    """

    p: float = field(kw_only=True)
    width: float = field(default=0.0, kw_only=True)

    statistic: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        super().__post_init__()
        real = all(isinstance(figure, int | float | np.number) for figure in (self.p, self.width))
        if not (real and 0 < self.p < 1 and 0 <= self.width < math.inf):
            raise PopgenError(
                f"{self.name}: p must lie between 0 and 1 and width be at least 0; got "
                f"p={self.p!r}, width={self.width!r}"
            )

    @property
    def aim(self) -> float:
        """The share of people below the figure."""
        return self.p

    @property
    def said(self) -> str:
        """What ``aim`` is, for messages."""
        return f"{self.name}: share below {self.value:,.6g}"

    def score(self, values: Floats) -> Floats:
        """Return the part of each record that lies below the figure."""
        return self._below(values, self.value)

    def _below(self, values: Floats, figure: float) -> Floats:
        if self.width > 0:
            return np.clip((figure - values) / self.width, 0.0, 1.0)
        below: Floats = (values < figure) + 0.5 * (values == figure)
        return below

    def error(self, values: Floats, weights: Floats) -> float:
        """Return the standard error of the share: people within one of the figure (Woodruff)."""
        if not self.se:
            return 0.0
        near = self._below(values, self.value + self.se) - self._below(values, self.value - self.se)
        share = float(weights @ near / weights.sum()) / 2
        if not share:
            raise PopgenError(
                f"{self.name}: no record lies within its standard error {self.se:g} of "
                f"{self.value:g}, so its precision as a share of people is not known; give a "
                "larger one, or leave it out to hold the figure exactly"
            )
        return share


@dataclass(frozen=True)
class Median(Quantile):
    """The median: half of the people lie below it."""

    p: float = field(default=0.5, init=False)

    statistic: ClassVar[str] = "median"


def _pairs(by: Mapping[str, str | Sequence[str]] | Group, figure: str) -> Group:
    """Write a group as pairs of a variable and its levels."""
    try:
        given = [*by.items()] if isinstance(by, Mapping) else [(name, some) for name, some in by]
        pairs = tuple((n, (some,) if isinstance(some, str) else tuple(some)) for n, some in given)
    except (TypeError, ValueError):
        raise PopgenError(
            f"{figure}: by maps variables to a level or several, as by={{'sex': 'f'}}; got {by!r}"
        ) from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise PopgenError(f"{figure}: by names each variable once, with all its levels; got {by!r}")
    return pairs


def checked_controls(controls: Iterable[Control], records: Microdata | None) -> tuple[Control, ...]:
    """Refuse controls that these records cannot be held to.

    Raises
    ------
    PopgenError
        If there are no records, they have no numbers of the variable, or a group's variable or
        level is unknown.
    """
    found = tuple(controls)
    if strange := [control for control in found if not isinstance(control, Control)]:
        raise PopgenError(f"controls are Mean, Total, Median or Quantile; got {listed(strange)}")
    for control in found:
        if records is None or control.variable not in records.values:
            held = "no microdata" if records is None else f"numbers of {listed(records.values)}"
            raise PopgenError(
                f"control {control.name!r} needs records with numbers of {control.variable!r}; "
                f"there is {held}: read them with bands={{{control.variable!r}: edges}}, or by a "
                "codebook with edges"
            )
        for name, levels in control.group:
            for level in levels:
                records.domain[name].index(level)  # or it says which there are
    return found
