"""The wheel alone, installed where nothing of the repository is in reach, does the main job."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without this process's import path; return what it printed on stdout."""
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the sdist, so that the sdist too is shown to hold all it needs."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment; return its folder of programs.

    The dependencies (some 200 MB) are not installed again: a path file lends those of the running
    environment. Path files found in a lent folder are not followed, so an editable popgen in the
    running environment stays out of reach; `test_package_comes_from_the_wheel` makes sure.
    """
    home = tmp_path_factory.mktemp("installed") / "env"
    venv.create(home)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    ask_site = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", ask_site, cwd=home).strip())
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "lent.pth").write_text("\n".join(sorted(lent)), encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--ignore-installed", wheel, cwd=home)
    return programs


def test_wheel_holds_the_figures_the_types_and_the_licence(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    for place in ("us_2018", "us_adult_citizens_2018", "us_panel_2020"):
        assert f"popgen/_data/census_marginals/{place}/SOURCE.toml" in names
    assert any(name.startswith("popgen/_data/personas/") for name in names)
    assert "popgen/households/schema.json" in names
    assert "popgen/_data/households/town/popgen.toml" in names
    assert "popgen/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "data/"))]
    assert not [name for name in names if "fill_truth" in name]  # people's answers never ship


def test_package_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import popgen; print(popgen.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_shipped_figures_are_found(installed: Path, tmp_path: Path) -> None:
    code = "import popgen; print(sorted(popgen.read_census('us_2018', zone='WI').margins))"
    assert "sex_age" in run(installed / "python", "-c", code, cwd=tmp_path)
    assert "us_2018" in run(installed / "popgen", "data", "list", cwd=tmp_path)


def test_people_are_generated(installed: Path, tmp_path: Path) -> None:
    place = ("--place", "us_2018", "--zone", "WI")
    draw = ("-n", "100", "--rng", "0", "--out", "people.parquet")
    run(installed / "popgen", "generate", *place, *draw, cwd=tmp_path)
    people = pl.read_parquet(tmp_path / "people.parquet")
    assert people.height == 100
    assert json.loads((tmp_path / "people.parquet.provenance.json").read_text(encoding="utf-8"))
    assert len(list(tmp_path.iterdir())) == 2  # nothing half-written is left
