"""Recordings: the rows that a model wrote in answer to an arm's prompt, replayed offline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from popgen.census import read_census
from popgen.codebook import read_toml
from popgen.errors import PopgenError, listed
from popgen.frames import load_frame
from popgen.panels import checked_recording
from popgen.personas.arm import Arm, Asked, Task, converse
from popgen.personas.arms import ARMS
from popgen.personas.arms.judge import Judge
from popgen.personas.request import SHARE, Reply, Request, Row
from popgen.personas.told import Told
from popgen.provenance import provenance
from popgen.shipped import shipped

DRAWN = 1000
"""People drawn from the joint of recorded conditional shares."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One arm of a folder of recordings.

    Attributes
    ----------
    arm : Arm
    task : Task
        What the model was asked, all of a run in one request.
    runs : tuple of polars.DataFrame
        What it wrote, a file a run.
    about : mapping
        The card's account: model, provider, date, prompts, sha256 of the files.
    """

    arm: Arm
    task: Task
    runs: tuple[pl.DataFrame, ...]
    about: dict[str, Any]

    @classmethod
    def of(cls, name: str, folder: str | os.PathLike[str] | None = None) -> Recording:
        """Open a recorded arm.

        Parameters
        ----------
        name : str
            Of the arm, as in the card.
        folder : path, optional
            With ``card.toml``, which states the population (a place), the arms' files and their
            sha256. Default: the recordings that come with popgen.

        Raises
        ------
        PopgenError
            If there is no card, the card has no such arm, or a file is absent or altered.
        """
        where = shipped("personas") if folder is None else Path(folder)
        if not (where / "card.toml").is_file():
            raise PopgenError(f"{where} has no card.toml, which says what was recorded")
        card = read_toml(where / "card.toml")
        _need(card, ("population", "files", "arms"), where)
        there = [arm for arm in card["arms"] if arm in ARMS]
        if name not in there:
            raise PopgenError(f"no recorded arm {name!r}; there are {listed(there)}")
        entry = card["arms"][name]
        _need(entry, ("prompt", "runs"), where)
        files = [*entry["runs"], *([entry["rows"]] if "rows" in entry else [])]
        inputs, prompts = (
            {file: checked_recording(where, file, card["files"]) for file in some}
            for some in (files, entry["prompt"])
        )
        runs = tuple(load_frame(where / file, text=True)[0] for file in entry["runs"])
        records = load_frame(where / entry["rows"], text=True)[0] if "rows" in entry else None
        told = Told.of(read_census(card["population"], margins=["one_way"]))
        size = max(map(len, runs)) if records is None else len(records)
        people = DRAWN if name == "conditionals" else size * len(runs)
        task = Task(told, people, size, records)
        arm = Judge(rounds=1) if name == "judge" else ARMS[name]()
        about = {key: card.get(key) for key in ("model", "provider", "recorded", "how")}
        return cls(arm, task, runs, {**about, "prompt_sha256": prompts, "inputs": inputs})

    def replay(self) -> Asked:
        """Let the arm talk to the recording: the same people, offline.

        Raises
        ------
        PopgenError
            If a run is not an answer to what the arm asks.
        """
        return converse(self.arm, self.task, self._answers)

    def provenance(self, asked: Asked) -> dict[str, Any]:
        """Say where replayed people come from."""
        return provenance(arm=repr(self.arm), people=len(asked.people), **self.about)

    def _answers(self, requests: Sequence[Request]) -> list[Reply]:
        if len(requests) != len(self.runs):
            raise PopgenError(f"{len(self.runs)} recorded run(s) for {len(requests)} request(s)")
        pairs = zip(requests, self.runs, strict=True)
        return [_reply(request, run, str(self.about["model"])) for request, run in pairs]


def _need(card: Mapping[str, Any], keys: Sequence[str], where: Path) -> None:
    if absent := [key for key in keys if key not in card]:
        raise PopgenError(f"{where / 'card.toml'} does not state {listed(absent)}")


def _reply(request: Request, run: pl.DataFrame, model: str) -> Reply:
    shares = [name for name, kind in request.columns.items() if kind == SHARE]
    rows: Sequence[Row] = run.with_columns(pl.col(shares).cast(pl.Float64)).to_dicts()
    return Reply(request, "answered", rows=request.checked(rows), model=model)
