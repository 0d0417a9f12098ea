"""The tool `skill`: instructions that the workspace keeps for tasks of a kind."""

import asyncio
import contextlib
from dataclasses import dataclass

from pydantic import Field

from tools.errors import ToolError, ToolFailed
from tools.tool import Arguments, Call, Output, Tool
from tools.workspace import Workspace

FOLDERS = (".opencode/skills", ".opencode/skill", ".claude/skills", ".agents/skills")
_FILE = "SKILL.md"
_BYTES = 256 << 10
_MOST = 100


@dataclass(frozen=True, slots=True)
class Skill:
    """A folder with a SKILL.md, whose head says what it is for."""

    name: str
    description: str
    folder: str
    text: str


class SkillArguments(Arguments):
    """OpenCode's names."""

    name: str = Field(description="The name of the skill")


async def _run(arguments: SkillArguments, call: Call) -> Output:
    skills = await asyncio.to_thread(skills_of, call.workspace)
    for skill in skills:
        if skill.name == arguments.name:
            folder = call.workspace.absolute(skill.folder)
            return Output(
                f"## Skill: {skill.name}\n\nIts files are in {folder}\n\n{skill.text}",
                {"name": skill.name, "folder": folder},
            )
    known = "".join(f"\n- {skill.name}: {skill.description}" for skill in skills)
    raise ToolFailed(f"there is no skill {arguments.name!r}; there is{known or ' none'}")


def skills_of(workspace: Workspace) -> list[Skill]:
    """The skills of a workspace, by name; the first of a name counts."""
    found: dict[str, Skill] = {}
    for parent in FOLDERS:
        with contextlib.suppress(ToolError):
            for entry in workspace.entries(parent)[:_MOST]:
                skill = _skill(workspace, f"{parent}/{entry.name}", entry.name)
                if skill is not None:
                    found.setdefault(skill.name, skill)
    return sorted(found.values(), key=lambda skill: skill.name)


def _skill(workspace: Workspace, folder: str, name: str) -> Skill | None:
    try:
        text = workspace.read(f"{folder}/{_FILE}", most_bytes=_BYTES).decode(errors="replace")
    except ToolError:
        return None
    told, body = head_of(text)
    return Skill(told.get("name", name), told.get("description", ""), folder, body.strip())


def head_of(text: str) -> tuple[dict[str, str], str]:
    """The `key: value` lines between two lines of `---`, and the text after them."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}, text
    end = lines.index("---", 1)
    pairs = (line.partition(":") for line in lines[1:end] if not line.startswith((" ", "#", "\t")))
    told = {key.strip(): value.strip().strip("\"'") for key, colon, value in pairs if colon}
    return told, "\n".join(lines[end + 1 :])


SKILL = Tool(
    "skill",
    "Load the instructions that the workspace keeps for a kind of task, by name.",
    SkillArguments,
    _run,
)
