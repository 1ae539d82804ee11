"""Calibration distances: how a weight may move away from its design weight.

A distance is a value. To add one, state its weight function and that function's derivative and
integral; one Newton solver serves them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from popgen.errors import PopgenError

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Distance:
    """How calibrated weights answer to the multipliers: ``w = d F(u)`` with ``u = X lam``.

    Attributes
    ----------
    name : str
        How messages and provenance name it.
    F : callable
        g-weight (calibrated over design weight) at u; increasing, ``F(0) == 1``.
    dF : callable
        Derivative of ``F``; positive, ``dF(0) == 1``.
    integral : callable
        Integral of ``F`` from 0 to u: what a record adds to the dual.
    lower : float
        Largest number below every g-weight; 0 means that weights stay positive.
    upper : float
        Smallest number above every g-weight.

    Examples
    --------
    >>> import numpy as np
    >>> RAKING.F(np.log([1.0, 2.0]))
    array([1., 2.])
    >>> exp_tilt = Distance("exponential tilting", F=np.exp, dF=np.exp, integral=np.expm1, lower=0)
    >>> exp_tilt.lower, exp_tilt.upper
    (0, inf)

    References
    ----------
    .. [1] Deville & Särndal (1992), JASA 87:376-382, doi:10.1080/01621459.1992.10475217
    """

    name: str
    F: Function = field(repr=False, compare=False)
    dF: Function = field(repr=False, compare=False)
    integral: Function = field(repr=False, compare=False)
    lower: float = -math.inf
    upper: float = math.inf


def _linear(u: Floats) -> Floats:
    return 1.0 + u


def _linear_integral(u: Floats) -> Floats:
    return u * (1.0 + 0.5 * u)


def _softplus(u: Floats) -> Floats:
    return np.logaddexp(0.0, u)


RAKING = Distance("raking", F=np.exp, dF=np.exp, integral=np.expm1, lower=0.0)
"""Kullback-Leibler distance (entropy balancing): weights stay positive; Hainmueller 2012,
doi:10.1093/pan/mpr025."""

LINEAR = Distance("linear", F=_linear, dF=np.ones_like, integral=_linear_integral)
"""Chi-squared distance (GREG): closed form; weights may be negative."""


def logit(lower: float, upper: float) -> Distance:
    """Keep every g-weight strictly between two bounds.

    Parameters
    ----------
    lower, upper : float
        Bounds of calibrated over design weight; ``lower < 1 < upper``, both finite.

    Returns
    -------
    Distance
        ``F(u) = (L (U-1) + U (1-L) e^{Au}) / ((U-1) + (1-L) e^{Au})``,
        ``A = (U-L) / ((1-L) (U-1))``; [1]_ case 6.

    Raises
    ------
    PopgenError
        If the bounds do not lie on either side of 1.

    References
    ----------
    .. [1] Deville & Särndal (1992), JASA 87:376-382, doi:10.1080/01621459.1992.10475217

    Examples
    --------
    >>> import numpy as np
    >>> logit(0.5, 2).F(np.array([-99.0, 0.0, 99.0]))
    array([0.5, 1. , 2. ])
    >>> logit(1.5, 2)
    Traceback (most recent call last):
    popgen.errors.PopgenError: logit bounds must lie on either side of 1 and be finite; got 1.5, 2
    """
    real = all(isinstance(end, int | float | np.number) for end in (lower, upper))
    if not (real and -math.inf < lower < 1 < upper < math.inf):
        raise PopgenError(
            f"logit bounds must lie on either side of 1 and be finite; got {lower!r}, {upper!r}"
        )
    return Distance(
        f"logit({lower:g}, {upper:g})",
        F=partial(_logit, lower, upper),
        dF=partial(_logit_derivative, lower, upper),
        integral=partial(_logit_integral, lower, upper),
        lower=lower,
        upper=upper,
    )


def _logit_argument(lower: float, upper: float, u: Floats) -> Floats:
    steepness = (upper - lower) / ((1 - lower) * (upper - 1))
    return steepness * u + math.log((1 - lower) / (upper - 1))


def _logit(lower: float, upper: float, u: Floats) -> Floats:
    a = _logit_argument(lower, upper, u)
    weights: Floats = lower * expit(-a) + upper * expit(a)
    return weights


def _logit_derivative(lower: float, upper: float, u: Floats) -> Floats:
    a = _logit_argument(lower, upper, u)
    slope: Floats = expit(a) * expit(-a)
    return (upper - lower) ** 2 / ((1 - lower) * (upper - 1)) * slope


def _logit_integral(lower: float, upper: float, u: Floats) -> Floats:
    at_zero = _logit_argument(lower, upper, np.zeros(1))
    rise = _softplus(_logit_argument(lower, upper, u)) - _softplus(at_zero)
    return lower * u + (1 - lower) * (upper - 1) * rise
