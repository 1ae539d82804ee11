"""Records and reachable targets for the tests of calibration."""

import numpy as np
from scipy import sparse

from popgen.methods.distances import LINEAR, RAKING, logit

DISTANCES = [RAKING, LINEAR, logit(0.05, 20)]


def cells_of(codes, sizes):
    """0/1 matrix of records by one-way margin cells, and the cells' names."""
    offsets = np.cumsum([0, *sizes[:-1]])
    columns = (codes + offsets).ravel()
    rows = np.repeat(np.arange(len(codes)), codes.shape[1])
    X = sparse.csr_array((np.ones(columns.size), (rows, columns)), shape=(len(codes), sum(sizes)))
    return X, [f"v{v}: {level}" for v, size in enumerate(sizes) for level in range(size)]


def feasible(rng, n=300, sizes=(3, 4, 2), spread=0.3):
    """Records, design weights and targets that some reweighting of them meets."""
    codes = np.column_stack([rng.integers(0, size, n) for size in sizes])
    codes[: max(sizes)] = np.arange(max(sizes))[:, None] % sizes  # every cell has a record
    X, _ = cells_of(codes, sizes)
    d = rng.gamma(4, 10, n)
    truth = d * np.exp(spread * rng.normal(size=sum(sizes)) @ X.T)
    return codes, X, d, X.T @ truth


def raked(X, d, targets, sizes, sweeps):
    """Plain raking: scale to each margin in turn."""
    w, offset = d.copy(), 0
    for _ in range(sweeps):
        offset = 0
        for size in sizes:
            inside = X[:, offset : offset + size]
            w *= inside @ (targets[offset : offset + size] / (inside.T @ w))
            offset += size
    return w
