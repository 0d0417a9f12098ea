"""A question in a model's own words: the prompt's text, its grammar, and a parser of answers."""

import asyncio
from dataclasses import dataclass

from swarm.chat.arguments import checks_of
from swarm.chat.completion import CompletionParser
from swarm.chat.formats.format import Format
from swarm.chat.grammar import Thinking, grammar_of, unenforced
from swarm.chat.held import HeldCalls
from swarm.chat.reasoning import OPEN as REASONING_MARK
from swarm.chat.template import ChatTemplate
from swarm.errors import InvalidRequest
from swarm.types import Constraint, Grammar, Question, ToolSpec


@dataclass(frozen=True, slots=True)
class Written:
    """What an engine is given, and how its answers are read."""

    text: str
    grammar: Grammar | None
    form: Format
    opened: bool
    question: Question

    def parser(self, *, held: bool) -> CompletionParser:
        """For one sequence's completion. Held: calls that may be wrong wait until they are whole.

        A vote judges whole answers itself.
        """
        tools = self.question.tools
        reads = bool(tools) or self.form.own_reasoning
        waiting = [tool for tool in tools if held and not self._holds(tool)]
        return CompletionParser(
            self.form.parser(tools) if reads else None,
            reasoning_opened=self.opened,
            own_reasoning=self.form.own_reasoning,
            one_call=self.question.one_call,
            held=HeldCalls(checks_of(waiting)) if waiting else None,
        )

    def _holds(self, tool: ToolSpec) -> bool:
        return self.form.holds(tool) and not unenforced(tool.parameters)


async def written(template: ChatTemplate, question: Question, *, with_grammar: bool) -> Written:
    """The question as a model with this template reads it.

    Without a grammar calls are checked afterwards. Raises InvalidRequest where the template refuses
    the messages, or the answer is to be held to something without a grammar.
    """
    if not with_grammar and question.constraint != Constraint():
        raise InvalidRequest(
            "this model's engine cannot hold an answer to a call or a schema; a GGUF model can"
        )
    return await asyncio.to_thread(_written, template, question, with_grammar=with_grammar)


def _written(template: ChatTemplate, question: Question, *, with_grammar: bool) -> Written:
    text = template.render(question.messages, question.tools, question.template_options)
    opened = text.rstrip().endswith(REASONING_MARK)
    thinking: Thinking = "opened" if opened else "perhaps" if template.thinks else "never"
    form = template.form
    grammar = grammar_of(
        form, question.tools, question.constraint, one_call=question.one_call, thinking=thinking
    )
    return Written(text, grammar if with_grammar else None, form, opened, question)
