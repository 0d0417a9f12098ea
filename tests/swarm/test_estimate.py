"""Token counts by the vocabulary that is shipped: the published one, and never downloaded."""

import base64
import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm import estimate
from swarm.estimate import VOCABULARY, estimated_tokens, o200k_tokens, ranks

PUBLISHED_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
"""Of the file that tiktoken 0.14 downloads (tiktoken_ext/openai_public.py)."""


def test_the_vocabulary_is_the_published_one() -> None:
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks().items())
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == PUBLISHED_SHA256
    assert VOCABULARY.stat().st_size < 1_200_000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("def add(a, b):\n    return a + b\n", 12),
        ("こんにちは世界", 2),
        ("1234567", 3),
        ("<|endoftext|>", 7),
    ],
)
def test_texts_have_the_tokens_of_o200k(text: str, tokens: int) -> None:
    """As counted by another implementation with a vocabulary of its own, js-tiktoken."""
    assert o200k_tokens(text) == tokens


@given(st.text(max_size=300))
def test_any_text_is_counted_and_the_estimate_lies_above(text: str) -> None:
    tokens = o200k_tokens(text)
    assert (tokens == 0) == (text == "")
    assert tokens <= len(text.encode()), "a token is at least one byte"
    assert estimated_tokens(text) > tokens


def test_a_long_text_is_counted_by_slices() -> None:
    words = "one two three four five six seven eight nine ten " * 2000
    assert abs(o200k_tokens(words) - 20_001) <= len(words) // 4096 + 1
    for run in ("a", " ", "\n", "=", "\N{GRINNING FACE}"):
        assert 0 < o200k_tokens(run * 100_000) <= 100_000


def test_nothing_is_downloaded() -> None:
    """Without sockets, in a process of its own."""
    program = f"""
import socket, sys
def no(*_): raise OSError("no network here")
socket.socket.connect = socket.getaddrinfo = no
sys.path.insert(0, {str(VOCABULARY.parents[2])!r})
from swarm.estimate import o200k_tokens
assert o200k_tokens("hello world") == 2
assert "requests" not in sys.modules and "tiktoken_ext.openai_public" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert "tiktoken.load" not in vars(estimate)
