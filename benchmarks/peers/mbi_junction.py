"""mbi (private-pgm): maximum entropy on a junction tree.

https://github.com/ryan112358/private-pgm (Apache 2). Mirror descent on the marginal polytope, exact
inference. Where the junction tree of all tables is too large, tables enter by mutual information,
the stated ones first, the records' pairs after them, as long as the tree has at most MOST_CELLS.
"""

from __future__ import annotations

import itertools

import jax
import numpy as np
from mbi import Domain, LinearMeasurement, estimation, extensions, junction_tree

from peers.given import Array, Given, Margin, People

REQUIREMENTS = ("mbi==2.0.0",)
NEEDS = ()
MOST_CELLS = 2_000_000
STEPS = 1000


def people(given: Given) -> People:
    jax.config.update("jax_enable_x64", True)
    domain = Domain(given.names, given.shape)
    kept: list[Margin] = []
    for table in by_information(given):
        cliques = [some.names for some in (*kept, table)]
        if junction_tree.hypothetical_model_size(domain, cliques) * 2**20 / 8 <= MOST_CELLS:
            kept.append(table)
    print(f"{len(kept)} tables")
    measured = [
        LinearMeasurement(table.counts.ravel(), table.names, stddev=float(np.mean(table.se)))
        for table in kept
    ]
    model = estimation.MirrorDescent().estimate(domain, measured, given.total, iters=STEPS)
    drawn = extensions.synthetic_data(model, given.people, seed=given.rng)
    columns = drawn.to_dict()
    return People(np.column_stack([np.asarray(columns[name]) for name in given.names]))


def by_information(given: Given) -> list[Margin]:
    """Return all tables, most informative first: one-way shares, the stated, the records'."""
    stated = [
        Margin(m.names, m.counts, np.ones(1) if m.se is None else m.se) for m in given.margins
    ]
    ones = [
        Margin((name,), given.total * given.shares(name), np.ones(1))
        for name in given.names
        if not any(name in margin.names for margin in stated)
    ]
    stated = [*ones, *sorted(stated, key=lambda m: -information(m.counts))]
    if given.records is None:
        return stated
    known = {pair for m in stated for pair in itertools.combinations(sorted(m.names), 2)}
    n = given.records.effective
    pairs = []
    for pair in itertools.combinations(given.names, 2):
        if tuple(sorted(pair)) in known:
            continue
        share = given.counted(pair) / n
        rows, columns = share.shape
        gain = information(share) - (rows - 1) * (columns - 1) / 2 / n  # of which chance is so much
        noise = given.total * np.sqrt(share * (1 - share) / n)
        if gain > 0:
            pairs.append((gain, Margin(pair, given.total * share, noise)))
    return [*stated, *(table for _, table in sorted(pairs, key=lambda found: -found[0]))]


def information(counts: Array) -> float:
    """How far a table is from independence, nats."""
    share = counts / counts.sum()
    even = np.ones(())
    for axis in range(share.ndim):
        rest = tuple(i for i in range(share.ndim) if i != axis)
        even = np.multiply.outer(even, share.sum(axis=rest))
    some = share > 0
    return float((share[some] * np.log(share[some] / even[some])).sum())
