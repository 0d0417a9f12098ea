"""What a model itself thought of a token, and of the likeliest ones."""

from typing import Any

import numpy as np

from swarm.engines.telling import Pieces
from swarm.types import TokenLogprob


def logprob_of(logits: Any, token: int, *, top: int, pieces: Pieces) -> TokenLogprob:
    """The token's natural log probability by logits of shape (vocabulary,), with `top` rivals."""
    logits = np.asarray(logits, np.float64)
    best = float(logits.max())
    logprobs = logits - best - np.log(np.exp(logits - best).sum())
    likeliest = np.argsort(-logprobs)[:top]
    rivals = tuple(_described(int(each), float(logprobs[each]), pieces) for each in likeliest)
    return _described(token, float(logprobs[token]), pieces, rivals)


def _described(
    token: int, logprob: float, pieces: Pieces, top: tuple[TokenLogprob, ...] = ()
) -> TokenLogprob:
    utf8 = pieces.piece(token)
    text = utf8.decode(errors="replace") if utf8 else pieces.written(token)
    return TokenLogprob(text, utf8, logprob, top)
