"""NIST's excerpt of the American Community Survey 2019, as variables with levels.

Scheme: the 24 features of national2019 less DENSITY, PWGTP and WGTP; records unweighted; age,
income and poverty ratio cut at the interior unique values of the percentiles 0, 5.26, ... 94.7,
with "N" a level of its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from popgen import Domain, Microdata, Variable

LEFT_OUT = ("DENSITY", "PWGTP", "WGTP")
CUT = ("AGEP", "PINCP", "POVPIP")
AREA = "PUMA"


def read(folder: Path) -> Microdata:
    """Read the records by the scheme above."""
    file = folder / "nist" / "national2019.csv.gz"
    frame = pl.read_csv(file, infer_schema_length=0).drop(LEFT_OUT)
    variables, codes = [], []
    for name in frame.columns:
        levels, column = coded(frame[name], cut=name in CUT)
        variables.append(Variable(name, levels))
        codes.append(column)
    return Microdata(Domain(tuple(variables)), np.column_stack(codes))


def coded(column: pl.Series, cut: bool) -> tuple[tuple[str, ...], np.ndarray]:
    number = column.cast(pl.Float64, strict=False).to_numpy().copy()
    text = np.array([v if np.isnan(x) else f"{x:g}" for v, x in zip(column, number, strict=True)])
    if cut:
        known = number[~np.isnan(number)]
        edges = np.unique(np.percentile(known, np.linspace(0, 100, 20)[:-1], method="higher"))[1:]
        band = np.searchsorted(edges, number, side="right")
        text = np.where(np.isnan(number), text, np.char.mod("band %02d", band))
    levels, codes = np.unique(text, return_inverse=True)
    if not cut:  # numbers in their own order
        order = sorted(range(len(levels)), key=lambda i: (_value(levels[i]), levels[i]))
        levels, codes = levels[order], np.argsort(order)[codes]
    return tuple(levels.tolist()), codes


def _value(level: str) -> float:
    try:
        return float(level)
    except ValueError:
        return float("inf")
