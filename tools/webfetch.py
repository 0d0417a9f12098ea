"""The tool `webfetch`: a page of the internet as Markdown, text or HTML."""

import asyncio
from typing import Literal

from bs4 import BeautifulSoup
from markdownify import MarkdownConverter
from pydantic import Field

from tools.errors import NotPermitted, ToolFailed
from tools.fetcher import Page
from tools.tool import Arguments, Call, Output, Tool

_SECONDS = 30.0
_MOST_SECONDS = 120.0
_NOT_READ = ("script", "style", "noscript", "template", "svg", "iframe", "object", "embed", "meta")
_HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("text/", "application/json", "application/xml", "application/javascript", "+json", "+xml")


class WebfetchArguments(Arguments):
    """OpenCode's names."""

    url: str = Field(description="The URL to fetch, with http:// or https://")
    format: Literal["text", "markdown", "html"] = Field(
        "markdown", description="The format to return the content in"
    )
    timeout: float | None = Field(None, gt=0, description="Timeout in seconds (at most 120)")


async def _run(arguments: WebfetchArguments, call: Call) -> Output:
    if call.fetcher is None:
        raise NotPermitted("this machine's owner has granted no network (--allow-network)")
    timeout_s = min(arguments.timeout or _SECONDS, _MOST_SECONDS)
    page = await call.fetcher.fetch(arguments.url, timeout_s=timeout_s)
    text = await asyncio.to_thread(converted, page, arguments.format)
    told = await asyncio.to_thread(call.kept.told, text, call.output_chars)
    return Output(told, {"url": page.url, "status": page.status, "type": page.media_type})


def converted(page: Page, form: str) -> str:
    """The page in that form. Raises ToolFailed for what is no text."""
    if page.media_type in _HTML:
        return page.text if form == "html" else _readable(page.text, form)
    if any(page.media_type.startswith(kind) or page.media_type.endswith(kind) for kind in _TEXT):
        return page.text
    raise ToolFailed(f"{page.url} is {page.media_type}, which is no text")


def _readable(html: str, form: str) -> str:
    try:
        soup = BeautifulSoup(html, "html.parser")
        for part in soup(_NOT_READ):
            part.decompose()
        if form == "text":
            lines = (line.strip() for line in soup.get_text("\n").splitlines())
            return "\n".join(line for line in lines if line)
        markdown = MarkdownConverter(heading_style="ATX").convert_soup(soup)
    except RecursionError:
        raise ToolFailed("the page is nested too deeply to be read; ask for html") from None
    return _without_gaps(markdown)


def _without_gaps(text: str) -> str:
    """At most one empty line in a row."""
    lines: list[str] = []
    for line in (each.rstrip() for each in text.strip().splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines)


WEBFETCH = Tool(
    "webfetch",
    "Fetch a page of the internet and return it as Markdown (the default), text or HTML.",
    WebfetchArguments,
    _run,
)
