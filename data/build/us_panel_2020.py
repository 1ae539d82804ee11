"""Build data/census_marginals/us_panel_2020: every 1-, 2- and 3-way table of a survey population.

The population is the 60,282 complete rows of the Cooperative Election Study 2020, unweighted and
recoded to eleven variables. Only counts are written, never a person's row. It is the truth of the
persona comparison: the one-way tables are the shares that the language model was given.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import polars as pl
from shipped import CENSUS, Files, csv, document, main, require, sha256, table

RAW = "survey/ces2020_demographics_vote.parquet"
PROMPT = "llm_panels/prompts/population.md"
PLACE = "us_panel_2020"
COMPLETE = 60_282
AGES = ["18-29", "30-39", "40-49", "50-59", "60-69", "70+"]
# variable: (raw column, raw value -> level, level of a missing value or None, description)
RECODE: dict[str, tuple[str, dict[str, str], str | None, str]] = {
    "gender": ("gender", {"1": "male", "2": "female"}, None, "gender"),
    "age": ("age_cat", {a: a for a in AGES}, None, "age in completed years"),
    "race": (
        "race",
        {"1": "White", "2": "Black", "3": "Hispanic", "4": "Asian"}
        | dict.fromkeys("5678", "Other"),
        None,
        "race or ethnic group, one answer",
    ),
    "education": (
        "educ",
        {
            "1": "no_hs",
            "2": "high_school",
            "3": "some_college",
            "4": "two_year",
            "5": "four_year",
            "6": "postgrad",
        },
        None,
        "highest education reached",
    ),
    "region": (
        "region",
        {"1": "Northeast", "2": "Midwest", "3": "South", "4": "West"},
        None,
        "census region",
    ),
    "urbanity": (
        "urban",
        {"Urban": "urban", "Suburban": "suburban", "Rural": "rural"},
        None,
        "kind of place the person lives in",
    ),
    "home": ("homeowner", {"1": "owner", "0": "not_owner"}, None, "owns the home"),
    "parent": ("parent", {"1": "yes", "0": "no"}, None, "has a child under 18"),
    "religion_importance": (
        "pew_religimp",
        {
            "Very_important": "very",
            "Somewhat_important": "somewhat",
            "Not_too_important": "not_too",
            "Not_at_all_important": "not_at_all",
        },
        None,
        "how important religion is in the person's life",
    ),
    "vote2020": (
        "CC20_410",
        {"1": "Biden", "2": "Trump"} | dict.fromkeys("4567", "other"),
        "none",
        "vote for president in 2020; none = did not vote or not recorded",
    ),
    "cut_police": (
        "defund_police",
        {"1": "support", "0": "oppose"},
        None,
        "decrease the number of police by 10 percent and fund other public services",
    ),
}
POLLED = ["vote2020", "cut_police"]
DEMOGRAPHICS = [name for name in RECODE if name not in POLLED]
CENSUS_PAIRS = [
    ["age", "gender"],
    ["age", "race"],
    ["age", "education"],
    ["race", "education"],
    ["region", "race"],
    ["home", "age"],
]


def levels(name: str) -> list[str]:
    """Give the levels of a variable in order, the level of missing values last."""
    _, values, missing, _ = RECODE[name]
    return list(dict.fromkeys(values.values())) + ([missing] if missing else [])


def recoded(raw: pl.DataFrame) -> pl.DataFrame:
    """Recode the survey to the eleven variables and keep the complete rows."""
    columns = []
    for name, (column, values, missing, _) in RECODE.items():
        text = pl.col(column)
        if raw.schema[column].is_numeric():
            text = text.cast(pl.Int64)
        level = text.cast(pl.String).replace_strict(values)
        if missing:
            level = level.fill_null(missing)
        columns.append(level.cast(pl.Enum(levels(name))).alias(name))
    return raw.select(columns).drop_nulls()


def long_table(people: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Count one set of variables, empty cells as 0, in the long layout."""
    cells = pl.DataFrame({names[0]: levels(names[0])})
    for name in names[1:]:
        cells = cells.join(
            pl.DataFrame({name: levels(name)}), how="cross", maintain_order="left_right"
        )
    counts = people.group_by(names).agg(pl.len().cast(pl.Int64).alias("count"))
    counts = counts.with_columns(pl.col(names).cast(pl.String))
    full = cells.join(counts, on=names, how="left", maintain_order="left")
    pairs = [
        column
        for i, name in enumerate(names, 1)
        for column in (pl.lit(name).alias(f"variable_{i}"), pl.col(name).alias(f"level_{i}"))
    ]
    return full.select(*pairs, pl.col("count").fill_null(0))


