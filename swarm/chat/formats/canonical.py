"""`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`: Hermes, Qwen 2.5 and 3, our own."""

import json
from collections.abc import Sequence

from swarm.chat.formats.format import Format, Spelling
from swarm.chat.tool_calls import CLOSE, OPEN, CallParser
from swarm.lark import any_of, json_rule, literal
from swarm.types import ToolSpec


def _spelling(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    rules = (
        [f"body: SPACE? ({any_of('call', len(tools))}) SPACE? {literal(CLOSE)}"] if tools else []
    )
    for at, tool in enumerate(tools):
        head = f'{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "arguments": '
        rules.append(f"call_{at}: {literal(head)} arguments_{at} SPACE? {literal('}')}")
        rules.append(json_rule(f"arguments_{at}", tool.parameters))
    more = "" if one_call else " (SPACE? mark_0 body)*"
    return Spelling(
        called=f"mark_0 body{more}",
        free=f"PLAIN | upto_0 body{more}",
        rules=tuple(rules),
        marks=(OPEN,),
    )


CANONICAL = Format("canonical", lambda _: CallParser(), _spelling, (OPEN, CLOSE))
