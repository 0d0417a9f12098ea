"""Text to token ids and back, by the folder's tokenizer.json; shows the bytes of each token."""

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from tokenizers import Tokenizer

from swarm.engines.grammar import Grammars
from swarm.engines.mlx.folder import Folder
from swarm.errors import InvalidRequest

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How vocabularies without byte letters write a byte that isn't a character."""


class Vocabulary:
    """The tokens of one model, of which there are `size`."""

    def __init__(self, folder: Folder, size: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
        self._tokenizer.no_truncation()  # a training's length, by which a prompt would be cut
        self._tokenizer.no_padding()
        self._added = self._tokenizer.get_added_tokens_decoder()
        self._letters = byte_letters() if _is_byte_level(folder.tokenizer) else None
        self.size = size
        self.bos, self.eos = folder.special("bos_token"), folder.special("eos_token")
        self._first = self._first_id(folder)
        end = self._tokenizer.token_to_id(self.eos)
        self.end_tokens = folder.end_ids | ({end} if end is not None else frozenset[int]())

    def tokenize(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are written out.

        The model's beginning token is added where the model wants one and the text, as most
        chat templates write it, does not have it already.
        """
        ids: list[int] = self._tokenizer.encode(_scalar(text), add_special_tokens=False).ids
        if self._first is None or ids[:1] == [self._first]:
            return ids
        return [self._first, *ids]

    def piece(self, token: int) -> bytes:
        """The bytes that a token shows; control tokens show none."""
        added = self._added.get(token)
        if added is not None:
            return b"" if added.special else added.content.encode()
        text: str | None = self._tokenizer.id_to_token(token)
        return self._bytes(text) if text else b""

    def written(self, token: int) -> str:
        """A token written out, special or not; empty for a token that does not exist."""
        added = self._added.get(token)
        return added.content if added else self.piece(token).decode(errors="replace")

    def plain_tokens(self, raw: bytes) -> list[int]:
        """Ids of bytes in which special tokens are only letters."""
        return self._plain.encode(raw.decode(errors="replace"), add_special_tokens=False).ids

    @cached_property
    def grammars(self) -> Grammars:
        """What makes grammars ready for these tokens; half a second's work for 150,000 of them.

        Raises InvalidRequest where no token ends an answer.
        """
        if not self.end_tokens:
            message = "what the answer should be cannot be enforced: this model names no end token"
            raise InvalidRequest(message)
        control = {token for token, added in self._added.items() if added.special}
        return Grammars(
            [self._rendered(token) for token in range(self.size)],
            control=control,
            ends=sorted(self.end_tokens),
            tokenize=self.plain_tokens,
        )

    @cached_property
    def _plain(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self._tokenizer.to_str())
        tokenizer.encode_special_tokens = True
        return tokenizer

    def _rendered(self, token: int) -> bytes:
        added = self._added.get(token)
        return added.content.encode() if added else self.piece(token)

    def _bytes(self, text: str) -> bytes:
        if self._letters is not None:
            return b"".join(self._letters.get(letter, letter.encode()) for letter in text)
        byte = _BYTE.fullmatch(text)
        return bytes([int(byte[1], 16)]) if byte else text.replace("\u2581", " ").encode()

    def _first_id(self, folder: Folder) -> int | None:
        """The token that begins every prompt: as the folder says, or as its tokenizer does."""
        beginning = self._tokenizer.token_to_id(self.bos)
        wanted = folder.tokenizer_config.get("add_bos_token")
        if wanted is None:
            wanted = beginning is not None and self._tokenizer.encode("").ids[:1] == [beginning]
        return beginning if wanted else None


@lru_cache(maxsize=1)
def byte_letters() -> Mapping[str, bytes]:
    """How byte-level vocabularies write the 256 bytes (as GPT-2's does)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): bytes([byte]) for byte in plain}
    return letters | {chr(256 + at): bytes([byte]) for at, byte in enumerate(moved)}


def _is_byte_level(tokenizer: Mapping[str, Any]) -> bool:
    decoder: Any = tokenizer.get("decoder") or {}
    parts: Any = decoder.get("decoders", [decoder])
    return any(part.get("type") == "ByteLevel" for part in parts)


def _scalar(text: str) -> str:
    """The text without lone surrogates, which have no bytes."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
