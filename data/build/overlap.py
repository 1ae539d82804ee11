"""Compare two margins on what they share: the finest cells that both can state.

Banded variables rarely share bands. Levels of the one that meet levels of the other are joined
until both sides cover the same fine levels; what cannot be joined so is left out.

popgen compares margins too (popgen/margin.py). This is a second implementation on purpose, which
imports nothing of popgen: figures that popgen reads are checked by code that popgen cannot mislead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

Groups = Mapping[str, frozenset[str]]  # level -> fine levels; empty: straddles


@dataclass(frozen=True)
class Stated:
    """A margin with what its levels mean: for each variable its fine variable, and the groups."""

    name: str
    cells: pl.DataFrame
    roots: Mapping[str, str]
    groups: Mapping[str, Groups]
    fine: Mapping[str, frozenset[str]]  # all levels of each fine variable


@dataclass(frozen=True)
class Comparison:
    """How far two margins are apart, in people, over the cells they share."""

    cells: int
    largest: int
    where: str


def joined(a: Groups, b: Groups) -> tuple[dict[str, int], dict[str, int]]:
    """Give numbers to the smallest unions of levels that both sides can state.

    >>> a = {"0-4": frozenset("x"), "5-9": frozenset("y"), "10+": frozenset("z")}
    >>> b = {"0-9": frozenset("xy")}
    >>> joined(a, b)
    ({'0-4': 0, '5-9': 0}, {'0-9': 0})
    """
    left, right = dict[str, int](), dict[str, int]()
    waiting = {level for level, parts in a.items() if parts}
    number = 0
    for start in a:
        if start not in waiting:
            continue
        ours, theirs, covered, other = {start}, set[str](), a[start], frozenset[str]()
        while True:
            theirs = {level for level, parts in b.items() if parts & covered}
            other = frozenset().union(*(b[level] for level in theirs))
            ours = {level for level, parts in a.items() if parts & (other | covered)}
            wider = frozenset().union(*(a[level] for level in ours))
            if wider == covered:
                break
            covered = wider
        waiting -= ours
        if covered == other:
            left |= dict.fromkeys(sorted(ours), number)
            right |= dict.fromkeys(sorted(theirs), number)
            number += 1
    return left, right


def _patterns(one: Stated) -> dict[str, tuple[frozenset[str], ...]]:
    """Give, for each state, the levels of each variable that are there."""
    sets = one.cells.group_by("state").agg(pl.col(name).unique() for name in one.roots)
    return {row[0]: tuple(frozenset(levels) for levels in row[1:]) for row in sets.rows()}


def _added(
    one: Stated, states: Iterable[str], numbers: Mapping[str, Mapping[str, int]]
) -> pl.DataFrame:
    """Add a margin's cells up to the joined levels."""
    part = one.cells.filter(pl.col("state").is_in(list(states)))
    columns = [
        pl.col(name)
        .replace_strict(dict(numbers[root]), default=None, return_dtype=pl.Int64)
        .alias(root)
        for name, root in one.roots.items()
        if root in numbers
    ]
    part = part.select("state", *columns, "count").drop_nulls()
    return part.group_by("state", *sorted(numbers)).agg(pl.col("count").sum())


def _whole(one: Stated, present: Mapping[str, frozenset[str]], shared: set[str]) -> bool:
    """Say whether every variable that is added away is there with all its levels."""
    return all(
        frozenset().union(*(one.groups[name][level] for level in present[name])) == one.fine[root]
        for name, root in one.roots.items()
        if root not in shared
    )


def compare(a: Stated, b: Stated) -> Comparison:
    """Give the largest difference over all shared cells of all states; 0 cells if none."""
    shared = set(a.roots.values()) & set(b.roots.values())
    here, there = _patterns(a), _patterns(b)
    kinds: dict[tuple[tuple[frozenset[str], ...], tuple[frozenset[str], ...]], list[str]] = {}
    for state in sorted(set(here) & set(there)):
        kinds.setdefault((here[state], there[state]), []).append(state)
    frames = []
    for (ours, theirs), states in kinds.items():
        present = dict(zip(a.roots, ours, strict=True)), dict(zip(b.roots, theirs, strict=True))
        if not (_whole(a, present[0], shared) and _whole(b, present[1], shared)):
            continue
        left, right = dict[str, dict[str, int]](), dict[str, dict[str, int]]()
        for root in shared:
            sides = [
                {level: one.groups[name][level] for level in levels[name]}
                for one, levels in zip((a, b), present, strict=True)
                for name, its_root in one.roots.items()
                if its_root == root
            ]
            left[root], right[root] = joined(*({k: s[k] for k in sorted(s)} for s in sides))
        frames.append(
            _added(a, states, left).join(
                _added(b, states, right), on=["state", *sorted(shared)], how="inner"
            )
        )
    both = pl.concat(frames) if frames else pl.DataFrame()
    if both.is_empty():
        return Comparison(0, 0, "")
    apart = both.with_columns((pl.col("count") - pl.col("count_right")).abs().alias("apart"))
    worst = apart.sort("apart", "state", descending=[True, False]).row(0, named=True)
    return Comparison(both.height, int(worst["apart"]), str(worst["state"]))
