"""The compact form of a question: tools as first sentences and schemas, a client's prose as ours.

The user's words stay whole, and every tool stays callable. Old tool results are shortened in rare
large steps, so that the prefix of a conversation stays the same from turn to turn. Pure.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mistakes import first_mistake
from swarm.errors import ConfigurationError
from swarm.json_schema import DATA, changed
from swarm.types import Message, Question, ToolSpec

_SENTENCE = re.compile(
    r"\A[\s*-]*(.+?)"
    r"(?:(?<=[^.\s][.!?])(?<!e\.g\.)(?<!i\.e\.)(?=\s)|(?<=[。！？])(?![。！？」』”’）])|\n|\Z)",
    re.DOTALL,
)
_SENTENCE_CHARACTERS = 160
_LISTED = re.compile(r"^[-*] +`?([\w-]+)`?:", re.MULTILINE)
_SKILL = re.compile(
    r"(\s*<skill>\s*<name>[^<]*</name>\s*<description>)(.*)</description>"
    r"(?:\s*<location>[^<]*</location>)?(\s*)",
    re.DOTALL,
)
_LARGEST_EXACT = 2**53 - 1
_REMARKS = frozenset({"description", "title", "$schema", "$comment", "examples"})
_VALUES = DATA - _REMARKS

_COUNT = "{characters}"
"""Where the owner's words for what was cut have its length; other braces are their own."""

_HEAD_CHARACTERS, _TAIL_CHARACTERS = 200, 100
_WHOLE_RESULTS = 2
"""The last results of tools are never shortened: the model is at work on them."""


_Mark = Annotated[str, Field(min_length=1)]
"""Words that are looked for: none at all would be everywhere."""


class _System(BaseModel):
    """A client's own system prompts. `lines`: the fingerprints of theirs, with white space between.

    `begins`: how those lines begin that go on with a name. They stand below a user's prompt too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keeps_from: tuple[_Mark, ...] = Field(min_length=1)
    begins: tuple[_Mark, ...] = ()
    lines: str

    @cached_property
    def _fingerprints(self) -> frozenset[str]:
        return frozenset(self.lines.split())

    def has(self, line: str) -> bool:
        return fingerprint(line) in self._fingerprints


class _Lists(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    behind: tuple[_Mark, ...] = ()


class Words(BaseModel):
    """The text of the data file `compact.toml`, or of the owner's in its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instructions: str
    agent: str | None = None
    cut: str = Field(pattern=re.escape(_COUNT))
    system: tuple[_System, ...] = ()
    lists: _Lists = _Lists()


def read_words(text: str, name: str) -> Words:
    """The words of a TOML text. Raises ConfigurationError that names the file and the setting."""
    try:
        return Words.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {first_mistake(error, '')}") from None
    except ValueError as error:  # no TOML, or a number that is too long to be read
        raise ConfigurationError(f"{name}: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{name}: its values are nested too deep") from None


@cache
def our_words() -> Words:
    """Those that come with the project."""
    return read_words((files("swarm.chat") / "compact.toml").read_text("utf-8"), "compact.toml")


def compacted(question: Question, words: Words) -> Question:
    """The question in the compact form; itself where there is nothing to cut."""
    messages = tuple(_compact_message(message, words) for message in question.messages)
    tools = tuple(compact_tool(tool, words) for tool in question.tools)
    if messages == question.messages and tools == question.tools:
        return question
    return replace(question, messages=messages, tools=tools)


def _compact_message(message: Message, words: Words) -> Message:
    if message.role not in ("system", "developer") or not message.content:
        return message
    return replace(message, content=compact_system(message.content, words))


def compact_system(text: str, words: Words) -> str:
    """A client's own prose replaced by ours; surroundings and the user's own words stay.

    Its prompt is known by its lines. Those that are not known may be the user's: a prompt that has
    more of them stays whole, and in one of the client's they stay behind our words.
    """
    for known in words.system:
        places = [at for mark in known.keeps_from if (at := text.find(mark)) >= 0]
        if not places:
            continue
        prose, rest = text[: min(places)], text[min(places) :]
        lines = [each for each in prose.splitlines(True) if not each.startswith(known.begins)]
        own = _own_lines(lines, known)
        if 2 * _characters(own) <= _characters(lines) > 0:
            return f"{words.instructions.strip()}\n{''.join(own)}{_short_skills(rest)}"
    return text


