"""Trees of variables: exact counts from one, and people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen.errors import PopgenError
from popgen.methods._generator import levels_drawn
from popgen.table import MOST_CELLS

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

ROOT = -1
"""Parent of the variable that depends on no other."""


@dataclass(frozen=True, eq=False)
class Tree:
    """A joint in which every variable but the first depends on one other.

    Attributes
    ----------
    order : tuple of int
        The variables, each after its parent.
    parent : tuple of int
        Parent of each variable; `ROOT` for the first in order.
    shares : tuple of array
        Of each variable: shares of its levels given its parent's level, shape (parent's levels,
        levels); one row for the root.
    """

    order: tuple[int, ...]
    parent: tuple[int, ...]
    shares: tuple[Floats, ...]

    def joint(self, axes: Sequence[int]) -> Floats:
        """Shares over some of the variables, axes in the order asked: messages up the tree.

        A variable's message to its parent has an axis for the parent's level and one for each
        variable asked for at or below it; variables not asked for are summed out on the way.
        """
        cells = math.prod(self.shares[axis].shape[1] for axis in axes)
        if cells > MOST_CELLS:
            raise PopgenError(
                f"the joint of {len(axes)} variables has {cells:,} cells, too many for a table; "
                "project fewer variables"
            )
        held: dict[int, tuple[list[int], Floats]] = {
            v: ([], np.ones(self.shares[v].shape[1])) for v in self.order
        }
        for v in reversed(self.order):
            asked, message = held.pop(v)
            if v in axes:
                levels = len(message)
                spread = np.zeros((levels, *message.shape))
                spread[np.arange(levels), np.arange(levels)] = message
                asked, message = [v, *asked], spread
            message = np.tensordot(self.shares[v], message, axes=1)
            if self.parent[v] == ROOT:
                return np.transpose(message[0], [asked.index(axis) for axis in axes])
            if asked:  # else it is all ones
                before, other = held[self.parent[v]]
                other = other.reshape(*other.shape, *(1,) * len(asked))
                below = message.reshape(len(message), *(1,) * len(before), *message.shape[1:])
                held[self.parent[v]] = ([*before, *asked], other * below)
        return np.array(1.0)

    def people(self, uniform: Floats) -> Codes:
        """Level codes of people, shape (n, d), from uniform numbers of that shape."""
        codes = np.zeros(uniform.shape, dtype=np.int16, order="F")
        for v in self.order:
            above = self.parent[v]
            given = np.zeros(len(codes), dtype=np.int16) if above == ROOT else codes[:, above]
            codes[:, v] = levels_drawn(self.shares[v], given, uniform[:, v])
        return codes
