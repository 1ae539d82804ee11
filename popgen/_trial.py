"""Rates at which findings hold: what a test of each in another population says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen._aligned import Floats
from popgen._contrasts import Contrasts, two_sided

LEVEL = 0.05
"""Significance level."""
EVIDENCE = {"p < .001": 0.001, "p < .01": 0.01, "p < .05": LEVEL}
"""Strength of the original evidence: the p-value that each class stays below."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trial:
    """Findings beside their tests among copies of a candidate.

    Attributes
    ----------
    truth, estimate, se, p : array, shape (m,)
        The true effects, and what the original studies reported.
    again : Contrasts, shape (copies, m)
    null : float
        True effects smaller than this count as none.
    """

    truth: Floats
    estimate: Floats
    se: Floats
    p: Floats
    again: Contrasts
    null: float

    @property
    def reported(self) -> Mask:
        """Significant in the original study."""
        return self.p < LEVEL

    @property
    def none(self) -> Mask:
        """No effect worth the name in the population."""
        return np.abs(self.truth) < self.null

    @property
    def significant(self) -> Mask:
        """Significant among the candidate's people."""
        return np.asarray(self.again.p < LEVEL)

    @property
    def same_sign(self) -> Mask:
        """The candidate's effect has the sign of the original one."""
        return np.asarray(np.sign(self.again.estimate) == np.sign(self.estimate))

    @property
    def true_sign(self) -> Mask:
        """The candidate's effect has the sign of the true one."""
        return np.asarray(np.sign(self.again.estimate) == np.sign(self.truth))

    @property
    def different(self) -> Mask:
        """The candidate's effect and the original one differ significantly."""
        z = (self.again.estimate - self.estimate) / np.hypot(self.again.se, self.se)
        return two_sided(z) < LEVEL


@dataclass(frozen=True)
class Rate:
    """A share of findings.

    Attributes
    ----------
    name, label : str
        In rows, and above a column.
    among, held : callable
        Of a `Trial`: the findings that it is a share of, and those of them that count.
    graded : bool
        Whether it is also given by the strength of the original evidence.
    """

    name: str
    label: str
    among: Callable[[Trial], Mask]
    held: Callable[[Trial], Mask]
    graded: bool = False


RATES = (
    Rate("replicated", "repl", lambda t: t.reported, lambda t: t.significant & t.same_sign, True),
    Rate("same sign", "sign", lambda t: t.reported, lambda t: t.same_sign, True),
    Rate("overturned null", "null→sig", lambda t: ~t.reported, lambda t: t.significant),
    Rate("false positive", "false+", lambda t: t.none, lambda t: t.significant),
    Rate("false negative", "false−", lambda t: ~t.none, lambda t: ~(t.significant & t.true_sign)),
    Rate("different", "differ", lambda t: t.none | ~t.none, lambda t: t.different),
    Rate("reversed", "reversed", lambda t: t.different, lambda t: ~t.same_sign),
)
"""Every rate, in the order of the printed columns; a new one is one entry."""
