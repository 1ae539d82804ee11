"""A folder with ``popgen.toml``: read into a `HouseholdPlan`, or into a list of its mistakes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from operator import eq
from pathlib import Path
from typing import Any

import numpy as np

from popgen.codebook import read_codebook
from popgen.errors import PopgenError
from popgen.frames import need_columns
from popgen.households._schema import NO_KEY, Place, mistakes, schema
from popgen.households.controls import joined
from popgen.households.faults import Faults, Inputs
from popgen.households.fit import NestedCalibration
from popgen.households.geography import Geography
from popgen.households.kinds import Totals, kinds_of, totals_of_means
from popgen.households.margins import Known, statement
from popgen.households.naming import ACTIVITYSIM, Naming
from popgen.households.plan import HouseholdPlan
from popgen.households.problem import HouseholdProblem
from popgen.households.reach import refuse_unreachable, uncounted
from popgen.households.records import Regions, load_typed, parted, without_weight
from popgen.households.statements import Statement, refuse_disagreement
from popgen.households.units import Households
from popgen.methods.distances import RAKING, Distance, logit

CONFIG = "popgen.toml"


def read_config(folder: Path) -> tuple[HouseholdPlan | None, Faults]:
    """Read a folder with ``popgen.toml``.

    Returns
    -------
    plan : HouseholdPlan or None
        None if there are mistakes.
    faults : Faults
        All of them.
    """
    path = folder / CONFIG
    faults = Faults(str(path), "")
    try:
        faults.text = path.read_text(encoding="utf-8-sig")
        data = tomllib.loads(faults.text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.add((), f"cannot be read as TOML: {error}")
        return None, faults
    inputs = Inputs(folder)
    inputs.path(CONFIG)
    reading = _Reading(data, inputs, faults)
    plan = reading.plan()
    return (None if faults.found else plan), faults


class _Reading:
    """The parts of a ``popgen.toml``, read one after the other; mistakes go to ``faults``.

    A part that the schema refuses is not read any further; the others are.
    """

    def __init__(self, data: Mapping[str, Any], inputs: Inputs, faults: Faults) -> None:
        self.data, self.inputs, self.faults = data, inputs, faults
        self.notes: list[str] = []
        wrong = mistakes(data, schema())
        self.broken = [at for at, message in wrong if not message.startswith(NO_KEY)]
        for at, message in wrong:
            faults.add(at, message)

    def sound(self, *key: str | int) -> bool:
        """Whether a part is there and the schema has nothing against it."""
        wrong = any(all(map(eq, at, key)) for at in self.broken if at)
        return key[0] in self.data and not wrong

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a part that may be left out; empty if it is, or is wrong."""
        part: Mapping[str, Any] = self.data[name] if self.sound(name) else {}
        return part

    def plan(self) -> HouseholdPlan | None:
        geography, survey, distance = self.geography(), self.survey(), self.distance()
        if geography is None or survey is None:
            self.files()
            return None
        naming = self.naming(survey, geography)
        problem = self.problem(geography, survey)
        if problem is None:
            return None
        return HouseholdPlan(
            problem,
            NestedCalibration(
                distance,
                soft=self.part("fit").get("soft", True),
                loss=self.part("fit").get("loss", NestedCalibration.loss),
                max_expansion=self.part("fit").get("max_expansion"),
            ),
            naming,
            self.part("output").get("format", "parquet"),
            integerise=self.part("fit").get("integerise", HouseholdPlan.integerise),
            notes=tuple(self.notes),
            inputs=self.inputs.digests,
            sources=tuple(self.inputs.paths),
        )

    def files(self) -> None:
        """Look whether the files of margins and totals are there, where no more can be checked."""
        totals = self.part("totals")
        named: list[tuple[Place, Any]] = [(("totals", unit), totals[unit]) for unit in totals]
        for part in ("kinds", "margins"):
            for number, entry in enumerate(self.data.get(part, ())):
                if self.sound(part, number):
                    named.append(((part, number), entry.get("total", entry)))
        for key, entry in named:
            with self.faults.at(*key):
                self.inputs.path(entry["file"])

    def geography(self) -> Geography | None:
        if not self.sound("geography"):
            return None
        about = self.data["geography"]
        with self.faults.at("geography"):
            crosswalk = load_typed(self.inputs.path(about["crosswalk"]))
            levels, file = about["levels"], about["crosswalk"]
            geography = Geography.of(crosswalk, levels, file)
            if about.get("region", levels[0]) not in levels:
                with self.faults.at("geography", "region"):
                    return Geography.of(crosswalk, levels, file, beside=[about["region"]])
            return geography
        return None

    def survey(self) -> Households | None:
        if not self.sound("households") or ("persons" in self.data and not self.sound("persons")):
            return None
        about, other = self.data["households"], self.data.get("persons")
        id, weight, file = about["id"], about.get("weight"), about["file"]
        link, persons = id, None
        with self.faults.at("households"):
            homes = load_typed(self.inputs.path(file))
            need_columns(homes, [id, *([weight] if weight else [])], file)
            if other is not None:
                link = other.get("household", id)
                if other["file"] == file:
                    homes, persons = parted(homes, id, file)
                    need_columns(homes, [weight or id], f"{file}, for all of a household alike,")
                else:
                    persons = load_typed(self.inputs.path(other["file"]))
                    need_columns(persons, [link], other["file"])
            if weight is not None and about.get("zero_weight") == "drop":
                homes, persons, note = without_weight(
                    homes, persons, id=id, link=link, weight=weight
                )
                self.notes += [note] if note else []
            return Households.of(homes, persons, id=id, weight=weight, link=link)
        return None

    def distance(self) -> Distance:
        about = self.part("fit")
        with self.faults.at("fit"):
            if "upper" in about:
                return logit(about.get("lower", 0.0), about["upper"])
            if about.get("lower", 0.0) > 0:
                raise PopgenError("a lower bound needs an upper one too; give upper, such as 30")
        return RAKING

    def naming(self, survey: Households, geography: Geography) -> Naming:
        about = self.part("output")
        style = about.get("names", Naming.style)
        kept = about.get("households"), about.get("persons")
        naming = Naming(style, *kept, renamed=self.part("activitysim"))
        with self.faults.at("activitysim" if style == ACTIVITYSIM else "output"):
            naming.check(survey, geography)
        return naming

    def regions(self, geography: Geography, survey: Households) -> Regions | None:
        level, about = self.data["geography"].get("region"), self.data["households"]
        borrow = about.get("borrow", 0.0)
        if level is None:
            if borrow:
                told = "without geography.region every zone uses all households alike; name it"
                self.faults.add(("households", "borrow"), f"{told}, or leave borrow out")
            return Regions.one(len(survey), geography)
        with self.faults.at("households", "region"):
            column = about.get("region", level)
            need_columns(survey.households, [column], about["file"])
            homes, file = survey.households[column], about["file"]
            found = Regions.find(homes, geography, level, file, borrow)
            self.notes += [found.note] if found.note else []
            return found
        return None

    def known(self, geography: Geography, survey: Households) -> Known:
        kinds: tuple[str, ...] = () if "kinds" in self.data else ("household",)
        book, kind_of = None, np.zeros(len(survey), np.intp)
        if self.sound("codebook"):
            with self.faults.at("codebook"):
                book = read_codebook(self.inputs.path(self.data["codebook"]))
        if self.sound("kinds"):
            before = len(self.faults.found)
            with self.faults.at("kinds"):
                kind_of = kinds_of(self.data["kinds"], survey.households, self.faults)
            if len(self.faults.found) == before:
                kinds = tuple(entry["name"] for entry in self.data["kinds"])
        return Known(self.inputs, geography, survey, survey.tables(), book, kinds, kind_of)

    def problem(self, geography: Geography, survey: Households) -> HouseholdProblem | None:
        before = len(self.faults.found)
        known, regions = self.known(geography, survey), None
        if self.data["geography"].get("region") in (None, *geography.columns):
            regions = self.regions(geography, survey)
        parts = {name: self.data[name] for name in ("kinds", "totals") if self.sound(name)}
        stated = Totals.read(parts, known, self.faults)
        statements, means = self.statements(known, regions)
        unread = any(name in self.data and name not in parts for name in ("kinds", "totals"))
        if len(self.faults.found) > before or regions is None or unread:
            return None
        for number, entry, one in means:
            with self.faults.at("margins", number):
                statements.append(totals_of_means(entry, one, known, stated, statements))
        with self.faults.at("margins"):
            refuse_disagreement(statements, geography)
        totals = None
        with self.faults.at("totals"):
            totals = stated.agreed(statements, known)
        if totals is None:
            return None
        with self.faults.at():
            return HouseholdProblem(
                survey,
                geography,
                joined(one.controls for one in statements),
                *totals,
                region=regions.level,
                region_of=regions.of_record,
                borrow=regions.borrow,
                kinds=known.kinds,
                kind_of=known.kind_of,
            )
        return None

    def statements(
        self, known: Known, regions: Regions | None
    ) -> tuple[list[Statement], list[tuple[int, Mapping[str, Any], Statement]]]:
        """Read the margins; those of means apart, with their numbers and entries."""
        counts: list[Statement] = []
        means: list[tuple[int, Mapping[str, Any], Statement]] = []
        names: set[tuple[str, str]] = set()
        for number, entry in enumerate(self.data.get("margins", ())):
            unread = "variables" in entry and "codebook" in self.data and known.codebook is None
            unread = unread or ("kinds" in entry and not known.kinds)
            if not self.sound("margins", number) or unread:
                continue
            one = statement(entry, known, self.faults, ("margins", number))
            if one is None:
                continue
            if (one.name, one.controls.level) in names:
                told = f"another margin of {one.controls.level} is called {one.name!r} too"
                self.faults.add(("margins", number), f"{told}; give this one a name of its own")
            names.add((one.name, one.controls.level))
            self.notes += uncounted(one) if "columns" in entry else []
            with self.faults.at("margins", number):
                if regions is not None:
                    refuse_unreachable(one, known.geography, regions)
            if entry.get("statistic") == "mean":
                means.append((number, entry, one))
            else:
                counts.append(one)
        return counts, means
