"""What stands in files, on command lines and in their output."""

from __future__ import annotations

import json
import re
from typing import Any

from training.data.source import Source

COMMANDS = (
    "npm test", "npm install", "npm run build", "pytest", "pytest -q", "python -m pytest", "make", "make test",
    "cargo build", "cargo test", "go test ./...", "ls", "ls -la", "pwd", "git status", "git log --oneline",
    "git diff", "whoami", "date", "uname -a", "node --version", "python --version", "df -h", "npm run lint",
    "go build", "yarn test", "pip list", "env", "git branch", "tree", "ruff check", "docker ps", "top -n 1", "free -m",
)


def command(source: Source) -> str:
    """A command line, half of them built from fresh words."""
    if source.chance(0.35):
        return source.phrase(COMMANDS)
    word, file = source.word(), source.relative_path()
    forms = (
        f"python {file}", f"cat {file}", f"echo {word}", f"echo {source.words(2, 4)}", f"npm run {word}",
        f"make {word}", f"mkdir -p {source.folder()}/{word}", f"wc -l {file}", f"node {file}", f"rm {file}",
        f"grep -rn {word} {source.folder()}", f"git checkout {word}", f'git commit -m "{source.words(1, 4)}"',
        f"pip install {word}", f"touch {file}", f"ls {source.folder()}", f"head -n {source.between(1, 50)} {file}",
        f"{word} --{source.word()} {source.word()}", f"{word} -{source.letters(1, 1)} {file}",
        f"pytest {file} -k {word}", f"cp {file} {source.file_name()}", f"cd {source.folder()} && {word}",
        f"cat {file} | sort | uniq -c", f"curl {source.url()}", f"echo '{source.words(1, 3)}' > {file}",
        f"sleep {source.between(1, 60)}", f"find . -name '*.{source.letters(2, 3)}'",
    )
    return source.one(forms)


def command_output(source: Source) -> tuple[str, str]:
    """What a command printed, and the sentence that reports it."""
    roll = source.rng.random()
    if roll < 0.25:
        return source.one(("", "(no output)")), "The command ran without output."
    if roll < 0.55:
        text = source.value()
        return text, f"The output is: {text}"
    if roll < 0.7:
        passed = source.between(1, 90)
        return f"{passed} passed in {source.between(0, 9)}.{source.between(10, 99)}s", f"{passed} tests passed."
    if roll < 0.8:
        failed, passed = source.between(1, 9), source.between(1, 90)
        return f"{failed} failed, {passed} passed", f"{failed} tests failed and {passed} passed."
    if roll < 0.9:
        error = f"{source.one(('Error', 'error', 'bash', 'fatal'))}: {source.words(2, 5)}"
        return error, f"The command failed: {error}"
    lines = [source.value() for _ in range(source.between(2, 4))]
    return "\n".join(lines), "The output is:\n" + "\n".join(lines)


def line(source: Source) -> str:
    """One line of code or configuration."""
    a, b = source.identifier(), source.word()
    forms = (
        f'print("{source.words(1, 3)}")', f"{a} = {source.digits(1, 4)}", f'{a} = "{b}"', f"{a}: {b}",
        f'console.log("{source.words(1, 3)}");', f"const {a} = {source.digits(1, 3)};", f"export {a}={b}",
        f"import {b}", f"from {b} import {a}", f"# {source.words(1, 4)}", f"<h1>{source.words(1, 3)}</h1>",
        f"return {a}", f"def {a}({b}):", f"{a}({b}, {source.digits(1, 2)})", f"- {source.words(1, 4)}",
        f'{{"{a}": "{b}"}}', f"{a},{b},{source.digits(1, 3)}", f"let {a} = '{b}'", f"{a}\t{b}", f"C:\\{a}\\{b}",
        f"// {source.words(1, 4)}", f"if {a} > {source.digits(1, 3)}:", f'"{a}": {source.digits(1, 4)},',
    )
    return source.one(forms)


def block(source: Source) -> str:
    """A few lines of text, code or data."""
    kind = source.rng.random()
    if kind < 0.3:
        return function(source)
    if kind < 0.5:
        data = {source.identifier(): source.one((source.word(), source.between(0, 9999), True))
                for _ in range(source.between(1, 4))}
        return json.dumps(data, indent=source.one((2, 4)), ensure_ascii=False)
    if kind < 0.75:
        return "\n".join(line(source) for _ in range(source.between(2, 6)))
    return "\n".join(source.value() for _ in range(source.between(2, 5)))


def enclosed(source: Source) -> tuple[str, str]:
    """A file's text, and how a request shows it: every line between fences ends in a line break."""
    text = block(source)
    return (f"{text}\n", f"```\n{text}\n```") if source.chance(0.4) else (text, text)


def function(source: Source) -> str:
    a, b, c = source.identifier().replace("-", "_"), source.word(), source.word()
    bodies = (
        f"def {a}({b}, {c}):\n    return {b} {source.one('+-*')} {c}",
        f"def {a}():\n    {b} = {source.digits(1, 3)}\n    print({b})\n\n{a}()",
        f"function {a}({b}) {{\n  return {b} + {source.digits(1, 2)};\n}}",
        f"class {b.capitalize()}:\n    def {c}(self):\n        return \"{source.word()}\"",
        f"for {b} in range({source.digits(1, 2)}):\n    print({b})",
        f"if {b} == {source.digits(1, 2)}:\n    {c}()\nelse:\n    {a}()",
    )
    return source.one(bodies)


def with_target(source: Source) -> tuple[str, str]:
    """A text and a string that stands exactly once in it."""
    for _ in range(20):
        text = block(source)
        rows = [row.strip() for row in text.split("\n") if row.strip()]
        row = source.one(rows)
        pieces = [piece for piece in row.split(" ") if len(piece) > 2]
        old = source.one(pieces) if pieces and source.chance(0.6) else row
        old = old.strip("\",;:'")
        if text.count(old) == 1 and '"' not in old and re.search(r"\w{3}", old):
            return text, old
    word = source.word()
    return f"{word} {source.digits(3, 4)}", word


def as_read(source: Source, path: str, text: str) -> str:
    """A file's text as one of the forms that read tools answer with."""
    rows = text.split("\n")
    form = source.rng.random()
    if form < 0.25:
        body = "\n".join(f"{at:05}| {row}" for at, row in enumerate(rows, 1))
        return f"<file>\n{body}\n\n(End of file - total {len(rows)} lines)\n</file>"
    if form < 0.55:
        body = "\n".join(f"{at}: {row}" for at, row in enumerate(rows, 1))
        return (
            f"<path>{path}</path>\n<type>file</type>\n<content>{body}\n\n"
            f"(End of file - total {len(rows)} lines)\n</content>"
        )
    if form < 0.7:
        return "\n".join(f"{at:6}\t{row}" for at, row in enumerate(rows, 1))
    if form < 0.8:
        return "\n".join(f"{at}: {row}" for at, row in enumerate(rows, 1))
    return text


def as_todo_result(source: Source, todos: list[dict[str, Any]]) -> str:
    return source.one((json.dumps(todos, indent=2), "ok", f"{len(todos)} todos"))
