"""`Span`: the variables that a set of margins speaks of, and each table stated on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popgen.codebook import Codebook
from popgen.domain import Coarsening, Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.margin import Margin
from popgen.table import Table
from popgen.tables import Tables


class Span:
    """A model's variables, and how tables on other levels of them map onto those.

    For each variable of the tables, the model has the finest if they are nested and it covers
    everybody, else the fine variable that all coarsen (ADR 4): a table on a variable that leaves
    people out then speaks of part of the people. Only if every table leaves them out, so does the
    model, and a note says so. Or the model has the variables of a domain that is given.

    Parameters
    ----------
    tables : Tables
    codebook : Codebook
    domain : Domain, optional
        The model's variables, where they are known: those of the microdata.

    Attributes
    ----------
    domain : Domain
        The model's variables.
    notes : list of str
        What was done to tables to state them on the model's variables, in words.

    Examples
    --------
    >>> from popgen.codebook import Codebook
    >>> age = Variable("age", ("0-17", "18-64", "65+"))
    >>> rule = Coarsening.from_groups(age, "adult", {"child": ["0-17"], "adult": ["18-64", "65+"]})
    >>> book = Codebook.of([age, rule.coarse], [rule])
    >>> tables = Tables([Table(Domain((age,)), [2, 5, 3]), Table(Domain((rule.coarse,)), [2, 8])])
    >>> span = Span(tables, book)
    >>> span.domain.names, span.margin("adult", tables["adult"]).maps[0].codes.tolist()
    (('age',), [0, 1, 1])
    """

    def __init__(self, tables: Tables, codebook: Codebook, domain: Domain | None = None) -> None:
        self.codebook = codebook
        self.notes: list[str] = []
        self.domain = self._spanned(tables) if domain is None else domain

    def has(self, name: str) -> bool:
        """Whether a variable is one of the model's, at some level of detail."""
        return name in self.domain or any(
            self._path(model.name, name) is not None or self._path(name, model.name) is not None
            for model in self.domain
        )

    def levels(self, name: str, levels: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """Find the model's variable behind a stated one, and its levels that lie in some levels.

        Raises
        ------
        PopgenError
            If the variable has no counterpart in the model, or a level is unknown.
        """
        if name in self.domain:
            for level in levels:
                self.domain[name].index(level)  # or it says which there are
            return name, tuple(levels)
        for model in self.domain:
            if (path := self._path(model.name, name)) is not None:
                wanted = {path.coarse.index(level) for level in levels}
                rule = path.restricted(model, path.coarse)
                inside = np.isin(rule.codes, list(wanted))
                return model.name, tuple(model.levels[i] for i in np.flatnonzero(inside))
        raise PopgenError(
            f"no variable {name!r} here, nor one that coarsens to it; there are "
            f"{listed(self.domain.names, most=30)}"
        )

    def margin(self, name: str, table: Table) -> Margin:
        """State a table on the model's variables, or say why that cannot be done.

        Raises
        ------
        PopgenError
            If a variable of the table has no counterpart in the model, or a level with people.
        """
        if not table.names:
            raise PopgenError(f"margin {name!r} has no variable; state its total over one")
        maps: list[Coarsening] = []
        for stated in table.domain.variables:
            model, rule = self._rule(name, stated)
            if rule is None:  # stated on finer levels than the records': add it up to theirs
                up = self.codebook.path(stated.name, model.name)
                assert up is not None  # _rule found it
                table = self._added_up(name, table, up)
                rule = Coarsening.by_name(model, table.domain[model.name])
            table, rule = self._reachable(name, table, rule)
            if any(rule.fine.name == other.fine.name for other in maps):
                raise PopgenError(
                    f"margin {name!r} {table.names} states {rule.fine.name!r} twice, at two levels "
                    "of detail; sum one of them out"
                )
            maps.append(rule)
        return Margin(name, table, tuple(maps))

    def _added_up(self, name: str, table: Table, up: Coarsening) -> Table:
        coarse = table.coarsen(up)
        note = f"margin {name!r}: {up.fine.name!r} added up to {up.coarse.name!r}"
        if (left := table.total - coarse.total) > 0:
            note += f"; {left:,.6g} people left out, in levels that it does not state in full"
        self.notes.append(note)
        return coarse

    def _spanned(self, tables: Tables) -> Domain:
        by_root: dict[str, list[Variable]] = {}
        for variable in tables.domain:
            known = variable.name in self.codebook
            root = self.codebook.root(variable.name).name if known else variable.name
            by_root.setdefault(root, []).append(variable)
        found = []
        for root, group in by_root.items():
            names = {variable.name for variable in group}
            everywhere = all(names & set(table.names) for table in tables.values())
            found.append(self._finest(root, group, everywhere))
        return Domain(tuple(found))

    def _finest(self, root: str, group: Sequence[Variable], everywhere: bool) -> Variable:
        """Choose the model's variable; ``everywhere``: every table has a variable of the group."""
        for variable in group:
            others = [other for other in group if other is not variable]
            if all(self._path(variable.name, other.name) is not None for other in others):
                if variable.name not in self.codebook:
                    return variable
                if self.codebook.covers(variable.name):
                    return self.codebook[variable.name]
                if everywhere:
                    self._note_part(root, variable.name)
                    return self.codebook[variable.name]
        return self.codebook[root]

    def _note_part(self, root: str, name: str) -> None:
        rule = self.codebook.path(root, name)
        assert rule is not None  # a root has a path to whatever coarsens it
        left_out = [
            level for level, code in zip(rule.fine.levels, rule.codes, strict=True) if code < 0
        ]
        self.notes.append(
            f"all margins speak only of the people in {name!r}, so the model does: not of (all of) "
            f"{root!r} {listed(left_out)}"
        )

    def _path(self, fine: str, coarse: str) -> Coarsening | None:
        if fine not in self.codebook or coarse not in self.codebook:
            return None
        return self.codebook.path(fine, coarse)

    def _rule(self, margin: str, stated: Variable) -> tuple[Variable, Coarsening | None]:
        """Find the model's variable behind a stated one; None: the stated one is the finer."""
        if stated.name in self.domain:
            return self.domain[stated.name], Coarsening.by_name(self.domain[stated.name], stated)
        for model in self.domain:
            if (path := self._path(model.name, stated.name)) is not None:
                return model, path.restricted(model, stated)
        for model in self.domain:
            if self._path(stated.name, model.name) is not None:
                return model, None
        raise PopgenError(
            f"margin {margin!r} states {stated.name!r}, which the records do not have: they have "
            f"{listed(self.domain.names, most=30)}, and the codebook has no coarsening between "
            "them; add the variable to the records, or a coarsening to the codebook"
        )

    def _reachable(self, name: str, table: Table, rule: Coarsening) -> tuple[Table, Coarsening]:
        """Leave out the levels of a margin that no level of the model can be in."""
        stated = rule.coarse
        held = set(rule.codes.tolist())
        reached = [level for i, level in enumerate(stated.levels) if i in held]
        lost = [level for i, level in enumerate(stated.levels) if i not in held]
        if not lost:
            return table, rule
        people = table.select(**{stated.name: lost}).total
        path = self._path(rule.fine.name, stated.name)
        straddling = path is not None and all(
            path.coarse.index(level) not in path.codes for level in lost
        )
        if (people > 0 and not straddling) or not reached:
            raise PopgenError(
                f"margin {name!r} counts {people:,.6g} people in level(s) {listed(lost)} of "
                f"{stated.name!r}, which no level of {rule.fine.name!r} here can be in: it has "
                f"{listed(rule.fine.levels, most=30)}; correct the level, or leave those cells out"
            )
        self.notes.append(f"margin {name!r}: {stated.name!r} {listed(lost)} left out")
        table = table.select(**{stated.name: reached})
        return table, rule.restricted(rule.fine, table.domain[stated.name])
