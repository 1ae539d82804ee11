"""pgmpy: Bayesian network of the records.

https://github.com/pgmpy/pgmpy (MIT). Hill climbing by BIC with at most three parents; shares with
the package's BDeu prior. Levels that no record has do not occur.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pgmpy.causal_discovery import HillClimbSearch
from pgmpy.models import DiscreteBayesianNetwork
from pgmpy.parameter_estimator import DiscreteBayesianEstimator

from peers.given import CannotUse, Given, People

REQUIREMENTS = ("pgmpy==1.1.2",)
NEEDS = ("records",)
PARENTS = 3


def people(given: Given) -> People:
    if given.sample.weights is not None:
        raise CannotUse("the records have weights, which its structure search does not take")
    frame = pd.DataFrame(given.sample.codes, columns=list(given.names))
    search = HillClimbSearch(
        scoring_method="bic-d", max_indegree=PARENTS, return_type="dag", show_progress=False
    )
    found = search.fit(frame.astype("category")).causal_graph_
    model = DiscreteBayesianNetwork(found.edges())
    model.add_nodes_from(given.names)
    model = model.fit(frame, estimator=DiscreteBayesianEstimator(prior_type="BDeu"))
    drawn = model.simulate(given.people, seed=given.rng, show_progress=False)
    return People(drawn[list(given.names)].to_numpy().astype(np.int64))
