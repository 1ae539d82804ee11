"""Make the example of households in zones: an invented town, its margins and a survey of it.

Run from the repository: ``python data/households/make_town.py``. Nobody in it is real.
"""

from pathlib import Path

import numpy as np
import polars as pl

HERE = Path(__file__).parent / "town"

TRACTS = {"0101": ("north", 420), "0102": ("north", 310), "0103": ("north", 250)}
TRACTS |= {"0201": ("south", 380), "0202": ("south", 290), "0203": ("south", 150)}

SAMPLED = 0.2
"""Share of the units that the survey asks."""


def population(rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw all households and persons: larger households own more often and have children."""
    homes, people = [], []
    for spot, (tract, (county, units)) in enumerate(TRACTS.items()):
        for _ in range(units):
            id = len(homes) + 1
            shared = rng.random() < 0.03
            size = 1 if shared else 1 + rng.binomial(4, 0.3 + 0.03 * spot)
            owns = not shared and rng.random() < 0.3 + 0.07 * size
            ages = np.clip(rng.normal(34 + 14 * owns, 15, min(size, 2)), 18, 95).astype(int)
            young = rng.random(max(size - 2, 0)) < 0.75
            others = np.where(young, rng.integers(0, 18, len(young)), rng.integers(18, 30))
            ages = [*ages.tolist(), *others.tolist()]
            works = [bool(17 < age < 67 and rng.random() < 0.75) for age in ages]
            income = int(rng.lognormal(10.2, 0.5) * (0.4 + sum(works)) // 100 * 100)
            cars = int(rng.binomial(3, 0.2 + 0.15 * owns + 0.1 * (size > 1)))
            home = (id, tract, county, 2 if shared else 1, size, None if shared else int(owns))
            homes.append((*home, income, sum(works), cars))
            for age, work in zip(ages, works, strict=True):
                people.append((id, age, rng.choice(["f", "m"]), int(work)))
    columns = ["hh_id", "tract", "county", "TYPE", "NP", "OWNS", "INCOME", "WORKERS", "CARS"]
    of_person = ["hh_id", "AGE", "SEX", "WORKS"]
    return (
        pl.DataFrame(homes, schema=columns, orient="row"),
        pl.DataFrame(people, schema=of_person, orient="row"),
    )


def margins(homes: pl.DataFrame, people: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Tabulate what a census office would publish."""
    private = homes.filter(pl.col("TYPE") == 1).with_columns(
        size=pl.col("NP").clip(upper_bound=4).replace_strict({1: "1", 2: "2", 3: "3", 4: "4+"}),
        tenure=pl.col("OWNS").replace_strict({0: "rents", 1: "owns"}),
    )
    cells = [private[name].unique().sort().to_frame() for name in ("tract", "size", "tenure")]
    every = cells[0].join(cells[1], how="cross").join(cells[2], how="cross")
    by_size = every.join(
        private.group_by("tract", "size", "tenure").len("count"),
        on=["tract", "size", "tenure"],
        how="left",
    ).with_columns(pl.col("count").fill_null(0))
    lived = people.join(homes.select("hh_id", "tract", "county"), on="hh_id")
    age, woman = pl.col("AGE"), pl.col("SEX") == "f"
    totals = homes.group_by("tract", maintain_order=True).agg(
        households=(pl.col("TYPE") == 1).sum(), group_quarters=(pl.col("TYPE") == 2).sum()
    )
    by_age = lived.group_by("tract", maintain_order=True).agg(
        persons=pl.len(),
        under_18=(age < 18).sum(),
        women_18_64=((age >= 18) & (age < 65) & woman).sum(),
        men_18_64=((age >= 18) & (age < 65) & ~woman).sum(),
        from_65=(age >= 65).sum(),
    )
    work = lived.group_by("county", maintain_order=True).agg(working=pl.col("WORKS").sum())
    work = work.with_columns(working_se=(0.02 * pl.col("working")).round(1))
    income = homes.group_by("county", maintain_order=True).agg(
        count=pl.col("INCOME").mean().round(0), se=(0.01 * pl.col("INCOME").mean()).round(0)
    )
    crosswalk = homes.select("tract", "county").unique(maintain_order=True)
    crosswalk = crosswalk.with_columns(state=pl.lit("example"))
    return {
        "crosswalk": crosswalk,
        "units": totals.join(by_age.select("tract", "persons"), on="tract", maintain_order="left"),
        "size_by_tenure": by_size,
        "age_by_sex": by_age,
        "workers": work,
        "mean_income": income,
    }


def main() -> None:
    rng = np.random.default_rng(2026)
    homes, people = population(rng)
    for name, frame in margins(homes, people).items():
        frame.write_csv(HERE / f"{name}.csv")
    asked = homes.filter(rng.random(len(homes)) < SAMPLED)
    counts = (
        homes.group_by("county").len("all").join(asked.group_by("county").len("n"), on="county")
    )
    weights = counts.with_columns(WEIGHT=(pl.col("all") / pl.col("n")).round(3))
    asked = asked.join(weights.select("county", "WEIGHT"), on="county", maintain_order="left")
    asked.drop("tract").write_csv(HERE / "households.csv")
    people.filter(pl.col("hh_id").is_in(asked["hh_id"].implode())).write_csv(HERE / "persons.csv")


if __name__ == "__main__":
    main()
