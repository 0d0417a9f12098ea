"""A question in a model's own words: the prompt's text, its grammar, and a parser of answers."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from swarm.chat.arguments import checks_of
from swarm.chat.completion import CompletionParser
from swarm.chat.formats.format import Format
from swarm.chat.grammar import Thinking, grammar_of, unenforced
from swarm.chat.held import HeldCalls, may_be_wrong
from swarm.chat.reasoning import THINK_OPEN
from swarm.chat.template import ChatTemplate
from swarm.types import Constraint, Grammar, Question, ToolSpec


@dataclass(frozen=True, slots=True)
class Written:
    """What an engine is given, and how its answers are read."""

    text: str
    grammar: Grammar | None
    call_format: Format
    opened: bool
    question: Question

    def parser(self, *, checked: bool) -> CompletionParser:
        """For one sequence's completion. Checked: calls that may be wrong wait until they are
        whole. A vote judges whole answers itself.
        """
        tools = self.question.tools
        reads = bool(tools) or self.call_format.own_reasoning
        waiting = [tool for tool in tools if checked and not self._holds(tool)]
        return CompletionParser(
            self.call_format.parser(tools) if reads else None,
            reasoning_opened=self.opened,
            own_reasoning=self.call_format.own_reasoning,
            one_call=self.question.one_call,
            held=HeldCalls(checks_of(waiting), may_be_wrong(waiting)) if waiting else None,
        )

    def _holds(self, tool: ToolSpec) -> bool:
        if self.grammar is None:
            return False
        return self.call_format.holds(tool) and not unenforced(tool.parameters)


async def written(
    template: ChatTemplate, question: Question, fitted: Question, *, with_grammar: bool
) -> Written:
    """The question as a model with this template reads it: as `fitted`, which may be compact, and
    has only the tools that are written out.

    Answers are held to the question's own tools: a compact schema may lack its draft.
    Without a grammar a constraint is said in the template's variables, under OpenAI's names, and
    the answer must be checked. Raises InvalidRequest where the template refuses the messages.
    """
    return await asyncio.to_thread(_written, template, question, fitted, with_grammar=with_grammar)


def _written(
    template: ChatTemplate, question: Question, fitted: Question, *, with_grammar: bool
) -> Written:
    options = question.template_options
    if not with_grammar:
        options = {**options, **said(question.constraint)}
    text = template.render(fitted.messages, fitted.tools, options)
    opened = text.rstrip().endswith(THINK_OPEN)
    call_format = template.call_format
    if not with_grammar:
        return Written(text, None, call_format, opened, question)
    thinking: Thinking = "opened" if opened else "perhaps" if template.thinks else "never"
    grammar = grammar_of(
        call_format,
        question.tools,
        question.constraint,
        one_call=question.one_call,
        thinking=thinking,
    )
    return Written(text, grammar, call_format, opened, question)


def said(constraint: Constraint) -> dict[str, Any]:
    """A constraint as other servers are asked for it, but for which tools may be called."""
    wish: dict[str, Any] = {}
    if constraint.must_call:
        wish["tool_choice"] = "required"
    if constraint.schema is not None:
        named = {"name": "answer", "schema": json.loads(constraint.schema), "strict": True}
        wish["response_format"] = {"type": "json_schema", "json_schema": named}
    return wish
