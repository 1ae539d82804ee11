"""PopulationSim's own input folder read into a `HouseholdPlan`, or into a list of its mistakes.

Keys and files are those of PopulationSim's documentation: ``settings.yaml``, a file of controls, a
crosswalk, seed households and persons, and a file of control totals for each geography.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popgen.errors import PopgenError, listed
from popgen.frames import need_columns
from popgen.households._schema import mistakes
from popgen.households.controls import joined
from popgen.households.faults import Faults, Inputs
from popgen.households.fit import NestedCalibration
from popgen.households.geography import Geography, identifiers
from popgen.households.naming import Naming
from popgen.households.plan import HouseholdPlan
from popgen.households.populationsim_controls import COLUMNS, Control
from popgen.households.populationsim_settings import (
    SETTINGS,
    InputTables,
    read_settings,
    rules,
    settings_of,
)
from popgen.households.problem import HouseholdProblem
from popgen.households.reach import refuse_unreachable, uncounted, unreachable
from popgen.households.records import Regions, load_typed, without_weight
from popgen.households.statements import Statement, agreed_total
from popgen.households.units import HOUSEHOLDS, PERSONS, Households

UNKNOWN = (
    "min_expansion_factor",
    "absolute_upper_bound",
    "absolute_lower_bound",
    "hard_constraints",
    "NO_INTEGERIZATION_EVER",
    "inherit_settings",
)
"""Settings that change PopulationSim's results and are not followed here; a note says so."""


def read_populationsim(folder: Path) -> tuple[HouseholdPlan | None, Faults]:
    """Read PopulationSim's folder.

    The settings are in it or in ``configs``; other files beside them, or in the data folder.

    Returns
    -------
    plan : HouseholdPlan or None
        None if there are mistakes.
    faults : Faults
        All of them.
    """
    path = settings_of(folder) or folder / SETTINGS
    faults = Faults(str(path), "")
    plan = None
    with faults.at():
        about = read_settings(path)
        data = _data_dir(about)
        inputs = Inputs(
            folder,
            (folder, path.parent, folder / data, path.parent / data, path.parent.parent / data),
        )
        inputs.path(SETTINGS)
        plan = _Reading(about, inputs, faults).plan()
    return (None if faults.found else plan), faults


