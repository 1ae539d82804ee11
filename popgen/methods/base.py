"""What a method is: a frozen recipe whose ``fit`` takes a `Problem` and returns a `Model`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from popgen._rng import Rng
from popgen.domain import Domain
from popgen.errors import PopgenError, check_number, listed
from popgen.microdata import Population
from popgen.problem import Problem
from popgen.table import Table


@dataclass(frozen=True)
class Convergence:
    """How a fit ended.

    Attributes
    ----------
    converged : bool
        Whether every margin that the method holds is met within its tolerance.
    iterations : int
        Sweeps or steps taken.
    residual : float
        Largest miss of a margin cell, people.
    worst : str
        The cell that is missed by so many, e.g. ``sex_age: sex=f, age=18-24``.
    """

    converged: bool
    iterations: int
    residual: float
    worst: str = ""


class Model(Protocol):
    """A fitted joint: it projects like any table, and people can be drawn from it."""

    @property
    def domain(self) -> Domain:
        """The variables that the model's people have."""
        ...

    @property
    def convergence(self) -> Convergence:
        """How the fit ended."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the problem or the fit did that a user should know of, in words."""
        ...

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables, axes in the order asked."""
        ...

    def sample(self, n: int, *, rng: Rng = None, integerise: str = "systematic") -> Population:
        """Draw n whole people, in random order; the same int ``rng`` gives the same people."""
        ...


class Method(Protocol):
    """A recipe: parameters only, no state.

    To add one:

    1. its file in this package: the frozen recipe, with a default for every parameter;
    2. its name in ``METHODS`` of ``popgen/methods/__init__.py``: the command line then offers it;
    3. its public name in ``popgen/__init__.py``, twice: for type checkers and in ``_HOMES``;
    4. its floor in ``pyproject.toml``, beside the others of the contract ``methods``;
    5. ``refuse_controls`` at the start of its ``fit``, unless it holds the problem's controls;
    6. its entry in ``METHODS`` of ``tests/test_methods.py``, which holds it to what all promise.
    """

    def fit(self, problem: Problem) -> Model:
        """Return a new model of the problem; neither recipe nor problem change."""
        ...


def refuse_controls(problem: Problem, method: str) -> None:
    """Refuse a problem with controls on numbers, for a method that would not hold them.

    Raises
    ------
    PopgenError
        Naming the method and the controls.
    """
    if problem.controls:
        raise PopgenError(
            f"{method} cannot hold controls on numbers: "
            f"{listed([control.name for control in problem.controls])}; use Calibration, or "
            f"CalibratedPool({method}()) over records with numbers"
        )


def check_numbers(recipe: object, *names: str, **limits: float) -> None:
    """Refuse parameters of a recipe that are no numbers, or out of range; None may be a default.

    Raises
    ------
    PopgenError
        Naming the method, the parameter and the limits, which `popgen.errors.check_number` takes.
    """
    for name in names:
        value = getattr(recipe, name)
        if value is not None or getattr(type(recipe), name) is not None:
            check_number(f"{type(recipe).__name__}: {name}", value, **limits)
