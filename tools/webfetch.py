"""The tool `webfetch`: a page of the internet as Markdown, text or HTML."""

import asyncio
import sys
from typing import Literal

from pydantic import Field

from ending import killed, whole
from tools import readable
from tools.errors import NotPermitted, ToolFailed
from tools.fetcher import Page
from tools.tool import Arguments, CallContext, Output, Tool

_SECONDS = 30.0
_MOST_SECONDS = 120.0
_HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("text/", "application/json", "application/xml", "application/javascript", "+json", "+xml")


class WebfetchArguments(Arguments):
    """OpenCode's names."""

    url: str = Field(description="The URL to fetch, with http:// or https://")
    format: Literal["text", "markdown", "html"] = Field(
        "markdown", description="The format to return the content in"
    )
    timeout: float | None = Field(None, gt=0, description="Timeout in seconds (at most 120)")


async def _run(arguments: WebfetchArguments, context: CallContext) -> Output:
    if context.fetcher is None:
        raise NotPermitted("this machine's owner has granted no network (--allow-network)")
    timeout_s = min(arguments.timeout or _SECONDS, _MOST_SECONDS)
    page = await context.fetcher.fetch(arguments.url, timeout_s=timeout_s)
    text = await converted(page, arguments.format, timeout_s=timeout_s)
    told = await context.threads.run(context.kept.told, text, context.output_chars)
    return Output(told, {"url": page.url, "status": page.status, "type": page.media_type})


async def converted(page: Page, form: str, *, timeout_s: float) -> str:
    """The page in that form. Raises ToolFailed for what isn't text or takes too long to read."""
    if page.media_type in _HTML:
        return page.text if form == "html" else await _readable(page, form, timeout_s)
    if any(page.media_type.startswith(kind) or page.media_type.endswith(kind) for kind in _TEXT):
        return page.text
    raise ToolFailed(f"{page.url} is {page.media_type}, which is no text")


async def _readable(page: Page, form: str, timeout_s: float) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", readable.__file__, form),
        env={},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_s):
            told, _ = await process.communicate(page.text.encode(errors="replace"))
    except TimeoutError:
        wish = f"{page.url} takes longer than {timeout_s:g} s to be read; ask for html"
        raise ToolFailed(wish) from None
    finally:
        await whole(killed(process))
    if process.returncode == readable.TOO_DEEP:
        raise ToolFailed(f"{page.url} is nested too deeply to be read; ask for html")
    if process.returncode != 0:
        raise ToolFailed(f"{page.url} cannot be read; ask for html")
    return told.decode()


WEBFETCH = Tool(
    "webfetch",
    "Fetch a page of the internet and return it as Markdown (the default), text or HTML.",
    WebfetchArguments,
    _run,
)
