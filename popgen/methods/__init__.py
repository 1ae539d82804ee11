"""Ways to fit a population: one file a method, every one of them `Problem -> Model`.

How to add one: see `popgen.methods.base`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from popgen.methods.base import Method

METHODS = {"independent": "Independent", "ipf": "IPF", "calibration": "Calibration"}
"""The methods there are: the name of the file, which the command line uses too, and the class."""


def method_named(name: str) -> Method:
    """Return a method with its default parameters; imported only now, for it needs numpy.

    >>> method_named("independent")
    Independent()
    """
    method: Method = getattr(import_module(f"popgen.methods.{name}"), METHODS[name])()
    return method
