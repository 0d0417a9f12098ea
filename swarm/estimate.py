"""How many tokens a text has, about, where no tokenizer of its model can be asked: by a vocabulary
that is shipped with us, so that nothing is ever downloaded.
"""

import base64
import functools
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

VOCABULARY = Path(__file__).parent / "vocabulary" / "o200k_base.tokens.gz"
"""The tokens of o200k_base in the order of their numbers, base64, one a line."""

_SLICE_CHARACTERS = 4096
"""A text is split in parts of this length: a run of one letter takes a time that grows faster than
its length."""

_MORE = 5 / 4
"""An estimate is this many times o200k's count: smaller vocabularies need more tokens for a text.
"""

SURELY_LONGER = 4
"""Above this many times a context an estimate says that a text does not fit by any tokenizer."""

_NEAR = 3 / 4
"""An estimate above this share of a context does not promise that a text fits."""

_SPLIT = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
"""How o200k_base parts a text before it looks for tokens (tiktoken, MIT)."""


def estimated_tokens(text: str) -> int:
    """A number of tokens that a model's own tokenizer seldom exceeds. The first call reads the
    vocabulary, so it is not for an event loop.
    """
    return int(o200k_tokens(text) * _MORE) + 1


def may_fill(text: str, context_tokens: int) -> bool:
    """Whether a text may be too long for a context, as far as can be said without the tokenizer.
    Not for an event loop either.
    """
    near = int(context_tokens * _NEAR)
    # A token is at least one byte: most texts need no vocabulary.
    return len(text.encode(errors="surrogatepass")) >= near and estimated_tokens(text) >= near


def o200k_tokens(text: str) -> int:
    """The number of tokens by o200k_base; of long texts by slices, which may add one for each."""
    encoding = _encoding()
    slices = range(0, len(text), _SLICE_CHARACTERS)
    return sum(len(encoding.encode_ordinary(text[at : at + _SLICE_CHARACTERS])) for at in slices)


@functools.cache
def _encoding() -> "tiktoken.Encoding":
    import tiktoken  # noqa: PLC0415  few nodes ever need it

    return tiktoken.Encoding(
        "o200k_base", pat_str=_SPLIT, mergeable_ranks=ranks(), special_tokens={}
    )


def ranks() -> dict[bytes, int]:
    """Every token with its number."""
    lines = gzip.decompress(VOCABULARY.read_bytes()).split(b"\n")
    return {base64.b64decode(line): number for number, line in enumerate(lines)}