class _Reading:
    """The parts of PopulationSim's folder, read one after the other; mistakes go to ``faults``."""

    def __init__(self, about: Mapping[str, Any], inputs: Inputs, faults: Faults) -> None:
        self.inputs, self.faults = inputs, faults
        self.notes: list[str] = []
        wrong = mistakes(about, rules())
        for at, message in wrong:
            faults.add(at, message)
        broken = {at[0] for at, _ in wrong if at}
        self.about = {key: value for key, value in about.items() if key not in broken}
        self.tables = InputTables(self.about.get("input_table_list", []), inputs, faults)

    def plan(self) -> HouseholdPlan | None:
        about = self.about
        if not set(rules()["required"]) <= set(about):
            return None
        steps = [*about.get("models", []), *about.get("run_list", {}).get("steps", [])]
        if repop := [step for step in steps if "repop" in step]:
            raise PopgenError(
                f"steps {listed(repop)} are of repop, which popgen does not do; leave them out"
            )
        geography = survey = None
        with self.faults.at("geo_cross_walk"):
            geography = self.geography()
        with self.faults.at("households"):
            survey = self.survey()
        if geography is None or survey is None:
            return None
        regions = self.regions(geography, survey)
        problem = self.problem(geography, survey, regions)
        self.notes += self.tables.notes
        if ignored := [key for key in UNKNOWN if about.get(key)]:
            self.notes.append(f"settings that popgen does not follow: {listed(ignored)}")
        naming, files = self.output(survey, geography)
        if problem is None:
            return None
        return HouseholdPlan(
            problem,
            NestedCalibration(max_expansion=about.get("max_expansion_factor")),
            naming,
            "csv",
            files,
            notes=tuple(self.notes),
            inputs=self.inputs.digests,
            sources=tuple(self.inputs.paths),
        )

    def geography(self) -> Geography:
        """Nest the geographies; that of the seed stands beside the others where it crosses them."""
        name, seed = "geo_cross_walk", self.about["seed_geography"]
        crosswalk = self.tables.read(name)
        levels = [*reversed(self.about["geographies"])]
        try:
            return Geography.of(crosswalk, levels, name)
        except PopgenError:
            others = [level for level in levels if level != seed]
            if seed not in levels[1:]:
                raise
            found = Geography.of(crosswalk, others, name, beside=[seed])
        self.notes.append(
            f"{seed} areas do not nest with the other geographies: they say which seed households "
            f"each {levels[0]} is made of, and no control can be by {seed}"
        )
        return found

    def survey(self) -> Households:
        id, weight = self.about["household_id_col"], self.about["household_weight_col"]
        homes = self.tables.read(HOUSEHOLDS)
        persons = self.tables.read(PERSONS) if PERSONS in self.tables else None
        need_columns(homes, [id, weight], HOUSEHOLDS)
        if persons is not None:
            need_columns(persons, [id], PERSONS)
        homes, persons, note = without_weight(homes, persons, id=id, link=id, weight=weight)
        self.notes += [f"{note}, as PopulationSim does"] if note else []
        survey = Households.of(homes, persons, id=id, weight=weight, empty=True)
        if persons is not None and (lonely := int((survey.size == 0).sum())):
            self.notes.append(f"{lonely:,} of {len(survey):,} households have no person")
        return survey

    def regions(self, geography: Geography, survey: Households) -> Regions | None:
        with self.faults.at("seed_geography"):
            level = self.about["seed_geography"]
            geography.ids(level)
            need_columns(survey.households, [level], HOUSEHOLDS)
            homes, borrow = survey.households[level], self.about.get("borrow", 0.0)
            found = Regions.find(homes, geography, level, HOUSEHOLDS, borrow)
            self.notes += [found.note] if found.note else []
            return found
        return None

    def problem(
        self, geography: Geography, survey: Households, regions: Regions | None
    ) -> HouseholdProblem | None:
        statements, total = self.statements(geography, survey, regions)
        if self.faults.found or regions is None:
            return None
        with self.faults.at("total_hh_control"):
            zone = geography.levels[0]
            if total is None:
                raise PopgenError(
                    f"{self.about['total_hh_control']!r} is no target of the controls by {zone}; "
                    "name the one that counts all households"
                )
            if (units := total.total(survey)) is None:
                raise PopgenError(
                    f"{total.name!r} must count every household once, for each {zone}"
                )
            persons = agreed_total(statements, survey, geography, PERSONS)
            return HouseholdProblem(
                survey,
                geography,
                joined(one.controls for one in statements),
                units,
                persons,
                region=regions.level,
                region_of=regions.of_record,
                borrow=regions.borrow,
            )
        return None

    def statements(
        self, geography: Geography, survey: Households, regions: Regions | None
    ) -> tuple[list[Statement], Statement | None]:
        """Read all controls, that of the total number of households apart."""
        found, total, tables = [], None, dict[str, pl.DataFrame]()
        named: set[tuple[str, str]] = set()
        total_of = self.about["total_hh_control"], geography.levels[0]
        for control in self.controls():
            with self.faults.at("controls", control.row, control.target):
                if (control.level, control.target) in named:
                    raise PopgenError(
                        f"{control.level} has target {control.target!r} twice; drop one of the "
                        "rows, or name it otherwise"
                    )
                named.add((control.level, control.target))
                if control.level not in tables:
                    tables[control.level] = self.totals(control.level, geography)
                if (control.target, control.level) == total_of:
                    control = replace(control, importance=np.inf)  # kept exactly there too
                    total = control.statement(tables[control.level], geography, survey)
                    continue
                one = control.statement(tables[control.level], geography, survey)
                if regions is not None:
                    refuse_unreachable(one, geography, regions)
                    if hopeless := int(unreachable(one, geography, regions).sum()):
                        self.notes.append(
                            f"no record can meet {control.target!r}, which {hopeless:,} "
                            f"{control.level} area(s) have"
                        )
                self.notes += uncounted(one)
                found.append(one)
        return found, total

    def controls(self) -> list[Control]:
        rows = []
        with self.faults.at("controls"):
            name = self.about.get("control_file_name", "controls.csv")
            frame = load_typed(self.inputs.path(name), comment="#")
            need_columns(frame, COLUMNS, name)
            for row, entry in enumerate(frame.select(COLUMNS).to_dicts()):
                with self.faults.at("controls", row):
                    rows.append(Control.read(row, entry))
        return rows

    def totals(self, level: str, geography: Geography) -> pl.DataFrame:
        """Read the control totals of a geography, without areas that the crosswalk lacks."""
        name = f"{level}_control_data"
        frame = self.tables.read(name)
        need_columns(frame, [level], name)
        known = pl.Series(geography.areas[geography.depth(level)]).implode()
        kept = frame.filter(identifiers(frame[level], name).is_in(known))
        if left := frame.height - kept.height:
            self.notes.append(
                f"left out {left:,} row(s) of {name} whose {level} the crosswalk does not have"
            )
        return kept

    def output(self, survey: Households, geography: Geography) -> tuple[Naming, dict[str, str]]:
        about = self.about.get("output_synthetic_population", {})
        files, columns = {}, {}
        for what in (HOUSEHOLDS, PERSONS):
            entry = about.get(what, {})
            with self.faults.at("output_synthetic_population", what, "filename"):
                files[what] = _stem(entry.get("filename", f"synthetic_{what}.csv"))
            columns[what] = entry.get("columns")
        naming = Naming(
            households=columns[HOUSEHOLDS],
            persons=columns[PERSONS],
            renamed=self.about.get("activitysim", {}),
            household_id=about.get("household_id", Naming.household_id),
        )
        with self.faults.at("output_synthetic_population"):
            naming.check(survey, geography)
        return naming, files


def _stem(name: str) -> str:
    """Name a file to write without its ending; it lies in the folder that is written to."""
    if Path(name).name != name or Path(name).suffix not in ("", ".csv"):
        raise PopgenError(
            f"{name!r} must be the name of a CSV file, without a folder: files are written to the "
            "folder that the command names"
        )
    return Path(name).stem


def _data_dir(about: Mapping[str, Any]) -> str:
    """Say where data are; what is no text is refused later."""
    found = about.get("data_dir")
    return found if isinstance(found, str) else "data"
