"""What a question is held to goes to peers as it is."""

from federation.wire import ProposeBody, decode_propose, encode_body
from swarm.types import Constraint, Message, Question, SamplingParams, ToolSpec


def test_a_question_with_a_constraint_goes_over_the_wire_unchanged() -> None:
    question = Question(
        "swarm",
        (Message("user", "hi"),),
        SamplingParams(seed=3),
        (ToolSpec("read", "", {"type": "object"}),),
        one_call=True,
        constraint=Constraint(must_call=True, tool="read", schema='{"type": "object"}'),
    )
    body = ProposeBody(label="a", question=question, workers=2, remaining_s=5)
    assert decode_propose(encode_body(body)) == body
