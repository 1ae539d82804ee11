"""`read_households`: a folder that says what households to make, in popgen's words or others'."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from popgen.errors import PopgenError
from popgen.households.config import CONFIG, read_config
from popgen.households.faults import Faults
from popgen.households.plan import HouseholdPlan
from popgen.households.populationsim import read_populationsim
from popgen.households.populationsim_settings import SETTINGS, settings_of


def holds_plan(folder: str | os.PathLike[str]) -> bool:
    """Whether there is ``popgen.toml`` or ``settings.yaml`` in a folder, or the path is of one."""
    home = _folder_of(folder)
    return (home / CONFIG).is_file() or settings_of(home) is not None


def read_households(folder: str | os.PathLike[str], *, names: str | None = None) -> HouseholdPlan:
    """Read a folder with ``popgen.toml``, or PopulationSim's own input folder.

    Parameters
    ----------
    folder : path
        Or that of the file in it, ``popgen.toml`` or ``settings.yaml``.
    names : {"as read", "activitysim"}, optional
        Names of the columns to write. Default: as the folder says.

    Returns
    -------
    HouseholdPlan
        ``plan.populate(rng=...)`` makes the people.

    Raises
    ------
    PopgenError
        If the folder has neither file, or for its first mistake: `household_faults` lists all.
    """
    plan, faults = _read(folder)
    faults.refuse()
    if plan is None:
        raise PopgenError(f"{folder} cannot be read")
    if names is None:
        return plan
    naming = replace(plan.naming, style=names)
    naming.check(plan.problem.survey, plan.problem.geography)
    return replace(plan, naming=naming)


def household_faults(folder: str | os.PathLike[str]) -> list[str]:
    """List everything that is wrong with a folder, each with its file, key and line.

    Raises
    ------
    PopgenError
        If the folder has neither ``popgen.toml`` nor ``settings.yaml``.
    """
    return _read(folder)[1].found


def _folder_of(path: str | os.PathLike[str]) -> Path:
    """Take one of the two files for the folder that it describes."""
    path = Path(path)
    if path.name not in (CONFIG, SETTINGS) or not path.is_file():
        return path
    above = Path(os.path.normpath(path.parent / ".."))
    found = settings_of(above) if path.name == SETTINGS else None
    return above if found is not None and found.samefile(path) else path.parent


def _read(path: str | os.PathLike[str]) -> tuple[HouseholdPlan | None, Faults]:
    folder = _folder_of(path)
    if (folder / CONFIG).is_file():
        return read_config(folder)
    if settings_of(folder) is not None:
        return read_populationsim(folder)
    raise PopgenError(
        f"{folder} has neither {CONFIG} (popgen households schema says what to write) nor "
        f"PopulationSim's {SETTINGS}"
    )
