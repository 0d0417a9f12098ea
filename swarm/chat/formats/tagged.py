"""Calls whose arguments stand between marks, one by one: Qwen3-Coder's XML and GLM's pairs.

A string stands as it is; every other value, and a string with a pattern or format, as JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from swarm.chat.calls import HEAD_CHARACTERS, Arguments, Call, is_json, strict_json
from swarm.chat.formats.canonical import CALL_CLOSE
from swarm.chat.formats.format import Part, Spelling, SteppedParser
from swarm.chat.marks import partial_mark
from swarm.lark import any_of, json_rule, literal, pattern
from swarm.types import ToolSpec

_PLAIN_WORDS = frozenset(
    ("type", "minLength", "maxLength", "title", "description", "default", "examples", "$comment")
)
_REFERENCE = re.compile(r'"\$ref": "#(?=[/"])')

_TOP_WORDS = frozenset(
    ("type", "properties", "required", "additionalProperties", "$defs", "definitions", "$schema")
) | (_PLAIN_WORDS - {"minLength", "maxLength"})


@dataclass(frozen=True, slots=True)
class Marks:
    """How a call is written around its name, its keys and its values.

    Spelled: `call`, `name` with `{}` for it, then for each parameter `key` with `{}` for it, the
    value and `value_end`, at last `close`. Read: `name_read` and `key_read`, whose group is the
    name, `value_close`, `close_read`. `trim`: what is dropped once at both ends of a value.
    `never`: what text before a call may not hold, for models write a call without its mark.
    """

    call: str
    name: str
    key: str
    value_end: str
    close: str
    name_read: "re.Pattern[str]"
    key_read: "re.Pattern[str]"
    close_read: "re.Pattern[str]"
    value_close: str
    trim: str = ""
    never: tuple[str, ...] = ()


def spelling(marks: Marks, tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    """The grammar: parameters in the order of the schema, the optional ones left out at will, and
    behind them those of other names where the schema lets them be."""
    rules = [f"body: SPACE? ({any_of('call', len(tools))}) {literal(marks.close)}"] if tools else []
    for at, tool in enumerate(tools):
        rules += _call_rules(marks, tool, at)
    more = "" if one_call else " (SPACE? mark_0 body)*"
    return Spelling(
        called=f"mark_0 body{more}",
        free=f"PLAIN | upto_0 body{more}",
        rules=tuple(rules),
        marks=(marks.call, *marks.never),
    )


def _call_rules(marks: Marks, tool: ToolSpec, at: int) -> list[str]:
    properties, required = _parts(tool)
    rules: list[str] = []
    parameters: list[str] = []
    for number, (key, schema) in enumerate(properties.items()):
        name = f"parameter_{at}_{number}"
        head = marks.key.replace("{}", key)
        parameters.append(name if key in required else f"{name}?")
        rules += _value_rules(marks, name, literal(head), schema, tool)
    others = tool.parameters.get("additionalProperties", True)
    if others is not False:
        parameters.append(f"other_{at}*")
        rules += _other_rules(marks, f"other_{at}", others, properties, tool)
    head = literal(marks.name.replace("{}", tool.name))
    return [f"call_{at}: {head} {' '.join(parameters)}", *rules]


def _parts(tool: ToolSpec) -> tuple[dict[str, Any], Sequence[str]]:
    """The properties that may be written, and those that must be."""
    properties = dict(cast(Mapping[str, Any], tool.parameters.get("properties", {})))
    required = cast(Sequence[str], tool.parameters.get("required", ()))
    properties |= {key: {} for key in required if key not in properties}
    return properties, required


def _value_rules(marks: Marks, name: str, head: str, schema: Any, tool: ToolSpec) -> list[str]:
    if is_plain(schema):
        bounds = f"{schema.get('minLength', 0)},{schema.get('maxLength', '')}"
        end, close, terminal = pattern(marks.value_end), pattern(marks.value_close), name.upper()
        # What ends a value stands in its end once, and so never within it.
        return [
            f"{name}: {head} {name}_text",
            f"{terminal}: /(?s:.){{{bounds}}}{end}/ & ~/(?s:.*){close}(?s:.*){close}(?s:.*)/",
            f"{name}_text[lazy]: {terminal}",
        ]
    return _json_rules(marks, name, head, schema, tool)


def _json_rules(marks: Marks, name: str, head: str, schema: Any, tool: ToolSpec) -> list[str]:
    tail = literal(marks.value_end)
    whole = _by_itself(schema, tool.parameters)
    return [f"{name}: {head} {name}_json {tail}", json_rule(f"{name}_json", whole)]


def _by_itself(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one value, with the whole one in it where it refers to that."""
    own = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    draft = {word: root[word] for word in ("$schema",) if word in root}
    if not _REFERENCE.search(json.dumps(own)):
        return {**draft, **own}
    both = json.dumps({**own, "$defs": {"root": root}})
    return {**draft, **json.loads(_REFERENCE.sub('"$ref": "#/$defs/root', both))}


