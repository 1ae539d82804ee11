"""How near whole people come to the margins they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from popgen.microdata import Microdata
from popgen.problem import Problem


@dataclass(frozen=True)
class Hit:
    """How well one margin is met.

    Attributes
    ----------
    margin : str
    variables : tuple of str
        The people's variables that it constrains.
    cells : int
    largest, mean : float
        Largest and mean absolute difference of a cell from its target, people of the population.
    where : str
        The cell that is missed most.
    """

    margin: str
    variables: tuple[str, ...]
    cells: int
    largest: float
    mean: float
    where: str


@dataclass(frozen=True)
class Hits:
    """How well a population meets its margins.

    Attributes
    ----------
    population : str
    people : int
    total : float
        People of the real population that the margins count.
    margins : tuple of Hit
    """

    population: str
    people: int
    total: float
    margins: tuple[Hit, ...]

    @property
    def worst(self) -> Hit:
        """The margin with the cell that is missed most."""
        return max(self.margins, key=lambda hit: hit.largest)

    @property
    def mean(self) -> float:
        """Mean absolute miss over all cells of all margins, people."""
        return sum(hit.mean * hit.cells for hit in self.margins) / self.cells

    @property
    def cells(self) -> int:
        """Cells of all margins."""
        return sum(hit.cells for hit in self.margins)


def margin_hits(population: str, *parts: tuple[Microdata, Problem]) -> Hits:
    """Compare whole people with the margins that they were drawn for.

    Parameters
    ----------
    population : str
        A name for it.
    *parts : (Microdata, Problem)
        People and the problem they were drawn for; several for a population made zone by zone.
        Targets are scaled to as many people as the part has, then parts are added up, cell by cell.

    Examples
    --------
    >>> from popgen import Domain, Problem, Table, Variable
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> people = Microdata(sex, [[0]] * 6 + [[1]] * 4)
    >>> hits = margin_hits("ten", (people, Problem([Table(sex, [1, 1])])))
    >>> hits.worst.where, hits.worst.largest
    ('sex=f', 1.0)
    """
    differences: dict[str, dict[str, float]] = {}
    variables: dict[str, tuple[str, ...]] = {}
    for people, problem in parts:
        scale = float(people.weights.sum()) / problem.total
        for margin in problem.margins:
            variables[margin.name] = margin.variables
            found = margin.fitted(people.project(*margin.variables))
            sums = differences.setdefault(margin.name, {})
            for cell, gap in enumerate((found - margin.table.counts * scale).flat):
                name = margin.table.domain.cell(cell)
                sums[name] = sums.get(name, 0.0) + float(gap)
    return Hits(
        population,
        round(sum(float(people.weights.sum()) for people, _ in parts)),
        sum(problem.total for _, problem in parts),
        tuple(_hit(name, variables[name], sums) for name, sums in differences.items()),
    )


def _hit(margin: str, variables: tuple[str, ...], differences: Mapping[str, float]) -> Hit:
    misses = {name: abs(gap) for name, gap in differences.items()}
    worst = max(misses, key=misses.__getitem__)
    mean = sum(misses.values()) / len(misses)
    return Hit(margin, variables, len(misses), misses[worst], mean, worst)
