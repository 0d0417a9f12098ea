"""System prompts that a client may send: none, short, long prose, and where the work is."""

from __future__ import annotations

import tomllib
from pathlib import Path

from training.data.source import Source

NODES_WORDS = Path(__file__).parents[2] / "swarm" / "chat" / "compact.toml"
INSTRUCTIONS: str = tomllib.loads(NODES_WORDS.read_text(encoding="utf-8"))["instructions"].strip()
"""What the node puts in the place of OpenCode's prose."""

SHORT = (
    "You are a helpful assistant.", "You are a coding agent.", "Be brief.", "Answer in English.",
    "You are an AI assistant that helps with programming tasks.", "You are a careful assistant. Be concise.",
    "You are a friendly helper.", "You are an interactive CLI tool that helps users with software engineering tasks.",
    "Use the tools when they help.", "You are opencode, an agent that works in the user's terminal.",
    "You are an expert developer.", "Keep your answers short.", "You have tools. Use them.",
)
RULES = (
    "Be concise, direct, and to the point.", "Never guess URLs.", "Do not add comments unless asked.",
    "Only use emojis if the user explicitly requests it.", "Follow the conventions of the project.",
    "Prefer editing existing files to creating new ones.", "Use absolute paths.", "Never commit changes unless asked.",
    "Your output is shown on a command line.", "Answer the user's question directly.",
    "You can call several tools in one answer.", "Check the result of each step.", "Do not explain your code.",
    "Minimize output tokens.", "When you are done, stop.", "Do not invent file names.",
)
ENVIRONMENT = (
    "Working directory: {root}", "Current directory: {root}", "The working directory is {root}.",
    "<env>\n  Working directory: {root}\n  Is directory a git repo: no\n  Platform: linux\n  Today's date: {date}\n</env>",
    ("Here is some useful information about the environment you are running in:\n<env>\n"
    "  Working directory: {root}\n  Workspace root folder: {root}\n  Is directory a git repo: yes\n"
    "  Platform: linux\n  Today's date: {date}\n</env>"),
    ("Here is some useful information about the environment you are running in:\n<env>\n"
    "  Working directory: {root}\n  Workspace root folder: {root}\n  Is directory a git repo: no\n"
    "  Platform: darwin\n  Today's date: {date}\n</env>"),
    "You work in {root}", "Project root: {root}", "cwd: {root}", "Working directory: {root}\nPlatform: darwin",
)


def prose(source: Source, low: int, high: int) -> str:
    """Some sentences of rules and of unrelated text."""
    lines = [
        source.one(source.sentences) if source.chance(0.5) else source.phrase(RULES)
        for _ in range(source.between(low, high))
    ]
    return source.one((" ", "\n", "\n- ")).join(lines)


def environment(source: Source, root: str) -> str:
    return source.one(ENVIRONMENT).format(root=root, date=source.date())


SKILLS = (
    "Skills provide specialized instructions and workflows for specific tasks.\nUse the skill tool to load a skill when a task matches its description.\n"
    "<available_skills>\n{skills}\n</available_skills>"
)
SKILL = "  <skill>\n    <name>{name}</name>\n    <description>{told}</description>\n  </skill>"


def coding_agent(source: Source, root: str) -> str:
    """What the node makes of OpenCode's own system prompt: its short form, the surroundings, the skills."""
    where = source.one(ENVIRONMENT[4:6]).format(root=root, date=source.one((source.date(), source.day())))
    skills = [
        SKILL.format(name=f"{source.word()}-{source.word()}", told=source.sentence()) for _ in range(source.between(0, 2))
    ]
    block = [SKILLS.format(skills="\n".join(skills))] if skills else []
    return "\n".join([INSTRUCTIONS, where, *block])


def system(source: Source, root: str | None, *, longest: int = 4) -> str:
    """A system prompt; names the root if there is one; may be empty if there is none."""
    if source.brief:
        return source.one((f"Working directory: {root}", f"cwd: {root}")) if root else ""
    if root and source.chance(0.3):
        return coding_agent(source, root)
    parts = []
    if source.chance(0.5):
        parts.append(source.phrase(SHORT))
    if source.chance(0.3):
        parts.append(prose(source, 1, longest))
    if root:
        parts.append(environment(source, root))
    if root and source.chance(0.15):
        parts.append(prose(source, 1, longest))
    return "\n".join(parts)
