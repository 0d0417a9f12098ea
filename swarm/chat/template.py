"""Messages and tools to the text of a prompt, by the Jinja template of the model's own file.

The template is foreign code: it runs in a sandbox, with bounds that catch its mistakes. They are
no wall against one that is written to fill the memory; it is as trusted as the model it came with.
Knows no tokens; the engine parses the special ones.
"""

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn, cast

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.formats.format import Format
from swarm.chat.formats.table import format_of
from swarm.chat.probing import PROBED_TOOL, needed_rewritings, rewritten
from swarm.chat.reasoning import THINK_OPEN
from swarm.chat.turns import (
    Rewriting,
    ToolDict,
    TurnDict,
    as_turns,
    describe_tools,
    one_system,
    plain_turns,
)
from swarm.errors import InvalidRequest
from swarm.types import Message, ToolSpec

logger = logging.getLogger(__name__)

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""The template of a model whose file has none: ChatML, as most instruction-tuned models know it."""

_VARIABLES = ("messages", "tools", "add_generation_prompt", "bos_token", "eos_token")
_FUNCTIONS = ("raise_exception", "strftime_now")

RESERVED = frozenset((*_VARIABLES, *_FUNCTIONS, *DEFAULT_NAMESPACE))
"""Names that extra keyword arguments of a request may not take: templates call Jinja's own too."""

_MAX_SECONDS = 5.0
_MAX_CHARACTERS = 64 << 20
_MAX_LOOP_STEPS = 1_000_000


class _GenerationTag(Extension):
    """`{% generation %}...{% endgeneration %}` marks what to train on: its body, no more."""

    tags = {"generation"}  # noqa: RUF012 - Jinja declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which also refuses to build huge strings and lists in one operation."""

    intercepted_binops = frozenset({"+", "*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        size = _size(left) + _size(right)
        if operator == "*":
            size *= max((x for x in (left, right) if isinstance(x, int)), default=0)
        if operator == "**" or size > _MAX_CHARACTERS:
            raise TemplateError(f"the chat template's {operator} is too large")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, int) and x > _MAX_CHARACTERS for x in (*args, *kwargs.values())):
            raise TemplateError("the chat template asks for something too large")
        return super().call(context, called, *args, **kwargs)


