"""PopulationSim on a sample of households and one-way margins of areas."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

from households.folder import ID, WEIGHT, Survey, by_zone, write_folder
from households.running import run
from households.sample import Made, Sample, first_of


def by_populationsim(sample: Sample, python: Path, *, own: bool = False) -> Made:
    """Run PopulationSim, whose random numbers are its own; each area is a zone.

    Parameters
    ----------
    sample : Sample
    python : path
        Interpreter of an environment that has it.
    own : bool
        Whether an area has its own records alone (default: all records alike).
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "case")
        write_sample(folder, sample, "REGION" if own else "COUNTRY")
        command = [python, "-m", "populationsim", "-w", folder, "-c", "configs"]
        run([*command, "-d", "data", "-o", "output"], Path(name, "log.txt"))
        homes = pl.read_csv(folder / "output" / "synthetic_households.csv")
        return Made(homes["ZONE"].to_numpy() - 1, homes[ID].to_numpy() - 1)


def write_sample(folder: Path, sample: Sample, seed: str) -> None:
    """Write a sample as PopulationSim reads it; a zone is an area, which is a region."""
    of_households, of_persons = list(sample.of_households), list(sample.of_persons)
    controls, totals = by_zone(sample.names, of_persons, sample.number, sample.targets)
    zone = totals["ZONE"]
    places = pl.DataFrame({"COUNTRY": 1, "REGION": zone, "ZONE": zone})
    crosswalk = places.select(pl.lit(1).alias("NATION"), seed, "ZONE")
    ids = pl.col("home").add(1).alias(ID)
    weight = float(sample.number.sum()) / len(sample.X)
    where = pl.Series("REGION", sample.area + 1), pl.lit(1).alias("COUNTRY")
    heads = sample.persons[first_of(sample.persons)]
    homes = heads.select(ids, pl.lit(weight).alias(WEIGHT), *of_households, *where)
    survey = Survey(homes, sample.persons.select(ids, *of_persons), (of_households, of_persons))
    write_folder(folder, survey, crosswalk, controls, {"ZONE": totals}, seed=seed)
