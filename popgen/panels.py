"""Recorded persona panels of a language model, which come with popgen, as populations."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from popgen.codebook import Codebook
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
    folder = shipped("personas")
    card = tomllib.loads((folder / "card.toml").read_text(encoding="utf-8"))
    entry = card["arms"][arm]
    files = [*entry["runs"], *([entry["rows"]] if "rows" in entry else [])]
    digests = {name: _checked(folder, name, card["files"]) for name in files}
    frames = {name: load_frame(folder / name)[0] for name in files}
    rows = frames[entry["rows"]] if "rows" in entry else None
    people = pl.concat(_completed(frames[name], rows) for name in entry["runs"])
    codebook = Folder.open(card["population"]).codebook
    coded = read_microdata(people, Codebook(codebook.variables), variables=list(codebook.variables))
    about = {key: card[key] for key in ("model", "provider", "recorded", "how", "forbidden")}
    record = provenance(arm=arm, people=len(coded), prompt=entry["prompt"], inputs=digests, **about)
    return Population(coded.domain, coded.codes, provenance=record)


def _completed(run: pl.DataFrame, rows: pl.DataFrame | None) -> pl.DataFrame:
    """Put what the model wrote beside what it was given, and keep what it let pass."""
    if rows is None:
        return run
    people = rows.join(run, on="id", how="inner", validate="1:1", maintain_order="left").drop("id")
    if "verdict" in people.columns:
        people = people.filter(pl.col("verdict") == 1).drop("verdict")
    return people


def _checked(folder: Path, name: str, listing: Sequence[Mapping[str, Any]]) -> str:
    stated = next(entry["sha256"] for entry in listing if entry["path"] == name)
    if not (folder / name).is_file() or sha256(folder / name) != stated:
        raise PopgenError(
            f"{folder / name} is not the recording that card.toml describes: it is absent or its "
            "sha256 differs; install popgen again"
        )
    return str(stated)
