"""The tool `question`: what only the person can decide."""

from pydantic import Field

from tools.tool import Arguments, CallContext, Output, Tool


class Option(Arguments):
    """One answer to choose."""

    label: str = Field(description="The answer, in a few words")
    description: str = Field("", description="What it means")


class Question(Arguments):
    """One question."""

    question: str = Field(description="The whole question")
    header: str = Field("", description="A very short name of it")
    options: list[Option] = Field(default_factory=list[Option], description="Answers to choose")
    multiple: bool = Field(False, description="Whether several may be chosen")


class QuestionArguments(Arguments):
    """OpenCode's names."""

    questions: list[Question] = Field(description="What to ask", min_length=1, max_length=10)


async def _run(arguments: QuestionArguments, context: CallContext) -> Output:
    text = asked(arguments.questions)
    if context.ask is not None and (answer := await context.ask(text)) is not None:
        return Output(f"The user answered: {answer}", {"answered": True})
    return Output(
        "Nobody can be asked from here. End your turn with these questions as your answer, and "
        f"wait for the user's reply:\n\n{text}",
        {"answered": False, "questions": [each.model_dump() for each in arguments.questions]},
    )


def asked(questions: list[Question]) -> str:
    """The questions as a person reads them."""
    blocks: list[str] = []
    for each in questions:
        lines = [each.question + (" (several may be chosen)" if each.multiple else "")]
        for option in each.options:
            about = f": {option.description}" if option.description else ""
            lines.append(f"- {option.label}{about}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


QUESTION = Tool(
    "question",
    "Ask the user what only they can decide, with the answers to choose from.",
    QuestionArguments,
    _run,
)
