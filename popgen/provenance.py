"""Where a population comes from, written beside it: software, parameters, randomness, inputs."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = "0.1.0"
"""Version of popgen, the one place that states it."""


def provenance(**fields: Any) -> dict[str, Any]:
    """Return ``fields`` with the software's versions and the time (UTC) added."""
    software = {"popgen": VERSION, "numpy": np.__version__}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": {**software, "python": platform.python_version()},
        **fields,
    }


def digest(*arrays: NDArray[Any]) -> str:
    """SHA-256 over the bytes of arrays: the same figures give the same digest."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(str((array.dtype.str, array.shape)).encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