def check_shares(one_way: pl.DataFrame, prompt: str) -> None:
    """Stop unless the one-way shares are those written in the prompt, to 0.1 percent."""
    found = 0
    for line in prompt.splitlines():
        name, _, shares = line.partition(":")
        if name.split(" ")[0] not in RECODE:
            continue
        name = name.split(" ")[0]
        for part in shares.split(";"):
            level, _, share = part.strip().rpartition(" ")
            cell = one_way.filter(variable_1=name, level_1=level)["count"]
            require(len(cell) == 1, f"the prompt's {name}={level} is not in the codebook")
            exact = 100 * cell.item() / COMPLETE
            require(
                abs(exact - float(share)) <= 0.05 + 1e-9,
                f"{name}={level}: {exact:.3f} percent here, {share} in the prompt",
            )
            found += 1
    require(found == one_way.height, f"the prompt gives {found} of {one_way.height} shares")


def build(shared: Path) -> Files:
    """Give the files of the folder, made from the survey."""
    people = recoded(pl.read_parquet(shared / RAW))
    require(people.height == COMPLETE, f"{people.height} complete rows, not {COMPLETE}")
    files: Files = {}
    for order, stem in ((1, "one_way"), (2, "two_way"), (3, "three_way")):
        tables = [long_table(people, names) for names in combinations(RECODE, order)]
        for one in tables:
            require(one["count"].sum() == COMPLETE, f"a {stem} table does not add to {COMPLETE}")
        if order == 1:
            check_shares(pl.concat(tables), (shared / PROMPT).read_text(encoding="utf-8"))
        files[f"{stem}.csv"] = csv(pl.concat(tables))
    digests = {name: sha256(content) for name, content in files.items()}
    return files | {"codebook.toml": codebook(), "SOURCE.toml": source(digests)}


def codebook() -> bytes:
    """Give codebook.toml: the variables, and how the raw survey values become levels."""
    parts = [
        table(f"variables.{name}", {"description": words, "levels": levels(name)})
        for name, (_, _, _, words) in RECODE.items()
    ]
    for name, (column, values, missing, _) in RECODE.items():
        entry: dict[str, str | dict[str, str]] = {"column": column, "values": values}
        if missing:
            entry["missing"] = missing
        parts.append(table(f"recode.{name}", entry))
    return document(*parts)


def source(digests: dict[str, str]) -> bytes:
    """Give SOURCE.toml."""
    polls = [[answer, who] for answer in POLLED for who in DEMOGRAPHICS]
    return document(
        table(
            "",
            {
                "title": "Respondents of the Cooperative Election Study 2020, all 1-, 2- and 3-way "
                "tables of eleven variables",
                "place": PLACE,
                "agency": "Cooperative Election Study (Schaffner, Ansolabehere and Luks)",
                "programme": "Cooperative Election Study, common content",
                "vintage": 2020,
                "licence": "CC0",
                "retrieved_from": "https://doi.org/10.7910/DVN/E9N6PH",
                "default_universe": "respondents",
                "caveats": [
                    "Unweighted respondents, not the US electorate: the two-way Biden share is "
                    "59.7 percent, against 52.3 percent of the votes cast.",
                    "The 60,282 rows of 61,000 that are complete in the eleven variables; a vote "
                    "that is missing is the level 'none' and does not make a row incomplete.",
                ],
            },
        ),
        table(
            "universes.respondents",
            {
                "description": "complete rows of the survey",
                "includes": ["respondents"],
                "panel": ["two_way"],
            },
        ),
        table(
            "inputs.forecaster",
            {
                "description": "what a forecaster could have: every one-way table, census-like "
                "two-way tables, and poll crosstabs of each answer by each demographic",
                "margins": [[name] for name in RECODE] + CENSUS_PAIRS + polls,
            },
        ),
        *(margin(order, stem, digests) for order, stem in enumerate(("one", "two", "three"), 1)),
    )


def margin(order: int, stem: str, digests: dict[str, str]) -> str:
    """Give the SOURCE.toml entry of one long file."""
    count = len(list(combinations(RECODE, order)))
    return table(
        "margins",
        {
            "name": f"{stem}_way",
            "file": f"{stem}_way.csv",
            "layout": "long",
            "table": "counted from the survey's rows",
            "variables": list(RECODE),
            "order": order,
            "tables": count,
            "universe": "respondents",
            "unit": "people",
            "description": f"every {stem}-way table ({count}), empty cells written as 0",
            "total": COMPLETE,
            "sha256": digests[f"{stem}_way.csv"],
            "checks": ["every table adds to the total"]
            + (["shares equal those given to the language model, to 0.1 percent"] * (order == 1)),
        },
        array=True,
    )


if __name__ == "__main__":
    main(build, CENSUS / PLACE, __doc__)
