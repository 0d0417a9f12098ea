"""An upstream server as an Engine: each generation is one request or several, read as they stream.

Closing a connection cancels what runs there.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from itertools import chain
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from swarm.engines.base import Accepted, Embedding, EngineLoad, Event, ModelInfo
from swarm.engines.prompts import check_request, check_tokens
from swarm.engines.upstream.asking import Ask, asks, is_chat, probe
from swarm.engines.upstream.connection import Connection, json_of
from swarm.engines.upstream.drawing import Drawing
from swarm.engines.upstream.hearing import Generation, Hearing, KeyRefused, Lines
from swarm.engines.upstream.server import Server, read_server
from swarm.errors import (
    ConfigurationError,
    ContextOverflow,
    EngineLost,
    EngineNotReady,
    InvalidRequest,
    SwarmError,
)
from swarm.estimate import SURELY_LONGER, o200k_tokens
from swarm.types import Prompt

logger = logging.getLogger(__name__)

LOADING_S = 600.0
"""How long to wait at the start for a server that says that it is loading its model."""


class UpstreamEngine:
    """An Engine at `url`, the address of an OpenAI-compatible API such as `http://host:port/v1`.

    `model` is the server's id of it, None for the first that it lists; `key` goes with every
    request. Use as an async context manager, or call `start` and `aclose`.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        key: str | None = None,
        context_tokens: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = Connection(checked_url(url), key)
        self._wanted = model
        self._context_tokens = context_tokens
        self._clock = clock
        self._server: Server | None = None
        self._info: ModelInfo | None = None
        self._open: set[Drawing] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def _url(self) -> str:
        return self._connection.url

    @property
    def _root(self) -> str:
        return self._url.removesuffix("/v1")

    @property
    def info(self) -> ModelInfo:
        if self._info is None:
            raise EngineNotReady(f"{self._url} has not been asked yet")
        return self._info

    async def start(self) -> None:
        """Ask the server what it is. Raises ConfigurationError where it cannot be used."""
        self._connection.open()
        try:
            server = await self._described()
            self._server, self._info = server, server.info()
        except SwarmError as error:
            raise ConfigurationError(f"--engine {self._url}: {error}") from error
        finally:
            if self._info is None:
                await self.aclose()
        logger.info(
            "upstream %s: %s, context %d, prompts by %s, %s",
            self._url,
            server.model,
            server.context_tokens,
            "our rendering" if server.template else "its own template",
            "n honoured" if server.draws_many else "one request for each sequence",
        )

    async def aclose(self) -> None:
        for drawing in self._open:
            drawing.stop(EngineLost("the upstream engine was stopped"))
        await self._connection.aclose()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        server = self._known()
        tokens = await self._checked(prompt, server)
        exact = None if is_chat(prompt) else tokens
        room = None if exact is None else server.context_tokens - len(exact)
        if exact is not None and server.template is not None:
            # From the text the server would add the token that our rendering begins with again.
            prompt = replace(prompt, text=tuple(exact))
        wanted = asks(prompt, server, room_tokens=room)
        count = len(tokens) if tokens else await _estimated(prompt)
        if exact is None and count > SURELY_LONGER * server.context_tokens:
            raise ContextOverflow(count, server.context_tokens)
        generation = Generation(count, self._clock())
        shares = [([*chain(*ask.drawn)], self._heard(ask, generation, prompt)) for ask in wanted]
        drawing = Drawing(prompt.n)
        self._open.add(drawing)
        try:
            async with aclosing(drawing.events(Accepted(count), shares)) as events:
                async for step in events:
                    yield step
        finally:
            self._open.discard(drawing)

    async def tokenize(self, text: str) -> list[int]:
        """Raises InvalidRequest where the server has no /tokenize."""
        tokens = await self._tokenized(text, self._known())
        if tokens is None:
            raise InvalidRequest(f"{self._url} does not tell how it tokenises")
        return tokens

    async def embed(
        self,
        text: str | tuple[int, ...],  # noqa: ARG002 - the contract's
    ) -> Embedding:
        """Raises InvalidRequest: ask the server itself."""
        raise InvalidRequest(f"embeddings are not asked of {self._url}", param="model")

    async def load(self) -> EngineLoad:
        """Raises EngineError where the server was not there when it was asked last, nor is now."""
        await self._connection.must_be_there()
        sequences = sum(drawing.missing for drawing in self._open)
        return EngineLoad(len(self._open), 0, sequences, 0, self.info.context_tokens)

    def _known(self) -> Server:
        if self._server is None:
            raise EngineNotReady(f"{self._url} has not been asked yet")
        return self._server

    async def _described(self) -> Server:
        models = await self._models()
        props = await self._got(f"{self._root}/props")
        server = read_server(
            self._url,
            models,
            props if "chat_template" in props else {},
            wanted=self._wanted,
            context_tokens=self._context_tokens,
        )
        server = replace(server, tokenizes=await self._tokenizes(server))
        return replace(server, draws_many=await self._draws_many(server))

    async def _models(self) -> Mapping[str, Any]:
        """The list of models, as soon as the server has loaded one."""
        deadline = self._clock() + LOADING_S
        while True:
            try:
                async with self._connection.request("GET", f"{self._url}/models") as answer:
                    return await json_of(answer)
            except EngineNotReady as error:
                if self._clock() > deadline:
                    raise
                logger.info("waiting for %s: %s", self._url, error)
                await asyncio.sleep(error.retry_after_s)

    async def _got(self, url: str) -> Mapping[str, Any]:
        """What only some servers tell; empty where this one does not."""
        try:
            async with self._connection.request("GET", url) as answer:
                return await json_of(answer)
        except SwarmError as error:
            _log_lack(url, error)
            return {}

    async def _tokenizes(self, server: Server) -> bool:
        try:
            return await self._tokenized("a", server) is not None
        except SwarmError as error:
            _log_lack(f"{self._root}/tokenize", error)
            return False

    async def _draws_many(self, server: Server) -> bool:
        """Raises KeyRefused; whatever else it says to two answers, it may say to two only."""
        ask = probe(server)
        try:
            async with self._connection.request("POST", self._url + ask.path, ask.body) as answer:
                return len((await json_of(answer)).get("choices") or ()) == len(ask.drawn)
        except KeyRefused:
            raise
        except SwarmError as error:
            _log_lack(f"two answers at once of {self._url}", error)
            return False

    async def _checked(self, prompt: Prompt, server: Server) -> list[int] | None:
        """The prompt's ids where the server can tell them. Raises as any engine would."""
        check_request(prompt, self.info)
        found = await self._ids(prompt, server)
        # What nobody here can count, or only before the server's own template, it refuses itself.
        certain = found if found is not None and not is_chat(prompt) else [0] * bool(prompt.text)
        check_tokens(certain, self.info)
        return found

    async def _ids(self, prompt: Prompt, server: Server) -> list[int] | None:
        if not isinstance(prompt.text, str):
            return list(prompt.text)
        return await self._tokenized(prompt.text, server) if server.tokenizes else None

    async def _tokenized(self, text: str, server: Server) -> list[int] | None:
        """By llama-server's /tokenize or vLLM's, which differ in their names.

        The model's beginning token is added where the model wants one and the text, as most
        chat templates write it, does not have it already.
        """
        written = bool(server.bos_token) and text.startswith(server.bos_token)
        body = {"model": server.model, "content": text, "prompt": text}
        body |= {"add_special": not written, "parse_special": True, "add_special_tokens": True}
        try:
            async with self._connection.request("POST", f"{self._root}/tokenize", body) as answer:
                return (await json_of(answer)).get("tokens")
        except InvalidRequest:
            return None

    async def _heard(
        self, ask: Ask, generation: Generation, prompt: Prompt
    ) -> AsyncIterator[list[Event]]:
        hearing = Hearing(
            generation,
            drawn=ask.drawn,
            top_logprobs=prompt.sampling.top_logprobs,
            clock=self._clock,
        )
        lines = Lines()
        try:
            async with self._connection.request("POST", self._url + ask.path, ask.body) as answer:
                yield []
                async for data in _to_the_end(answer.content):
                    for chunk in lines.feed(data):
                        if events := hearing.hear(chunk):
                            yield events
                    if lines.done:
                        break
        except ContextOverflow as error:
            prompt_tokens = error.prompt_tokens or generation.prompt_tokens
            context_tokens = error.context_tokens or self.info.context_tokens
            raise ContextOverflow(prompt_tokens, context_tokens) from None
        except EngineLost as error:
            if not hearing.whole:
                raise
            logger.debug("%s: lost with every answer whole: %s", self._url, error)
        if events := hearing.end():
            yield events


async def _to_the_end(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """What comes, and the end of its last line, which some servers leave out."""
    async for data in content.iter_any():
        yield data
    yield b"\n"


def checked_url(url: str) -> str:
    """The address without its last slash. Raises ConfigurationError where it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"--engine {url}: give an address such as http://host:port/v1")
    if parts.username or parts.password:
        raise ConfigurationError("--engine: give the key as SWARM_ENGINE_KEY, not in the address")
    return url.rstrip("/")


def _log_lack(what: str, error: SwarmError) -> None:
    """Why the engine does without: said where the server does not merely lack it."""
    level = logging.DEBUG if isinstance(error, InvalidRequest) else logging.INFO
    logger.log(level, "%s: %s", what, error)


async def _estimated(prompt: Prompt) -> int:
    """The length of a prompt that nobody here can count, for figures only."""
    text = prompt.text if isinstance(prompt.text, str) else ""
    return max(1, await asyncio.to_thread(o200k_tokens, text))
