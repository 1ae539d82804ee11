"""Everything that is wrong with a folder of margins."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import polars as pl

from popgen._area import Progress
from popgen.census import read_census
from popgen.errors import PopgenError, listed
from popgen.folder import Folder, Source
from popgen.frames import load_frame
from popgen.problem import Problem

Check = tuple[str, Callable[[], object]]
"""Where it looks (a zone, a universe; may be empty), and what raises if something is wrong."""

MOST_PLACES = 5
"""How many zones or universes with the same fault are named."""


def folder_faults(path: str | os.PathLike[str], tell: Progress) -> list[str]:
    """Say everything wrong with a folder of margins: each file, and each universe's panel."""
    folder = Folder.open(path)
    seen: dict[str, list[str]] = {}
    checks = [*_margin_checks(folder), *_panel_checks(folder)]
    for done, (where, check) in enumerate(checks, start=1):
        try:
            check()
        except PopgenError as error:
            seen.setdefault(str(error), []).append(where)
        tell("checking", done, len(checks))
    return [_fault(message, places) for message, places in seen.items()]


def _fault(message: str, places: list[str]) -> str:
    """Write a fault once, with the zones or universes that have it."""
    named = [place for place in places if place]
    if not named:
        return message
    more = f" and {len(named) - MOST_PLACES} more" if len(named) > MOST_PLACES else ""
    return f"{message} (in {', '.join(named[:MOST_PLACES])}{more})"


def _margin_checks(folder: Folder) -> Iterator[Check]:
    """Check every margin as it stands: file, columns, levels, figures, total."""
    for source in folder.sources.values():
        yield "", partial(_check_figures, folder, source)
        for zone in _zones_of(folder, source):
            yield zone or "", partial(folder.read, source.name, zone, None)


def _panel_checks(folder: Folder) -> Iterator[Check]:
    """Check that every panel that is stated can be read in every zone, and agrees with itself."""
    stated = [name for name, about in folder.universes.items() if "panel" in about]
    for universe in stated if folder.universes else [""]:
        for zone in folder.zones or (None,):
            where = " ".join(filter(None, [zone, universe and f"({universe})"]))
            yield where, partial(_check_panel, folder, universe, zone)


def _zones_of(folder: Folder, source: Source) -> list[str | None]:
    """Zones that a margin's file has figures of; None alone where it has no zones."""
    column = folder.zone_variable
    try:
        frame, _ = load_frame(folder.path / source.file)
    except PopgenError:  # which reading the margin will find again, and report
        return [None]
    if column is None or column not in source.variables or column not in frame.columns:
        return [None]
    zones = frame[column].cast(pl.String).drop_nulls().unique(maintain_order=True).to_list()
    return [zone for zone in zones if zone in folder.zones] or [None]


def _check_figures(folder: Folder, source: Source) -> None:
    """Compare a file with what SOURCE.toml states of it: zones known, figures add to the total."""
    where = folder.path / source.file
    frame, _ = load_frame(where)
    column = folder.zone_variable
    if column in frame.columns:
        strange = set(frame[column].cast(pl.String)) - set(folder.zones)
        if strange:
            raise PopgenError(f"{where}: zone(s) unknown to the codebook: {listed(strange)}")
    stated = source.details.get("total")
    if stated is None or source.layout != "tidy" or "count" not in frame.columns:
        return
    total = float(frame["count"].cast(pl.Float64, strict=False).sum())
    if not np.isclose(total, stated, rtol=1e-9, atol=0.5):
        raise PopgenError(
            f"{where}: the figures add to {total:,.10g}, but SOURCE.toml states {stated:,}"
        )


def _check_panel(folder: Folder, universe: str, zone: str | None) -> None:
    census = read_census(folder.path, zone=zone, universe=universe or None)
    Problem(census.margins, codebook=census.codebook)
