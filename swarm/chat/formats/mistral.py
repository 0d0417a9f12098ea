"""Mistral: `[TOOL_CALLS]` and a list of calls, or in newer templates name, `[ARGS]`, arguments."""

import json
import re
from collections.abc import Sequence

from swarm.chat.formats.format import Format, Spelling
from swarm.chat.formats.marked import MarkedParser
from swarm.lark import any_of, json_rule, literal
from swarm.types import ToolSpec

CALLS, CALL_ID, ARGS = "[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"
_NAME = r'"name"\s*:\s*(?P<json>"(?:[^"\\]|\\.)+")\s*,\s*"arguments"\s*:\s*\{'
_LISTED = re.compile(r"\s*(?:\[?\s*\{)?\s*" + _NAME)
_NAMED = re.compile(r"\s*(?P<name>[^\s\[{]+)\s*(?:\[CALL_ID\][^\[{]*)?(?:\[ARGS\])?\s*\{")


def _listed(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    rules = [f"item: {any_of('call', len(tools))}"] if tools else []
    for at, tool in enumerate(tools):
        head = f'{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "arguments": '
        rules.append(f"call_{at}: {literal(head)} arguments_{at} SPACE? {literal('}')}")
        rules.append(json_rule(f"arguments_{at}", tool.parameters))
    more = "" if one_call else ' ("," SPACE? item)*'
    calls = f'SPACE? "[" SPACE? item{more} SPACE? "]"'
    return Spelling(f"mark_0 {calls}", f"PLAIN | upto_0 {calls}", tuple(rules), (CALLS,))


def _named(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    rules = [f"item: {any_of('call', len(tools))}"] if tools else []
    for at, tool in enumerate(tools):
        rules.append(f"call_{at}: {literal(tool.name)} mark_1 arguments_{at}")
        rules.append(json_rule(f"arguments_{at}", tool.parameters))
    calls = "item" if one_call else "item (mark_0 item)*"
    return Spelling(f"mark_0 {calls}", f"PLAIN | upto_0 {calls}", tuple(rules), (CALLS, ARGS))


LISTED = Format("mistral", lambda _: MarkedParser(CALLS, _LISTED, "{"), _listed, (CALLS,))
NAMED = Format(
    "mistral-args",
    lambda _: MarkedParser(CALLS, _NAMED, CALLS),
    _named,
    (CALLS, CALL_ID, ARGS),
)
