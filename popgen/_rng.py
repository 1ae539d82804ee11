"""Random numbers at the door: what is taken, and how to have the same numbers again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from popgen.errors import PopgenError

Rng = int | np.random.Generator | None
"""An int, a `numpy.random.Generator` or None: whatever `numpy.random.default_rng` takes."""


def generator_of(rng: Rng) -> np.random.Generator:
    """Return the generator that an int, a generator or None stands for.

    Raises
    ------
    PopgenError
        If it is none of these, or a negative number.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise PopgenError(
            f"rng must be a whole number of at least 0, a numpy Generator or None; got {rng!r}"
        ) from None


def replayable(rng: Rng) -> tuple[np.random.Generator, dict[str, Any]]:
    """Return a generator, and a record (JSON) from which `replayed` has its numbers again.

    The record is the entropy and spawn key, and the state besides if it has been used before. One
    that is not of numpy's default kind is drawn from once, for the seed of the one returned.

    Examples
    --------
    >>> shared = np.random.default_rng(7)
    >>> replayable(shared)[1]
    {'entropy': '7', 'spawn_key': []}
    >>> _ = shared.random()
    >>> _, record = replayable(shared)
    >>> bool(shared.random() == replayed(record).random())
    True
    """
    generator = generator_of(rng)
    if not _plain(generator):
        generator = np.random.default_rng(int.from_bytes(generator.bytes(16), "little"))
    bits: Any = generator.bit_generator
    sequence = bits.seed_seq
    key = [int(step) for step in sequence.spawn_key]
    record: dict[str, Any] = {"entropy": str(sequence.entropy), "spawn_key": key}
    if sequence.n_children_spawned or bits.state != replayed(record).bit_generator.state:
        state = {name: str(value) for name, value in bits.state["state"].items()}
        record |= {"spawned": sequence.n_children_spawned, "state": {**bits.state, "state": state}}
    return generator, record


def replayed(record: Mapping[str, Any]) -> np.random.Generator:
    """Make the generator that the record of a population's provenance describes."""
    bits: Any = np.random.PCG64(
        np.random.SeedSequence(
            int(record["entropy"]),
            spawn_key=record["spawn_key"],
            n_children_spawned=record.get("spawned", 0),
        )
    )
    if "state" in record:
        state = {name: int(value) for name, value in record["state"]["state"].items()}
        bits.state = {**record["state"], "state": state}
    return np.random.Generator(bits)


def _plain(generator: np.random.Generator) -> bool:
    """Whether a generator is of the kind that `numpy.random.default_rng` makes from one number."""
    bits = generator.bit_generator
    sequence = bits.seed_seq
    return (
        type(bits) is np.random.PCG64
        and type(sequence) is np.random.SeedSequence
        and isinstance(sequence.entropy, int)
        and sequence.pool_size == 4
    )
