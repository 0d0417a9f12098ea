"""What an engine is given that holds no grammars, and how its answers are read."""

import json
from typing import Any

from swarm.chat.calls import Call
from swarm.chat.template import ChatTemplate
from swarm.chat.written import Written, written
from swarm.types import Constraint, Message, Question, SamplingParams, ToolSpec

NUMBER: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}
ADD, READ = ToolSpec("add", "", NUMBER), ToolSpec("read", "", {"type": "object"})
WRITES_ALL = (
    "{{ {'tools': tools, 'choice': tool_choice|default(none), "
    "'form': response_format|default(none)}|tojson }}"
)


FREE = Constraint()


async def asked(constraint: Constraint = FREE, *, with_grammar: bool = False) -> Written:
    question = Question(
        "m", (Message("user", "hi"),), SamplingParams(), (ADD, READ), constraint=constraint
    )
    template = ChatTemplate(WRITES_ALL, tool_calls="canonical")
    return await written(template, question, question, with_grammar=with_grammar)


async def test_a_wish_is_said_in_openais_words() -> None:
    said = json.loads((await asked(Constraint(schema=json.dumps(NUMBER)))).text)
    assert said["form"]["json_schema"]["schema"] == NUMBER
    assert said["form"]["type"] == "json_schema"
    assert said["choice"] is None


async def test_that_a_tool_must_be_called_is_said_but_not_which() -> None:
    for must_call, choice in ((True, "required"), (False, None)):
        said = json.loads((await asked(Constraint(must_call=must_call, tools=("read",)))).text)
        assert said["choice"] == choice


async def test_without_a_wish_nothing_is_said() -> None:
    said = json.loads((await asked()).text)
    assert (said["choice"], said["form"], len(said["tools"])) == (None, None, 2)


async def test_a_call_that_no_grammar_held_is_checked_when_it_is_whole() -> None:
    for with_grammar, kept in ((False, 0), (True, 1)):
        asking = await asked(with_grammar=with_grammar)
        assert (asking.grammar is None) == (not with_grammar)
        parser = asking.parser(checked=True)
        call = '<tool_call>\n{"name": "add", "arguments": {"n": "x"}}\n</tool_call>'
        pieces = [*parser.feed(call), *parser.finish("stop")[0]]
        assert len([piece for piece in pieces if isinstance(piece, Call)]) == kept
