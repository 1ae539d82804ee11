"""`validate`: everything that is wrong with a folder of margins or a microdata file, in words."""

from __future__ import annotations

import os
from pathlib import Path

from popgen._area import Progress
from popgen._folder_faults import folder_faults
from popgen.codebook import Codebook, read_codebook
from popgen.errors import PopgenError
from popgen.frames import is_data_file, load_frame, need_columns
from popgen.households.read import holds_plan, household_faults
from popgen.survey import read_microdata


def validate(
    path: str | os.PathLike[str],
    *,
    codebook: Codebook | str | os.PathLike[str] | None = None,
    weight: str | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """List everything that is wrong with margins or microdata, not only the first.

    Parameters
    ----------
    path : str or path
        A folder of margins, the name of a place that comes with popgen, a folder of households
        (with ``popgen.toml``, or PopulationSim's ``settings.yaml``; or that file), or a microdata
        file.
    codebook : Codebook or path of a codebook.toml, optional
        For microdata: what they should follow. Default: only that every value is there.
    weight : str, optional
        For microdata: column of design weights.
    progress : callable, optional
        Called with ('checking', checks done, checks) as the checks of a folder are done.

    Returns
    -------
    list of str
        One fault each: what is wrong, where, and what to do. Empty if nothing is.

    Raises
    ------
    PopgenError
        If there is nothing to check: no such file or place, no column of that name.

    Examples
    --------
    >>> validate("us_panel_2020")
    []
    """
    if holds_plan(path):
        _refuse_beside(path, codebook, weight)
        return household_faults(path)
    if is_data_file(path) or Path(path).is_file():
        return _microdata_faults(path, codebook, weight)
    _refuse_beside(path, codebook, weight)
    return folder_faults(path, progress or (lambda *_: None))


def _refuse_beside(path: str | os.PathLike[str], *options: object) -> None:
    """Refuse what is said of microdata beside a folder."""
    if options != (None, None):
        raise PopgenError(f"a codebook and a weight are for a microdata file; {path} is none")


def _microdata_faults(
    file: str | os.PathLike[str],
    codebook: Codebook | str | os.PathLike[str] | None,
    weight: str | None,
) -> list[str]:
    """Say everything wrong with a microdata file, variable by variable."""
    frame, where = load_frame(file)
    known = codebook if isinstance(codebook, Codebook | None) else read_codebook(codebook)
    book = Codebook() if known is None else known
    raw = {name: recode.column for name, recode in book.recodes.items()}
    there = [v for v in book.variables if {v, raw.get(v)} & set(frame.columns)]
    if weight is not None:
        need_columns(frame, [weight], where)
    if known is not None and not there:
        read_microdata(file, known)  # refuses a file with none of the codebook's variables
    faults: dict[str, None] = {}
    for name in there or [column for column in frame.columns if column != weight]:
        try:
            read_microdata(file, known, variables=[name], weight=weight)
        except PopgenError as error:
            faults[str(error)] = None
    return list(faults)
