"""Small towns of households for the tests of nested zones: records, places and their cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from popgen import Geography, HouseholdProblem, Households
from popgen.households.controls import Controls

SIZES, AGES, TENURES = 4, 3, 2


@dataclass(frozen=True)
class Town:
    """Survey households with size, tenure and persons of three ages; zones in tracts in a county.

    ``true`` has the households of each record in each zone that the figures are counted from, so
    that every problem posed of them can be met.
    """

    survey: Households
    geography: Geography
    true: np.ndarray
    kind_of: np.ndarray
    region_of: np.ndarray
    region: str | None

    @property
    def cells(self) -> dict[str, np.ndarray]:
        homes, persons = self.survey.households, self.survey.persons
        ages = np.zeros((len(homes), AGES))
        np.add.at(ages, (self.survey.owner, persons["age"].to_numpy()), 1)
        size = np.minimum(self.survey.size, SIZES) - 1
        return {
            "size": np.eye(SIZES)[size],
            "tenure": np.eye(TENURES)[homes["tenure"].to_numpy()],
            "age": ages,
        }

    def targets(self, level: str, margin: str) -> np.ndarray:
        held = self.true @ self.cells[margin]
        areas = len(self.geography.areas[self.geography.depth(level)])
        out = np.zeros((areas, held.shape[1]))
        np.add.at(out, self.geography.area_of(level), held)
        return out

    def controls(self, level: str, *margins: str) -> Controls:
        return Controls(
            level,
            [f"{name}: {i}" for name in margins for i in range(self.cells[name].shape[1])],
            sparse.csr_array(np.hstack([self.cells[name] for name in margins])),
            np.hstack([self.targets(level, name) for name in margins]),
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("household", "group quarters")[: int(self.kind_of.max()) + 1]

    def problem(self, *controls: Controls, **changed) -> HouseholdProblem:
        kinds = np.eye(len(self.kinds))[self.kind_of]
        facts = {
            "households": np.rint(self.true @ kinds).astype(int),
            "persons": np.rint(self.true @ self.survey.size).astype(int),
            "region": self.region,
            "region_of": self.region_of,
            "kinds": self.kinds,
            "kind_of": self.kind_of,
        }
        return HouseholdProblem(self.survey, self.geography, controls, **(facts | changed))


def town(seed=0, *, records=60, zones=6, homes=40, kinds=1, regions=1, crossing=False) -> Town:
    """A town of random households: zones by pairs in tracts, tracts by pairs in counties.

    Regions are counties, or PUMAs that have zones of every tract where they are ``crossing``.
    """
    rng = np.random.default_rng(seed)
    size = rng.integers(1, SIZES + 2, records)
    kind_of = np.zeros(records, int)
    if kinds > 1:
        kind_of[rng.random(records) < 0.2] = 1
        kind_of[:2] = 0, 1
    size[kind_of == 1] = 1
    frame = pl.DataFrame(
        {
            "id": np.arange(records),
            "tenure": rng.integers(0, TENURES, records),
            "w": rng.gamma(3, 5, records),
        }
    )
    owner = np.repeat(np.arange(records), size)
    persons = pl.DataFrame({"id": owner, "age": rng.integers(0, AGES, len(owner))})
    survey = Households.of(frame, persons, id="id", weight="w")
    crosswalk = pl.DataFrame(
        {
            "zone": [f"z{z}" for z in range(zones)],
            "tract": [f"t{z // 2}" for z in range(zones)],
            "county": [f"c{z // 4}" for z in range(zones)],
            "puma": [f"p{z % regions}" for z in range(zones)],
        }
    )
    beside = ["puma"] if crossing else []
    geography = Geography.of(crosswalk, ("zone", "tract", "county"), beside=beside)
    region_of = np.arange(records) % regions
    region = [None, "puma" if crossing else "county"][regions > 1]
    own = geography.area_of(region) if region else np.zeros(zones, int)
    true = np.zeros((zones, records))
    for zone in range(zones):
        chance = survey.weights * rng.gamma(2, 1, records) * (region_of == own[zone])
        true[zone] = rng.multinomial(homes, chance / chance.sum())
    return Town(survey, geography, true, kind_of, region_of, region)


def nested(seed=0, **changed) -> HouseholdProblem:
    """A problem of two regions of records, controls of three levels."""
    place = town(seed, **({"records": 160, "zones": 8, "homes": 60, "regions": 2} | changed))
    return place.problem(
        place.controls("zone", "size", "age"),
        place.controls("tract", "tenure"),
        place.controls("county", "tenure", "age"),
    )


def dense_weights(model) -> np.ndarray:
    """Weight of every record in every zone, shape (zones, records)."""
    out = np.zeros((len(model.problem.geography.zones), len(model.problem.survey)))
    for number, pool in enumerate(model.pools):
        share = pool.design / pool.d[pool.row_of]
        out[np.ix_(pool.zones, pool.records)] = model.weights(number)[:, pool.row_of] * share
    return out
