"""`fuse`: a frame, and a survey or margins that have one variable more, made into one joint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from popgen._donor import aligned
from popgen.codebook import Codebook
from popgen.errors import PopgenError, listed
from popgen.methods.fusion import Fusion, FusionModel
from popgen.microdata import MISSING, Microdata
from popgen.problem import Problem
from popgen.table import Table
from popgen.tables import Tables

Margins = Table | Mapping[str, Table] | Iterable[Table]


def fuse(
    frame: Margins,
    variables: str | Sequence[str],
    donor: Microdata | None = None,
    *,
    margins: Margins = (),
    codebook: Codebook | None = None,
    way: str | None = None,
    effects: int = 1,
    unseen: str = "refuse",
) -> FusionModel:
    """Add variables to a poststratification frame, known only from a survey or from margins.

    Parameters
    ----------
    frame : Table, or margins
        The people by the variables that are there already, e.g. state × sex × age × education.
    variables : str, or several
        To be added, in this order; each may depend on those before it.
    donor : Microdata, optional
        Records that have the new variables and some of the frame's.
    margins : Table, or margins
        People by the new variables, perhaps with some of the frame's: party by state.
    codebook : Codebook, optional
        How finer levels map to coarser ones.
    way : {'balanced', 'smooth_fix', 'logit', 'product'}, optional
        What is assumed: see `Fusion`. Default: ``balanced`` with a donor and margins, if the donor
        has all the variables of those, else ``smooth_fix``; ``logit`` with a donor alone;
        ``product`` with margins alone.
    effects, unseen
        As for `Fusion`.

    Returns
    -------
    FusionModel
        It projects, samples and has ``notes`` that say what was assumed. Its ``problem`` can be
        fitted again: `popgen.replicates`, `CalibratedPool`.

    Raises
    ------
    PopgenError
        If the frame has a variable already, donor and frame share none or differ in levels, or
        there is neither donor nor margin; and whatever `Fusion` refuses.
    InconsistentMarginsError
        If margins contradict the frame: see `popgen.reconcile`.

    Examples
    --------
    >>> from popgen import Domain, Variable
    >>> age, degree = Variable("age", ("young", "old")), Variable("degree", ("no", "yes"))
    >>> vote = Variable("vote", ("a", "b"))
    >>> frame = Table(Domain((age, degree)), [[30, 20], [40, 10]])
    >>> votes = Table(Domain((age, vote)), [[40, 10], [25, 25]])
    >>> model = fuse(frame, "vote", margins=votes)
    >>> model.project("degree", "vote").counts.round(6).tolist()
    [[44.0, 26.0], [21.0, 9.0]]
    >>> print(model.notes[0])
    'vote' fused, way 'product': assumes that it is independent of ...
    """
    added = (variables,) if isinstance(variables, str) else tuple(variables)
    book = codebook or Codebook()
    there, said = Tables(frame), Tables(margins)
    if twice := set(there) & set(said):
        raise PopgenError(f"a table of the frame and a margin are both called {listed(twice)}")
    known = Problem(there, codebook=book).domain
    if inside := [name for name in added if name in known]:
        raise PopgenError(f"the frame has {listed(inside)} already; name other variables to add")
    if donor is None and not said:
        raise PopgenError(
            f"nothing says anything of {listed(added)}: give a donor survey, margins, or both"
        )
    records = None if donor is None else aligned(donor, known, added, book)
    problem = Problem({**there, **said}, records, codebook=book)
    method = Fusion(added, way or _way(records, said, problem), effects, unseen)
    return method.fit(problem)


def _way(records: Microdata | None, said: Tables, problem: Problem) -> str:
    """Choose the way that uses all there is."""
    if records is None:
        return "product"
    if not said:
        return "logit"
    asked = {name for m in problem.margins if m.name in said for name in m.variables}
    whole = all((records.column(name) != MISSING).any() for name in asked)
    return "balanced" if whole else "smooth_fix"
