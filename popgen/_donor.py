"""A survey put on the variables of a frame that it is to give to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from popgen.codebook import Codebook
from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.microdata import MISSING, Microdata


def aligned(donor: Microdata, frame: Domain, added: Sequence[str], codebook: Codebook) -> Microdata:
    """Give a survey the frame's variables, missing where it has none, and those to be added."""
    if not isinstance(donor, Microdata):
        raise PopgenError(
            f"a donor is Microdata, not a {type(donor).__name__}: read it with "
            "popgen.read_microdata"
        )
    if absent := [name for name in added if name not in donor.domain]:
        raise PopgenError(
            f"the donor has no {listed(absent)} to give; it has {listed(donor.domain.names)}"
        )
    columns = [_column(donor, variable, codebook) for variable in frame]
    if all(column is None for column in columns):
        raise PopgenError(
            f"donor and frame share no variable: the one has {listed(donor.domain.names)}, the "
            f"other {listed(frame.names)}; name them alike, or give a codebook that links them"
        )
    missing = np.full(len(donor), MISSING, dtype=np.int16)
    codes = [missing if column is None else column for column in columns]
    codes += [donor.column(name) for name in added]
    domain = Domain((*frame, *(donor.domain[name] for name in added)))
    return Microdata(domain, np.column_stack(codes), donor.weights, donor.notes)


def _column(donor: Microdata, variable: Variable, codebook: Codebook) -> Any:
    """Code a variable of the frame for the donor's records; None if they do not have it."""
    if variable.name in donor.domain:
        return _recoded(donor, variable)
    if variable.name not in codebook:
        return None
    for own in donor.domain:
        if own.name in codebook and (rule := codebook.path(own.name, variable.name)) is not None:
            return _recoded(donor.with_coarse(rule), variable)
        if own.name in codebook and codebook.path(variable.name, own.name) is not None:
            raise PopgenError(
                f"the donor has {own.name!r}, coarser than the frame's {variable.name!r}: coarsen "
                "the frame first (Table.coarsen), so that both speak of the same levels"
            )
    return None


def _recoded(donor: Microdata, variable: Variable) -> Any:
    own, codes = donor.domain[variable.name], donor.column(variable.name)
    held = np.unique(codes[codes != MISSING])
    if strange := [own.levels[i] for i in held if own.levels[i] not in variable.levels]:
        raise PopgenError(
            f"the donor has levels {listed(strange)} of {variable.name!r} that the frame lacks; "
            f"the frame has {listed(variable.levels)}: recode one of them"
        )
    index = {level: i for i, level in enumerate(variable.levels)}
    place = np.array([index.get(level, MISSING) for level in own.levels], dtype=np.int16)
    return np.where(codes == MISSING, np.int16(MISSING), place[codes])
