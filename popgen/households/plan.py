"""`HouseholdPlan`: a folder read, ready to be fitted, placed and written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from popgen._rng import Rng
from popgen.errors import PopgenError
from popgen.households.fit import NestedCalibration
from popgen.households.manifest import MANIFEST
from popgen.households.naming import Naming, numbered
from popgen.households.placing import refuse_unknown
from popgen.households.populate import HouseholdPopulation, populate
from popgen.households.problem import HouseholdProblem
from popgen.households.report import lent
from popgen.households.run import HouseholdRun, Tell, write_households
from popgen.microdata import WRITERS
from popgen.writing import Writer, as_json, make_folder, of_text, refuse_file, write_together

REPORT, PROVENANCE = "fit_report.csv", "provenance.json"
"""Files that are written beside those of households and persons."""


@dataclass(frozen=True, eq=False, repr=False)
class HouseholdPlan:
    """What a folder asks for.

    Attributes
    ----------
    problem : HouseholdProblem
    method : NestedCalibration
    naming : Naming
        Which columns are written, under which names.
    format : str
        ``parquet`` or ``csv``.
    files : mapping of str to str
        Names of the files of households and persons, without an ending.
    integerise : str
        How weights become whole households: see `popgen.populate`.
    notes : tuple of str
        What reading did to the records and figures, in words.
    inputs : mapping of str to str
        SHA-256 of every file that was read.
    sources : tuple of Path
        Those files; none is written onto.
    """

    problem: HouseholdProblem
    method: NestedCalibration
    naming: Naming
    format: str = "parquet"
    files: Mapping[str, str] = field(
        default_factory=lambda: {
            "households": "synthetic_households",
            "persons": "synthetic_persons",
        }
    )
    integerise: str = "exchange"
    notes: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        refuse_unknown(self.integerise)
        names = [self._name(what).casefold() for what in self.files]
        if twice := sorted({n for n in names if [*names, REPORT, PROVENANCE].count(n) > 1}):
            raise PopgenError(
                f"households, persons, {REPORT} and {PROVENANCE} are written to one folder and two "
                f"of them would be {twice[0]!r}; name them apart"
            )

    def __repr__(self) -> str:
        return f"HouseholdPlan({self.problem!r}, {len(self.inputs)} files)"

    def populate(self, *, rng: Rng = None, on_infeasible: str = "raise") -> HouseholdPopulation:
        """Fit the weights and make whole households and persons, under the names asked for.

        Parameters
        ----------
        rng : int, Generator or None
            The same int gives the same people.
        on_infeasible : {"raise", "soften"}
            See `NestedCalibration`.

        Raises
        ------
        InfeasibleError, ConvergenceError
            As `NestedCalibration.fit`.
        """
        model = self._method(on_infeasible).fit(self.problem)
        notes = [*self.notes]
        if self.method.max_expansion is not None:
            notes.append(
                f"no record is weighted more than {model.largest_expansion:,.4g} times its design "
                f"weight ({self.method.max_expansion:g} allowed)"
            )
        if self.problem.borrow:
            notes.append(f"{lent(model.borrowed)} (borrow = {self.problem.borrow:g})")
        made = populate(model, rng=rng, integerise=self.integerise)
        geography = self.problem.geography
        homes, persons = self.naming.apply(
            made.households, made.persons, geography.columns, numbered=numbered(geography.zones)
        )
        told = {**made.provenance, "notes": notes, "files": dict(self.inputs)}
        return replace(made, households=homes, persons=persons, provenance=told)

    def _method(self, on_infeasible: str) -> NestedCalibration:
        return replace(self.method, on_infeasible=on_infeasible)

    def write_parts(
        self,
        folder: str | os.PathLike[str],
        *,
        rng: Rng = None,
        on_infeasible: str = "raise",
        executor: Executor | None = None,
        in_flight: int | None = None,
        resume: bool = False,
        progress: Tell | None = None,
    ) -> HouseholdRun:
        """Fit, and write households and persons region by region, as `write_households` does.

        Parameters
        ----------
        folder, rng, executor, in_flight, resume, progress
            See `write_households`.
        on_infeasible : {"raise", "soften"}
            See `NestedCalibration`.

        Returns
        -------
        HouseholdRun
            The people are those of `populate`, under the names asked for; always Parquet.

        Raises
        ------
        PopgenError
            As `write_households`: also if the run was begun from other files.
        """
        return write_households(
            self.problem,
            folder,
            method=self._method(on_infeasible),
            rng=rng,
            integerise=self.integerise,
            executor=executor,
            in_flight=in_flight,
            resume=resume,
            naming=self.naming,
            about={"notes": self.notes, "files": dict(self.inputs)},
            progress=progress,
        )

    def _name(self, what: str) -> str:
        return f"{self.files[what]}.{self.format}"

    def refuse_folder(self, folder: str | os.PathLike[str]) -> None:
        """Refuse a folder that `write` may not write to: to be asked before anything is fitted.

        Raises
        ------
        PopgenError
            If it cannot be made, holds a run, or a file that was read has the name of one to be
            written.
        """
        home = Path(folder)
        refuse_file(home)
        if (home / MANIFEST).exists():
            raise PopgenError(
                f"{home} holds a run written region by region; give another folder, or go on with "
                "it by --resume"
            )
        read = [source for source in self.sources if source.exists()]
        for name in (*map(self._name, self.files), REPORT, PROVENANCE):
            target = home / name
            if target.exists() and any(target.samefile(source) for source in read):
                raise PopgenError(
                    f"{target} was read and would be written onto; give another folder, or another "
                    "name to what is written"
                )

    def write(self, made: HouseholdPopulation, folder: str | os.PathLike[str]) -> list[Path]:
        """Write households, persons, the fit report and the provenance: all files, or none.

        Parameters
        ----------
        made : HouseholdPopulation
            As `populate` made it.
        folder : path
            Made if it is not there.

        Returns
        -------
        list of Path

        Raises
        ------
        PopgenError
            As `refuse_folder`, or if the files cannot be written.
        """
        self.refuse_folder(folder)
        home = make_folder(folder)
        frames = {"households": made.households, "persons": made.persons}
        writers: dict[Path, Writer] = {
            home / self._name(what): partial(WRITERS[f".{self.format}"], frame)
            for what, frame in frames.items()
            if frame is not None
        }
        writers[home / REPORT] = made.report.rows.write_csv
        writers[home / PROVENANCE] = of_text(as_json(made.provenance))
        write_together(writers)
        return list(writers)
