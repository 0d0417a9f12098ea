"""What a request wishes of a vote, as the rules by which it is held."""

import hashlib
import json

from api.openai.schema import VoteBody
from swarm.chat.arguments import check_of, checks_of
from swarm.chat.held import may_be_wrong
from swarm.collect import Rules
from swarm.consensus.canonical import Reading
from swarm.consensus.stopping import Decide
from swarm.consensus.validity import not_json
from swarm.proposer import LONGEST_S
from swarm.types import Question


def rules_of(
    wishes: VoteBody,
    question: Question,
    *,
    patience_s: float,
    n: int = 1,
    streamed: bool = True,
) -> Rules:
    """The rules of a vote. Strategies that only choose when to stop read texts as `auto` does.

    For several choices all are waited for: what proves the first says nothing of the others.
    Ties are broken by the request itself: the same request breaks them alike.
    """
    held = question.constraint
    strategy = "leader" if wishes.stream == "leader" else wishes.strategy or "auto"
    reading: Reading = "auto"
    decide: Decide = wishes.decide or "exact"
    match strategy:
        case "first" | "best":
            decide = strategy
        case "judge":
            decide = "all"
        case "exact" | "json" | "code" | "medoid":
            reading = strategy
        case _:
            reading = "auto" if held.schema is None else "json"
    wanted = not_json if reading == "json" else None
    if held.schema is not None:
        wanted = check_of(json.loads(held.schema), "response_format.json_schema.schema")
    return Rules(
        seed=hashlib.sha256(repr((question.sampling.seed, question.messages)).encode()).hexdigest(),
        strategy=strategy,
        reading=reading,
        decide="all" if n > 1 else decide,
        deadline_s=wishes.deadline_s or LONGEST_S,
        patience_s=patience_s,
        hurried=bool(question.tools),
        checks=checks_of(held.callable_of(question.tools)),
        schemas={tool.name: tool.parameters for tool in question.tools},
        may_be_wrong=may_be_wrong(question.tools),
        wanted=wanted,
        must_call=held.must_call,
        stops=bool(question.sampling.stop),
        streamed=streamed,
    )
