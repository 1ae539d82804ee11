"""How well zones and larger areas are met, by level and margin: by weights or by households."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from popgen.households.cells import LevelCells
from popgen.households.fit import HouseholdModel
from popgen.households.placing import Whole
from popgen.methods.distances import Floats

MET = 0.5
"""A cell missed by less than this is met: households and persons are whole."""


def held_by(model: HouseholdModel, found: Whole) -> list[Floats]:
    """Count what whole households add to every area's cells.

    Returns
    -------
    list of array, shape (areas, cells)
        By level of the model's stack, in the figures' own units.
    """
    stack, problem = model.stack, model.problem
    zones = len(problem.geography.zones)
    copies = (np.ones(len(found.zone)), (found.zone, found.record))
    counts = sparse.coo_array(copies, shape=(zones, len(problem.survey)))
    held = (sparse.csr_array(counts) @ stack.X).toarray()
    levels = []
    for level, part in zip(stack.levels, np.split(held, stack.edges[1:-1], axis=1), strict=True):
        of_areas = np.zeros_like(level.targets)
        np.add.at(of_areas, level.area_of, part * level.worth)
        levels.append(of_areas)
    return levels


def held_by_weights(model: HouseholdModel) -> list[Floats]:
    """Return what the fitted weights hold, as `held_by`."""
    levels = zip(model.stack.levels, model.held(), strict=True)
    return [held * level.worth for level, held in levels]


@dataclass(frozen=True, eq=False)
class FitReport:
    """How far areas' cells are from their targets.

    Attributes
    ----------
    rows : DataFrame
        One row a level and margin: ``level, margin, areas, cells``; ``target`` and ``error``, sums
        over areas and cells of the targets and of the absolute misses; ``met``, the share of cells
        missed by less than a half; ``mean``, ``p95`` and ``max`` of the absolute misses; and the
        worst cell: ``worst_area, worst_cell, worst_target, worst_held``.
    softened : tuple of (level, area)
        Areas whose exact cells could not be met and were held softly.
    everybody : str
        Margin of the zones' numbers of persons; empty if they are not known.
    """

    rows: pl.DataFrame
    softened: tuple[tuple[str, str], ...]
    everybody: str = ""

    @classmethod
    def of(cls, model: HouseholdModel, held: Sequence[Floats]) -> FitReport:
        """Compare what areas hold with their targets.

        Parameters
        ----------
        model : HouseholdModel
        held : sequence of array, shape (areas, cells)
            By level; see `held_by` and `held_by_weights`.
        """
        geography, rows = model.problem.geography, []
        for level, figures in zip(model.stack.levels, held, strict=True):
            areas = geography.ids(level.level)
            rows += _rows(level, figures, areas)
        everybody = ""
        if model.problem.persons is not None:
            everybody = _margin_of(model.stack.levels[0].names[len(model.problem.kinds)])
        return cls(pl.DataFrame(rows), tuple(model.softened_areas()), everybody)

    def __str__(self) -> str:
        by_level = self.rows.group_by("level", maintain_order=True).agg(
            pl.col("target").sum(), pl.col("error").sum(), pl.col("max").max()
        )
        lines = [told(by_level.rows(), self.softened)]
        persons = self.rows.filter(
            pl.col("level") == self.rows["level"].first(), pl.col("margin") == self.everybody
        )
        for one in persons.filter(pl.col("error") >= MET).to_dicts():
            lines.append(
                f"persons of {one['level']}s are off by {one['error']:,.6g} in all, most in "
                f"{one['worst_area']}: {one['worst_held']:,.6g}, not {one['worst_target']:,.6g}"
            )
        return "\n".join(lines)


def told(levels: Iterable[tuple[Any, ...]], softened: Sequence[tuple[str, str]]) -> str:
    """Say in a line a level how far it is from its targets, and which areas could not be met.

    Parameters
    ----------
    levels : iterable of (level, target, error, largest)
    softened : sequence of (level, area)
    """
    lines = [
        f"{level}: total absolute error {error:,.6g} of {target:,.6g}; largest {most:,.4g}"
        for level, target, error, most in levels
    ]
    if softened:
        named = ", ".join(f"{level} {area}" for level, area in softened[:5])
        lines.append(f"{len(softened)} area(s) could not be met exactly: {named}")
    return "\n".join(lines)


def _margin_of(cell: str) -> str:
    return cell.split(": ", 1)[0]


def lent(share: float) -> str:
    """Say how many households are not made of their own region's records."""
    return f"{share:.1%} of households are weighted from records of other regions"


def _rows(level: LevelCells, held: Floats, areas: tuple[str, ...]) -> list[dict[str, object]]:
    targets = level.targets * level.worth
    margins = np.array([_margin_of(name) for name in level.names])
    out = []
    for margin in dict.fromkeys(margins.tolist()):
        some = np.flatnonzero(margins == margin)
        names = tuple(level.names[cell] for cell in some)
        gap = (held - targets)[:, some]
        out.append(_row(level.level, names, targets[:, some], gap, areas))
    return out


def _row(
    level: str, names: tuple[str, ...], targets: Floats, gap: Floats, areas: tuple[str, ...]
) -> dict[str, object]:
    margin, miss = _margin_of(names[0]), np.abs(gap)
    area, cell = np.unravel_index(int(miss.argmax()), miss.shape)
    return {
        "level": level,
        "margin": margin,
        "areas": len(areas),
        "cells": len(names),
        "target": float(targets.sum()),
        "error": float(miss.sum()),
        "met": float((miss < MET).mean()),
        "mean": float(miss.mean()),
        "p95": float(np.quantile(miss, 0.95)),
        "max": float(miss.max()),
        "worst_area": areas[area],
        "worst_cell": names[cell].split(": ", 1)[-1],
        "worst_target": float(targets[area, cell]),
        "worst_held": float(targets[area, cell] + gap[area, cell]),
    }
