"""Elicited conditionals: the model states conditional shares, and their joint is drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from popgen.errors import PopgenError
from popgen.integerise import integerise
from popgen.methods._elicited import elicited_joint
from popgen.microdata import Population
from popgen.panels import conditionals_of
from popgen.personas.arm import Talk, Task, answered
from popgen.personas.request import BETWEEN, SHARE, Column, Request
from popgen.personas.told import Told
from popgen.table import MOST_CELLS, Table

PROMPT = """\
You are asked for your best estimates of conditional shares in the population described below. \
Give numbers that agree with
the overall shares as far as you can. Write one CSV with the columns: target,given,level,share \
(share in percent; the levels of
each target given one condition add up to 100). "given" is written name=level&name=level. Cover \
every combination of:
{tables}
"""
Rule = tuple[str, tuple[str, ...]]
"""A variable, and those that are given."""


@dataclass(frozen=True)
class Conditionals:
    """Ask for conditional shares, find the joint that has them best, and draw people from it."""

    about: ClassVar[str] = "the model states conditional shares; people are drawn from their joint"
    records: ClassVar[bool] = False
    most_rounds: ClassVar[int] = 1

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the instruction and the description."""
        remarks = told.about.get("chain_remarks", {})
        lines = []
        for number, (target, names) in enumerate(chain_of(told), 1):
            rule = f"{target} given {'&'.join(names)}"
            lines.append(f"{number}. {rule}" + (f"   ({remarks[rule]})" if rule in remarks else ""))
        return PROMPT.format(tables="\n".join(lines)) + told.text()

    def talk(self, task: Task) -> Talk:
        """Ask for all tables at once: they are to agree with one another.

        Raises
        ------
        PopgenError
            If the joint would have too many cells for a table.
        """
        if (size := task.told.domain.size) > MOST_CELLS:
            raise PopgenError(
                f"the joint of {len(task.told.domain)} variables has {size:,} cells; tell the "
                f"model of fewer, so that there are at most {MOST_CELLS:,}"
            )
        replies = yield [request_of(self, task.told)]
        rows = answered(replies)
        if not rows:
            return pl.DataFrame()
        grouped = task.told.about.get("grouped", {}).values()
        groups = {
            name: held for rule in grouped for sets in rule.values() for name, held in sets.items()
        }
        stated = conditionals_of(rows, task.told.codebook.variables, groups)
        return _drawn(elicited_joint(stated, list(task.told.shares.values())), task)


def chain_of(told: Told) -> list[Rule]:
    """Say which tables are asked for: the description's chain, or every pair of variables."""
    names = told.domain.names
    chain = told.about.get("chain")
    if len(names) < 2:
        raise PopgenError(f"conditional shares need at least 2 variables; there is {names[0]!r}")
    if chain is None:
        return [(late, (early,)) for early, late in itertools.combinations(names, 2)]
    rules = []
    for text in chain:
        target, _, given = text.partition(" given ")
        rule = (target.strip(), tuple(part.strip() for part in given.split("&")))
        if not {rule[0], *rule[1]} <= set(names) or rule[0] in rule[1]:
            raise PopgenError(
                f"chain: {text!r} must be 'variable given variable&variable', each told of here "
                f"({', '.join(names)}); give a description with a chain of its own"
            )
        rules.append(rule)
    return rules


def request_of(arm: Conditionals, told: Told) -> Request:
    """Ask for every cell of every table of the chain."""
    cells: list[tuple[str, str, str]] = []
    for target, names in chain_of(told):
        grouped = told.about.get("grouped", {}).get(f"{target} given {'&'.join(names)}", {})
        levels = [[f"{n}={v}" for v in grouped.get(n, told.domain[n].levels)] for n in names]
        conditions = ["&".join(parts) for parts in itertools.product(*levels)]
        cells += itertools.product([target], conditions, told.domain[target].levels)
    targets, givens, held = (tuple(dict.fromkeys(column)) for column in zip(*cells, strict=True))
    columns: dict[str, Column] = {"target": targets, "given": givens, "level": held, "share": SHARE}
    ids = tuple(BETWEEN.join(cell) for cell in cells)
    identity = ("target", "given", "level")
    return Request(arm.prompt(told, (), 0), columns, len(cells), ids, identity=identity)


def _drawn(joint: Table, task: Task) -> pl.DataFrame:
    """Draw people from a joint, in random order."""
    rng = np.random.default_rng(task.rng)
    times = integerise(joint.counts.ravel(), task.people, rng=rng)
    cells = rng.permutation(np.repeat(np.arange(len(times)), times))
    codes = np.column_stack(np.unravel_index(cells, joint.domain.shape)).astype(np.int16)
    return Population(joint.domain, codes).to_polars().cast(pl.String)
