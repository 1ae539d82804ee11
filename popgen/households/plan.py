"""`HouseholdPlan`: a folder read, ready to be fitted, placed and written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from popgen._rng import Rng
from popgen.errors import PopgenError
from popgen.households.fit import HouseholdModel, NestedCalibration
from popgen.households.naming import Naming
from popgen.households.populate import HouseholdPopulation, populate
from popgen.households.problem import HouseholdProblem
from popgen.microdata import WRITERS
from popgen.writing import Writer, as_json, of_text, write_together


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
    max_expansion : float or None
        Largest number of times a record's households, over all zones of its region, may exceed its
        design weight scaled to the region.
    notes : tuple of str
        What reading did to the records and figures, in words.
    inputs : mapping of str to str
        SHA-256 of every file that was read.
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
    max_expansion: float | None = None
    notes: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

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
        model = replace(self.method, on_infeasible=on_infeasible).fit(self.problem)
        notes = [*self.notes]
        if self.max_expansion is not None:
            largest = largest_expansion(model)
            if largest > self.max_expansion:
                raise PopgenError(
                    f"some record is used {largest:,.4g} times its design weight, more than the "
                    f"{self.max_expansion:g} allowed; allow more, give margins standard errors or "
                    "less importance, or bound weights in each zone ([fit] upper)"
                )
            notes.append(
                f"no record is weighted more than {largest:,.4g} times its design weight "
                f"({self.max_expansion:g} allowed)"
            )
        made = populate(model, rng=rng)
        levels = self.problem.geography.levels
        homes, persons = self.naming.apply(made.households, made.persons, levels)
        told = {**made.provenance, "notes": notes, "files": dict(self.inputs)}
        return replace(made, households=homes, persons=persons, provenance=told)

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
        """
        home = Path(folder)
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PopgenError(f"cannot make folder {home}: {error.strerror}") from error
        frames = {"households": made.households, "persons": made.persons}
        writers: dict[Path, Writer] = {
            home / f"{self.files[what]}.{self.format}": partial(WRITERS[f".{self.format}"], frame)
            for what, frame in frames.items()
            if frame is not None
        }
        writers[home / "fit_report.csv"] = made.report.rows.write_csv
        writers[home / "provenance.json"] = of_text(as_json(made.provenance))
        write_together(writers)
        return list(writers)


def largest_expansion(model: HouseholdModel) -> float:
    """Return the largest ratio of a record's weights, over all zones, to its scaled design weight.

    Design weights are scaled to the households of the region that the record stands for.
    """
    most = 0.0
    for number, pool in enumerate(model.pools):
        held = model.weights(number).sum(axis=0)
        most = max(most, float((held / pool.d).max() * pool.d.sum() / max(held.sum(), 1.0)))
    return most
