"""What an audit measures: the precision of interactions, the records behind them, and clashes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen.effects import centred
from popgen.errors import ConvergenceError
from popgen.margin import added_up, combined_se, shared_maps
from popgen.methods.base import Model
from popgen.methods.models import ProductModel, RecordModel
from popgen.microdata import MISSING, Microdata, Population
from popgen.problem import Problem

Floats = NDArray[np.float64]

MET = 1e-4
"""A model that misses a margin's cell by more than this share of all people does not hold it."""
FAR = 5.0
"""... unless the cell is an estimate, and missed by fewer standard errors than these."""
DIFFER = 1e-9
"""Margins that differ by less than this share of all people agree."""


def interaction_strength(counts: Floats) -> float | None:
    """Give the mean absolute log interaction, cells weighted by their people; None where undefined.

    Examples
    --------
    >>> interaction_strength(np.array([[40.0, 10.0], [10.0, 40.0]]))  # log(16) / 4
    0.693
    """
    support = counts > 0
    if not support.any():
        return None
    logs = np.log(np.where(support, counts, 1.0))
    try:
        found = centred(logs, support)
    except ConvergenceError:
        return None
    return float((np.abs(found) * counts).sum() / counts.sum())


def interaction_error(counts: Floats, variance: Floats) -> float | None:
    """Give the standard error of a table's log interactions, cells weighted by their people.

    Parameters
    ----------
    counts, variance : array, same shape
        People in each cell, and the variance of that figure; cells taken as independent.

    Returns
    -------
    float or None
        Root of the mean variance over cells; None if there is nobody.

    Notes
    -----
    ``var(log x) = log(1 + var(x) / x^2)``, as for a lognormal figure: the delta method where errors
    are small, and tame where they exceed the figure. Centring is a linear map, so the variance of a
    centred log is the squares of its coefficients, times these. Empty cells are left out.

    Examples
    --------
    >>> table = np.array([[2500.0, 2500.0], [2500.0, 2500.0]])  # a count's variance is itself
    >>> interaction_error(table, table)  # sqrt(4 / 2500) / 4
    0.010
    """
    if not counts.sum() > 0:
        return None
    relative = np.divide(variance, counts**2, out=np.zeros(counts.shape), where=counts > 0)
    spread = np.log1p(relative)
    for axis, size in enumerate(counts.shape):
        squared = (np.eye(size) - 1.0 / size) ** 2
        spread = np.moveaxis(np.tensordot(squared, spread, axes=(1, axis)), 0, axis)
    return float(np.sqrt((spread * counts).sum() / counts.sum()))


@dataclass(frozen=True, eq=False)
class Sample:
    """Records behind a model, with the weights it gave them."""

    records: Microdata
    design: Microdata
    """The same, or more, with the weights they came with."""

    @property
    def design_effect(self) -> float:
        """Kish's: records over their effective number."""
        return len(self.records) / self.records.effective_size

    def holding(self, names: Sequence[str]) -> Sample | None:
        """Keep the records that have a value of every one of some variables; None if none has."""
        if not set(names) <= set(self.records.domain.names):
            return None
        known = np.all([self.records.column(name) != MISSING for name in names], axis=0)
        if known.all():
            return self
        return Sample(self.records.take(known), self.design) if known.any() else None

    def error(self, names: Sequence[str]) -> float | None:
        """Give the standard error of the log interactions of a set of variables."""
        squares = Microdata(self.records.domain, self.records.codes, self.records.weights**2)
        counts = self.records.project(*names).counts
        return interaction_error(counts, squares.project(*names).counts)

    @cached_property
    def _shares(self) -> Floats:
        weights = np.sort(self.records.weights)[::-1]
        return np.asarray(weights / weights.sum())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        shares, n = self._shares, len(self.records)
        largest = np.argsort(-self.records.weights, kind="stable")[:5]
        half = int(np.searchsorted(np.cumsum(shares), 0.5) + 1)
        return {
            "records": len(self.design),
            "records_used": n,
            "effective_size": self.records.effective_size,
            "effective_size_design": self.design.effective_size,
            "design_effect": self.design_effect,
            "records_that_hold_half": half,
            "people_per_record_mean": float(self.records.weights.mean()),
            "people_per_record_max": float(self.records.weights.max()),
            "largest_weight_over_mean": float(shares[0] * n),
            "largest_weights": [
                {
                    "people": float(self.records.weights[i]),
                    "kind": {
                        v.name: v.levels[c] if c >= 0 else None
                        for v, c in zip(self.records.domain, self.records.codes[i], strict=True)
                    },
                }
                for i in largest
            ],
        }


def evidence_of(model: Model, problem: Problem) -> Sample | None:
    """Find the records that a model's interactions come from; None if there are none."""
    given = problem.microdata
    if given is None or isinstance(given, Population) or isinstance(model, ProductModel):
        return None
    return Sample(model.microdata if isinstance(model, RecordModel) else given, given)


def describe(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Say in words what is known of the records."""
    yield (
        f"records: {evidence['records_used']:,} of {evidence['records']:,} used, worth "
        f"{evidence['effective_size']:,.0f} (design weights: "
        f"{evidence['effective_size_design']:,.0f}); design effect "
        f"{evidence['design_effect']:.2f}"
    )
    yield (
        f"reuse: a record stands for {evidence['people_per_record_mean']:,.6g} people on average, "
        f"{evidence['people_per_record_max']:,.6g} at most "
        f"({evidence['largest_weight_over_mean']:.1f} times); "
        f"{evidence['records_that_hold_half']:,} records hold half of all people"
    )


def standing(model: Model, problem: Problem) -> dict[str, bool]:
    """Say of each margin whether the model meets it."""
    met = {}
    for margin in problem.margins:
        miss = np.abs(margin.fitted(model.project(*margin.variables)) - margin.table.counts)
        errors = 0.0 if margin.table.se is None else margin.table.se
        met[margin.name] = bool((miss <= MET * problem.total + FAR * errors).all())
    return met


def clashes(problem: Problem) -> tuple[dict[str, Any], ...]:
    """List the pairs of margins that differ on what both state, and by how much at most."""
    found = []
    for a, b in itertools.combinations(problem.margins, 2):
        partitions = shared_maps(a, b)
        if partitions is None:
            continue
        one, two = added_up(a, partitions), added_up(b, partitions)
        gap = np.abs(one.counts - two.counts)
        if gap.max() <= DIFFER * problem.total:
            continue
        errors = combined_se(one, two)
        off = np.divide(gap, errors, out=np.full(gap.shape, -1.0), where=errors > 0)
        worst = int((off if (off > 0).any() else gap).argmax())
        found.append(
            {
                "a": a.name,
                "b": b.name,
                "cell": one.domain.cell(worst),
                "people": float(gap.flat[worst]),
                "standard_errors": float(off.flat[worst]) if off.flat[worst] > 0 else None,
            }
        )
    return tuple(found)
