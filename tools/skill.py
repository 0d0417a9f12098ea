"""The tool `skill`: instructions that the workspace keeps for tasks of a kind."""

import contextlib
import re
from dataclasses import dataclass

from pydantic import Field

from tools.errors import ToolError, ToolFailed
from tools.tool import Arguments, CallContext, Output, Tool
from tools.workspace import Workspace

FOLDERS = (".opencode/skills", ".opencode/skill", ".claude/skills", ".agents/skills")
_FILE = "SKILL.md"
_BYTES = 256 << 10
_MOST = 100
_TOLD = 30
_TOLD_CHARS = 240
_FOLDERS = 400
_DEPTH = 4
_REMARK = r"(?:\s+#(?:\s.*)?)?"
_BLOCK = re.compile(rf"[|>][-+1-9]{{0,2}}{_REMARK}")
_QUOTED = re.compile(rf"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'){_REMARK}""")
_PLAIN = re.compile(rf"(.*?){_REMARK}")
_INNER = re.compile(r"- |[^\s:]+:(?:\s|$)")


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


async def _run(arguments: SkillArguments, context: CallContext) -> Output:
    skills = await context.threads.run(skills_of, context.workspace)
    for skill in skills:
        if skill.name == arguments.name:
            folder = context.workspace.absolute(skill.folder)
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
        for folder in _beneath(workspace, parent):
            skill = _skill(workspace, folder, folder.rpartition("/")[2])
            if skill is not None:
                found.setdefault(skill.name, skill)
    return sorted(found.values(), key=lambda skill: skill.name)


def _beneath(workspace: Workspace, parent: str) -> list[str]:
    """The folders that may be skills, those nearest to the parent first. A link counts for itself,
    and is not walked.
    """
    found: list[str] = []
    level = [parent]
    for _ in range(_DEPTH):
        below: list[str] = []
        for folder in level:
            with contextlib.suppress(ToolError):
                for entry in workspace.entries(folder)[:_MOST]:
                    path = f"{folder}/{entry.name}"
                    found += [path] if entry.kind in ("folder", "link") else []
                    below += [path] if entry.kind == "folder" else []
            if len(found) >= _FOLDERS:
                return found[:_FOLDERS]
        level = below
    return found


def _skill(workspace: Workspace, folder: str, name: str) -> Skill | None:
    try:
        content = workspace.read(f"{folder}/{_FILE}", most_bytes=_BYTES)
    except ToolError:
        return None
    text = content.decode("utf-8-sig", "replace")
    told, body = head_of(text)
    return Skill(told.get("name", name), told.get("description", ""), folder, body.strip())


def head_of(text: str) -> tuple[dict[str, str], str]:
    """The `key: value` lines between two lines of `---`, each value as one line, and the text
    after them.

    It looks like YAML and often is none: `description: Use it when: ...`, which a reader of YAML
    refuses, is the usual way to write one. What both mean by a line is read here.
    """
    lines = text.splitlines()
    marks = [at for at, line in enumerate(lines) if line.rstrip() == "---"][:2]
    if len(marks) < 2 or marks[0] != 0:
        return {}, text
    told: dict[str, list[str]] = {}
    value: list[str] = []
    for line in lines[1 : marks[1]]:
        if line.startswith((" ", "\t")):
            value.append(line.strip())
            continue
        name, colon, first = (part.strip() for part in line.partition(":"))
        if colon and not line.startswith("#"):
            value = told[name] = [first]
    found = {name: _value(*parts) for name, parts in told.items()}
    return found, "\n".join(lines[marks[1] + 1 :])


def _value(first: str, *more: str) -> str:
    """A value of one line or several: a block, in quotation marks, or plain. One that holds others
    is none.
    """
    if _BLOCK.fullmatch(first):
        return " ".join(" ".join(more).split())
    if not first and more and _INNER.match(more[0]):
        return ""
    whole = " ".join(" ".join([first, *more]).split())
    quoted = _QUOTED.fullmatch(whole)
    if quoted is None:
        plain = _PLAIN.fullmatch(whole)
        return plain[1] if plain else whole
    inner = quoted[1][1:-1]
    if quoted[1].startswith("'"):
        return inner.replace("''", "'")
    return re.sub(r"\\(.)", lambda mark: {"n": " ", "t": " "}.get(mark[1], mark[1]), inner)


SKILL = Tool(
    "skill",
    "Load the instructions that the workspace keeps for a kind of task, by name.",
    SkillArguments,
    _run,
)
