"""`Told`: a population as a language model is told of it, in words and one-way shares."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from popgen.census import Census
from popgen.codebook import Codebook, read_toml
from popgen.domain import Domain
from popgen.errors import PopgenError, listed
from popgen.table import Table

KEYS = ("who", "largest_first", "chain", "remarks", "chain_remarks", "grouped")
NUMBERS = [
    "No",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
]


@dataclass(frozen=True, eq=False)
class Told:
    """A population described to a model.

    Attributes
    ----------
    who : str
        Who the people are, in words.
    domain : Domain
        The variables, in the order told.
    shares : mapping of str to Table
        One-way tables of people, by variable.
    about : mapping
        ``remarks`` on variables, those told ``largest_first``, and the ``chain`` of conditional
        shares to ask for, as in the TOML file that `Told.of` takes.

    Examples
    --------
    >>> from popgen.census import read_census
    >>> told = Told.of(read_census("us_panel_2020", margins=["one_way"]))
    >>> print(told.text().splitlines()[3])
    gender: female 57.8; male 42.2
    """

    who: str
    domain: Domain
    shares: Mapping[str, Table]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        census: Census,
        *,
        variables: Sequence[str] | None = None,
        about: str | os.PathLike[str] | None = None,
    ) -> Told:
        """Describe a census by its one-way shares.

        Parameters
        ----------
        census : Census
        variables : names, optional
            Default: all that its margins have, in the codebook's order.
        about : path, optional
            TOML with ``who``, ``largest_first`` (variables whose levels are told by their size),
            ``[remarks]`` by variable, ``chain`` ("vote given age&race"), and by rule of the chain
            ``[chain_remarks]`` and ``[grouped]`` (levels that it takes together). Default: the one
            that comes with popgen for the place, if any.

        Raises
        ------
        PopgenError
            For an unknown variable or an unknown key in the file.
        """
        there = census.domain.names
        names = variables or [name for name in census.codebook.variables if name in there]
        own = Path(__file__).with_name(f"{census.place}.toml")
        file = own if about is None and own.is_file() else about
        stated = {} if file is None else read_toml(file)
        if strange := sorted(set(stated) - set(KEYS)):
            raise PopgenError(f"{file} has unknown key(s) {listed(strange)}; known: {listed(KEYS)}")
        shares = {name: census.project(name) for name in names}
        domain = Domain(tuple(table.domain.variables[0] for table in shares.values()))
        where = "" if census.zone is None else f", {census.zone}"
        default = f"{census.universe or 'people'} of {census.about.get('title', census.place)}"
        return cls(stated.get("who", default + where), domain, shares, stated)

    @property
    def codebook(self) -> Codebook:
        """The variables, for reading answers."""
        return Codebook({variable.name: variable for variable in self.domain})

    def text(self) -> str:
        """Write the description: who they are, and each variable's shares in percent."""
        count = len(self.domain)
        number = NUMBERS[count] if count < len(NUMBERS) else str(count)
        noun = "attribute" if count == 1 else "attributes"
        lines = [
            f"Population: {self.who}.",
            f"{number} categorical {noun}, with the share of the population in each level "
            "(percent):",
            "",
        ]
        return "\n".join([*lines, *map(self._line, self.domain.names)]) + "\n"

    def _line(self, name: str) -> str:
        table = self.shares[name].shares
        told = list(zip(table.domain[name].levels, table.counts.tolist(), strict=True))
        if name in self.about.get("largest_first", ()):
            told.sort(key=lambda level: -level[1])
        remark = self.about.get("remarks", {}).get(name)
        head = name if remark is None else f"{name} ({remark})"
        return f"{head}: " + "; ".join(f"{level} {100 * share:.1f}" for level, share in told)
