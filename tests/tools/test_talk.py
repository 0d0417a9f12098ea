"""The tools that touch no machine: tasks, questions, skills."""

import dataclasses

import pytest
from pydantic import ValidationError

from tests.tools.conftest import Run
from tools.errors import ToolFailed
from tools.question import QUESTION, QuestionArguments
from tools.skill import SKILL, head_of, skills_of
from tools.todo import TODOREAD, TODOWRITE
from tools.tool import Call
from tools.workspace import Workspace

TODOS = [
    {"content": "one", "status": "completed", "priority": "high"},
    {"content": "two", "status": "in_progress", "priority": "low"},
]
ASKED = {"questions": [{"question": "Which?", "options": [{"label": "A", "description": "first"}]}]}


async def test_tasks_are_remembered_within_a_conversation(run: Run) -> None:
    assert (await run(TODOWRITE, todos=TODOS)).metadata["left"] == 1
    assert (await run(TODOREAD)).metadata["todos"] == TODOS
    await run(TODOWRITE, todos=[])
    assert (await run(TODOREAD)).text == "[]"


async def test_a_task_has_a_known_state(run: Run) -> None:
    with pytest.raises(ValidationError, match="in_progress"):
        await run(TODOWRITE, todos=[{"content": "x", "status": "begun", "priority": "high"}])


async def test_a_question_that_nobody_hears_becomes_the_answer(run: Run) -> None:
    told = await run(QUESTION, **ASKED)
    assert told.metadata["answered"] is False
    assert told.text.endswith("Which?\n- A: first")


async def test_a_question_reaches_the_person(call: Call) -> None:
    async def ask(text: str) -> str:
        assert "Which?" in text
        return "A"

    arguments = QuestionArguments.model_validate(ASKED)
    told = await QUESTION.run(arguments, dataclasses.replace(call, ask=ask))
    assert told.text == "The user answered: A"


def make(workspace: Workspace, folder: str, text: str) -> None:
    workspace.write(f"{folder}/SKILL.md", text.encode())


def test_skills_are_found_in_their_folders(workspace: Workspace) -> None:
    make(workspace, ".opencode/skills/a", "---\nname: alpha\ndescription: 'Does A'\n---\nDo A.")
    make(workspace, ".claude/skills/beta", "Do B.")
    make(workspace, ".agents/skills/alpha", "Another.")
    found = [(skill.name, skill.description, skill.text) for skill in skills_of(workspace)]
    assert found == [("alpha", "Does A", "Do A."), ("beta", "", "Do B.")]


async def test_a_missing_skill_names_those_there_are(run: Run) -> None:
    with pytest.raises(ToolFailed, match="there is none"):
        await run(SKILL, name="x")


def test_the_head_of_a_skill_is_read_in_every_shape() -> None:
    assert head_of("no head") == ({}, "no head")
    assert head_of("---\nnever: closed") == ({}, "---\nnever: closed")
    assert head_of("---\n# c\na: b: c\n  x: y\n---\nz") == ({"a": "b: c"}, "z")
    assert head_of("") == ({}, "")
