"""POST /v1/embeddings: texts in, vectors out."""

import base64
import struct
from contextlib import aclosing
from typing import Any

from aiohttp import web

from api.context import CALLER, METRICS, POOL
from api.errors import json_response, naming
from api.openai.body import body_of
from api.openai.schema import EmbeddingBody
from api.openai.translate import paths_of, prompts_of
from swarm.engines.base import Embedding
from swarm.errors import InvalidRequest


async def embeddings(request: web.Request) -> web.StreamResponse:
    """Vectors of length 1, by the model's own pooling. One model makes them: nobody votes."""
    pool = request.app[POOL]
    body = await body_of(request, EmbeddingBody, context_tokens=pool.context_tokens)
    caller = request[CALLER]
    caller.must_be_allowed(body.model)
    async with pool.held(body.model) as model:
        width = model.engine.info.embedding_width
        if width and body.dimensions not in (None, width):
            message = f"dimensions: the vectors of {model.id} have {width}, not {body.dimensions}"
            raise InvalidRequest(message, param="dimensions")
        made: list[Embedding] = []
        async with aclosing(pool.embed(model, prompts_of(body.input))) as vectors:
            for path in paths_of("input", body.input):
                with naming(path):
                    each = await anext(vectors)
                caller.has_read(each.tokens)
                request.app[METRICS].has_read(each.tokens)
                made.append(each)
    tokens = sum(each.tokens for each in made)
    data = [_object(at, each, body.encoding_format) for at, each in enumerate(made)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_response({"object": "list", "data": data, "model": model.id, "usage": usage})


def _object(index: int, made: Embedding, form: str | None) -> dict[str, Any]:
    """In base64 the numbers are little-endian floats of 32 bits."""
    vector: object = made.vector
    if form == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(made.vector)}f", *made.vector)).decode()
    return {"object": "embedding", "index": index, "embedding": vector}
