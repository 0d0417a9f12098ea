"""What is given where no answer is valid: an answer as one worker alone would have given it."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from swarm.chat.formats.canonical import call_text
from swarm.chat.held import stays_call
from swarm.consensus.validity import wrong_arguments
from swarm.types import Candidate, Check


def as_given(
    answer: Candidate, checks: Mapping[str, Check], may_be_wrong: Collection[str] = ()
) -> Candidate | None:
    """An invalid answer as it can be given where nothing was asked for, None if it says nothing.

    A call of an unknown tool stays one, for its asker can tell the model what was wrong; so does
    one that `stays_call`. Any other call whose arguments are wrong is text, behind what else was
    said.
    """
    made = answer.tool_calls
    wrong = [
        at
        for at, call in enumerate(made)
        if wrong_arguments(answer, at, checks) is not None
        and not stays_call(call.name, call.arguments, answer.beside, may_be_wrong)
    ]
    text = answer.text + "".join(call_text(made[at].name, made[at].arguments) for at in wrong)
    calls = tuple(call for at, call in enumerate(made) if at not in wrong)
    if not calls and not text.strip():
        return None
    finish = "stop" if answer.finish == "tool_calls" and not calls else answer.finish
    return replace(answer, text=text, tool_calls=calls, finish=finish)