def _other_rules(
    marks: Marks, name: str, schema: Any, named: Mapping[str, Any], tool: ToolSpec
) -> list[str]:
    """A parameter that is not named in the schema: its value is JSON, as the parser reads it."""
    before, after = map(pattern, marks.key.split("{}"))
    own = "|".join(map(pattern, named))
    head = rf"/{before}[^<>\s]+{after}/" + (f" & ~/{before}({own}){after}/" if own else "")
    terminal = name.upper()
    return [f"{terminal}: {head}", *_json_rules(marks, name, terminal, schema, tool)]


def is_plain(schema: object) -> bool:
    """Whether values of this schema are strings that stand as they are."""
    if not isinstance(schema, Mapping):
        return False
    known = cast(Mapping[str, Any], schema)
    return known.get("type") == "string" and _PLAIN_WORDS.issuperset(known)


def holds(tool: ToolSpec) -> bool:
    """Whether parameters one by one say as much as the whole schema does."""
    schema = tool.parameters
    _, required = _parts(tool)
    named = cast(Mapping[str, Any], schema.get("properties", {}))
    spelled = all(re.fullmatch(r"[^<>\s]+", key) for key in named)
    return _TOP_WORDS.issuperset(schema) and spelled and named.keys() >= set(required)


class TaggedParser(SteppedParser):
    """Finds calls of these marks; strings of the tools' schemas stream, other values come whole.

    What never comes to a name stays text; what stands between calls, and behind them, is dropped.
    """

    thinking = False  # these formats mark no reasoning

    def __init__(self, marks: Marks, tools: Sequence[ToolSpec]) -> None:
        super().__init__()
        self._marks = marks
        self._plain = {
            tool.name: {key for key, schema in _parts(tool)[0].items() if is_plain(schema)}
            for tool in tools
        }
        self._state: Literal["text", "name", "key", "plain", "value"] = "text"
        self._gap = ""
        self._passed = 0  # how far a value was searched for its end
        self._tool = ""
        self._some = False
        self._called = False

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a call."""
        return self._state != "text"

    def finish(self) -> list[Part]:
        """What was held back. A call that lacks only its closing marks is whole; one that stops
        elsewhere, or goes on in another way, keeps arguments that never end."""
        if self._state == "value" and self._marks.value_close in self._held:
            parts: list[Part] = []  # JSON that never ended
            self._end_value(parts, self._held.index(self._marks.value_close))
            return [*parts, *self.feed(""), *self.finish()]
        rest, self._held = self._held, ""
        match self._state:
            case "text":
                return [rest] if rest and not self._called else []
            case "name":
                return [self._gap + self._marks.call + rest]
            case "key" if self._closes(rest):
                return [Arguments("}" if self._some else "{}")]
            case "key" | "plain" | "value":
                return []

    def _closes(self, rest: str) -> bool:
        """Whether `rest` is as much of the closing marks as the model came to write."""
        written = "".join(rest.split())
        ends = ("".join(end.split()) for end in (self._marks.close, CALL_CLOSE))
        return written != "<" and any(end.startswith(written) for end in ends)

    def _advance(self, parts: list[Part]) -> bool:
        match self._state:
            case "text":
                return self._read_text(parts)
            case "name":
                return self._read_name(parts)
            case "key":
                return self._read_key(parts)
            case "plain":
                return self._read_plain(parts)
            case "value":
                return self._read_value(parts)

    def _read_text(self, parts: list[Part]) -> bool:
        mark = self._marks.call
        before, found, after = self._held.partition(mark)
        if found:
            text = before.rstrip()
            self._gap = before[len(text) :]
            self._state, self._held = "name", after
        else:
            text = before[: len(before) - partial_mark(before, mark)].rstrip()
            self._held = before[len(text) :]
        if text and not self._called:
            parts.append(text)
        return bool(found)

    def _read_name(self, parts: list[Part]) -> bool:
        found = self._marks.name_read.match(self._held, 0, HEAD_CHARACTERS)
        if found is None:
            return self._give_up_name(parts)
        self._tool, self._held = found[1], self._held[found.end() :]
        self._state, self._some, self._called = "key", False, True
        parts.append(Call(self._tool))
        return True

    def _give_up_name(self, parts: list[Part]) -> bool:
        """Hand out as text what closes, or grows too long, before it comes to a name."""
        body, closed, _ = self._held[:HEAD_CHARACTERS].partition(CALL_CLOSE)
        if not closed and len(self._held) < HEAD_CHARACTERS:
            return False
        parts.append(self._gap + self._marks.call + body + closed)
        self._state, self._held = "text", self._held[len(body + closed) :]
        return True

    def _read_key(self, parts: list[Part]) -> bool:
        if found := self._marks.close_read.match(self._held):
            parts.append(Arguments("}" if self._some else "{}"))
            self._state, self._held = "text", self._held[found.end() :]
            return True
        found = self._marks.key_read.match(self._held)
        if found is None:
            return False
        plain = found[1] in self._plain.get(self._tool, ())
        key = f"{', ' if self._some else '{'}{json.dumps(found[1], ensure_ascii=False)}: "
        parts.append(Arguments(key + ('"' if plain else "")))
        self._state, self._some = "plain" if plain else "value", True
        self._held = self._held[found.end() :]
        return True

    def _read_plain(self, parts: list[Part]) -> bool:
        close, trim = self._marks.value_close, self._marks.trim
        value, found, after = self._held.partition(close)
        if not found:
            value = value[: len(value) - partial_mark(value, close)].removesuffix(trim)
        text = json.dumps(value.removesuffix(trim) if found else value, ensure_ascii=False)[1:-1]
        self._held = after if found else self._held[len(value) :]
        if found:
            self._state, text = "key", text + '"'
        parts += [Arguments(text)] if text else []
        return bool(found)

    def _read_value(self, parts: list[Part]) -> bool:
        close = self._marks.value_close
        at = self._held.find(close, self._passed)
        while at >= 0 and _ends_in_string(self._held[:at]):
            self._passed = at + len(close)
            at = self._held.find(close, self._passed)
        if at >= 0:
            whole = is_json(self._held[:at])
            self._end_value(parts, at if whole else self._held.index(close))
        return at >= 0

    def _end_value(self, parts: list[Part], at: int) -> None:
        value, self._held = self._held[:at].strip(), self._held[at + len(self._marks.value_close) :]
        parts.append(Arguments(value if is_json(value) else json.dumps(value, ensure_ascii=False)))
        self._state, self._passed = "key", 0


def _ends_in_string(text: str) -> bool:
    """Whether this is JSON up to within a string, where a mark is a part of the string."""
    try:
        strict_json(text)
    except json.JSONDecodeError as error:
        return error.msg.startswith("Unterminated string")
    except (ValueError, RecursionError):
        return False
    return False
