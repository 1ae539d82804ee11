"""Where the figures and recordings that come with popgen are, wherever it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from popgen.errors import PopgenError

ROOTS = (
    Path(__file__).parent / "_data",  # inside the wheel
    Path(__file__).parents[1] / "data",  # beside the package, in a checkout
)


def shipped(kind: Literal["census_marginals", "households", "personas"]) -> Path:
    """Return the folder of one kind of data.

    Raises
    ------
    PopgenError
        If popgen was installed without it.
    """
    for root in ROOTS:
        if (root / kind).is_dir():
            return root / kind
    raise PopgenError(f"popgen's own data are not at {ROOTS[0] / kind}; install popgen again")
