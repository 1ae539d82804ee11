"""Effects found in a real population, tested again among panels' people, beside published figures.

``python benchmarks/effects.py [records]``: the truth is us_panel_2020. Studies of `PEOPLE` report
main effects and two-way moderations of six outcomes by ten variables of two groups each; every
panel is asked again. With ``records`` (the survey's own file, CES 2020) also three-way ones. The
panels of popgen are `DRAWS` draws of as many people as the language model invented; figures are
means over `STUDIES` sets of studies and, for popgen, over the draws.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import polars as pl

import popgen as pg
from popgen.codebook import read_codebook
from popgen.metrics import number
from popgen.panels import read_panel
from popgen.replication import INFLATION, NULL
from popgen.shipped import shipped

RNG, PEOPLE, STUDIES, DRAWS = 2020, 1_000, 10, 5
TRUTH = "us_panel_2020"
OUTCOMES = {
    "vote2020": "Trump",
    "cut_police": "support",
    "religion_importance": "very",
    "home": "owner",
    "parent": "yes",
    "urbanity": "rural",
}
GROUPS = {
    "gender": {"male": ["male"], "female": ["female"]},
    "age": {"under 50": ["18-29", "30-39", "40-49"], "50 or over": ["50-59", "60-69", "70+"]},
    "race": {"white": ["White"], "other": ["Black", "Hispanic", "Asian", "Other"]},
    "education": {
        "no degree": ["no_hs", "high_school", "some_college", "two_year"],
        "degree": ["four_year", "postgrad"],
    },
    "region": {"elsewhere": ["Northeast", "Midwest", "West"], "South": ["South"]},
    "urbanity": {"not rural": ["urban", "suburban"], "rural": ["rural"]},
    "home": {"owner": ["owner"], "not owner": ["not_owner"]},
    "parent": {"no": ["no"], "yes": ["yes"]},
    "religion_importance": {
        "important": ["very", "somewhat"],
        "not important": ["not_too", "not_at_all"],
    },
    "vote2020": {"Biden": ["Biden"], "Trump": ["Trump"]},
    "cut_police": {"support": ["support"], "oppose": ["oppose"]},
}
FIGURES = (
    *("replicated", "same sign", "overturned null", "false positive", "false negative"),
    *("different", "reversed", INFLATION),
)
PUBLISHED = (
    ("replicated: main effects", "76 % (84 of 111)", "arXiv:2408.16073"),
    ("", "73-81 %", "arXiv:2409.00128"),
    ("replicated: interactions", "27 % (6 of 22)", "arXiv:2408.16073"),
    ("", "46-63 %", "arXiv:2409.00128"),
    ("original nulls that come out significant", "68-83 %", "arXiv:2409.00128"),
    ("coefficients that differ; of these, reversed", "48 %; 32 %", "Bisbee et al. 2024"),
)


def main(records: str = "") -> None:
    truth = pg.read_census(TRUTH, margins=["one_way", "two_way", "three_way"])
    panels = entrants(truth)
    codebook = truth.codebook
    rules = [
        pg.Coarsening.from_groups(codebook.variables[name], f"{name} group", groups)
        for name, groups in GROUPS.items()
    ]
    print(f"Studies of {PEOPLE:,} people; true effects below {NULL} count as none")
    show("All six outcomes", averaged(panels, truth, OUTCOMES, rules, (1, 2)))
    polled = {name: OUTCOMES[name] for name in ("vote2020", "cut_police")}
    polls = [rule for rule in rules if rule.fine.name not in polled]
    show(
        "Outcomes of which popgen had every crosstab",
        averaged(panels, truth, polled, polls, (1, 2)),
    )
    if records:
        book = read_codebook(shipped("census_marginals") / TRUTH / "codebook.toml")
        people = pg.read_microdata(records, book, variables=list(GROUPS), missing="drop")
        title = f"Three-way, from {len(people):,} records"
        show(title, averaged(panels, people, OUTCOMES, rules, (3,)))
    print("\nPublished")
    for what, figure, source in PUBLISHED:
        print(f"  {what:46}{figure:20}{source}")


def entrants(truth: pg.Census) -> dict[str, pg.Population]:
    """Gather the recorded panels, and draws of popgen's from what a forecaster could have."""
    inputs = truth.about["inputs"]["forecaster"]["margins"]
    problem = pg.Problem({"_".join(names): truth.project(*names) for names in inputs})
    panels = {f"LLM {arm}": read_panel(arm) for arm in ("direct", "fill", "judge")}
    size = len(panels["LLM direct"])
    for name, method in (("popgen", pg.IPF()), ("popgen, LLM as prior", pg.PersonaPrior())):
        model = method.fit(problem)
        for i, stream in enumerate(np.random.default_rng(RNG).spawn(DRAWS)):
            panels[f"{name}#{i}"] = model.sample(size, rng=stream)
    return panels


def averaged(
    panels: Mapping[str, pg.Population],
    truth: pg.Projectable,
    outcomes: Mapping[str, str],
    rules: list[pg.Coarsening],
    orders: tuple[int, ...],
) -> pl.DataFrame:
    """Average the figures over sets of studies, and over the draws of one panel."""
    parts = []
    for study in range(STUDIES):
        found = pg.findings(truth, outcomes, predictors=rules, n=PEOPLE, orders=orders, rng=study)
        parts.append(pg.retest(panels, found, rng=study, replicates=20).rows)
    rows = pl.concat(parts).with_columns(pl.col("candidate").str.split("#").list.first())
    return rows.group_by(
        "candidate", "size", "kind", "evidence", "figure", maintain_order=True
    ).agg(pl.col("findings", "value", "low", "high", "floor", "ceiling").mean())


def show(title: str, rows: pl.DataFrame) -> None:
    """Print each panel with its interval, and its yardsticks below."""
    print(f"\n{title}\n")
    plain = rows.filter(evidence="all")
    print(f"{'panel':24}{'n':>6}  {'kind':12}" + "".join(f"{name:>18}" for name in FIGURES))
    for key, part in plain.group_by("kind", "candidate", "size", maintain_order=True):
        kind, name, size = key
        found = {row["figure"]: row for row in part.iter_rows(named=True)}
        print(f"{name!s:24}{size:6,}  {kind!s:12}" + "".join(ranged(found[f]) for f in FIGURES))
        for what in ("ceiling", "floor"):
            label = "  a real sample" if what == "ceiling" else "  independent draws"
            figures = "".join(f"{number(found[f][what]):>18}" for f in FIGURES)
            print(f"{label:24}{'':6}  {'':12}{figures}")
    graded = rows.filter((pl.col("evidence") != "all") & (pl.col("figure") == "replicated"))
    print("\nreplicated, by the original p-value (in brackets: a real sample)")
    for key, part in graded.group_by("kind", "candidate", maintain_order=True):
        cells = [
            f"{row['evidence']}: {number(row['value'])} ({number(row['ceiling'])})"
            for row in part.iter_rows(named=True)
        ]
        print(f"  {key[1]!s:24}{key[0]!s:14}" + "   ".join(cells))


def ranged(row: Mapping[str, float]) -> str:
    return f"{number(row['value'])} [{number(row['low'])},{number(row['high'])}]".rjust(18)


if __name__ == "__main__":
    main(*sys.argv[1:2])
