"""Balance zones one by one with PopulationSim: run by zones.py, in a Python that has it.

python populationsim_balance.py CASE.npz RESULT.npz
"""

import logging
import sys
import time

import numpy as np
import pandas as pd
from populationsim.balancing.single_balancer import ListBalancer

MASTER = 0  # all households, whose importance makes it exact


def main() -> None:
    logging.disable(logging.INFO)
    source, result = sys.argv[1:3]
    case = np.load(source)
    incidence = pd.DataFrame(case["X"]).add_prefix("c")
    weights = np.empty((len(case["targets"]), len(incidence)))
    used = np.empty(len(weights))
    for zone in (0, *range(len(weights))):  # the first compiles
        d = pd.Series(case["d"] * case["targets"][zone, MASTER] / case["d"].sum())
        start = time.process_time()
        balancer = ListBalancer(
            incidence_table=incidence,
            initial_weights=d,
            control_totals=case["targets"][zone],
            control_importance_weights=case["importance"],
            lb_weights=None,
            ub_weights=None,
            master_control_index=MASTER,
            max_iterations=10_000,
            use_numba=True,
            numba_precision="float32",
        )
        weights[zone] = balancer.balance()[1]["final"]
        used[zone] = time.process_time() - start
    np.savez(result, weights=weights, cpu=used)


if __name__ == "__main__":
    main()
