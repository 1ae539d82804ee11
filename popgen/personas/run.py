"""Run an arm: what it will cost, who answers, and where its people come from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from popgen.errors import PopgenError
from popgen.personas.arm import USAGE, Arm, Asked, Task
from popgen.personas.cache import Cache
from popgen.personas.endpoint import Endpoint
from popgen.personas.request import Request
from popgen.provenance import provenance


@dataclass(frozen=True)
class Estimate:
    """What a run may take, before any of it is sent.

    Attributes
    ----------
    requests : int
        Of the first round; ``cached`` of them are answered already.
    cached : int
    rounds : int
        At most; later rounds are taken to be as large as the first.
    input, output : int
        Tokens of all rounds, by the rule of `Endpoint.tokens`: answers at their longest.
    cost : float
        At the endpoint's prices. Answers that are asked for again come on top.
    """

    requests: int
    cached: int
    rounds: int
    input: int
    output: int
    cost: float


def estimate(arm: Arm, task: Task, endpoint: Endpoint, cache: Cache) -> Estimate:
    """Say what a run may cost; nothing is sent."""
    first = first_round(arm, task)
    missing = cache.missing(first, endpoint)
    later = arm.most_rounds - 1
    tokens = [endpoint.tokens(request) for request in first]
    due = [endpoint.tokens(request) for request in missing]
    told = sum(n for n, _ in due) + later * sum(n for n, _ in tokens)
    said = sum(n for _, n in due) + later * sum(n for _, n in tokens)
    cost = endpoint.cost(told, said)
    return Estimate(len(first), len(first) - len(missing), later + 1, told, said, cost)


def first_round(arm: Arm, task: Task) -> list[Request]:
    """Give an arm's first requests."""
    return next(arm.talk(task))


def refuse_costly(expected: Estimate, endpoint: Endpoint) -> None:
    """Refuse a run whose estimate is above the budget.

    Raises
    ------
    PopgenError
    """
    if endpoint.budget is not None and expected.cost > endpoint.budget:
        raise PopgenError(
            f"the run may cost {expected.cost:.4g}, above the budget of {endpoint.budget:g}: "
            f"{expected.input:,} tokens in and {expected.output:,} out; ask for fewer people, or "
            "raise the budget"
        )


def account(arm: Arm, task: Task, endpoint: Endpoint, asked: Asked) -> dict[str, Any]:
    """Write the provenance of an arm's people: what was asked of whom, and what it took."""
    usage = {key: sum(r.usage.get(key, 0) for r in asked.replies) for key in USAGE}
    statuses = [reply.status for reply in asked.replies]
    return provenance(
        arm=repr(arm),
        people=len(asked.people),
        asked=task.people,
        chunk=task.chunk,
        rng=task.rng,
        population=task.told.who,
        model=endpoint.model,
        answered_by=sorted({reply.model for reply in asked.replies if reply.model}),
        parameters=endpoint.parameters,
        base_url=endpoint.base_url,
        prompt_sha256=prompts_digest([reply.request for reply in asked.replies]),
        requests={status: statuses.count(status) for status in sorted(set(statuses))},
        refusals=statuses.count("refused"),
        retries=usage["attempts"] - usage["asked_again"] - len(asked.replies),
        tokens={"input": usage["input"], "output": usage["output"]},
        asked_again=usage["asked_again"],
        cost=endpoint.cost(usage["input"], usage["output"]),
        unanswered=asked.log().filter(pl.col("status") != "answered").to_dicts(),
    )


def prompts_digest(requests: Sequence[Request]) -> str:
    """SHA-256 over all messages, in the order asked."""
    total = hashlib.sha256()
    for request in requests:
        total.update(request.message.encode() + b"\0")
    return total.hexdigest()
