"""sdv: CTGAN of the records, few epochs.

https://github.com/sdv-dev/SDV (BUSL). A generative adversarial network, all variables categories.
It sees the records EPOCHS times, a third of its default, so that a run takes seconds. Margins are
not used. torch is pinned first: other releases train to other numbers.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from sdv.metadata import Metadata
from sdv.single_table import CTGANSynthesizer

from peers.given import CannotUse, Given, People

REQUIREMENTS = ("torch==2.13.0", "sdv==2.0.0")
NEEDS = ("records",)
EPOCHS = 100
PEOPLE = "people"


def people(given: Given) -> People:
    if given.sample.weights is not None:
        raise CannotUse("the records have weights, which the package does not take")
    torch.manual_seed(given.rng)
    np.random.seed(given.rng)  # noqa: NPY002 - the package draws from it
    torch.set_num_threads(1)
    frame = pd.DataFrame(given.sample.codes.astype(str), columns=list(given.names))
    columns = {name: {"sdtype": "categorical"} for name in given.names}
    metadata = Metadata.load_from_dict({"tables": {PEOPLE: {"columns": columns}}})
    synthesizer = CTGANSynthesizer(metadata, epochs=EPOCHS, enable_gpu=False)
    synthesizer.fit({PEOPLE: frame})
    drawn = synthesizer.sample(given.people)[PEOPLE]
    return People(drawn[list(given.names)].to_numpy().astype(np.int64))
