"""The vocabulary: bytes, merges inside runs of ASCII letters, glue and control tokens.

Digits, punctuation, spaces and newlines never merge, so a name has the same tokens in prose and
inside JSON. llama.cpp reads the same thing as a `gpt2` vocabulary with user-defined tokens.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

VOCABULARY_FILE = Path(__file__).with_name("vocabulary.json")
PAD, START, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
CONTROL = (PAD, START, END)
GLUE = (
    "<tool_call>",
    "</tool_call>",
    '{"name": "',
    '", "arguments": {"',
    '": ',
    '", "',
    '"}}',
    '\\"',
    "\\n",
    "\\\\",
    "    ",
    "  ",
)
LETTERS = re.compile(r"[A-Za-z]+")
PIECES = re.compile(r"[A-Za-z]+|[^A-Za-z]")


def byte_characters() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(moved)) for byte in range(256)]


def learn_merges(counts: Counter[str], wanted: int) -> list[tuple[str, str]]:
    """Byte-pair encoding over words with counts; ties go to the smaller pair."""
    words = {word: list(word) for word in counts}
    merges: list[tuple[str, str]] = []
    pairs: Counter[tuple[str, str]] = Counter()
    homes: dict[tuple[str, str], set[str]] = {}
    for word, parts in words.items():
        _count_pairs(word, parts, counts[word], pairs, homes)
    while len(merges) < wanted and pairs:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word in list(homes[best]):
            _count_pairs(word, words[word], -counts[word], pairs, homes)
            words[word] = _joined(words[word], best)
            _count_pairs(word, words[word], counts[word], pairs, homes)
        pairs.pop(best, None)
    return merges


def _count_pairs(
    word: str,
    parts: list[str],
    count: int,
    pairs: Counter[tuple[str, str]],
    homes: dict[tuple[str, str], set[str]],
) -> None:
    for pair in itertools.pairwise(parts):
        pairs[pair] += count
        if count > 0:
            homes.setdefault(pair, set()).add(word)


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(parts):
        both = tuple(parts[at : at + 2]) == pair
        out.append("".join(pair) if both else parts[at])
        at += 2 if both else 1
    return out


class Tokenizer:
    """Text to ids and back, exactly as llama.cpp does it with this vocabulary."""

    def __init__(self, merges: list[tuple[str, str]]) -> None:
        self.merges = merges
        self.bytes = byte_characters()
        self.tokens = [*CONTROL, *GLUE, *self.bytes, *(a + b for a, b in merges)]
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.fixed = sorted((*CONTROL, *GLUE), key=len, reverse=True)
        self.first_byte = len(CONTROL) + len(GLUE)
        self.letters = lru_cache(maxsize=200_000)(self._encode_letters)

    @classmethod
    def load(cls, path: Path = VOCABULARY_FILE) -> Tokenizer:
        merges = json.loads(path.read_text(encoding="utf-8"))["merges"]
        return cls([(a, b) for a, b in (line.split(" ") for line in merges)])

    def save(self, path: Path = VOCABULARY_FILE) -> None:
        lines = [f"{a} {b}" for a, b in self.merges]
        path.write_text(json.dumps({"merges": lines}, indent=0) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Ids of a text whose control tokens are meant as such."""
        ids: list[int] = []
        for piece, fixed in self._split(text):
            if fixed:
                ids.append(self.ids[piece])
            else:
                self._encode_plain(piece, ids)
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of ids; bytes that are not UTF-8 become replacement marks."""
        table = {character: byte for byte, character in enumerate(self.bytes)}
        out = bytearray()
        for index in ids:
            token = self.tokens[index]
            if index < self.first_byte:
                out += token.encode()
            else:
                out += bytes(table[character] for character in token)
        return out.decode("utf-8", errors="replace")

    def _split(self, text: str) -> list[tuple[str, bool]]:
        """Longest fixed token first over the whole text, as llama.cpp partitions it."""
        pieces = [(text, False)]
        for fixed in self.fixed:
            if fixed in text:
                pieces = [part for piece in pieces for part in _partition(piece, fixed)]
        return pieces

    def _encode_plain(self, text: str, ids: list[int]) -> None:
        for piece in PIECES.findall(text):
            if "A" <= piece[0] <= "z" and piece[0].isalpha():
                ids += self.letters(piece)
            else:
                ids += [self.first_byte + byte for byte in piece.encode()]

    def _encode_letters(self, word: str) -> tuple[int, ...]:
        parts = list(word)
        while len(parts) > 1:
            ranked = [
                (self.ranks.get(pair, 1 << 30), at)
                for at, pair in enumerate(itertools.pairwise(parts))
            ]
            rank, at = min(ranked)
            if rank == 1 << 30:
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ids[part] for part in parts)


def _partition(piece: tuple[str, bool], fixed: str) -> list[tuple[str, bool]]:
    text, done = piece
    if done:
        return [piece]
    out: list[tuple[str, bool]] = []
    for at, part in enumerate(text.split(fixed)):
        if at:
            out.append((fixed, True))
        if part:
            out.append((part, False))
    return out


def count_words(texts: list[str]) -> Counter[str]:
    """How often each run of letters stands in the texts."""
    return Counter(word for text in texts for word in LETTERS.findall(text))
