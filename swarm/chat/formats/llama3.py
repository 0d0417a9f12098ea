"""Llama 3: the whole completion is `{"name": ..., "parameters": {...}}`, or it is text."""

import json
import re
from collections.abc import Sequence

from swarm.chat.formats.format import Format, Spelling
from swarm.chat.formats.marked import MarkedParser
from swarm.lark import any_of, json_rule, literal
from swarm.types import ToolSpec

TAG = "<|python_tag|>"
_HEAD = re.compile(
    r'\s*\{?\s*(?:"type"\s*:\s*"function"\s*,\s*)?"name"\s*:\s*(?P<json>"(?:[^"\\]|\\.)+")'
    r'\s*,\s*"(?:parameters|arguments)"\s*:\s*\{'
)


def _spelling(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    rules = [f"item: {any_of('call', len(tools))}"] if tools else []
    for at, tool in enumerate(tools):
        head = f'{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "parameters": '
        rules.append(f"call_{at}: {literal(head)} arguments_{at} SPACE? {literal('}')}")
        rules.append(json_rule(f"arguments_{at}", tool.parameters))
    calls = "item" if one_call else 'item (";" SPACE? item)*'
    return Spelling(
        called=f"mark_0? {calls}",
        free=f"PLAIN | {calls} | upto_0 {calls}",
        rules=tuple(rules),
        marks=(TAG,),
        call_begins="{",
    )


LLAMA3 = Format("llama3", lambda _: MarkedParser(TAG, _HEAD, "{", at_once="{"), _spelling, (TAG,))
