"""The example of households in zones that comes with popgen: an invented town."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from popgen.errors import PopgenError
from popgen.shipped import shipped


def write_example(folder: str | os.PathLike[str]) -> Path:
    """Write the example's files, ``popgen.toml`` among them, into a folder that is not there yet.

    Raises
    ------
    PopgenError
        If there is something of that name, or the folder cannot be made.
    """
    target = Path(folder)
    try:
        return Path(shutil.copytree(shipped("households") / "town", target))
    except FileExistsError:
        raise PopgenError(f"{target} is there already; name a folder that is not") from None
    except OSError as error:
        raise PopgenError(f"cannot make the folder {target}: {error.strerror}") from error
