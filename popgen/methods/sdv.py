"""`SDVModel`: the synthesizers of the package sdv, on coded records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from popgen.errors import PopgenError, listed
from popgen.methods._generator import POOL, complete_records
from popgen.methods._peers import DrawnModel, apart, unweighted
from popgen.methods.base import check_numbers, refuse_controls
from popgen.methods.models import Codes
from popgen.microdata import Microdata
from popgen.problem import Problem

SYNTHESIZERS = {
    "gaussian": "GaussianCopulaSynthesizer",
    "ctgan": "CTGANSynthesizer",
    "tvae": "TVAESynthesizer",
}
"""The synthesizers that can be asked for, and their classes in `sdv.single_table`."""

PEOPLE = "people"
"""What sdv is told that its one table is called."""


@dataclass(frozen=True)
class SDVModel:
    """Learn and draw with a synthesizer of sdv: a Gaussian copula, a GAN or an autoencoder.

    All variables are categories to it. Its Gaussian copula reads them in the order of their levels,
    whether they have one or not, and is unsuited to those that have none; the networks know of no
    order.

    Design weights are followed by repeating records. Margins are not looked at: follow it by
    calibration (`CalibratedPool`) to meet them. Global random numbers (numpy, Python, torch) are
    left as they were found. What sdv warns of is in the model's notes; a marginal distribution
    that it replaces by a normal one, without a word, is an error.

    Needs ``pip install 'popgen-joint[sdv]'``: licensed BUSL-1.1, not for every use, not beside
    pandas 3, and with torch.

    Attributes
    ----------
    synthesizer : {'gaussian', 'ctgan', 'tvae'}
    epochs : int
        How often a network sees the records.
    pool : int
        People whom the synthesizer draws once, for all expected counts and samples.
    rng : int
        The random numbers that networks are given: part of the recipe, so that the same recipe
        gives the same fit. (sdv draws the pool by a seed of its own.)

    References
    ----------
    .. [1] Patki, Wedge & Veeramachaneni (2016), doi:10.1109/DSAA.2016.49
    .. [2] Xu, Skoularidou, Cuesta-Infante & Veeramachaneni (2019), NeurIPS 32 (CTGAN, TVAE)
    """

    synthesizer: str = "gaussian"
    epochs: int = 300
    pool: int = POOL
    rng: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, "pool", least=1)
        check_numbers(self, "rng", least=0, most=2**32 - 1)
        if self.synthesizer not in SYNTHESIZERS:
            raise PopgenError(
                f"unknown synthesizer {self.synthesizer!r}; known: {listed(SYNTHESIZERS)}"
            )
        check_numbers(self, "epochs", least=1)

    def fit(self, problem: Problem) -> DrawnModel:
        """Fit a problem, and draw the pool.

        Raises
        ------
        PopgenError
            If sdv is not installed or fails; if there are no records, or some lack values.
        """
        refuse_controls(problem, "SDVModel")
        tables, torch = _sdv()
        survey = complete_records(problem, "SDVModel")
        codes = unweighted(survey, np.random.default_rng(self.rng))
        with apart("sdv", self.rng) as said, _torch_apart(torch, self.rng):
            frame = _framed(codes)
            synthesizer = self._prepared(tables, frame)
            synthesizer.fit({PEOPLE: frame})
            _refuse_substitutes(synthesizer, survey)
            drawn = synthesizer.sample(self.pool)[PEOPLE]
        return DrawnModel.of(self, problem, drawn.to_numpy().astype(np.int16), said)

    def _prepared(self, tables: Any, frame: Any) -> Any:
        from rdt.transformers import OrderedUniformEncoder
        from sdv.metadata import Metadata

        columns = {name: {"sdtype": "categorical"} for name in frame}
        metadata = Metadata.load_from_dict({"tables": {PEOPLE: {"columns": columns}}})
        make = getattr(tables, SYNTHESIZERS[self.synthesizer])
        if self.synthesizer != "gaussian":
            return make(metadata, epochs=self.epochs, enable_gpu=False)
        # Categories become uniform numbers, so no other distribution can be right.
        synthesizer = make(metadata, default_distribution="uniform")
        synthesizer.auto_assign_transformers({PEOPLE: frame})
        orders = {
            name: OrderedUniformEncoder(order=sorted(frame[name].unique(), key=int))
            for name in frame
        }
        synthesizer.update_transformers(orders, table_name=PEOPLE)
        return synthesizer


@contextmanager
def _torch_apart(torch: Any, seed: int) -> Iterator[None]:
    """Seed torch, on one thread (more are slower here, and give other sums); then as found."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _framed(codes: Codes) -> Any:
    """Codes as a pandas frame of texts, its columns named by number."""
    import pandas as pd

    return pd.DataFrame({f"v{i}": column.astype(str) for i, column in enumerate(codes.T)})


def _refuse_substitutes(synthesizer: Any, survey: Microdata) -> None:
    """Refuse marginal distributions other than those asked for."""
    if not hasattr(synthesizer, "get_learned_distributions"):
        return
    learned = synthesizer.get_learned_distributions()
    names = zip(survey.domain.names, learned.values(), strict=True)
    if wrong := [name for name, found in names if found["distribution"] != "uniform"]:
        raise PopgenError(
            f"sdv could not fit the distribution of {listed(wrong)} and took a normal one instead; "
            "merge rare levels, or use GaussianCopula"
        )


def _sdv() -> tuple[Any, Any]:
    try:
        import torch
        from sdv import single_table
    except ImportError:
        raise PopgenError(
            "SDVModel runs the synthesizers of sdv, which is not installed: pip install "
            "'popgen-joint[sdv]' (BUSL-1.1, pandas < 3, torch); or use GaussianCopula or "
            "Sequential"
        ) from None
    return single_table, torch
