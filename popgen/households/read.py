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
    """Whether a folder has ``popgen.toml`` or PopulationSim's ``settings.yaml``."""
    return (Path(folder) / CONFIG).is_file() or settings_of(Path(folder)) is not None


def read_households(folder: str | os.PathLike[str], *, names: str | None = None) -> HouseholdPlan:
    """Read a folder with ``popgen.toml``, or PopulationSim's own input folder.

    Parameters
    ----------
    folder : path
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
    plan, faults = _read(Path(folder))
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
    return _read(Path(folder))[1].found


def _read(folder: Path) -> tuple[HouseholdPlan | None, Faults]:
    if (folder / CONFIG).is_file():
        return read_config(folder)
    if settings_of(folder) is not None:
        return read_populationsim(folder)
    raise PopgenError(
        f"{folder} has neither {CONFIG} (popgen households schema says what to write) nor "
        f"PopulationSim's {SETTINGS}"
    )