def fingerprint(line: str) -> str:
    """What the data file has in the place of a line of somebody else's text."""
    return sha256(line.strip().encode()).hexdigest()[:8]


def _own_lines(lines: Sequence[str], known: _System) -> list[str]:
    """Without the client's, and without the blank ones that follow these."""
    own: list[str] = []
    after_own = False
    for line in lines:
        if line.strip():
            after_own = not known.has(line)
        if after_own:
            own.append(line)
    return own


def _characters(lines: Sequence[str]) -> int:
    return sum(len(line.strip()) for line in lines)


def _short_skills(text: str) -> str:
    """The text with its last list of skills shortened. The user's words may use the same tags."""
    listed, closed, after = text.rpartition("</available_skills>")
    before, opened, listed = listed.rpartition("<available_skills>")
    if not closed or not opened:
        return text
    skills = "</skill>".join(map(_short_skill, listed.split("</skill>")))
    return f"{before}{opened}{skills}{closed}{after}"


def _short_skill(text: str) -> str:
    found = _SKILL.fullmatch(text)
    return f"{found[1]}{first_sentence(found[2])}</description>{found[3]}" if found else text


def compact_tool(tool: ToolSpec, words: Words) -> ToolSpec:
    """The tool with the first sentence of its description and the bare types of its schema."""
    told = first_sentence(tool.description)
    for mark in words.lists.behind:
        _, found, listed = tool.description.partition(mark)
        if names := _LISTED.findall(listed):
            told += f" {found}: {', '.join(names)}."
    return replace(tool, description=told, parameters=changed(tool.parameters, _without_remarks))


def first_sentence(text: str) -> str:
    """Up to the first full stop or line end, cut where even that is long: at a word, if it can."""
    found = _SENTENCE.match(text)
    sentence = found[1].strip() if found else ""
    if len(sentence) <= _SENTENCE_CHARACTERS:
        return sentence
    cut = sentence[:_SENTENCE_CHARACTERS]
    words = cut.rpartition(" ")[0]
    # Chinese and Japanese have no spaces, or a few around foreign words.
    return words if len(words) > _SENTENCE_CHARACTERS // 2 else cut


def _without_remarks(words: dict[str, Any]) -> dict[str, Any]:
    return {
        word: said
        for word, said in words.items()
        if word in _VALUES or (word not in _REMARKS and not _bounds_nothing(said))
    }


def _bounds_nothing(value: Any) -> bool:
    """Schema writers of JavaScript bound every integer by what a double can hold."""
    return isinstance(value, int) and abs(value) >= _LARGEST_EXACT


def shortened(
    messages: Sequence[Message], sizes: Sequence[int], *, room_tokens: int, words: Words
) -> tuple[Message, ...]:
    """The conversation with old results of tools cut, as often as it has outgrown its room.

    `sizes` are the messages' tokens. The conversation is followed from its first message: each time
    that it would no longer fit, all results but the last two are cut at once. So the answer for a
    longer conversation begins like that for a shorter one, but at these rare points. Results that
    came together are cut only where all older ones were not enough.
    """
    kept, tokens = list(messages), list(sizes)
    whole: list[int] = []
    used = together = 0
    for at, message in enumerate(messages):
        used += tokens[at]
        if message.role in ("tool", "function"):
            whole.append(at)
            together += 1
        elif message.role == "assistant":
            together = 0
        for stay in (max(together, _WHOLE_RESULTS), _WHOLE_RESULTS):
            if used <= room_tokens:
                break
            for old in whole[:-stay]:
                kept[old], after = _cut_result(kept[old], tokens[old], words)
                used -= tokens[old] - after
                tokens[old] = after
            whole = whole[-stay:]
    return tuple(kept)


def _cut_result(message: Message, tokens: int, words: Words) -> tuple[Message, int]:
    """The shortened result with an estimate of its tokens."""
    text = message.content or ""
    left_out = len(text) - _HEAD_CHARACTERS - _TAIL_CHARACTERS
    mark = words.cut.replace(_COUNT, str(left_out))
    if left_out <= len(mark):
        return message, tokens
    short = f"{text[:_HEAD_CHARACTERS]}{mark}{text[-_TAIL_CHARACTERS:]}"
    return replace(message, content=short), max(1, tokens * len(short) // len(text))
