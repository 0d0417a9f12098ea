"""The tools that touch no machine: tasks, questions, skills."""

import asyncio
import dataclasses
import os

import pytest
from pydantic import ValidationError

from swarm.chat.compact import compact_tool, our_words
from swarm.types import ToolSpec
from tests.tools.conftest import Run
from tools.errors import ToolFailed
from tools.kept import KeptOutputs
from tools.question import QUESTION, QuestionArguments
from tools.registry import Registry
from tools.skill import SKILL, head_of, skills_of
from tools.threads import Threads
from tools.todo import TODOREAD, TODOWRITE
from tools.tool import CallContext
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


async def test_a_question_reaches_the_person(context: CallContext) -> None:
    async def ask(text: str) -> str:
        assert "Which?" in text
        return "A"

    arguments = QuestionArguments.model_validate(ASKED)
    told = await QUESTION.run(arguments, dataclasses.replace(context, ask=ask))
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


@pytest.fixture
def registry(workspace: Workspace, kept: KeptOutputs, threads: Threads) -> Registry:
    return Registry(workspace, kept, threads)


async def said_of_skills(registry: Registry) -> str:
    told = {each.name: each.description for each in await registry.descriptions()}
    return told["skill"]


def made(workspace: Workspace) -> None:
    make(workspace, ".claude/skills/deploy", "---\ndescription: >-\n  Puts it\n\n  out.\n---\nDo.")
    make(workspace, ".claude/skills/bare", "Do.")
    make(workspace, ".claude/skills/wordy", f"---\ndescription: {'word ' * 100}\n---\nDo.")
    (workspace.root / os.fsdecode(b".claude/skills/\xff")).mkdir()
    make(workspace, os.fsdecode(b".claude/skills/\xff"), "Do.")


async def test_a_model_is_told_which_skills_there_are(
    registry: Registry, workspace: Workspace
) -> None:
    assert await said_of_skills(registry) == SKILL.description
    await asyncio.to_thread(made, workspace)
    first, *lines = (await said_of_skills(registry)).splitlines()
    assert first == SKILL.description
    assert lines[:4] == ["", "Available skills:", "- bare:", "- deploy: Puts it out."]
    assert lines[4].startswith("- wordy: word word")
    assert len(lines[4]) <= 240
    assert lines[5:] == ["- ?:"]


async def test_of_many_skills_a_model_is_told_the_first(
    registry: Registry, workspace: Workspace
) -> None:
    for number in range(33):
        await asyncio.to_thread(make, workspace, f".claude/skills/s{number:02}", "Do.")
    told = (await said_of_skills(registry)).splitlines()
    assert told[-2:] == ["- s29:", "(3 more: any other name lists them all)"]


async def test_the_compact_form_keeps_the_names_of_skills(
    registry: Registry, workspace: Workspace
) -> None:
    await asyncio.to_thread(make, workspace, ".claude/skills/deploy", "Do.")
    tool = ToolSpec("skill", await said_of_skills(registry), {})
    short = compact_tool(tool, our_words()).description
    assert short == f"{SKILL.description} Available skills: deploy."


@pytest.mark.parametrize("mark", [">", ">-", "|", "|-", "|2+", "> # why"])
def test_a_value_of_many_lines_becomes_one(mark: str) -> None:
    head = f"---\na: {mark}\n  one: 1\n\n  # two\nb: c\nd:\n  e: f\n---\n"
    assert head_of(head)[0] == {"a": "one: 1 # two", "b": "c", "d": ""}


def test_the_head_of_a_skill_is_read_in_every_shape() -> None:
    assert head_of("no head") == ({}, "no head")
    assert head_of("---\nnever: closed") == ({}, "---\nnever: closed")
    assert head_of("---\n# c\na: b: c\n  x: y\n---\nz") == ({"a": "b: c x: y"}, "z")
    assert head_of("--- \na: b\n---\t\nz") == ({"a": "b"}, "z")
    assert head_of("a\n---\nb: c\n---\n")[0] == {}
    assert head_of("") == ({}, "")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("one\n  two\n  three", "one two three"),
        ("\n  one\n  two", "one two"),
        ("\n  - one\n  - two", ""),
        ("Use it when: asked", "Use it when: asked"),
        (r'"Say \"hi\"" # remark', 'Say "hi"'),
        (r'"a\\b\nc # d"', r"a\b c # d"),
        ('"one\n  two" # remark', "one two"),
        ("'it''s # one' # remark", "it's # one"),
        ("one # remark", "one"),
        ("mends issue #12", "mends issue #12"),
        ('"a" or "b"', '"a" or "b"'),
        ('"open', '"open'),
    ],
)
def test_a_value_is_read_as_it_is_meant(value: str, read: str) -> None:
    assert head_of(f"---\na: {value}\nb: c\n---\n")[0] == {"a": read, "b": "c"}


def test_a_byte_order_mark_hides_no_head(workspace: Workspace) -> None:
    make(workspace, ".claude/skills/a", "\ufeff---\nname: alpha\n---\nDo A.")
    assert [(skill.name, skill.text) for skill in skills_of(workspace)] == [("alpha", "Do A.")]


def test_skills_are_found_in_groups_and_by_links_down_to_a_depth(workspace: Workspace) -> None:
    make(workspace, ".opencode/skills/grp/inner", "Do.")
    make(workspace, ".opencode/skills/grp", "Do.")
    make(workspace, ".claude/skills/1/2/3/deep", "Do.")
    make(workspace, ".claude/skills/1/2/3/4/deeper", "Do.")
    (workspace.root / ".claude/skills/linked").symlink_to("1/2/3/deep")
    (workspace.root / ".claude/skills/1/round").symlink_to("../1")
    names = [skill.name for skill in skills_of(workspace)]
    assert names == ["deep", "grp", "inner", "linked"]


def test_only_so_many_folders_are_looked_at(workspace: Workspace) -> None:
    for group in range(6):
        for number in range(100):
            (workspace.root / f".claude/skills/g{group}/{number}").mkdir(parents=True)
    make(workspace, ".claude/skills/g0/0", "Do.")
    make(workspace, ".claude/skills/g5/99", "Do.")
    assert [skill.name for skill in skills_of(workspace)] == ["0"]
