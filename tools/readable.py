"""A program: HTML on standard input becomes Markdown or text on standard output.

A process of its own, since a parser's time on a hostile page has no bound and a thread no end.
"""

import sys

from bs4 import BeautifulSoup
from markdownify import MarkdownConverter

TOO_DEEP = 3
"""The status that tells of a page nested beyond what a parser can follow."""

_NOT_READ = ("script", "style", "noscript", "template", "svg", "iframe", "object", "embed", "meta")


def readable(html: str, form: str) -> str:
    """What a person would read of a page, `form` being "text" or "markdown".

    Raises RecursionError where it is nested too deeply.
    """
    soup = BeautifulSoup(html, "html.parser")
    for part in soup(_NOT_READ):
        part.decompose()
    if form == "text":
        lines = (line.strip() for line in soup.get_text("\n").splitlines())
        return "\n".join(line for line in lines if line)
    return _without_gaps(MarkdownConverter(heading_style="ATX").convert_soup(soup))


def _without_gaps(text: str) -> str:
    """At most one empty line in a row."""
    lines: list[str] = []
    for line in (each.rstrip() for each in text.strip().splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines)


def main(form: str) -> int:
    """Read, write; the exit status."""
    try:
        told = readable(sys.stdin.buffer.read().decode(), form)
    except RecursionError:
        return TOO_DEEP
    sys.stdout.buffer.write(told.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))  # noqa: TID251
