"""What every test shares: repeatable property tests, and the way to the raw data."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("popgen", derandomize=True, deadline=None)
settings.load_profile("popgen")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the raw tables that the shipped figures were built from (not in the repository)."""
    folder = Path(os.environ.get("POPGEN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"raw tables not found at {folder}; set POPGEN_SHARED_DATA to the folder that has them"
        )
    return folder
