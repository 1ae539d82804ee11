"""Random numbers at the door: what is taken, and how to have the same numbers again."""

from __future__ import annotations

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
    """Return a generator, and the entropy and spawn key from which its numbers can be had again.

    One that has been used already (or is not numpy's default kind) is drawn from once, for the seed
    of the one returned.

    Examples
    --------
    >>> shared = np.random.default_rng(7)
    >>> _, first = replayable(shared)
    >>> first
    {'entropy': '7', 'spawn_key': []}
    >>> _ = shared.random()
    >>> used, second = replayable(shared)
    >>> again = np.random.default_rng(int(second["entropy"]))
    >>> bool(used.random() == again.random())
    True
    """
    generator = generator_of(rng)
    if not _fresh(generator):
        generator = np.random.default_rng(int.from_bytes(generator.bytes(16), "little"))
    sequence: Any = generator.bit_generator.seed_seq
    entropy, key = str(sequence.entropy), [int(step) for step in sequence.spawn_key]
    return generator, {"entropy": entropy, "spawn_key": key}


def _fresh(generator: np.random.Generator) -> bool:
    """Whether a generator is as `numpy.random.default_rng` makes it from one number."""
    bits = generator.bit_generator
    sequence = bits.seed_seq
    if type(bits) is not np.random.PCG64 or type(sequence) is not np.random.SeedSequence:
        return False
    if not isinstance(sequence.entropy, int) or sequence.n_children_spawned:
        return False
    again = np.random.SeedSequence(sequence.entropy, spawn_key=sequence.spawn_key)
    return bits.state == np.random.PCG64(again).state
