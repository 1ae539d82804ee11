"""EU-SILC: the population's own margins by region, met by a twentieth of its households."""

import numpy as np
import polars as pl
import pytest

from popgen import (
    Domain,
    Geography,
    Households,
    Microdata,
    NestedCalibration,
    Table,
    Variable,
    populate,
    pose,
)
from popgen.households.report import FitReport, held_by_weights

SIZE = Variable("size", ("1", "2", "3", "4", "5+"))
AGE = Variable("age", ("0-15", "16-29", "30-44", "45-64", "65+"))
SEX = Variable("sex", ("female", "male"))
STATUS = Variable("status", ("child", "full time", "part time", "not working", "retired"))
NATION = Variable("country", ("Austria",))


@pytest.fixture(scope="module")
def population(shared_data):
    path = shared_data / "household" / "eusilc" / "eusilcP.parquet"
    if not path.is_file():
        pytest.skip(f"the EU-SILC population is not at {path}")
    status = pl.col("ecoStat").cast(pl.String)
    return pl.read_parquet(path).select(
        "hid",
        pl.col("region").cast(pl.String),
        size=pl.min_horizontal(pl.len().over("hid"), 5).cast(pl.Int64) - 1,
        age=pl.sum_horizontal(*(pl.col("age") >= edge for edge in (16, 30, 45, 65))).cast(pl.Int64),
        sex=(pl.col("gender") == "male").cast(pl.Int64),
        status=pl.when(status.is_null())
        .then(0)
        .otherwise(status.replace_strict({"1": 1, "2": 2, "5": 4}, default=3)),
    )


def counted(frame, *variables):
    """Table of the rows over areas and coded variables."""
    area, *others = variables
    codes = [frame[area.name].replace_strict({x: i for i, x in enumerate(area.levels)}).to_numpy()]
    codes += [frame[variable.name].to_numpy() for variable in others]
    domain = Domain(tuple(variables))
    cells = np.ravel_multi_index(codes, domain.shape)
    return Table(domain, np.bincount(cells, minlength=domain.size).reshape(domain.shape))


def test_regions_of_eusilc_are_met_exactly(population):
    homes = population.unique("hid", keep="first", maintain_order=True).sort("hid")
    region = Variable("region", tuple(sorted(homes["region"].unique())))
    places = pl.DataFrame({"region": region.levels}).with_columns(country=pl.lit("Austria"))
    rows = np.random.default_rng(0).choice(len(homes), len(homes) // 20, replace=False)
    chosen = homes[np.sort(rows)]
    sample = population.filter(pl.col("hid").is_in(chosen["hid"].implode()))
    survey = Households.of(chosen.select("hid", "size"), sample, id="hid")
    people = survey.persons.select("age", "sex", "status").to_numpy()
    whole = population.with_columns(country=pl.lit("Austria"))
    problem = pose(
        survey,
        Geography.of(places, ("region", "country")),
        {"size": counted(homes, region, SIZE)},
        {
            "age_sex": counted(population, region, AGE, SEX),
            "status": counted(population, region, STATUS),
            "status_sex": counted(whole, NATION, STATUS, SEX),
        },
        homes=Microdata(Domain((SIZE,)), survey.households["size"].to_numpy()[:, None]),
        people=Microdata(Domain((AGE, SEX, STATUS)), people),
    )
    model = NestedCalibration().fit(problem)
    fit = FitReport.of(model, held_by_weights(model)).rows
    assert fit["max"].max() < 1e-3
    made = populate(model, rng=0)
    assert len(made.households) == len(homes)
    assert len(made.persons) == len(population)
    rows = made.report.rows
    assert rows.filter(margin="persons")["error"].item() == 0
    assert rows["error"].sum() == 0
