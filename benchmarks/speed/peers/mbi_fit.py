"""Fit margins with mbi and draw people: run by junction.py, in a Python that has mbi.

python mbi_fit.py CASE.npz RESULT.npz STEPS
"""

import sys
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_enable_compilation_cache", False)

from mbi import Domain, LinearMeasurement, estimation  # noqa: E402 - reads the settings above


def main() -> None:
    source, result, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    case = np.load(source)
    sizes = case["sizes"].tolist()
    names = [f"v{i}" for i in range(len(sizes))]
    pairs = [tuple(names[i] for i in pair) for pair in case["pairs"]]
    measured = [LinearMeasurement(case[f"margin{i}"].ravel(), pair) for i, pair in enumerate(pairs)]
    start = time.perf_counter()
    domain = Domain(tuple(names), tuple(sizes))
    model = estimation.MirrorDescent().estimate(domain, measured, iters=steps)
    fitted = {f"fit{i}": np.asarray(model.project(p).datavector()) for i, p in enumerate(pairs)}
    middle = time.perf_counter()
    people = model.synthetic_data(int(case["people"]))
    end = time.perf_counter()
    drawn = np.column_stack([np.asarray(people.data[name]) for name in names])
    np.savez(result, seconds=[middle - start, end - middle], drawn=drawn, **fitted)


if __name__ == "__main__":
    main()
