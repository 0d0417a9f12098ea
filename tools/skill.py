"""The tool `skill`: instructions that the workspace keeps for tasks of a kind."""

import contextlib
import re
from dataclasses import dataclass

from pydantic import Field

from tools.errors import ToolError, ToolFailed
from tools.tool import Arguments, Call, Output, Tool
from tools.workspace import Workspace

FOLDERS = (".opencode/skills", ".opencode/skill", ".claude/skills", ".agents/skills")
_FILE = "SKILL.md"
_BYTES = 256 << 10
_MOST = 100
_TOLD = 30
_TOLD_CHARS = 240
_BLOCK = re.compile(r"[|>][-+1-9]{0,2}(?: +#.*)?")


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
    skills = await call.threads.run(skills_of, call.workspace)
    for skill in skills:
        if skill.name == arguments.name:
            folder = call.workspace.absolute(skill.folder)
            return Output(
                f"## Skill: {skill.name}\n\nIts files are in {folder}\n\n{skill.text}",
                {"name": skill.name, "folder": folder},
            )
    known = "".join(f"\n{_line(skill)}" for skill in skills)
    raise ToolFailed(f"there is no skill {arguments.name!r}; there is{known or ' none'}")


def told_of(workspace: Workspace) -> str:
    """What a model is told of the workspace's skills besides the tool itself: nothing where there
    are none. The compact form of prompts knows the first words, and keeps the names.
    """
    skills = skills_of(workspace)
    if not skills:
        return ""
    lines = ["Available skills:", *map(_line, skills[:_TOLD])]
    if len(skills) > _TOLD:
        lines.append(f"({len(skills) - _TOLD} more: any other name lists them all)")
    return "\n\n" + "\n".join(lines)


def _line(skill: Skill) -> str:
    told = " ".join(f"- {skill.name}: {skill.description}".split())
    return told if len(told) <= _TOLD_CHARS else f"{told[: _TOLD_CHARS - 3]}..."


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
    """The `key: value` lines between two lines of `---`, and the text after them. The lines of a
    block (`>`, `|`) become one.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}, text
    end = lines.index("---", 1)
    told: dict[str, list[str]] = {}
    block: list[str] | None = None
    for line in lines[1:end]:
        if line.startswith((" ", "\t")):
            if block is not None:
                block.append(line)
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if colon and not line.startswith("#"):
            block = [] if _BLOCK.fullmatch(value) else None
            told[name] = [value.strip("\"'")] if block is None else block
    found = {name: " ".join(" ".join(parts).split()) for name, parts in told.items()}
    return found, "\n".join(lines[end + 1 :])


SKILL = Tool(
    "skill",
    "Load the instructions that the workspace keeps for a kind of task, by name.",
    SkillArguments,
    _run,
)
