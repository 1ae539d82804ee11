"""Ordered variables as bands of hidden normal ones, cut in their own places in each group.

A group is one combination of levels of the variables that have no order. What joins the hidden
variables is the copula's business: `GaussianCopula` and `VineCopula` share all of this.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from popgen.methods._chowliu import chow_liu
from popgen.methods._generator import GeneratorModel
from popgen.methods._polychoric import ordered_probit
from popgen.methods._tree import Tree
from popgen.methods.models import Codes, Floats, Index
from popgen.microdata import Microdata

EDGE = 1e-12  # uniform numbers keep this far from 0 and 1, whose quantiles are infinite


@dataclass(frozen=True, eq=False)
class Others:
    """The variables without an order: their joint, and the groups that the records have of them.

    Attributes
    ----------
    axes : tuple of int
        The variables, by number; there may be none.
    tree : Tree or None
        Their joint.
    kinds : array of int, shape (groups, len(axes))
        The combinations of their levels that records have.
    """

    axes: tuple[int, ...]
    tree: Tree | None
    kinds: Codes

    @classmethod
    def of(cls, survey: Microdata, axes: tuple[int, ...], prior: float) -> Others:
        """Learn their joint from records."""
        names = [survey.domain.names[axis] for axis in axes]
        if not axes:
            return cls(axes, None, np.zeros((1, 0), dtype=np.int16))
        tree = chow_liu(
            [survey.domain.shape[axis] for axis in axes],
            lambda a, b: survey.project(names[a], names[b]).counts,
            lambda a: survey.project(names[a]).counts,
            records=survey.effective_size,
            prior=prior,
        )
        return cls(axes, tree, np.unique(survey.codes[:, list(axes)], axis=0))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Levels of each variable."""
        return () if self.tree is None else tuple(s.shape[1] for s in self.tree.shares)

    def columns(self) -> Floats:
        """Write the groups as columns of a regression: one a level, each one's first left out."""
        parts = [self.kinds[:, i, None] == np.arange(1, k) for i, k in enumerate(self.sizes)]
        return np.hstack([np.zeros((len(self.kinds), 0)), *parts]).astype(np.float64)

    def group(self, codes: Codes) -> Index:
        """Find the group that each person is in; -1 for a combination that no record had."""
        if not self.axes:
            return np.zeros(len(codes), dtype=np.intp)
        known, asked = _whole_rows(self.kinds), _whole_rows(codes[:, list(self.axes)])
        order = np.argsort(known)
        place = np.searchsorted(known, asked, sorter=order)
        place = order[np.minimum(place, len(known) - 1)]
        return np.where(known[place] == asked, place, -1)


def _whole_rows(codes: Codes) -> NDArray[np.void]:
    """See each row as one item, to be compared whole: numbers for them might overflow."""
    rows = np.ascontiguousarray(codes)
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()


@dataclass(frozen=True, eq=False)
class Cuts:
    """How an ordered variable's normal variable is cut into levels, in each group.

    A group is one combination of levels of the variables without an order.

    Attributes
    ----------
    own : array, shape (groups, levels - 1)
        In each group that the records have.
    usual : array, shape (levels - 1,)
        In a group that they lack: cuts for the first level of each variable.
    shifts : tuple of array
        And how far each level of each variable moves these.
    """

    own: Floats
    usual: Floats
    shifts: tuple[Floats, ...]

    @classmethod
    def of(cls, counts: Floats, others: Others, records: float, pull: float) -> Cuts:
        """Learn from counts, shape (groups, levels)."""
        X, sizes = others.columns(), others.sizes
        usual, slopes = ordered_probit(counts, X, records)
        parts = np.split(slopes, np.cumsum([size - 1 for size in sizes])[:-1]) if sizes else ()
        shifts = tuple(np.concatenate([[0.0], part]) for part in parts)
        cuts = usual - (X @ slopes)[:, None]
        if sizes:
            rows = counts / counts.sum() * records
            below = np.cumsum(rows, axis=1)[:, :-1] + pull * ndtr(cuts)
            cuts = ndtri(np.clip(below / (rows.sum(axis=1, keepdims=True) + pull), 0.0, 1.0))
        return cls(cuts, usual, shifts)

    def levels(self, latent: Floats, group: Index, plain: Codes) -> Codes:
        """Levels of people, by their normal variable, their group (-1: new) and its levels."""
        cuts = self.own[group]
        if (new := np.flatnonzero(group < 0)).size:
            shift = sum(s[plain[new, i]] for i, s in enumerate(self.shifts))
            cuts[new] = self.usual - np.reshape(shift, (-1, 1))
        return np.asarray((latent[:, None] > cuts).sum(axis=1), dtype=np.int16)


@dataclass(frozen=True, eq=False)
class LatentModel(GeneratorModel):
    """Hidden normal variables cut into levels, given the variables without an order.

    Attributes
    ----------
    ordered : tuple of int
        The variables with a normal variable behind them, by number.
    others : Others
        The rest.
    cuts : tuple of Cuts
        Of each ordered variable.
    """

    ordered: tuple[int, ...]
    others: Others
    cuts: tuple[Cuts, ...]

    @abc.abstractmethod
    def _joined(self, uniform: Floats) -> Floats:
        """Hidden normal variables of people, from independent uniform numbers of that shape."""

    def _people(self, uniform: Floats) -> Codes:
        codes = np.zeros(uniform.shape, dtype=np.int16, order="F")
        axes = list(self.others.axes)
        if self.others.tree is not None:
            codes[:, axes] = self.others.tree.people(uniform[:, axes])
        if not self.ordered:
            return codes
        group = self.others.group(codes)
        latent = self._joined(np.clip(uniform[:, list(self.ordered)], EDGE, 1 - EDGE))
        for axis, cuts, column in zip(self.ordered, self.cuts, latent.T, strict=True):
            codes[:, axis] = cuts.levels(column, group, codes[:, axes])
        return codes


def cuts_of(
    survey: Microdata, ordinal: Iterable[str], *, prior: float, pull: float
) -> tuple[tuple[int, ...], Others, tuple[Cuts, ...]]:
    """Learn which variables are ordered, the joint of the others, and each ordered one's cuts.

    Raises
    ------
    PopgenError
        If ``ordinal`` names a variable that there is not.
    """
    ranked = {survey.domain.axis(name) for name in ordinal}
    ranked |= {axis for axis, levels in enumerate(survey.domain.shape) if levels <= 2}
    ordered = tuple(sorted(ranked))
    plain = tuple(axis for axis in range(len(survey.domain)) if axis not in ranked)
    others = Others.of(survey, plain, prior)
    group, records = others.group(survey.codes), survey.effective_size
    cuts = [Cuts.of(counted(survey, group, axis), others, records, pull) for axis in ordered]
    return ordered, others, tuple(cuts)


def counted(survey: Microdata, group: Index, *axes: int) -> Floats:
    """Weighted records in each group and each level of some variables."""
    shape = (int(group.max()) + 1, *(survey.domain.shape[axis] for axis in axes))
    cells = np.ravel_multi_index([group, *(survey.codes[:, axis] for axis in axes)], shape)
    found = np.bincount(cells, survey.weights, minlength=math.prod(shape))
    return found.astype(np.float64).reshape(shape)
