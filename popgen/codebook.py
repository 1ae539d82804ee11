"""`Codebook`: a place's variables, their coarsenings, and how raw survey values become levels."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from popgen.bands import Bands
from popgen.domain import Coarsening, Domain, Variable
from popgen.errors import PopgenError, listed


@dataclass(frozen=True)
class Recode:
    """Where a variable stands in raw survey files, and which raw value means which level.

    Attributes
    ----------
    column : str
        Name of the raw column.
    values : mapping of str to str
        Raw value, written as text, to level.
    otherwise : str or None
        Level of every other recorded value; None refuses them.
    missing : str or None
        Level of values that were not recorded; None leaves them missing.
    bands : Bands or None
        Levels of every other value, if the column holds numbers.
    """

    column: str
    values: Mapping[str, str]
    otherwise: str | None = None
    missing: str | None = None
    bands: Bands | None = None

    def __reduce__(self) -> tuple[Any, ...]:  # a read-only mapping cannot be pickled
        values = dict(self.values)
        return Recode, (self.column, values, self.otherwise, self.missing, self.bands)


@dataclass(frozen=True)
class Codebook:
    """Variables by name, coarsenings by the name of their coarse variable, and recodes.

    Examples
    --------
    >>> age = Variable("age", ("0-17", "18-64", "65+"))
    >>> adult = Coarsening.from_groups(age, "adult", {"yes": ["18-64", "65+"]})
    >>> book = Codebook.of(coarsenings=[adult])
    >>> book["adult"].levels, book.root("adult").name
    (('yes',), 'age')
    """

    variables: Mapping[str, Variable] = field(default_factory=dict)
    coarsenings: Mapping[str, Coarsening] = field(default_factory=dict)
    recodes: Mapping[str, Recode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("variables", "coarsenings", "recodes"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        for name, rule in self.coarsenings.items():
            for variable, stated in ((rule.fine, rule.fine.name), (rule.coarse, name)):
                if self.variables.get(stated) != variable:
                    raise PopgenError(
                        f"the coarsening {rule.fine.name!r} -> {name!r} and the codebook disagree "
                        f"on the variable {stated!r} or its levels {listed(variable.levels)}"
                    )
            self._refuse_circle(name)

    def _refuse_circle(self, name: str) -> None:
        seen = [name]
        while seen[-1] in self.coarsenings:
            seen.append(self.coarsenings[seen[-1]].fine.name)
            if seen[-1] == name:
                raise PopgenError(
                    f"coarsenings go in a circle: {' -> '.join(reversed(seen))}; leave one out"
                )

    def __reduce__(self) -> tuple[Any, ...]:  # so that problems and models can go to processes
        return Codebook, (dict(self.variables), dict(self.coarsenings), dict(self.recodes))

    @classmethod
    def of(
        cls, variables: Iterable[Variable] = (), coarsenings: Iterable[Coarsening] = ()
    ) -> Codebook:
        """Build a codebook in Python; the variables of the coarsenings need not be named again."""
        coarsenings = list(coarsenings)
        rules = {rule.coarse.name: rule for rule in coarsenings}
        if len(rules) < len(coarsenings):
            raise PopgenError(
                "a variable coarsens one other; there are two coarsenings onto one of "
                f"{listed(rules)}"
            )
        known = {variable.name: variable for variable in variables}
        for rule in rules.values():
            known.setdefault(rule.fine.name, rule.fine)
            known.setdefault(rule.coarse.name, rule.coarse)
        return cls(known, rules)

    def __getitem__(self, name: str) -> Variable:
        try:
            return self.variables[name]
        except KeyError:
            raise PopgenError(
                f"the codebook has no variable {name!r}; it has {listed(self.variables, most=30)}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def domain(self, *names: str) -> Domain:
        """Return the domain of some of the variables."""
        return Domain(tuple(self[name] for name in names))

    def keeping(self, levels: Mapping[str, Iterable[str]]) -> Codebook:
        """Return the codebook with only some levels of some variables.

        A coarse level of which only a part is left then has no fine level: it straddles them.
        """
        variables = dict(self.variables)
        for name, kept in levels.items():
            variables[name] = self[name].keep(list(kept))
        rules = {
            name: rule.restricted(variables[rule.fine.name], variables[name])
            for name, rule in self.coarsenings.items()
        }
        return Codebook(variables, rules, self.recodes)

    @property
    def bands(self) -> dict[str, Bands]:
        """Of variables that are bands of a number: which interval each level is."""
        return {name: recode.bands for name, recode in self.recodes.items() if recode.bands}

    def root(self, name: str) -> Variable:
        """Return the finest variable that this one coarsens (itself if it coarsens none)."""
        while name in self.coarsenings:
            name = self.coarsenings[name].fine.name
        return self.variables[name]

    def covers(self, name: str) -> bool:
        """Whether everybody is in some level of the variable: no fine level lies outside it."""
        path = self.path(self.root(name).name, name)
        return path is not None and path.complete

    def path(self, fine: str, coarse: str) -> Coarsening | None:
        """Return the coarsening from one variable onto another; None if there is none.

        It is composed, or found through the variable that both coarsen if every level of ``fine``
        is in one level of ``coarse`` (five-year bands in ten-year bands).
        """
        if fine == coarse:
            return Coarsening.by_name(self[fine], self[fine])
        if coarse in self.coarsenings:
            rule = self.coarsenings[coarse]
            first = self.path(fine, rule.fine.name)
            if first is not None:
                return first.then(rule)
        root = self.root(fine).name
        if fine == root or root != self.root(coarse).name:
            return None
        one, two = self.path(root, fine), self.path(root, coarse)
        return None if one is None or two is None else one.to_nested(two)


def read_codebook(path: str | os.PathLike[str]) -> Codebook:
    """Read a codebook from TOML.

    A variable gives ``levels`` as a list, or ``coarsens`` with ``levels`` as a table of
    ``coarse level = [fine levels]``. ``[recode.<variable>]`` gives ``column`` and ``values``, or
    ``edges`` (and perhaps ``unit``) if its levels are bands of a number: see `Bands`.

    Raises
    ------
    PopgenError
        If the file is absent, not TOML, or a variable or level does not add up.
    """
    data = read_toml(path)
    try:
        return codebook_of(data)
    except PopgenError as error:
        raise PopgenError(f"{path}: {error}") from error


def codebook_of(data: Mapping[str, Any]) -> Codebook:
    """Make a codebook of what a TOML file says; see `read_codebook`."""
    variables: dict[str, Variable] = {}
    coarsenings: dict[str, Coarsening] = {}
    waiting = dict(data.get("variables", {}))
    while waiting:
        ready = [
            name
            for name, entry in waiting.items()
            if "coarsens" not in entry or entry["coarsens"] in variables
        ]
        if not ready:
            raise PopgenError(
                f"variables {listed(waiting)} coarsen variables that the codebook does not define"
            )
        for name in ready:
            entry = waiting.pop(name)
            if "levels" not in entry:
                raise PopgenError(f"variable {name!r} has no 'levels'")
            if isinstance(entry["levels"], Mapping) != ("coarsens" in entry):
                raise PopgenError(
                    f"variable {name!r}: 'levels' must be a list, or, with 'coarsens', a table of "
                    "'coarse level' = ['fine levels']"
                )
            if "coarsens" in entry:
                fine = variables[entry["coarsens"]]
                rule = Coarsening.from_groups(fine, name, entry["levels"])
                coarsenings[name] = rule
                variables[name] = rule.coarse
            else:
                variables[name] = Variable(name, entry["levels"])
    recodes = {}
    for name, entry in data.get("recode", {}).items():
        recodes[name] = _recode(name, entry, variables)
    return Codebook(variables, coarsenings, recodes)


def _recode(name: str, entry: Mapping[str, Any], variables: Mapping[str, Variable]) -> Recode:
    if name not in variables:
        raise PopgenError(f"recode of {name!r}: no such variable; there are {listed(variables)}")
    if "column" not in entry or not {"values", "edges"} & set(entry):
        raise PopgenError(f"recode of {name!r} needs 'column', and 'values' or 'edges'")
    values = dict(entry.get("values", {}))
    otherwise, missing = entry.get("otherwise"), entry.get("missing")
    for level in (*values.values(), otherwise, missing):
        if level is not None:
            variables[name].index(level)
    bands = None
    if "edges" in entry:
        if otherwise is not None:
            raise PopgenError(f"recode of {name!r} has 'edges', so 'otherwise' would never be used")
        named = {*values.values(), missing}  # levels that are no number
        levels = [level for level in variables[name].levels if level not in named]
        bands = banded(name, entry["edges"], levels, entry.get("unit", ""))
    return Recode(entry["column"], MappingProxyType(values), otherwise, missing, bands)


def banded(name: str, edges: Sequence[float], levels: Sequence[str], unit: str = "") -> Bands:
    """Make the bands of a variable; the message of what is wrong with them names it."""
    try:
        return Bands(tuple(levels), tuple(edges), unit)
    except PopgenError as error:
        raise PopgenError(f"bands of {name!r}: {error}") from error


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Parse a TOML file; absence, wrong encoding and syntax errors are named."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise PopgenError(f"there is no file {path}") from None
    except UnicodeDecodeError as error:
        raise PopgenError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise PopgenError(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise PopgenError(f"{path} is not valid TOML: {error}") from None
