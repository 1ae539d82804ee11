"""``popgen audit``: what of a joint is measured, borrowed or assumed, and what is left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.options import Reconcile, grouped
from popgen.cli.recipe import Recipe
from popgen.cli.sources import Sources, one_problem
from popgen.cli.terminal import Json, Quiet, print_json, print_text, say

if TYPE_CHECKING:
    from popgen.methods.base import Method, Model

Question = tuple[dict[str, list[str]], dict[str, list[str]]]
"""Whom to count, among whom."""


@grouped
def audit(
    *,
    sources: Sources,
    recipe: Recipe,
    reconcile: Reconcile = False,
    order: Annotated[
        int, typer.Option(min=1, help="How many variables together: 2 pairs, 3 triples.")
    ] = 2,
    share: Annotated[
        list[str] | None,
        typer.Option(
            help="What share of some people are of some kind, at least, by estimate and at most: "
            "'vote=a given race=Black'; several levels as 'age=18-29|30-44', several variables "
            "with commas. May be given more than once."
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what of a joint is measured, borrowed or assumed, and what is left open."""
    questions = [question(text) for text in share or []]
    where = {**sources.read(), "controls": recipe.read_controls()}
    model = _fitted(where, recipe.named_method(), reconcile)

    from popgen.audit import audit as audited

    found = audited(model, orders=(order,), shares=questions)
    print_json(found.to_dict()) if as_json else print_text(str(found))


def _fitted(where: dict[str, Any], method: Method | None, reconcile: bool) -> Model:
    """Fit the one zone that the inputs are of."""
    from popgen._area import naming
    from popgen.methods import method_named

    only, problem = one_problem(where, reconcile, "an audit")
    default = "ipf" if where["microdata"] is None else "calibration"
    with naming(only):
        model = (method or method_named(default)).fit(problem)
    for note in problem.notes:
        say(f"note: {note}")
    return model


def question(text: str) -> Question:
    """Read ``vote=a given race=Black, sex=f|m``.

    >>> question("vote=a given race=Black, age=18-29|30-44")
    ({'vote': ['a']}, {'race': ['Black'], 'age': ['18-29', '30-44']})
    """
    kind, _, group = text.partition(" given ")
    return _levels(kind, text), _levels(group, text) if group.strip() else {}


def _levels(part: str, text: str) -> dict[str, list[str]]:
    from popgen.errors import PopgenError

    found: dict[str, list[str]] = {}
    for term in part.split(","):
        name, equals, levels = term.partition("=")
        named = [level.strip() for level in levels.split("|")]
        if not (equals and name.strip() and all(named)) or name.strip() in found:
            raise PopgenError(
                f"--share {text!r}: cannot read {term.strip()!r}; write 'variable=level', as in "
                "'vote=a given race=Black, age=18-29|30-44', each variable once"
            )
        found[name.strip()] = named
    return found
