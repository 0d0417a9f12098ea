"""DeepSeek: calls between marks of their own; V3 and R1 fence the arguments, V3.1 does not."""

import re
from collections.abc import Sequence

from swarm.chat.formats.format import Format, Spelling
from swarm.chat.formats.marked import MarkedParser
from swarm.lark import any_of, json_rule, literal
from swarm.types import ToolSpec

CALLS = "<｜tool▁calls▁begin｜>"
CALL = "<｜tool▁call▁begin｜>"
SEPARATOR = "<｜tool▁sep｜>"
CALL_END = "<｜tool▁call▁end｜>"
CALLS_END = "<｜tool▁calls▁end｜>"
_MARKS = (CALLS, CALL, SEPARATOR, CALL_END, CALLS_END)
_BEGIN = rf"\s*(?:{CALL})?\s*"
_FENCED = re.compile(
    _BEGIN + rf"function{re.escape(SEPARATOR)}\s*(?P<name>[^\n<`]+?)\s*```(?:json)?\s*\{{"
)
_BARE = re.compile(_BEGIN + rf"(?P<name>[^\n<{{]+?)\s*{re.escape(SEPARATOR)}\s*\{{")


def _fenced(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    return _spelling(tools, one_call, '"function" mark_2 {name} "\\n```json\\n"', '"\\n```" mark_3')


def _bare(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    return _spelling(tools, one_call, "{name} mark_2", "mark_3")


def _spelling(tools: Sequence[ToolSpec], one_call: bool, head: str, tail: str) -> Spelling:
    rules = [f"item: mark_1 ({any_of('call', len(tools))})"] if tools else []
    for at, tool in enumerate(tools):
        named = head.replace("{name}", literal(tool.name))
        rules.append(f"call_{at}: {named} arguments_{at} {tail}")
        rules.append(json_rule(f"arguments_{at}", tool.parameters))
    more = "" if one_call else " (SPACE? item)*"
    calls = f"SPACE? item{more} SPACE? mark_4"
    return Spelling(f"mark_0 {calls}", f"PLAIN | upto_0 {calls}", tuple(rules), _MARKS)


FENCED = Format("deepseek-v3", lambda _: MarkedParser(CALLS, _FENCED, CALL), _fenced, _MARKS)
BARE = Format("deepseek-v31", lambda _: MarkedParser(CALLS, _BARE, CALL), _bare, _MARKS)
