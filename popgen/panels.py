"""Recorded persona panels of a language model, which come with popgen, as populations."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.codebook import Codebook
from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.folder import Folder
from popgen.frames import load_frame
from popgen.microdata import Population
from popgen.provenance import provenance
from popgen.shipped import shipped
from popgen.survey import read_microdata
from popgen.writing import sha256

ARMS = ("direct", "fill", "judge")
"""Arms that are panels of whole people."""
GROUPED = {
    "college": ("four_year", "postgrad"),
    "noncollege": ("no_hs", "high_school", "some_college", "two_year"),
}
"""Levels of education that the prompt of the conditional shares let the model state together."""


@dataclass(frozen=True, eq=False)
class Conditional:
    """Shares of one variable that a model stated given the levels of others.

    Attributes
    ----------
    domain : Domain
        The given variables, then the target.
    shares : array, shape ``domain.shape``
        In [0, 1]; they add up to 1 along the last axis.
    """

    domain: Domain
    shares: NDArray[np.float64]


def read_panel(arm: str) -> Population:
    """Read the recorded language-model panel of one arm, all its runs pooled.

    Parameters
    ----------
    arm : {'direct', 'fill', 'judge'}
        ``direct``: personas that the model invented, given the one-way shares. ``fill``: real
        profiles of five attributes, completed by the model. ``judge``: independent draws that the
        model let pass as plausible.

    Returns
    -------
    Population
        Over the variables of ``us_panel_2020``; its provenance has the model, the date, the
        prompts' and recordings' names and the recordings' sha256.

    Raises
    ------
    PopgenError
        For an unknown arm, or a recording that is absent or altered.

    Examples
    --------
    >>> len(read_panel("direct")), len(read_panel("judge"))
    (1188, 423)
    """
    if arm not in ARMS:
        raise PopgenError(f"no recorded panel {arm!r}; there are {listed(ARMS)}")
    folder, card = _card()
    entry = card["arms"][arm]
    files = [*entry["runs"], *([entry["rows"]] if "rows" in entry else [])]
    digests = {name: checked_recording(folder, name, card["files"]) for name in files}
    frames = {name: load_frame(folder / name)[0] for name in files}
    rows = frames[entry["rows"]] if "rows" in entry else None
    people = pl.concat(_completed(frames[name], rows) for name in entry["runs"])
    codebook = Folder.open(card["population"]).codebook
    coded = read_microdata(people, Codebook(codebook.variables), variables=list(codebook.variables))
    about = {key: card[key] for key in ("model", "provider", "recorded", "how", "forbidden")}
    record = provenance(arm=arm, people=len(coded), prompt=entry["prompt"], inputs=digests, **about)
    return Population(coded.domain, coded.codes, provenance=record)


def recordings(arm: str) -> dict[str, list[pl.DataFrame]]:
    """Read the files of a recorded arm as they are: its ``runs``, ``rows`` and ``key``.

    Raises
    ------
    PopgenError
        For an unknown arm, or a recording that is absent or altered.

    Examples
    --------
    >>> [len(run) for run in recordings("evidence")["runs"]]
    [80, 80, 80]
    """
    folder, card = _card()
    if arm not in card["arms"]:
        raise PopgenError(f"no recorded arm {arm!r}; there are {listed(card['arms'])}")
    entry, found = card["arms"][arm], {}
    for part in ("runs", "rows", "key"):
        names = entry.get(part, [])
        names = [names] if isinstance(names, str) else names
        for name in names:
            checked_recording(folder, name, card["files"])
        found[part] = [load_frame(folder / name)[0] for name in names]
    return found


def read_conditionals() -> tuple[Conditional, ...]:
    """Read the conditional shares that the language model stated, one table a set of conditions.

    A condition on a group of levels (college) is one on each of them.

    Raises
    ------
    PopgenError
        If the recording is absent or altered.

    Examples
    --------
    >>> tables = read_conditionals()
    >>> len(tables), tables[1].domain.names
    (13, ('age', 'race', 'education'))
    """
    folder, card = _card()
    variables = Folder.open(card["population"]).codebook.variables
    rows = [
        row
        for name in card["arms"]["conditionals"]["runs"]
        if checked_recording(folder, name, card["files"])
        for row in load_frame(folder / name)[0].iter_rows(named=True)
    ]
    return conditionals_of(rows, variables, GROUPED)


def conditionals_of(
    rows: Iterable[Mapping[str, Any]],
    variables: Mapping[str, Variable],
    groups: Mapping[str, Sequence[str]],
) -> tuple[Conditional, ...]:
    """Put stated shares together: one table a target and set of conditions.

    Parameters
    ----------
    rows : iterable of mappings
        ``target``; ``given``, written ``name=level&name=level``; ``level``; ``share``, percent.
    variables : mapping of str to Variable
    groups : mapping of str to levels
        Names that a condition may have for several levels together: it is then one on each.

    Raises
    ------
    PopgenError
        For an unknown level, or conditions whose shares are all 0 or not stated.
    """
    found: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for row in rows:
        stated = dict(part.split("=", 1) for part in row["given"].split("&"))
        stated[row["target"]] = row["level"]
        domain = Domain(tuple(variables[key] for key in stated))
        shares = found.setdefault(domain.names, np.zeros(domain.shape))
        cells = [
            [domain[key].index(one) for one in groups.get(value, (value,))]
            for key, value in stated.items()
        ]
        shares[np.ix_(*cells)] += float(row["share"])
    tables = []
    for names, shares in found.items():
        domain, totals = Domain(tuple(variables[name] for name in names)), shares.sum(axis=-1)
        if (empty := np.flatnonzero(totals == 0)).size:
            cell = domain.project(*names[:-1]).cell(int(empty[0]))
            raise PopgenError(
                f"no share of {names[-1]!r} is stated given {cell} ({empty.size} such condition(s))"
            )
        tables.append(Conditional(domain, shares / totals[..., None]))
    return tuple(tables)


def _card() -> tuple[Path, dict[str, Any]]:
    """Give the folder of the recordings, and what its card says of them."""
    folder = shipped("personas")
    return folder, tomllib.loads((folder / "card.toml").read_text(encoding="utf-8"))


def _completed(run: pl.DataFrame, rows: pl.DataFrame | None) -> pl.DataFrame:
    """Put what the model wrote beside what it was given, and keep what it let pass."""
    if rows is None:
        return run
    people = rows.join(run, on="id", how="inner", validate="1:1", maintain_order="left").drop("id")
    if "verdict" in people.columns:
        people = people.filter(pl.col("verdict") == 1).drop("verdict")
    return people


def checked_recording(folder: Path, name: str, listing: Sequence[Mapping[str, Any]]) -> str:
    """Return a recording's sha256, after making sure that it is the one its card states.

    Raises
    ------
    PopgenError
        If it is absent or altered.
    """
    stated = next((entry["sha256"] for entry in listing if entry["path"] == name), None)
    if not (folder / name).is_file() or sha256(folder / name) != stated:
        raise PopgenError(
            f"{folder / name} is not the recording that card.toml describes: it is absent or its "
            "sha256 differs; install popgen again"
        )
    return str(stated)
