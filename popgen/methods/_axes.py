"""Sums and products over some axes of a large dense array, at the speed of memory."""

from __future__ import annotations

import itertools
import math
from string import ascii_letters

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Axes = tuple[int, ...]

SMALLER = 6
"""An array is worth making beside a larger one if it has so many times fewer cells."""

LONG = 64
"""Neighbouring cells from which numpy multiplies at full speed."""


def largest(gaps: Floats) -> float:
    """Largest absolute value, without another array."""
    return float(max(gaps.max(), -gaps.min()))


def keep_axes(table: Floats, axes: Axes) -> Floats:
    """Sum out every axis but some (ascending), in a new array.

    >>> keep_axes(np.arange(12.0).reshape(2, 3, 2), (0, 2)).tolist()
    [[6.0, 9.0], [24.0, 27.0]]
    """
    sums, kept = _runs(table, axes)
    left = ascii_letters[: sums.ndim]
    size = dict(zip(left, sums.shape, strict=True))
    gone = [run for run, keep in zip(left, kept, strict=True) if not keep]
    for run in sorted(gone, key=lambda run: -size[run]):  # the largest first leaves the least to do
        rest = left.replace(run, "")
        sums, left = np.einsum(f"{left}->{rest}", sums), rest
    result = np.asarray(sums) if gone else sums.copy()
    return result.reshape([table.shape[axis] for axis in axes])


def multiply(table: Floats, axes: Axes, ratio: Floats) -> None:
    """Multiply a table, in place, by ratios that depend on some of its axes (ascending).

    >>> table = np.ones((2, 2))
    >>> multiply(table, (1,), np.array([2.0, 3.0]))
    >>> table.tolist()
    [[2.0, 3.0], [2.0, 3.0]]
    """
    view, kept = _runs(table, axes)
    shape = [size if keep else 1 for size, keep in zip(view.shape, kept, strict=True)]
    tail = max(view.ndim - 1, 0)
    while tail and math.prod(view.shape[tail:]) < LONG:
        tail -= 1
    wide = (*shape[:tail], *view.shape[tail:])
    ratio = ratio.reshape(shape)
    if tail < view.ndim - 1 and SMALLER * math.prod(wide) <= table.size:  # write out longer rows
        ratio = np.ascontiguousarray(np.broadcast_to(ratio, wide)).reshape(*shape[:tail], -1)
        view = view.reshape(*view.shape[:tail], -1)
    view *= ratio


def _runs(table: Floats, axes: Axes) -> tuple[Floats, list[bool]]:
    """View a table with neighbouring axes merged that are all kept, or all not; say which."""
    runs = [
        (kept, math.prod(table.shape[axis] for axis in run))
        for kept, run in itertools.groupby(range(table.ndim), key=axes.__contains__)
    ]
    return table.reshape([size for _, size in runs]), [kept for kept, _ in runs]
