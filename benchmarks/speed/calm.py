"""PopulationSim's CALM example by popgen and, with --peer, by PopulationSim in the same run.

    python benchmarks/speed/calm.py [--peer] [--data DIR]

62,041 households in 781 of 930 zones (TAZ), 35 tracts and the region; all 31 controls, with persons
rebuilt from the real households, since the example's own are not public: fit figures are not those
published for CALM. Both programs read the same folder and write households and persons as CSV;
seconds are of the whole process, and errors are recounted from the household ids that it wrote.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from households.folder import CAP, ID, WEIGHT, Survey, write_folder
from households.recount import Counted, Given
from households.running import populationsim, run

HERE = Path(__file__).resolve()
DATA = Path(os.environ.get("POPGEN_SHARED_DATA", HERE.parents[3] / "shared" / "data"))
LEVELS = ["REGION", "PUMA", "TRACT", "TAZ"]
OF_HOUSEHOLDS = ["NP", "AGEHOH", "HHINCADJ", "NWESR", "HTYPE"]
OF_PERSONS = ["SPORDER", "AGEP", "OSUTAG", "OCCP"]


def write_calm(folder: Path, data: Path) -> None:
    """Write the example's files as both programs read them."""
    homes = pl.read_csv(data / "seed_households.csv.gz", infer_schema_length=None)
    persons = pl.read_csv(data / "seed_persons_standin.csv.gz")
    homes = homes.select(
        pl.col("hhnum").alias(ID), pl.col("WGTP").alias(WEIGHT), "PUMA", *OF_HOUSEHOLDS
    )
    persons = persons.select(pl.col("hhnum").alias(ID), *OF_PERSONS)
    crosswalk = pl.read_csv(data / "geo_cross_walk.csv").rename({"TRACTCE": "TRACT"})
    controls = pl.read_csv(data / "controls.csv").with_columns(
        pl.col("expression").str.replace_all("WGTP", WEIGHT)
    )
    tracts = pl.read_csv(data / "control_totals_tract.csv")
    totals = {
        "TAZ": pl.read_csv(data / "control_totals_taz.csv"),
        "TRACT": tracts.drop("TAZ"),
        "REGION": pl.read_csv(data / "scaled_control_totals_meta.csv", comment_prefix="#"),
    }
    write_folder(
        folder,
        Survey(homes, persons, (OF_HOUSEHOLDS, OF_PERSONS)),
        crosswalk.select(LEVELS),
        controls,
        totals,
        seed="PUMA",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="store_true", help="run PopulationSim as well: minutes")
    parser.add_argument("--data", type=Path, default=DATA / "household" / "calm")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"CALM skipped: its files are not in {options.data}")
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_calm(work / "calm", options.data)
        given = Given.of(work / "calm")
        ours = [sys.executable, "-m", "popgen.cli", "generate", "--rng", "0", "--quiet"]
        ours += ["--config", work / "calm", "--out", work / "popgen"]
        print(f"largest expansion allowed: {CAP}")
        for _ in range(2):  # the first may compile
            cost = run(ours, work / "log.txt")
        print(f"popgen: {cost}\n  {Counted.of(given, work / 'popgen')}", flush=True)
        if options.peer:
            theirs = [populationsim(), "-m", "populationsim", "-w", work / "calm"]
            theirs += ["-c", "configs", "-d", "data", "-o", "output"]
            other = run(theirs, work / "log.txt")
            print(f"PopulationSim: {other}\n  {Counted.of(given, work / 'calm' / 'output')}")
            print(
                f"popgen takes {cost.seconds / other.seconds:.1%} of PopulationSim's time, "
                f"{cost.cpu_seconds / other.cpu_seconds:.1%} of its CPU time"
            )


if __name__ == "__main__":
    main()