class ChatTemplate:
    """A compiled chat template of one model."""

    def __init__(
        self,
        source: str | None,
        *,
        bos_token: str = "",
        eos_token: str = "",
        tool_calls: str | None = None,
    ) -> None:
        """`tool_calls`: how the model writes calls, by its card, if its template does not say."""
        if source is None:
            logger.warning("the model's file has no chat template; using ChatML")
        self._source = source or CHATML
        sandbox = _Sandbox(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", _GenerationTag],
        )
        sandbox.filters["tojson"] = _to_json
        del sandbox.filters["center"]  # pads to any width
        known: dict[str, Any] = sandbox.globals
        del known["lipsum"]
        known.update(raise_exception=_raise_exception, strftime_now=_strftime_now)
        self._tokens: dict[str, Any] = {"bos_token": bos_token, "eos_token": eos_token}
        try:
            named = meta.find_undeclared_variables(sandbox.parse(self._source))
            self._template = sandbox.from_string(self._source)
        except (TemplateSyntaxError, SyntaxError, RecursionError) as error:
            raise InvalidRequest(
                f"the model's chat template is broken: {error}", param="model"
            ) from error
        spelled = format_of(self._source, declared=tool_calls) if "tools" in named else None
        if "tools" in named and spelled is None:
            logger.info("the model's own way of writing calls is not known here: it is told ours")
        self._knows_tools = spelled is not None
        self.call_format: Format = spelled or CANONICAL
        """How this model writes calls: as its template has it, or as our words ask for it."""

    @property
    def thinks(self) -> bool:
        """Whether a completion may begin with reasoning between the usual marks."""
        return THINK_OPEN in self._source

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt's text, ready for the assistant's turn. May take a while: use a thread.

        Raises InvalidRequest where the template refuses the messages.
        """
        turns = as_turns(messages)
        offered = [_tool_dict(tool) for tool in tools]
        told = offered if self._knows_tools else []
        if offered and not told:
            turns = _with_system_text(turns, describe_tools(offered))
        options = extra or {}
        try:
            text = self._text(rewritten(turns, self._rewritings), told or self._no_tools, options)
            return text + self._left_out(text, options)
        except _REFUSALS as error:
            message = f"the model's chat template refuses these messages: {error}"
            raise InvalidRequest(message, param="messages") from error

    @cached_property
    def _rewritings(self) -> tuple[Rewriting, ...]:
        """What this template needs done to conversations."""
        if self._knows_tools:
            return needed_rewritings(lambda turns: self._shown(turns, [PROBED_TOOL]), [one_system])
        no_tools = self._no_tools
        return needed_rewritings(
            lambda turns: self._shown(turns, no_tools), [one_system, plain_turns]
        )

    @cached_property
    def _no_tools(self) -> list[ToolDict] | None:
        """What the template is told where there are no tools: some go through them untested."""
        return [] if self._shown([_PROBED_TURN], None) is None else None

    def _left_out(self, text: str, extra: Mapping[str, Any]) -> str:
        """What begins the assistant's turn, where the prompt ends with the turn before it.

        Gemma 4's template forgets it behind results whose call had words beside it.
        """
        if not self._turn_end or not text.endswith(self._turn_end):
            return ""
        asked = self._text([_PROBED_TURN], self._no_tools, extra, answer=False)
        asking = self._text([_PROBED_TURN], self._no_tools, extra)
        begun = asking[len(asked) :] if asking.startswith(asked) else ""
        return "" if text.endswith(begun) else begun

    @cached_property
    def _turn_end(self) -> str:
        """With what a turn of the user ends, nothing where the template shows no such turn."""
        turns: list[TurnDict] = [_PROBED_TURN, {**_PROBED_TURN, "content": "urged on"}]
        try:
            texts = [self._text([turn], self._no_tools, {}, answer=False) for turn in turns]
        except _REFUSALS:
            return ""
        letters = zip(*map(reversed, texts), strict=False)
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], letters)
        return "".join(letter for letter, _ in same)[::-1]

    def _shown(self, turns: Sequence[TurnDict], tools: Sequence[ToolDict] | None) -> str | None:
        try:
            return self._text(turns, tools, {})
        except _REFUSALS:
            return None

    def _text(
        self,
        turns: Sequence[TurnDict],
        tools: Sequence[ToolDict] | None,
        extra: Mapping[str, Any],
        *,
        answer: bool = True,
    ) -> str:
        variables: dict[str, Any] = {
            **extra,
            **self._tokens,
            "messages": turns,
            "tools": tools,
            "add_generation_prompt": answer,
            "range": _bounded_range(),
        }
        return "".join(_bounded(self._template.generate(variables)))


_PROBED_TURN: TurnDict = {"role": "user", "content": "asked"}

_REFUSALS = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
"""What foreign template code can raise on messages that it was not written for."""


def _tool_dict(tool: ToolSpec) -> ToolDict:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def _with_system_text(turns: list[TurnDict], text: str) -> list[TurnDict]:
    if turns and turns[0]["role"] == "system":
        first = {**turns[0], "content": f"{turns[0]['content']}\n\n{text}"}
        return [first, *turns[1:]]
    return [{"role": "system", "content": text}, *turns]


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    ends_s = time.thread_time() + _MAX_SECONDS  # of its own: a busy machine isn't its fault
    characters = 0
    for piece in pieces:
        characters += len(piece)
        if characters > _MAX_CHARACTERS or time.thread_time() > ends_s:
            raise TemplateError("it takes too long or writes too much")
        yield piece


def _bounded_range() -> Callable[..., list[int]]:
    """A `range` whose loops, all together, end: nested ones would run for years otherwise."""
    left = _MAX_LOOP_STEPS

    def steps(*bounds: int) -> list[int]:
        nonlocal left
        left -= len(range(*bounds))
        if left < 0:
            raise TemplateError("it loops for too long")
        return list(range(*bounds))

    return steps


def _size(value: Any) -> int:
    sized = isinstance(value, str | list | tuple)
    return len(cast("Sized", value)) if sized else 0


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any
) -> str:
    """JSON as models were trained on it: no HTML escapes, unlike Jinja's own filter."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
