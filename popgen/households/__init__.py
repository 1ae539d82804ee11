"""Households and persons in nested zones: one calibration for all levels, then whole households.

Where things are, in the order in which a problem goes through them:

what is known
    `geography`, `units` (the survey), `controls` (cells of one level) and, of these, `problem`.
    `posing` makes it of tables: `area_tables` finds cells, `statements` has margins agree.
folders
    `read` tells ``popgen.toml`` (`config`, `_schema`, `margins`, `kinds`, `expressions`) from
    PopulationSim's folder (`populationsim` and its two siblings); what they find is a `plan`.
    `records` reads files, `reach` looks for figures that nobody adds to, `faults` keeps mistakes.
weights
    `fit` asks; `cells` and `nesting` lay out arrays (`_nest`), `_newton` is the solver, `_absolute`
    and `capping` go on from it, `infeasible` and `least_cap` say why there are no such weights.
whole households
    `placing` parts them into tasks; `whole` does one, by what `metric` weighs and `_exchange` and
    `_whole` do in their loops. `rounding` has the other ways, `persons` the last repair.
people
    `expand` copies records and `naming` names their columns; `populate` makes all at once, `run`
    writes them region by region (`batch`, `job`, `manifest`). `report` says how well areas are met.
"""
