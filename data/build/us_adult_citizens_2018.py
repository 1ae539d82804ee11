"""Build data/census_marginals/us_adult_citizens_2018: a five-way joint of US adult citizens.

Counts of adult citizens by state, race, sex, age and education from the ACS 2014-2018 (5-year).
The source's `Hispanic` and `Other` are merged: see the caveat written to SOURCE.toml.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from shipped import CENSUS, Files, csv, document, main, require, sha256, table

RAW = "acs/acs2018_5yr_state_eth_sex_age_educ.csv.gz"
PLACE = "us_adult_citizens_2018"
FILE = "race_sex_age_education.csv"
TOTAL = 228_443_347  # the sum of n in the raw file
RACE = {
    "White": "White",
    "Black": "Black",
    "Hispanic": "Hispanic or other",
    "Other": "Hispanic or other",
}
SEX = {"0.5": "male", "-0.5": "female"}
AGE = {band: band for band in ("18-29", "30-39", "40-49", "50-59", "60-69", "70+")}
EDUCATION = {
    "No HS": "less than high school",
    "HS": "high school",
    "Some college": "some college",
    "4-Year College": "bachelor",
    "Post-grad": "postgraduate",
}
CAVEAT = (
    "In the source, 'Hispanic' holds only about 68 % of the Hispanic citizens of the ACS tables; "
    "the rest sit in 'Other'. The two are therefore merged into 'Hispanic or other', which is "
    "everybody who is neither 'White' nor 'Black' as the source draws them."
)


def build(shared: Path) -> Files:
    """Give the files of the folder, made from the raw joint."""
    raw = pl.read_csv(shared / RAW)
    states = sorted(raw["state"].unique())
    levels = {
        "state": states,
        "race": list(dict.fromkeys(RACE.values())),
        "sex": list(SEX.values()),
        "age": list(AGE.values()),
        "education": list(EDUCATION.values()),
    }
    joint = raw.select(
        pl.col("state"),
        pl.col("eth").replace_strict(RACE).alias("race"),
        pl.col("male").cast(pl.String).replace_strict(SEX).alias("sex"),
        pl.col("age").replace_strict(AGE),
        pl.col("educ").replace_strict(EDUCATION).alias("education"),
        pl.col("n").alias("count"),
    ).with_columns(pl.col(name).cast(pl.Enum(ls)) for name, ls in levels.items())
    joint = joint.group_by(list(levels)).agg(pl.col("count").sum()).sort(list(levels))
    require(len(states) == 50, f"{len(states)} states, not 50")
    require(joint.height == 50 * 3 * 2 * 6 * 5, f"{joint.height} cells, not 9000")
    require(joint["count"].sum() == TOTAL, f"the cells add to {joint['count'].sum()}, not {TOTAL}")
    content = csv(joint)
    codebook = document(
        *(
            table(f"variables.{name}", {"description": words, "levels": levels[name]})
            for name, words in {
                "state": "state of residence (50 states, without the District of Columbia)",
                "race": "race, with Hispanic people under 'Hispanic or other' (see SOURCE.toml)",
                "sex": "sex",
                "age": "age in completed years",
                "education": "highest education reached; some college includes associate degrees",
            }.items()
        )
    )
    return {FILE: content, "codebook.toml": codebook, "SOURCE.toml": source(sha256(content))}


def source(digest: str) -> bytes:
    """Give SOURCE.toml."""
    return document(
        table(
            "",
            {
                "title": "Adult citizens of the 50 states by race, sex, age and education",
                "place": PLACE,
                "agency": "US Census Bureau",
                "programme": "American Community Survey, 5-year (2014-2018)",
                "vintage": 2018,
                "licence": "public domain",
                "retrieved_from": "https://github.com/JuanLopezMartin/MRPCaseStudy",
                "zone": "state",
                "default_universe": "adult_citizens",
                "caveats": [
                    CAVEAT,
                    "Counts are weighted sums of survey records, without margins of error.",
                    "Averages five years: the totals of the states are between 0.951 and 1.008 of "
                    "the citizen voting-age population of 2018 (us_2018, citizen_age).",
                    "A count of 0 is a cell where the survey found nobody, not a structural zero.",
                ],
            },
        ),
        table(
            "universes.adult_citizens",
            {
                "description": "US citizens aged 18 and over",
                "includes": ["adult_citizens"],
                "panel": ["race_sex_age_education"],
            },
        ),
        table(
            "margins",
            {
                "name": "race_sex_age_education",
                "file": FILE,
                "table": "weighted count of ACS 2014-2018 public use microdata",
                "variables": ["state", "race", "sex", "age", "education"],
                "universe": "adult_citizens",
                "unit": "people",
                "description": "the whole joint: a known truth for scoring",
                "total": TOTAL,
                "sha256": digest,
                "checks": [
                    "the cells add to the total of the source",
                    "every combination of levels is present once; empty cells are written as 0",
                ],
            },
            array=True,
        ),
    )


if __name__ == "__main__":
    main(build, CENSUS / PLACE, __doc__)
